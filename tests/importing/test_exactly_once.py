"""An import may be stopped at any write, run again, or run twice at once: all is there, once."""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lakeflow.config import Settings
from lakeflow.exceptions import StorageError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.importing import importer
from lakeflow.importing.destination import curves
from lakeflow.importing.items import Curve, ExperimentItem, FileItem, RunItem, made_id
from lakeflow.importing.source import Wanted
from lakeflow.lake import Lake
from lakeflow.log.positions import list_segments
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store
from lakeflow.testing.faults import Fault, FaultFilesystem, Killed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lakeflow.importing.items import Problem

EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "8"))
_LAKES = itertools.count()

Point = tuple[float, int, int]


class Held:
    """A source in memory: points by metric by number of a run, and files by path."""

    name = "memory"

    def __init__(self, *, knows_counts: bool = True) -> None:
        self.points: dict[int, dict[str, list[Point]]] = {}
        self.local: dict[str, str] = {}
        self._knows_counts = knows_counts

    def experiments(self) -> Iterator[ExperimentItem]:
        yield ExperimentItem("7", "one", {"a": "b"})

    def runs(self, experiment: ExperimentItem, since: int | None) -> Iterator[RunItem]:
        for number in self.points:
            yield RunItem(
                made_id("held", str(number)), "7", 1_000 + number, 2_000, name=f"run {number}",
                params={"p": str(number)}, tags={"t": str(number)},
            )  # fmt: skip

    def counts(self, run: RunItem) -> dict[str, int] | None:
        lengths = {key: len(each) for key, each in self._of(run).items()}
        return lengths if self._knows_counts else None

    def curves(self, run: RunItem) -> Iterator[Curve]:
        for key, points in self._of(run).items():
            for start in range(0, len(points), 3):
                yield Curve(key, *zip(*points[start : start + 3], strict=True))

    def files(self, run: RunItem) -> Iterator[FileItem]:
        for path, location in self.local.items():
            yield FileItem(path, location)

    def report_to(self, report: Callable[[Problem], None]) -> None:
        pass

    def close(self) -> None:
        pass

    def _of(self, run: RunItem) -> dict[str, list[Point]]:
        return self.points[int(run.params["p"])]


SETTINGS = Settings(auto_compact=False, vacuum_grace_s=0)


def opened(fs: Any) -> Store:
    """Return a lake as another process opens it."""
    return Store(Lake.on(fs, SETTINGS))


def brought(held: Held, fs: Any) -> bool:
    """Import into a lake; returns whether it says that all is there."""
    return importer.import_source(held, opened(fs), Wanted()).is_complete


def assert_holds(held: Held, fs: Any) -> None:
    """Make sure that a lake has what a source has, each point once."""
    store = opened(fs)
    (experiment,) = (each for each in store.experiments.search() if each.name == "one")
    assert experiment.experiment_id == "7"
    found = {run.info.run_id: run for run in store.runs.search(["7"])}
    assert len(found) == len(held.points)
    for item in held.runs(None, None):  # type: ignore[arg-type]
        run = found[item.run_id]
        assert (run.data.params, run.data.tags) == (item.params, item.tags)
        assert (run.info.start_time, run.info.run_name) == (item.start_time, item.name)
        for key, points in held._of(item).items():
            table = store.runs.history_table(item.run_id, key)
            columns = [
                table.column(name).to_pylist() for name in ("value", "timestamp", "step")
            ]
            assert sorted(map(repr, zip(*columns, strict=True))) == sorted(map(repr, points))
        assert {*store.artifacts.recorded(item.run_id)} == {*held.local}


def small() -> Held:
    held = Held()
    for number in range(2):
        held.points[number] = {
            "loss": [(n / 2, n, n) for n in range(8)],
            "odd": [(float("nan"), 1, 1), (float("inf"), 1, 1), (1.0, 1, 1), (1.0, 1, 1)],
        }
    return held


@pytest.mark.parametrize("when", ["after", "torn"])
def test_stopped_at_every_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: Any
) -> None:
    monkeypatch.setattr(importer, "_CHARACTERS_A_WRITE", 300)
    monkeypatch.setattr(importer, "_RUNS_A_BATCH", 1)
    monkeypatch.setattr(curves, "POINTS_A_LINE", 3)
    held = small()
    (tmp_path / "a").write_text("content")
    held.local = {"folder/a": str(tmp_path / "a")}
    for write in itertools.count(1):
        fs = open_filesystem(f"memory://stopped-{next(_LAKES)}")
        opened(fs)
        faulty = FaultFilesystem(fs, Fault(write, when))
        with contextlib.suppress(Killed):
            brought(held, faulty)
        if not faulty.is_dead:
            break
        assert brought(held, fs)
        assert_holds(held, fs)
    assert write > 10


values = st.sampled_from([0.5, 1.0, float("nan"), float("-inf")])
grown = st.tuples(st.integers(0, 2), st.sampled_from("ab"), st.lists(values, max_size=7))
steps = st.lists(
    st.one_of(grown, st.sampled_from(["import", "fold"]), st.integers(1, 6)), max_size=8
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    phases=[Phase.generate],
)
@given(steps, st.booleans())
def test_a_source_that_grows_between_imports(
    monkeypatch: pytest.MonkeyPatch, story: list[Any], knows_counts: bool
) -> None:
    monkeypatch.setattr(importer, "_CHARACTERS_A_WRITE", 200)
    fs = open_filesystem(f"memory://grows-{next(_LAKES)}")
    held = Held(knows_counts=knows_counts)
    opened(fs)
    for step in story:
        if step == "import":
            assert brought(held, fs)
            assert_holds(held, fs)
        elif step == "fold":
            compact_lake(opened(fs).lake)
        elif type(step) is int:
            with contextlib.suppress(Killed):
                brought(held, FaultFilesystem(fs, Fault(step)))
        else:
            number, key, more = step
            points = held.points.setdefault(number, {}).setdefault(key, [])
            # Some at one time and step, as a loop logs them that is faster than its clock.
            points += [(value, len(points) // 2, n // 3) for n, value in enumerate(more)]
    assert brought(held, fs)
    assert_holds(held, fs)


class Failing:
    """A segment that does not take its third write."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._writes = itertools.count(1)

    def write(self, data: bytes) -> None:
        if next(self._writes) == 3:
            raise StorageError("there is no room", "RESOURCE_EXHAUSTED")
        self._inner.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_a_write_that_failed_in_a_process_that_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = small()
    fs = open_filesystem(f"memory://failed-{next(_LAKES)}")
    store = opened(fs)
    open_append = fs.open_append
    with monkeypatch.context() as patches:
        patches.setattr(importer, "_CHARACTERS_A_WRITE", 300)
        patches.setattr(fs, "open_append", lambda path: Failing(open_append(path)))
        with pytest.raises(StorageError):
            importer.import_source(held, store, Wanted())
    assert importer.import_source(held, store, Wanted()).is_complete
    lines = b"".join(fs.read(path) for path in list_segments(fs)).splitlines()
    assert not [line for line in lines if line.count(b'"copied_from":') > 1]
    compact_lake(store.lake)
    assert_holds(held, fs)


def test_an_experiment_that_got_another_name() -> None:
    held = small()
    fs = open_filesystem(f"memory://renamed-{next(_LAKES)}")
    assert brought(held, fs)
    store = opened(fs)
    store.experiments.rename("7", "ours")
    held.points[0]["loss"].append((7.5, 99, 99))
    assert brought(held, fs)
    assert len(store.runs.search(["7"])) == 2
    (run, _) = held.runs(None, None)  # type: ignore[arg-type]
    assert store.runs.get(run.run_id).data.metrics["loss"] == 7.5


def test_files_of_a_store(tmp_path: Path) -> None:
    remote = MemoryFileSystem()
    remote.pipe("/elsewhere/run/folder/a", b"content")
    held = small()
    held.local = {"folder/a": "memory://elsewhere/run/folder/a"}
    fs = open_filesystem(f"memory://files-{next(_LAKES)}")
    assert brought(held, fs)
    (run_id, _) = (run.run_id for run in held.runs(None, None))  # type: ignore[arg-type]
    store = opened(fs)
    found = store.artifacts.download(run_id, "folder/a", str(tmp_path))
    assert Path(found).read_bytes() == b"content"
    held.local = {"gone": "memory://elsewhere/run/gone", "../out": str(tmp_path / "x")}
    assert not brought(held, fs)
    assert {*store.artifacts.recorded(run_id)} == {"folder/a"}
