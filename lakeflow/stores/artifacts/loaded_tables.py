"""A table of many runs as one frame of pandas.

Rows of files with the same columns are read at once: pandas needs a millisecond a file, and
next to nothing for one more row.
"""

from __future__ import annotations

import functools
import io
import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow import formats
from lakeflow.entities import ViewType, tag_names, validation
from lakeflow.exceptions import DamagedLakeError, NotFoundError
from lakeflow.media import json_tables, parquet_tables
from lakeflow.query.engine.statement import Statement
from lakeflow.schema import ARTIFACTS
from lakeflow.stores.arguments import listed
from lakeflow.stores.artifacts import table_tags
from lakeflow.stores.runs_table import search_table
from lakeflow.transfer import at_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.lake import Lake
    from lakeflow.stores.artifacts.places import ArtifactPlaces, Place
    from lakeflow.stores.reader import Reader

_logger = logging.getLogger(__name__)

_MOST_RUNS = 100_000
"""Most runs of one search, as in MLflow."""


class _Group(NamedTuple):
    """Files with the same columns.

    Attributes:
        frame: Their rows, one file's after another's.
        files: The places of the files among all.
        counts: How many rows each has.
    """

    frame: Any
    files: list[int]
    counts: list[int]


def load(
    lake: Lake,
    reader: Reader,
    places: ArtifactPlaces,
    experiment_id: str,
    path: str,
    run_ids: Sequence[str] | None,
    extra_columns: Sequence[str] | None,
) -> Any:
    """Return the rows of a table of many runs; see ``LakeflowClient.load_table``.

    Args:
        lake: The lake.
        reader: What searches it.
        places: Where the artifacts of runs are.
        experiment_id: The experiment of the runs.
        path: Path of the table, in its shortest spelling.
        run_ids: Which runs; all by default.
        extra_columns: Columns of ``search_runs`` to put beside the rows.
    """
    formats.require("pandas", formats.PANDAS)
    searched = validation.experiment_id(experiment_id)
    runs = _runs(lake, reader, searched, path, listed("run_ids", run_ids))
    extra = {}
    for column in dict.fromkeys(extra_columns or ()):
        if column not in runs.column_names:
            raise KeyError(column)
        extra[column] = formats.to_pandas(runs.select([column]))[column]
    ids = runs.column("run_id").to_pylist()
    found = [
        places.beside(*each)
        for each in zip(ids, runs.column("artifact_uri").to_pylist(), strict=True)
    ]
    group = _json_groups if path.endswith(".json") else _parquet_groups
    groups = group(_contents(found, path, ids), path, ids)
    for each in groups:
        _add(each, extra_columns or (), extra)
    if len(groups) == 1:
        return groups[0].frame
    return _in_order(groups)


def _runs(
    lake: Lake, reader: Reader, experiment_id: str, path: str, run_ids: list[str] | None
) -> pyarrow.Table:
    """Return the runs that have a table, the last one that was started first."""
    # What LIKE lets through is compared below: to it a _ is any character.
    # Without the quote at its beginning: another program may have written ./ before the name.
    name = json.dumps(path)[1:].replace("\\", "_")
    condition = f"tags.`{tag_names.LOGGED_ARTIFACTS}` LIKE '%{name}%'"
    search = functools.partial(_search, lake, reader, experiment_id, path, run_ids)
    recorded = _recorded(reader, experiment_id, path)
    runs = search(condition, recorded)
    missing = recorded.difference(runs.column("run_id").to_pylist())
    if missing:
        # Two processes have set the tag at once, and one of them did not see the other's.
        runs = search(f"({condition} OR {_one_of(missing)})", recorded)
    if not runs.num_rows:
        raise NotFoundError(
            f"No runs found with a table {path!r} in experiment {experiment_id}"
        )
    if run_ids is not None and len(set(run_ids)) != runs.num_rows:
        _logger.warning(
            "%d of %d runs have no table %r, and are left out",
            len(set(run_ids)) - runs.num_rows,
            len(set(run_ids)),
            path,
        )
    return runs


def _recorded(reader: Reader, experiment_id: str, path: str) -> set[str]:
    """Return the ids of the runs, deleted ones too, of which a table is recorded."""
    statement = Statement(
        f"""SELECT run_id FROM {ARTIFACTS.name}
        WHERE experiment_id = $experiment_id AND path = $path AND kind = 'table'""",  # noqa: S608 - a constant
        {"experiment_id": experiment_id, "path": path},
        (ARTIFACTS.name,),
    )
    (found,) = reader.tables([statement], [experiment_id], None)
    return set(found.column("run_id").to_pylist())


def _search(
    lake: Lake,
    reader: Reader,
    experiment_id: str,
    path: str,
    run_ids: list[str] | None,
    condition: str,
    recorded: set[str],
) -> pyarrow.Table:
    import pyarrow

    if run_ids is not None:
        condition += f" AND {_one_of(run_ids)}"
    runs = search_table(
        lake, reader, [experiment_id], condition, ViewType.ACTIVE_ONLY, _MOST_RUNS, None, None
    )
    column = f"tags.{tag_names.LOGGED_ARTIFACTS}"
    tags = runs[column].to_pylist() if column in runs.column_names else [None] * runs.num_rows
    return runs.filter(
        pyarrow.array(
            [
                run_id in recorded or table_tags.has_table(tag, path)
                for run_id, tag in zip(runs["run_id"].to_pylist(), tags, strict=True)
            ],
            pyarrow.bool_(),
        )
    )


def _one_of(run_ids: Iterable[object]) -> str:
    # What has a quote in it is no id, and names no run.
    ids = [f"'{each}'" for each in run_ids if "'" not in str(each)] or ["''"]
    return f"attributes.run_id IN ({', '.join(ids)})"


def _contents(found: Sequence[Place], path: str, ids: Sequence[str]) -> list[bytes]:
    """Return the files of runs in order, of which several are read at once."""
    contents: dict[int, bytes] = {}
    by_filesystem: dict[Filesystem, list[int]] = {}
    for index, place in enumerate(found):
        by_filesystem.setdefault(place.fs, []).append(index)

    def read(index: int) -> tuple[int, bytes]:
        place = found[index]
        try:
            return index, place.fs.read(place.full(path))
        except FileNotFoundError as error:
            raise NotFoundError(
                f"Artifact {path} not found for run {ids[index]}: it is not in {place.uri}",
                hint="it was deleted by something else; leave the run out with run_ids",
            ) from error

    for fs, indexes in by_filesystem.items():
        contents |= at_once.done(fs, read, indexes, lambda _: 0)
    return [contents[index] for index in range(len(found))]


def _json_groups(contents: Sequence[bytes], path: str, ids: Sequence[str]) -> list[_Group]:
    grouped: dict[Any, list[tuple[int, bytes]]] = {}
    for index, content in enumerate(contents):
        try:
            found = json_tables.split(content) or json_tables.parsed(content)
        except ValueError as error:
            raise _damaged(path, ids[index], error) from error
        # pandas takes true beside a number for 1, and null for no truth value. It does so with
        # the rows of one run, and is not to do it with those of several.
        kinds = b"null" in found.rows, b"true" in found.rows or b"false" in found.rows
        grouped.setdefault((found.head, kinds), []).append((index, found.rows))
    groups = []
    for (head, _), files in grouped.items():
        whole = head + b",".join(rows for _, rows in files if rows) + json_tables.TAIL
        counts = [_count(rows, path, ids[index]) for index, rows in files]
        groups.append(_Group(_frame(whole), [index for index, _ in files], counts))
    return groups


def _count(rows: bytes, path: str, run_id: str) -> int:
    try:
        return len(json_tables.values(b"[" + rows + b"]"))
    except ValueError as error:
        raise _damaged(path, run_id, error) from error


def _frame(content: bytes) -> Any:
    pandas = formats.require("pandas", formats.PANDAS)
    try:
        # Without precise_float pandas reads floats faster, and wrong in the last digits.
        return pandas.read_json(io.BytesIO(content), orient="split", precise_float=True)
    except ValueError:
        # It is JSON, but pandas stops at a number of more than 64 bits.
        found = json_tables.values(content)
        return pandas.DataFrame(found["data"], columns=found["columns"])


def _parquet_groups(contents: Sequence[bytes], path: str, ids: Sequence[str]) -> list[_Group]:
    import pyarrow

    grouped: dict[bytes, list[tuple[int, pyarrow.Table]]] = {}
    for index, content in enumerate(contents):
        try:
            found = parquet_tables.read(content)
        except ValueError as error:
            raise _damaged(path, ids[index], error) from error
        key = found.schema.serialize().to_pybytes()
        grouped.setdefault(key, []).append((index, found))
    return [
        _Group(
            _pandas(pyarrow.concat_tables([found for _, found in files])),
            [index for index, _ in files],
            [found.num_rows for _, found in files],
        )
        for files in grouped.values()
    ]


def _pandas(table: pyarrow.Table) -> Any:
    try:
        return table.to_pandas()
    except TypeError:
        # pandas does not understand what it has noted itself of lists and structs of Arrow's.
        return table.to_pandas(ignore_metadata=True)


def _add(group: _Group, columns: Sequence[str], values: dict[str, Any]) -> None:
    """Put columns of the runs beside the rows of their tables."""
    import numpy

    places = numpy.repeat(group.files, group.counts)
    for column in columns:
        name = column
        if column in group.frame:
            name = f"{column}_"
            _logger.warning(
                "the table has a column %r; that of the run is called %r", column, name
            )
        # As an array: pandas would put a series beside the rows by its index, not by place.
        group.frame[name] = values[column].iloc[places].array


def _in_order(groups: Sequence[_Group]) -> Any:
    """Return the rows of all groups in the order of the runs."""
    import numpy

    pandas = formats.require("pandas", formats.PANDAS)
    places = numpy.concatenate([numpy.repeat(each.files, each.counts) for each in groups])
    frame = pandas.concat([each.frame for each in groups], ignore_index=True)
    # Stable: the rows of one run stay in their order.
    return frame.iloc[numpy.argsort(places, kind="stable")].reset_index(drop=True)


def _damaged(path: str, run_id: str, error: Exception) -> DamagedLakeError:
    return DamagedLakeError(
        f"artifact {path} of run {run_id} is no table: {error}",
        hint="it was changed since it was logged; leave the run out with run_ids",
    )
