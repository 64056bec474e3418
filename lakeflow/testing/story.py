"""A story: calls on a lake as a user makes them, and what each of them has promised."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lakeflow.entities import Metric, Param, RunTag
from lakeflow.exceptions import AlreadyExistsError, LakeflowException
from lakeflow.maintenance.compact import compact_lake
from lakeflow.schema import SPANS

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable

    from lakeflow.stores.store import Store

T = TypeVar("T")

Point = tuple[str, float, int, int]
"""Key, value, timestamp and step of a metric."""

_STEPS_LOGGED = 6

_TRACE = f"tr-{1:032x}"


@dataclass(slots=True)
class Told:
    """What a run was told, as far as that was acknowledged."""

    points: set[Point] = field(default_factory=set)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    status: str = "RUNNING"


class Story:
    """Make a lake, log, fold, read, log on, delete a tag, end a run, fold, read.

    Args:
        open_store: Opens the lake as another machine would, making it if there is none.
        again: Held while a step that has raised an error is tried again; by default none is.

    Attributes:
        told: What each run was told, by its id.
        spans: The spans of its one trace.
        errors: What was raised and then tried again.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        again: Callable[[], contextlib.AbstractContextManager[None]] | None = None,
    ) -> None:
        self._open_store = open_store
        self._again = again
        self.told: dict[str, Told] = {}
        self.spans: set[str] = set()
        self.errors: list[Exception] = []

    def tell(self) -> None:
        """Tell it."""
        self._writer = self._step(self._open_store)
        self._step(self._experiment)
        one, two = self._step(self._run), self._step(self._run)
        for step in range(_STEPS_LOGGED):
            self._step(self._logging(one, step))
        self._step(lambda: self._keep(one, "first.txt"))
        self._step(lambda: self._trace("b" * 16, "a" * 16))
        self._step(self._compact)
        self._step(lambda: self._keep(one, "below/second.txt"))
        self._step(lambda: self.check(self._open_store()))
        self._step(lambda: self._untag(one))
        for step in range(_STEPS_LOGGED // 2, 2 * _STEPS_LOGGED):
            self._step(self._logging(two, step))
        # The root comes when what lies within it is folded.
        self._step(lambda: self._trace("a" * 16, None))
        self._step(lambda: self._end(one))
        self._step(self._compact)
        self._step(lambda: self.check(self._writer))

    def check(self, store: Store) -> None:
        """Compare what a store reads with what was acknowledged: all of it, and once."""
        for run_id, told in self.told.items():
            run = store.runs.get(run_id)
            points: Counter[Point] = Counter(
                (key, each.value, each.timestamp, each.step)
                for key in ("loss", "acc")
                for each in store.runs.history(run_id, key)
            )
            assert points == dict.fromkeys(told.points, 1)
            assert (run.data.params, run.data.tags) == (told.params, told.tags)
            assert run.info.status == told.status
            if told.artifacts:
                self._check_artifacts(store, run_id, told.artifacts)
        found = store.runs.search(["0"], max_results=100)
        # There may be one more, whose maker never got the answer.
        assert {run.info.run_id for run in found} >= set(self.told)
        self._check_trace(store)
        experiment = store.experiments.find("story")
        assert experiment is not None

    def _check_artifacts(self, store: Store, run_id: str, artifacts: dict[str, bytes]) -> None:
        sizes = {path: len(content) for path, content in artifacts.items()}
        recorded = store.artifacts.recorded(run_id)
        assert {path: each.size for path, each in recorded.items()} == sizes
        with tempfile.TemporaryDirectory() as folder:
            store.artifacts.download(run_id, "", folder)
            found = {
                each.relative_to(folder).as_posix(): each.read_bytes()
                for each in Path(folder).rglob("*")
                if each.is_file()
            }
        assert found == artifacts

    def _check_trace(self, store: Store) -> None:
        traces = store.traces.search(["0"], max_results=10)
        assert [sorted(span.span_id for span in each.data.spans) for each in traces] == (
            [sorted(self.spans)] if self.spans else []
        )
        for trace in traces:
            is_ended = "a" * 16 in self.spans
            assert trace.info.state == ("OK" if is_ended else "IN_PROGRESS")

    def _step(self, act: Callable[[], T]) -> T:
        if self._again is None:
            return act()
        try:
            return act()
        # An AssertionError may be of what a flaw has hidden: once more, without one.
        except (LakeflowException, OSError, AssertionError) as error:
            self.errors.append(error)
        with self._again():
            return act()

    def _experiment(self) -> None:
        try:
            self._writer.experiments.create("story")
        except AlreadyExistsError:
            # Made by an attempt whose answer was lost; without an error before, it is a fault.
            if not self.errors:
                raise

    def _run(self) -> str:
        run_id = self._writer.runs.create("0", start_time=1, run_name="name").info.run_id
        self.told[run_id] = Told(tags={"mlflow.runName": "name"})
        return run_id

    def _logging(self, run_id: str, step: int) -> Callable[[], None]:
        return lambda: self._log(run_id, step)

    def _log(self, run_id: str, step: int) -> None:
        points = {("loss", step / 2, 1000 + step, step), ("acc", 1.0, 1, step)}
        tags = {f"t{step}": "v", "last": str(step)}
        self._writer.runs.log_batch(
            run_id,
            [Metric(*point) for point in points],
            [Param(f"p{step}", "v")],
            [RunTag(*tag) for tag in tags.items()],
        )
        # What was told is noted last: only what was acknowledged has to be there.
        told = self.told[run_id]
        told.points |= points
        told.params[f"p{step}"] = "v"
        told.tags |= tags

    def _keep(self, run_id: str, path: str) -> None:
        content = path.encode() * 100
        self._writer.artifacts.log_bytes(run_id, path, content)
        self.told[run_id].artifacts[path] = content

    def _trace(self, span_id: str, parent_id: str | None) -> None:
        span: dict[str, Any] = dict.fromkeys(SPANS.column_names) | {
            "trace_id": _TRACE,
            "span_id": span_id,
            "parent_span_id": parent_id,
            "start_time_ns": 1_000_000,
            "end_time_ns": 2_000_000,
            "name": "step",
            "span_type": "UNKNOWN",
            "kind": "INTERNAL",
            "status": "OK",
            "attributes": "{}",
        }
        # The store adds these two.
        del span["experiment_id"], span["day"]
        self._writer.traces.log_spans("0", {name: [value] for name, value in span.items()})
        self.spans.add(span_id)

    def _untag(self, run_id: str) -> None:
        self._writer.runs.delete_tag(run_id, "t0")
        self.told[run_id].tags.pop("t0")

    def _end(self, run_id: str) -> None:
        self._writer.terminate(run_id, end_time=5)
        self.told[run_id].status = "FINISHED"

    def _compact(self) -> None:
        compact_lake(self._writer.lake)
