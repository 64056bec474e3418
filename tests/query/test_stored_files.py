"""Which files of a table a fold has to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from lakeflow.query.folding.stored_files import Stored, overlapping

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize(
    ("kind", "first", "second", "changed"),
    [("BIGINT", (7, 11), (12, 2**62), 9), ("VARCHAR", ("a", "b"), ("c", "☃"), "aa")],
    ids=["numbers", "texts"],
)
def test_a_file_is_told_by_the_range_of_a_column(
    kind: str,
    first: tuple[Any, Any],
    second: tuple[Any, Any],
    changed: Any,
    tmp_path: Path,
    *,
    is_known: bool,
) -> None:
    """Where its bounds are not known, as beside a NaN, they are in its footer, as texts."""
    with duckdb.connect() as connection:

        def run(sql: str, **values: object) -> list[Any]:
            return connection.execute(sql, values).fetchall()

        stored = []
        for name, values in (("first", first), ("second", second)):
            path = str(tmp_path / f"{name}.parquet")
            connection.execute(
                f"COPY (SELECT unnest({list(values)})::{kind} AS id) TO '{path}'"
            )
            stored.append(Stored(path, {"id": values} if is_known else {}))
        connection.execute(
            "CREATE TABLE changes AS SELECT $changed AS id", {"changed": changed}
        )
        found = overlapping(run, stored, "changes", "id")
    assert found == [stored[0].path]
