"""What the log holds beyond the tables, merged by run and kept in memory.

It is read from the log alone, this process's own segment included, from the last offset on.
A finished fold empties it: what was folded comes from the tables then.
"""

from __future__ import annotations

import math
import threading
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeflow.storage.positions import complete_lines, writer_of
from lakeflow.tracking import records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lakeflow.storage.folds import Epoch, View
    from lakeflow.storage.lake import Lake

Order = tuple[int, str, int]
"""Clock, writer and sequence number of a record: who was first, who was last."""

Last = tuple[int, int, float]
"""Step, timestamp and value of a point."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a metric without its points.

    Attributes:
        step: Step of the last point.
        timestamp: Its timestamp.
        value: Its value.
        min: Smallest value that is not NaN; None if all are.
        max: Largest value that is not NaN; None if all are.
        count: Number of points.
    """

    step: int
    timestamp: int
    value: float
    min: float | None
    max: float | None
    count: int

    @property
    def last(self) -> Last:
        """The last point."""
        return self.step, self.timestamp, self.value

    def merge(self, other: Summary) -> Summary:
        """Return the summary of two disjoint sets of points."""
        last = self.last if is_later(self.last, other.last) else other.last
        least = [each for each in (self.min, other.min) if each is not None]
        most = [each for each in (self.max, other.max) if each is not None]
        return Summary(
            *last, min(least, default=None), max(most, default=None), self.count + other.count
        )


def is_later(point: Last, than: Last) -> bool:
    """Return whether a point is the later one: by step, timestamp, value; NaN is least."""
    if point[:2] != than[:2]:
        return point[:2] > than[:2]
    return point[2] > than[2] or than[2] != than[2]


class Series:
    """The points of one metric in the order in which they came, 24 bytes each."""

    __slots__ = ("_last", "_least", "_most", "_seen", "steps", "timestamps", "values")

    def __init__(self) -> None:
        self.timestamps = array("q")
        self.steps = array("q")
        self.values = array("d")
        self._last: Last | None = None
        self._least = math.inf
        self._most = -math.inf
        self._seen: set[tuple[int, int, str]] | None = None

    def add(self, step: int, timestamp: int, value: float) -> None:
        """Add a point."""
        self.values.append(value)
        self.timestamps.append(timestamp)
        self.steps.append(step)
        self._least = min(self._least, value)
        self._most = max(self._most, value)
        point = step, timestamp, value
        if self._last is None or point[:2] > self._last[:2]:
            self._last = point
        else:
            self._remember_all()
            if is_later(point, self._last):
                self._last = point
        if self._seen is not None:
            self._seen.add((step, timestamp, repr(value)))

    def _remember_all(self) -> None:
        """Remember every point, since one came that may have been there already."""
        if self._seen is None:
            values = (repr(value) for value in self.values)
            self._seen = set(zip(self.steps, self.timestamps, values, strict=True))

    def summary(self) -> Summary:
        """Return what is known of the points without them; repeated ones count once."""
        assert self._last is not None
        is_number = self._least <= self._most
        return Summary(
            *self._last,
            self._least if is_number else None,
            self._most if is_number else None,
            len(self.values if self._seen is None else self._seen),
        )


class HotRun:
    """What the log says about one run.

    Attributes:
        experiment_id: The experiment it belongs to.
        created: Its fields, if the log holds its creation.
        fields: For each field set since, the last value and its order.
        params: For each param the first value and its order.
        tags: For each tag the last value and its order; None removes the tag.
        points: For each metric all points.
        inputs: For each dataset, by name and digest, the row of its first use.
    """

    __slots__ = (
        "created",
        "experiment_id",
        "fields",
        "inputs",
        "params",
        "points",
        "tags",
    )

    def __init__(self, experiment_id: str) -> None:
        self.experiment_id = experiment_id
        self.created: dict[str, Any] | None = None
        self.fields: dict[str, tuple[Order, Any]] = {}
        self.params: dict[str, tuple[Order, str]] = {}
        self.tags: dict[str, tuple[Order, str | None]] = {}
        self.points: dict[str, Series] = {}
        self.inputs: dict[tuple[str, str], tuple[Order, tuple[Any, ...]]] = {}

    def apply(self, record: dict[str, Any], order: Order) -> None:
        """Merge one record in; records may come in any order."""
        if "metrics" in record:
            self._add_points(**record["metrics"])
        if "run" in record:
            self._set_fields(record["run"], order)
        if "params" in record:
            _keep_first(self.params, _pairs(record["params"]), order)
        if "tags" in record:
            self._set_tags(_pairs(record["tags"]), order)
        if "inputs" in record:
            rows = (((row[0], row[1]), row) for row in records.input_rows(record["inputs"]))
            _keep_first(self.inputs, rows, order)

    def _set_tags(self, pairs: Iterable[tuple[str, str | None]], order: Order) -> None:
        for key, value in pairs:
            if key not in self.tags or order > self.tags[key][0]:
                self.tags[key] = order, value

    def _add_points(
        self, key: list[str], value: list[float], timestamp: list[int], step: list[int]
    ) -> None:
        # Converted before anything is added: a bad one leaves the series as they are.
        columns = array("d", value), array("q", timestamp), array("q", step)
        for name, number, moment, when in zip(key, *columns, strict=True):
            series = self.points.get(name)
            if series is None:
                series = self.points[name] = Series()
            series.add(when, moment, number)

    def _set_fields(self, fields: dict[str, Any], order: Order) -> None:
        if "start_time" in fields:
            self.created = fields
            return
        for name, value in fields.items():
            if name not in self.fields or order > self.fields[name][0]:
                self.fields[name] = order, value


def _pairs(field: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    return zip(field["key"], field["value"], strict=True)


def _keep_first(
    kept: dict[Any, tuple[Order, Any]], pairs: Iterable[tuple[Any, Any]], order: Order
) -> None:
    for key, value in pairs:
        if key not in kept or order < kept[key][0]:
            kept[key] = order, value


class Memtable:
    """The hot part of a lake, by run; threads share it.

    Args:
        lake: The lake whose log is read.
        view: Says what there is to read.
        until: Clock of the last record to take; None for no such bound.

    Attributes:
        epoch: The finished fold beyond which it holds the log.
        rejected: Lines that do not parse; a fold sets them aside.
        latest: Clock of the latest record that it holds; 0 for none.
    """

    def __init__(self, lake: Lake, view: Callable[[], View], until: int | None = None) -> None:
        self._lake = lake
        self._view = view
        self._until = until
        self.forget()

    def forget(self) -> None:
        """Begin anew, also in a forked child."""
        self._lock = threading.RLock()
        self._empty(None)

    def refresh(self) -> None:
        """Read what the log has grown by; one listing, and one read a grown segment.

        Raises:
            FileNotFoundError: A segment of a past moment is gone.
        """
        with self._lock:
            while True:
                try:
                    self._refresh()
                except FileNotFoundError:
                    self._empty(None)
                    if self._until is not None:
                        raise
                    # Folded and deleted since it was listed: there is a newer fold.
                    self._lake.forget_epoch()
                else:
                    return

    def _refresh(self) -> None:
        view = self._view()
        if self.epoch is None or view.epoch.number != self.epoch.number:
            self._empty(view.epoch)
        grown = {
            path: (max(begin, self._offsets.get(path, begin)), end)
            for path, (begin, end) in view.hot.items()
            if end > self._offsets.get(path, begin)
        }
        for path, data in self._lake.fs.read_many(grown):
            lines = complete_lines(data)
            self._ingest(lines, writer_of(path))
            self._offsets[path] = grown[path][0] + len(lines)

    def _empty(self, epoch: Epoch | None) -> None:
        self.epoch = epoch
        self.rejected = 0
        self.latest = 0
        self._offsets: dict[str, int] = {}
        self._runs: dict[str, HotRun] = {}
        self._changed: set[str] = set()

    def _ingest(self, data: bytes, writer: str) -> None:
        lines = data.split(b"\n")
        lines.pop()
        for line in lines:
            record = records.parse(line)
            try:
                self._apply(record, writer)  # type: ignore[arg-type]
            except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
                self.rejected += 1
        self._lake.clock.observe(self.latest)

    def _apply(self, record: dict[str, Any], writer: str) -> None:
        clock: int = record["clock"]
        if self._until is not None and clock > self._until:
            return
        run_id = record["run_id"]
        run = self._runs.get(run_id)
        if run is None:
            run = self._runs[run_id] = HotRun(record["experiment_id"])
        run.apply(record, (clock, writer, record["seq"]))
        self._changed.add(run_id)
        self.latest = max(self.latest, clock)

    def run(self, run_id: str) -> HotRun | None:
        """Return what the log says about a run, as of the last refresh."""
        return self._runs.get(run_id)

    def runs(self) -> Sequence[tuple[str, HotRun]]:
        """Return every run that the log says something about."""
        return list(self._runs.items())

    def take_changed(self) -> set[str]:
        """Return the runs that have changed since this was last asked, or since the fold."""
        changed, self._changed = self._changed, set()
        return changed

    @property
    def lock(self) -> threading.RLock:
        """Held while a run is read, so that nothing is merged in meanwhile."""
        return self._lock
