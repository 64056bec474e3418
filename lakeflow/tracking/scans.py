"""A table at one moment, in parts: its files, and the rows that are not in them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeflow.query.columns import column, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow

    from lakeflow.tracking.memtable import HotRun


@dataclass(frozen=True, slots=True)
class Scan:
    """What a table holds at one moment.

    Attributes:
        files: Paths of its files, as the query engine opens them.
        replaced: Runs whose rows in the files do not count.
        fresh: The rows beside those of the files.
    """

    files: list[str]
    replaced: Sequence[str]
    fresh: pyarrow.Table


def points_of(runs: Iterable[tuple[str, HotRun]], key: str | None = None) -> pyarrow.Table:
    """Return the points of hot runs as rows of ``metrics``, repeated ones repeatedly.

    Args:
        runs: The runs by id; nothing may be merged into them meanwhile.
        key: Only the points of this metric; None for all.
    """
    import pyarrow

    names: list[tuple[str, str, str]] = []
    numbers, steps, timestamps, values = array("q"), array("q"), array("q"), array("d")
    for run_id, hot in runs:
        for name in hot.points if key is None else hot.points.keys() & {key}:
            points = hot.points[name]
            numbers.extend(array("q", [len(names)]) * len(points.values))
            names.append((hot.experiment_id, run_id, name))
            steps.extend(points.steps)
            timestamps.extend(points.timestamps)
            values.extend(points.values)
    which = _column(pyarrow.int64(), numbers)
    columns = zip(*names, strict=True) if names else [()] * 3
    ids = [column("string", each) for each in columns]
    if names:
        ids = [each.take(which) for each in ids]
    return table(
        {
            **dict(zip(("experiment_id", "run_id", "key"), ids, strict=True)),
            "step": _column(pyarrow.int64(), steps),
            "timestamp": _column(pyarrow.int64(), timestamps),
            "value": _column(pyarrow.float64(), values),
        }
    )


def _column(kind: pyarrow.DataType, values: array[Any]) -> pyarrow.Array:
    import pyarrow

    buffer = pyarrow.py_buffer(values.tobytes())
    return pyarrow.Array.from_buffers(kind, len(values), [None, buffer])
