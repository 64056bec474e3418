"""Runs: make, change, log, read. A write is one append; what it must know is remembered."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import (
    DatasetInput,
    LifecycleStage,
    Metric,
    PagedList,
    Run,
    RunStatus,
    ViewType,
    tag_names,
    validation,
)
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.ids import new_id
from lakeflow.kinds import RUN
from lakeflow.schema import MODEL_INPUTS, MODEL_OUTPUTS
from lakeflow.stores import searching
from lakeflow.stores.arguments import below, checked, checked_tags, distinct, name_of
from lakeflow.stores.experiments import now_ms
from lakeflow.stores.logged_models import rows
from lakeflow.stores.run_heads import RunHead, RunHeads
from lakeflow.stores.state import RunState

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow

    from lakeflow.entities import LoggedModelInput, LoggedModelOutput, Param, RunTag
    from lakeflow.lake import Lake
    from lakeflow.stores.experiments import ExperimentStore
    from lakeflow.stores.logged_models.scopes import ModelScopes
    from lakeflow.stores.reader import Reader

# With eight processes that log params at once a look before every param took 3 to 12 ms.
PARAM_STALENESS_S = 0.1
"""Seconds for which the process that made a run logs params to it on the strength of its last
look at the log."""

PARAM_HINT = """\
a param keeps its first value. To log several values of one param, give each its own run:

    with start_run():
        with start_run(nested=True):
            log_param("depth", 3)
        with start_run(nested=True):
            log_param("depth", 5)"""


class RunStore:
    """Runs of a lake; threads share it.

    A run is looked up once in a process and remembered: after that, logging does not read.
    So a run that another process deletes meanwhile still takes what is logged to it.

    Args:
        lake: The lake.
        experiments: Its experiments.
        reader: What reads and searches them.
        scopes: What is remembered of the lake's logged models.

    Attributes:
        reader: The same.
        heads: What is remembered of the runs.
    """

    def __init__(
        self, lake: Lake, experiments: ExperimentStore, reader: Reader, scopes: ModelScopes
    ) -> None:
        self._lake = lake
        self._scopes = scopes
        self._experiments = experiments
        self.reader = reader
        self.heads = RunHeads(reader)
        self._reset()
        lake.on_fork(self._reset)

    def _reset(self) -> None:
        self._params_lock = threading.RLock()

    # Making and reading

    def create(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        user_id: str | None = None,
    ) -> Run:
        """Make a run; see ``LakeflowClient.create_run``.

        Whose it is says the tag ``mlflow.user``, unless ``user_id`` does.
        """
        experiment_id = validation.experiment_id(experiment_id)
        # To MLflow 0 is no time either, but now.
        start = validation.milliseconds(start_time, "start_time") if start_time else now_ms()
        pairs = checked_tags(tags)
        name = name_of(run_name, pairs)
        pairs[tag_names.RUN_NAME] = name
        location = self._experiments.require_active(experiment_id)
        # Noticed here and at the end of the run: at each write it would be one more call.
        self._lake.require_in_place()
        run_id = new_id()
        fields: dict[str, Any] = {
            "start_time": start,
            "status": "RUNNING",
            "lifecycle_stage": LifecycleStage.ACTIVE,
            "run_name": name,
            "user_id": validation.text(user_id or pairs.get(tag_names.USER, "unknown")),
            "artifact_uri": below(location, f"{run_id}/artifacts"),
        }
        # Nobody has logged to it before, so that nothing is in the tables of that fold.
        fold = self._lake.known_fold
        known = -1 if fold is None else fold.number
        stage, uri = LifecycleStage.ACTIVE, fields["artifact_uri"]
        head = RunHead(experiment_id, run_id, stage, uri, is_own=True, fold=known)
        self._append(head, records.run(fields), records.tags(pairs.items()))
        self.heads.keep(run_id, head)
        # What would be read back: a look at the log for it would cost more than the write.
        fields |= {"run_id": run_id, "experiment_id": experiment_id, "end_time": None}
        fields |= dict.fromkeys(RUN.clocks)
        return self._entity(RunState(fields, {}, pairs, {}, {}))

    def get(self, run_id: str, path: str = "run_id") -> Run:
        """Return a run as it is now.

        Args:
            run_id: The run.
            path: What the caller has called it.

        Raises:
            InvalidInputError: This is no run id.
            NotFoundError: There is no such run.
        """
        return self._entity(self.reader.run(validation.run_id(run_id, path), path))

    def get_parent(self, run_id: str) -> Run | None:
        """Return the run that a run says is its parent; None if it names none."""
        parent = self.get(run_id).data.tags.get(tag_names.PARENT_RUN)
        return None if parent is None else self.get(parent, f"the tag {tag_names.PARENT_RUN}")

    def history(self, run_id: str, key: str) -> list[Metric]:
        """Return every point of a metric, by timestamp, step and the order of logging."""
        points = self.history_table(run_id, key)
        columns = (points.column(name).to_pylist() for name in ("value", "timestamp", "step"))
        return [Metric(key, *point) for point in zip(*columns, strict=True)]

    def history_table(self, run_id: str, key: str) -> pyarrow.Table:
        """Return every point of a metric as columns ``value, timestamp, step``."""
        return self.reader.history(validation.run_id(run_id), validation.text(key, "key"))

    def search(
        self,
        experiment_ids: object,
        filter_string: str | None = None,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        as_of: int | datetime.datetime | None = None,
        root: str | None = None,
        made: Callable[[Run], Any] = lambda run: run,
    ) -> PagedList[Any]:
        """Return one page of runs; see ``LakeflowClient.search_runs``, and ``page_of``.

        ``made`` returns what is on the page for a run. It is asked run by run, so that no page
        is there twice: most of the time of a large one is Python's collector, which looks at
        all that is there.
        """
        page = searching.page_of(
            self._lake,
            self.reader,
            RUN,
            filter_string,
            max_results,
            order_by,
            page_token,
            view_type=view_type,
            experiment_ids=experiment_ids,
            as_of=as_of,
            root=root,
        )
        states = self.reader.runs(page.ids, page.snapshot_id)
        return PagedList([made(self._entity(state)) for state in states], page.token)

    # Changing

    def update(
        self,
        run_id: str,
        status: str | None = None,
        name: str | None = None,
        end_time: int | None = None,
    ) -> None:
        """Change status, name or end; see ``LakeflowClient.update_run``."""
        if status is None and name is None and end_time is None:
            return
        head = self.heads.active(run_id)
        fields: dict[str, Any] = {}
        if status:
            RunStatus.from_string(status)
            fields["status"] = status
        if name:
            fields["run_name"] = validation.run_name(name)
        if end_time is not None:
            fields["end_time"] = validation.milliseconds(end_time, "end_time")
            # As for ``terminate``.
            self._lake.require_in_place()
        if fields:
            tags = [(tag_names.RUN_NAME, name)] if name else []
            self._append(head, records.run(fields), records.tags(tags))

    def terminate(
        self, run_id: str, status: str | None = None, end_time: int | None = None
    ) -> None:
        """End a run; see ``LakeflowClient.set_terminated``."""
        status = status or "FINISHED"
        RunStatus.from_string(status)
        end = validation.milliseconds(end_time, "end_time") if end_time else now_ms()
        # Here at the latest somebody learns that nothing of the run was kept.
        self._lake.require_in_place()
        self._append(
            self.heads.active(run_id), records.run({"status": status, "end_time": end})
        )

    def set_stage(self, run_id: str, stage: str) -> None:
        """Delete or restore a run; doing it twice is fine.

        Raises:
            NotFoundError: There is no such run.
        """
        head = self.heads.get(run_id)
        self._append(head, records.run({"lifecycle_stage": stage}))
        # Only now: a stage that could not be written does not hold.
        head.is_active = stage == LifecycleStage.ACTIVE

    # Logging

    def log_metric(self, run_id: str, key: str, value: Any, timestamp: Any, step: Any) -> None:
        """Log one point: one write, and no read after the first to this run."""
        point = validation.metric(key, value, timestamp, step)
        # What ``_append`` does, spelt out: training loops come this way at every step.
        self._lake.append((f"{self.heads.active(run_id).about},{records.metric(point)}",))

    def log_metrics(
        self, run_id: str, values: Mapping[str, Any], timestamp: Any, step: Any
    ) -> None:
        """Log one point of each of several metrics, all or none."""
        if values:
            points = validation.metrics(values, timestamp, step)
            self._append(self.heads.active(run_id), records.metrics(points))

    def log_param(self, run_id: str, key: str, value: Any) -> Any:
        """Log a param and return the value that was given."""
        pairs = {validation.key(key): validation.text(value)}
        self._log(run_id, params=pairs)
        return value

    def set_tag(self, run_id: str, key: str, value: Any) -> None:
        """Set a tag; the name of the run with it, if it is that tag."""
        self._log(run_id, tags={validation.key(key): validation.text(value)})

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag.

        Raises:
            NotFoundError: The run has no such tag, or there is no such run.
        """
        head = self.heads.active(run_id)
        if validation.text(key, "key") not in self.reader.run(run_id).tags:
            raise NotFoundError(f"No tag with name: {key} in run with id {run_id}")
        self._append(head, records.tags([(key, None)]))

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
    ) -> None:
        """Log everything or nothing; see ``LakeflowClient.log_batch``."""
        if not (metrics or params or tags):
            return
        points: list[validation.Point] = []
        measured: list[rows.Measured] = []
        # No comprehensions: a batch with one point pays for each of their frames.
        for place, each in enumerate(metrics):
            point = validation.metric(each.key, each.value, each.timestamp, each.step, place)
            points.append(point)
            # An entity of MLflow 2 has no such field.
            if getattr(each, "model_id", None) is not None:
                measured.append((each, point))
        fields: list[records.Pieces] = []
        if len(points) == 1:
            fields.append([records.metric(points[0])])
        elif points:
            fields.append(records.metrics(validation.by_column(points)))
        if measured:
            fields.append(rows.points(run_id, measured, self._scopes.experiment_of))
        if not (params or tags):
            self._append(self.heads.active(run_id), *fields)
            return
        self._log(run_id, fields, distinct("params", params), dict(checked("tags", tags)))

    def log_inputs(
        self,
        run_id: str,
        datasets: list[DatasetInput] | None,
        models: Sequence[LoggedModelInput] | None = None,
    ) -> None:
        """Log datasets and models; see ``LakeflowClient.log_inputs``."""
        if datasets is not None and not isinstance(datasets, list):
            raise TypeError(
                f"datasets is a {type(datasets).__name__}, not a list: {datasets!r}"
            )
        for index, each in enumerate(datasets or ()):
            validation.dataset_input(each, f"datasets[{index}]")
        used = [{"model_id": validation.text(each.model_id)} for each in models or ()]
        fields = [records.inputs(datasets or ()), records.table(MODEL_INPUTS.name, used)]
        if any(fields):
            self._append(self.heads.active(run_id), *filter(None, fields))

    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput] | None) -> None:
        """Log models; see ``LakeflowClient.log_outputs``."""
        made = [
            {"model_id": validation.text(each.model_id), "step": validation.step(each.step)}
            for each in models or ()
        ]
        if made:
            head = self.heads.active(run_id)
            self._append(head, records.table(MODEL_OUTPUTS.name, made))

    def _log(
        self,
        run_id: str,
        fields: Sequence[records.Pieces] = (),
        params: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        """Append checked values: one record, or several where it would be very long.

        An empty name is none: name and tag stay as they are.
        """
        head = self.heads.active(run_id)
        # In the order that ``maintenance.plain_lines`` knows: a fold reads such lines at once.
        fields = [*(_tag_fields(tags) if tags else ()), *fields]
        if not params:
            if any(fields):
                self._append(head, *fields)
            return
        # Held over the write: of two threads that log one param only one may find it new.
        with self._params_lock:
            new = self._new_params(run_id, head, params)
            if any(fields):
                # All of them: a batch that is logged again is the same record.
                self._append(head, *fields, records.params(params.items()))
            elif new:
                self._append(head, records.params(new.items()))
            head.params |= new

    def _new_params(
        self, run_id: str, head: RunHead, params: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the params that the run does not have yet.

        Looks at the log for what other processes have written, unless all are known, or
        the run is our own and the last look is fresh.

        Raises:
            InvalidInputError: One of them has another value.
        """
        trusted_s = max(PARAM_STALENESS_S, self._lake.check_interval_s)
        is_fresh = head.is_own and time.monotonic() - head.looked_at < trusted_s
        if not is_fresh and not head.params.keys() >= params.keys():
            # Before the look: what others write during it may be missed.
            head.looked_at = time.monotonic()
            head.fold, others = self.reader.params(run_id, params.keys(), head.fold)
            head.params |= others
        changed = {
            key: (head.params[key], value)
            for key, value in params.items()
            if head.params.get(key, value) != value
        }
        if changed:
            old_and_new = "; ".join(
                f"param {key!r} was already logged with value {old!r}, new value {new!r}"
                for key, (old, new) in changed.items()
            )
            raise InvalidInputError(
                f"Changing param values is not allowed. In run {run_id}: {old_and_new}",
                hint=PARAM_HINT,
            )
        return {key: value for key, value in params.items() if key not in head.params}

    def _append(self, head: RunHead, *fields: records.Pieces) -> None:
        self._lake.append(records.bodies(head.about, *fields))

    def _entity(self, state: RunState) -> Run:
        return state.entity(self._lake.fs.resolve)


def _tag_fields(tags: Mapping[str, str]) -> list[records.Pieces]:
    """Return the fields that set tags, and the name of the run if one of them is that."""
    name = tags.get(tag_names.RUN_NAME)
    kept = tags if name else {key: tags[key] for key in tags if key != tag_names.RUN_NAME}
    named = [records.run({"run_name": name})] if name else []
    return [*named, records.tags(kept.items())]
