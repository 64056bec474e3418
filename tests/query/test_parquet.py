"""How rows become row groups."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import duckdb
import pyarrow
import pyarrow.parquet
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow.query.folding.parquet import Written, row_groups, write_files
from lakeflow.schema import SPANS, TRACES
from lakeflow.values import replace

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 16
LEAST, MOST = ROWS // 4, ROWS * 5 // 4
PARTED = replace(SPANS, row_group_rows=ROWS)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), max_size=150))
def test_row_groups_end_where_what_they_are_parted_by_changes(days: list[tuple[str, int]]):
    days.sort()
    whole = pyarrow.RecordBatch.from_pydict(
        {
            "experiment_id": [experiment for experiment, _ in days],
            "day": [day for _, day in days],
            "place": list(range(len(days))),
        }
    )
    batches = [whole.slice(start, ROWS) for start in range(0, len(days), ROWS)]

    groups = [group.column("place").to_pylist() for group in row_groups(PARTED, batches)]

    assert [place for group in groups for place in group] == list(range(len(days)))
    ends = list(accumulate(map(len, groups)))
    changes = {at for at, (one, next_) in enumerate(pairwise(days), 1) if one != next_}
    for start, end in pairwise((0, *ends)):
        assert 0 < end - start <= MOST
        may_end = changes & set(range(start + LEAST, start + MOST + 1))
        # Only where nothing changes in time a row group is full, or the last one.
        assert end in changes or (not may_end and (end - start == ROWS or end == len(days)))


def test_rows_that_are_parted_by_nothing_stay_as_they_come():
    batch = pyarrow.RecordBatch.from_pydict({"key": ["a", "b", "c"]})

    assert list(row_groups(replace(SPANS, parted_by=()), [batch, batch])) == [batch, batch]


def test_row_groups_rule_out_ids_that_they_do_not_have(tmp_path: Path):
    rows = {
        name: [0] * 20 if kind == "long" else [""] * 20 if kind == "string" else [0.0] * 20
        for name, kind, *_ in TRACES.columns
    }
    batches = [
        pyarrow.RecordBatch.from_pydict(
            rows | {"trace_id": [f"tr-{each + n}" for n in range(20)]}
        )
        for each in (0, 100, 200)
    ]
    reader = pyarrow.RecordBatchReader.from_batches(batches[0].schema, batches)

    (file,) = write_files(TRACES, reader, str(tmp_path))

    excluded = [
        duckdb.connect()
        .execute(
            "SELECT bloom_filter_excludes FROM parquet_bloom_probe($f, 'trace_id', $id) "
            "ORDER BY row_group_id",
            {"f": file.path, "id": f"tr-{number}"},
        )
        .fetchall()
        for number in (107, 30_000)
    ]
    assert excluded == [[(True,), (False,), (True,)], [(True,)] * 3]


def test_columns_that_are_the_same_in_all_rows_are_written_as_if_they_had_come(
    tmp_path: Path,
) -> None:
    same: dict[str, str | int | None] = {
        column.name: None if column.nullable else "one" if column.type == "string" else 1
        for column in PARTED.columns
        if column.name != "span_id"
    }
    count = 3 * ROWS + 1
    ids = [f"{place:016x}" for place in range(count)]
    types = {"string": pyarrow.string(), "long": pyarrow.int64(), "double": pyarrow.float64()}
    whole = pyarrow.Table.from_pydict(
        {name: [value] * count for name, value in same.items()} | {"span_id": ids},
        pyarrow.schema((column.name, types[column.type]) for column in PARTED.columns),
    )

    def written(rows: pyarrow.Table, *constants: dict[str, str | int | None]) -> Written:
        (file,) = write_files(PARTED, rows.to_reader(ROWS), str(tmp_path), *constants)
        return file

    files = [written(whole), written(whole.select(["span_id"]), same)]

    for file in files:
        assert pyarrow.parquet.read_table(file.path).to_pydict() == whole.to_pydict()
    assert files[0].bounds == files[1].bounds
    assert files[0].nulls == files[1].nulls
