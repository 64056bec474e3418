"""One run, whole: its rows in the tables with what the log adds to them."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from lakeflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Run,
    RunData,
    RunInfo,
    RunInputs,
)
from lakeflow.exceptions import DamagedLakeError, NotFoundError
from lakeflow.query.engine import Engine
from lakeflow.query.lookup import Lookup
from lakeflow.tables import METRICS, RUN_DOCUMENTS, RUNS
from lakeflow.tracking.memtable import HotRun, Last, Memtable, is_later

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    import pyarrow

    from lakeflow.storage.folds import Epoch
    from lakeflow.storage.lake import Lake
    from lakeflow.tables import TableSpec

T = TypeVar("T")

_KEPT_RUNS = 1024


@dataclass(slots=True)
class RunState:
    """Everything known of a run.

    Attributes:
        fields: The columns of its row in ``runs``.
        params: Value by key.
        tags: Value by key.
        metrics: Last point by key.
        inputs: Rows of ``inputs`` without the ids, by name and digest.
    """

    fields: dict[str, Any]
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Last] = field(default_factory=dict)
    inputs: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)

    def entity(self, resolve: Callable[[str], str]) -> Run:
        """Return the run as users see it.

        Args:
            resolve: Makes an absolute location of one that is stored.
        """
        fields = self.fields | {"artifact_uri": resolve(self.fields["artifact_uri"])}
        latest = tuple(
            Metric(key, value, timestamp, step)
            for key, (step, timestamp, value) in self.metrics.items()
        )
        values = {metric.key: metric.value for metric in latest}
        return Run(
            RunInfo(**fields),
            RunData(values, dict(self.params), dict(self.tags), latest),
            RunInputs([_dataset_input(row) for row in self.inputs.values()]),
        )


class Reader:
    """Reads runs from a lake; threads share it.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._memtable = Memtable(lake)
        self._engine = Engine(lake.engine_filesystem())
        self._lookup = Lookup(lake.engine_filesystem())
        self._stored: OrderedDict[tuple[int, str], RunState | None] = OrderedDict()
        self._renew_lock()
        lake.on_close(self._engine.close)
        lake.on_close(self._lookup.forget)
        lake.on_fork(self._renew_lock)
        lake.on_fork(self._memtable.forget)
        lake.on_fork(self._engine.forget)
        lake.on_fork(self._lookup.forget)

    def _renew_lock(self) -> None:
        self._stored_lock = threading.Lock()

    def run(self, run_id: str) -> RunState:
        """Return a run as it is now.

        A listing, a read of each segment that has grown, and for a run that was not made
        since the last fold one row group.

        Raises:
            NotFoundError: There is no such run.
        """
        return self._steadily(lambda: self._run(run_id))

    def _run(self, run_id: str) -> RunState:
        while True:
            epoch = self._memtable.refresh()
            with self._memtable.lock:
                hot = self._memtable.run(run_id)
                if hot is not None and hot.created is not None:
                    return _merge(_made(run_id, hot), hot)
            stored = self._stored_run(run_id, epoch)
            with self._memtable.lock:
                if self._memtable.epoch is not epoch:
                    continue  # another thread has moved on to a later fold
                if stored is None:
                    raise NotFoundError(
                        f"Run with id={run_id} not found in {self._lake.fs.uri}"
                    )
                hot = self._memtable.run(run_id)
                return stored if hot is None else _merge(stored, hot)

    def params(
        self, run_id: str, keys: Collection[str], epoch_number: int
    ) -> tuple[int, dict[str, str]]:
        """Return params that may have been added to a run since a fold.

        Args:
            run_id: The run.
            keys: The params to look for.
            epoch_number: The fold whose tables the caller has seen.

        Returns:
            The fold now; and those of the keys that are in the log, or all params where
            there is a newer fold.
        """
        with self._memtable.lock:
            epoch = self._memtable.refresh()
            hot = self._memtable.run(run_id)
            found = {} if hot is None else hot.params
            known = {key: found[key][1] for key in keys if key in found}
        if epoch.number != epoch_number:
            return epoch.number, self.run(run_id).params
        return epoch_number, known

    def runs_of(self, experiment_id: str) -> dict[str, str]:
        """Return the lifecycle stage of every run of an experiment by run id."""
        return self._steadily(lambda: self._runs_of(experiment_id))

    def _runs_of(self, experiment_id: str) -> dict[str, str]:
        with self._memtable.lock:
            epoch = self._memtable.refresh()
            hot = {
                run_id: (run.created, run.fields.get("lifecycle_stage"))
                for run_id, run in self._memtable.runs()
                if run.experiment_id == experiment_id
            }
        files = self._paths(RUNS, epoch, experiment_id=experiment_id)
        stages = dict(self._engine.runs_of_experiment(files, experiment_id))
        for run_id, (created, changed) in hot.items():
            if created is not None:
                stages[run_id] = created["lifecycle_stage"]
            if changed is not None and run_id in stages:
                stages[run_id] = changed[1]
        return stages

    def history(self, run_id: str, key: str) -> pyarrow.Table:
        """Return one metric's points as columns ``value, timestamp, step``.

        Raises:
            NotFoundError: There is no such run.
        """
        return self._steadily(lambda: self._history(run_id, key))

    def _history(self, run_id: str, key: str) -> pyarrow.Table:
        with self._memtable.lock:
            epoch = self._memtable.refresh()
            hot = self._memtable.run(run_id)
            points = _columns(hot, key) if hot is not None else None
            is_new = hot is not None and hot.created is not None
        # Also tells of a run that is not there.
        where = {"run_id": run_id}
        where["experiment_id"] = self._run(run_id).fields["experiment_id"]
        files = [] if is_new else self._paths(METRICS, epoch, **where)
        return self._engine.history(files, where["experiment_id"], run_id, key, points)

    def _stored_run(self, run_id: str, epoch: Epoch) -> RunState | None:
        """Return what the tables hold of a run; the last ones asked for are kept."""
        key = epoch.number, run_id
        with self._stored_lock:
            if key in self._stored:
                return self._stored[key]
        state = self._load_run(run_id, epoch)
        with self._stored_lock:
            self._stored[key] = state
            if len(self._stored) > _KEPT_RUNS:
                self._stored.popitem(last=False)
        return state

    def _load_run(self, run_id: str, epoch: Epoch) -> RunState | None:
        paths = self._paths(RUN_DOCUMENTS, epoch, run_id=run_id)
        document = self._lookup.documents(paths, [run_id]).get(run_id)
        return None if document is None else _state(document)

    def _paths(self, spec: TableSpec, epoch: Epoch, **where: str) -> list[str]:
        """Return the files of a table that may hold rows with these values."""
        files = [
            file
            for file in self._lake.files(spec.name, epoch)
            if all(file.may_hold(column, value) for column, value in where.items())
        ]
        return self._lake.paths(spec.name, files)

    def _steadily(self, read: Callable[[], T]) -> T:
        """Read again where a file was replaced and deleted in between."""
        while True:
            epoch = self._lake.epoch().number
            try:
                return read()
            except FileNotFoundError as error:
                if self._lake.epoch().number == epoch:
                    raise DamagedLakeError(
                        f"a table of {self._lake.fs.uri} lacks a file: {error}",
                        hint="if another tool has rewritten the table, run "
                        f"'lakeflow compact {self._lake.fs.uri}'; else restore the file",
                    ) from error


def _state(document: str) -> RunState:
    content = json.loads(document)
    return RunState(
        content["run"],
        dict(sorted(content["params"].items())),
        dict(sorted(content["tags"].items())),
        {
            key: (point["step"], point["timestamp"], point["value"])
            for key, point in sorted(content["metrics"].items())
        },
        {(row["name"], row["digest"]): tuple(row.values()) for row in content["inputs"]},
    )


def _dataset_input(row: tuple[Any, ...]) -> DatasetInput:
    *fields, tags = row
    uses = [InputTag(key, value) for key, value in json.loads(tags).items()]
    return DatasetInput(Dataset(*fields), uses)


def _made(run_id: str, hot: HotRun) -> RunState:
    fields: dict[str, Any] = dict.fromkeys(RUNS.column_names)
    fields |= hot.created or {}
    fields |= {"run_id": run_id, "experiment_id": hot.experiment_id}
    return RunState(fields)


def _merge(stored: RunState, hot: HotRun) -> RunState:
    """Lay the log over the tables: what is in a table is older than what is not."""
    state = RunState(
        stored.fields | {name: value for name, (_, value) in hot.fields.items()},
        {key: value for key, (_, value) in hot.params.items()} | stored.params,
        _without_removed(stored.tags, hot.tags.items()),
        dict(stored.metrics),
        {identity: row for identity, (_, row) in hot.inputs.items()} | stored.inputs,
    )
    for key, point in hot.latest.items():
        if key not in state.metrics or is_later(point, state.metrics[key]):
            state.metrics[key] = point
    return state


def _without_removed(
    stored: dict[str, str], hot: Iterable[tuple[str, tuple[Any, str | None]]]
) -> dict[str, str]:
    tags = dict(stored)
    for key, (_, value) in hot:
        if value is None:
            tags.pop(key, None)
        else:
            tags[key] = value
    return tags


def _columns(hot: HotRun, key: str) -> pyarrow.Table | None:
    series = hot.points.get(key)
    if series is None:
        return None
    import pyarrow

    def column(kind: pyarrow.DataType, values: Any) -> pyarrow.Array:
        buffer = pyarrow.py_buffer(values.tobytes())
        return pyarrow.Array.from_buffers(kind, len(values), [None, buffer])

    return pyarrow.table(
        {
            "value": column(pyarrow.float64(), series.values),
            "timestamp": column(pyarrow.int64(), series.timestamps),
            "step": column(pyarrow.int64(), series.steps),
        }
    )
