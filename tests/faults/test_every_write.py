"""Stop at every single write of logging, folding and vacuuming, and look what is left.

The story is told once, and what is in the store is kept between any two of its writes. Whoever
dies before a write leaves the same as who dies after the one before it; only what had been
promised until then may be more.
"""

from __future__ import annotations

import copy
import io
import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pyarrow.parquet
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

from lakeflow.config import Settings
from lakeflow.entities import Metric, Param, RunTag
from lakeflow.filesystem.location import open_filesystem
from lakeflow.filesystem.memory import MemoryFilesystem
from lakeflow.kinds import EVENT, EXPERIMENT, RUN, TABLES
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store
from lakeflow.testing.faults import Fault, FaultFilesystem, Killed

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTINGS = Settings(
    segment_bytes=2_000, fold_bytes=3_000, vacuum_grace_s=0, retention_s=0, auto_compact=False
)
KINDS = (EVENT, EXPERIMENT, RUN)
"""What the story is of. The tables of all others would stay empty, and to make each is a write."""

SHARES, TORN_SHARES = 12, 4
"""Numbers of tests that the writes are dealt out to, so that they can run at once."""

_NUMBERS = itertools.count()


@dataclass
class Promised:
    """What was promised by the calls that have returned, and the one that has not."""

    experiments: set[str] = field(default_factory=set)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    pending: Any = None


class Story(Promised):
    """Calls on a lake, and what each of them promised once it returned."""

    def tell(self, fs: FaultFilesystem) -> None:
        """Log, fold, log on, fold with changes and removals, vacuum."""
        self.store = Store(Lake.on(fs, SETTINGS, kinds=KINDS))
        self.experiment("first")
        one, two = self.run(), self.run()
        for step in range(6):
            self.batch(one, step)
        self.keep(one, "first.txt")
        self.compact()
        self.rename("first", "renamed")
        self.experiment("first")
        self.batch(two, 1)
        self.untag(one, "t0")
        self.end(one)
        for step in range(4, 9):
            # Some params and tags once more; points at a time of their own, since each is kept.
            self.batch(one, step, 2000)
        self.store.lake.seal()
        self.compact()
        self.batch(two, 2)
        self.compact()

    def experiment(self, name: str) -> None:
        self.pending = ("experiment", name)
        self.store.experiments.create(name, None, None)
        self.pending = None
        self.experiments.add(name)

    def rename(self, old: str, new: str) -> None:
        self.pending = ("rename", old, new)
        (identity,) = (e.experiment_id for e in [self.store.experiments.find(old)] if e)
        self.store.experiments.rename(identity, new)
        self.pending = None
        self.experiments = self.experiments - {old} | {new}

    def run(self) -> str:
        run_id = self.store.runs.create("0", 1, None, "name").info.run_id
        self.runs[run_id] = {
            "points": set(),
            "params": {},
            "tags": {"mlflow.runName": "name"},
            "status": "RUNNING",
            "artifacts": {},
        }
        return run_id

    def batch(self, run_id: str, step: int, time: int = 1000) -> None:
        points = {("loss", step / 2, time + step, step), ("acc", 1.0, time, step)}
        metrics = [Metric(*point) for point in points]
        params, tags = (
            [Param(f"p{step}", "v")],
            [RunTag(f"t{step}", "v"), RunTag("last", str(step))],
        )
        model = self.runs[run_id]
        self.pending = (run_id, (step, points))
        self.store.runs.log_batch(run_id, metrics, params, tags)
        self.pending = None
        model["points"] |= points
        model["params"][f"p{step}"] = "v"
        model["tags"] |= {f"t{step}": "v", "last": str(step)}

    def keep(self, run_id: str, path: str) -> None:
        self.pending = ("keep", path)
        self.store.artifacts.log_bytes(run_id, path, path.encode())
        self.pending = None
        self.runs[run_id]["artifacts"][path] = path.encode()

    def untag(self, run_id: str, key: str) -> None:
        self.pending = ("untag", key)
        self.store.runs.delete_tag(run_id, key)
        self.pending = None
        del self.runs[run_id]["tags"][key]

    def end(self, run_id: str) -> None:
        self.pending = ("end", run_id)
        self.store.terminate(run_id, None, 5)
        self.pending = None
        self.runs[run_id]["status"] = "FINISHED"

    def compact(self) -> None:
        compact_lake(self.store.lake)


def observe(store: Store, run_id: str) -> dict[str, Any]:
    run = store.runs.get(run_id)
    points = [
        (key, m.value, m.timestamp, m.step)
        for key in ("loss", "acc")
        for m in store.runs.history(run_id, key)
    ]
    assert max(Counter(points).values(), default=1) == 1, "a point appears twice"
    return {
        "points": set(points),
        "params": run.data.params,
        "tags": run.data.tags,
        "status": run.info.status,
        "artifacts": {path: fetched(store, run_id, path) for path in recorded(store, run_id)},
    }


def recorded(store: Store, run_id: str) -> set[str]:
    """The paths in the log and in the raw files, since the engine would take most of the time."""
    with store.snapshots.held() as snapshot:
        fold, run = snapshot.fold, snapshot.thing(RUN, run_id)
        paths = set(run.parts["artifacts"]) if run else set()
    for file in store.lake.files("artifacts", fold):
        data = store.lake.fs.read(f"{store.lake.tables['artifacts'].folder}/{file.path}")
        rows = pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
        paths |= {row["path"] for row in rows if row["run_id"] == run_id}
    return paths


def fetched(store: Store, run_id: str, path: str) -> bytes:
    return store.lake.fs.read(f"artifacts/0/{run_id}/artifacts/{path}")


def check(store: Store, promises: Sequence[Promised]) -> None:
    """What returned is there; what was cut off is there whole or not at all."""
    names = {each for each in ("first", "renamed") if store.experiments.find(each) is not None}
    listed = [each.name for each in store.experiments.search(view_type=3, max_results=100)]
    assert sorted(listed) == sorted({"Default", *names}), "no name twice"
    # The last one is of the same runs as those before it, and perhaps one more.
    runs = {run_id: observe(store, run_id) for run_id in promises[-1].runs}
    for promised in promises:
        check_experiments(names, promised)
        for run_id, run in promised.runs.items():
            if runs[run_id] != run:
                check_run(runs[run_id], run, promised.pending)


def check_experiments(names: set[str], promised: Promised) -> None:
    match promised.pending:
        case ("rename", old, new):
            assert names in (promised.experiments, promised.experiments - {old} | {new})
        case ("experiment", name):
            assert names in (promised.experiments, promised.experiments | {name})
        case _:
            assert names == promised.experiments


def check_run(seen: dict[str, Any], promised: dict[str, Any], pending: Any) -> None:
    """The call that was cut off is there whole."""
    assert pending is not None, (seen, promised)
    match pending:
        case ("untag", key):
            assert seen["tags"] == {k: v for k, v in promised["tags"].items() if k != key}
        case ("keep", path):
            kept = promised["artifacts"] | {path: path.encode()}
            assert seen == promised | {"artifacts": kept}
        case ("end", _):
            assert seen == promised | {"status": "FINISHED"}
        case (str(), (step, points)):
            assert seen["points"] == promised["points"] | points
            assert seen["params"] == promised["params"] | {f"p{step}": "v"}
            assert seen["tags"] == promised["tags"] | {f"t{step}": "v", "last": str(step)}


def tidy(lake: Lake) -> None:
    """Every table holds one row a key, read from the raw files."""
    for name, table in lake.tables.items():
        keys: Counter[tuple[Any, ...]] = Counter()
        for file in table.files():
            data = lake.fs.read(f"{table.folder}/{file.path}")
            rows = pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
            keys.update(tuple(row[c] for c in TABLES[name].key) for row in rows)
        assert max(keys.values(), default=1) == 1, f"{name} holds a row twice"


def uri() -> str:
    return f"memory://story-{next(_NUMBERS)}"


Files = dict[str, tuple[bytes, Any]]
"""Content and time of change by path within the lake."""


class Remembering(FaultFilesystem):
    """Keeps what is in the store, and what was promised, between any two writes of a story.

    Attributes:
        files: What is there after so many writes.
        promised: What was promised when they had been made, and when the next one was due.
    """

    def __init__(self, story: Story) -> None:
        super().__init__(open_filesystem(uri()))
        self.files: dict[int, Files] = {}
        self.promised: defaultdict[int, list[Promised]] = defaultdict(list)
        self._story = story

    def write(self, kind: Any, act: Any, torn: Any = None) -> None:
        self.remember()
        super().write(kind, act, torn)
        self.remember()

    def remember(self) -> None:
        root = self.full("")
        files = {
            path.removeprefix(root): (file.getvalue(), file.modified)
            for path, file in MemoryFileSystem.store.items()
            if path.startswith(root)
        }
        number = len(self.writes)
        assert self.files.setdefault(number, files) == files, "something else has written"
        story = self._story
        promised = Promised(story.experiments, story.runs, story.pending)
        self.promised[number].append(copy.deepcopy(promised))


@pytest.fixture(scope="module")
def told() -> Remembering:
    """Return all moments of the story, from the beginning to its end."""
    story = Story()
    remembering = Remembering(story)
    story.tell(remembering)
    remembering.remember()
    return remembering


def opened(location: str) -> Store:
    return Store(Lake.on(open_filesystem(location), SETTINGS, kinds=KINDS))


def look(location: str, promises: Sequence[Promised]) -> None:
    """Compare what is left of a lake with what was promised, and go on with it."""
    MemoryFilesystem.release_all()
    survivor = opened(location)
    check(survivor, promises)
    compact_lake(survivor.lake)
    check(survivor, promises)
    tidy(survivor.lake)
    compact_lake(survivor.lake)
    check(opened(location), promises)
    for path, span in survivor.lake.listing().unfolded.items():
        rest = survivor.lake.fs.read(path, *span)
        assert b"\n" not in rest, "a complete line was not folded"
    # Each listing of the next lake would go through the files of this one.
    root = survivor.lake.fs.full("")
    for path in [path for path in MemoryFileSystem.store if path.startswith(root)]:
        del MemoryFileSystem.store[path]


def put(location: str, files: Files) -> None:
    """Make a store what it was at some time."""
    root = open_filesystem(location).full("")
    for path, (content, modified) in files.items():
        file = MemoryFile(MemoryFileSystem(), f"{root}{path}", content)
        file.modified = modified
        MemoryFileSystem.store[f"{root}{path}"] = file


@pytest.mark.parametrize("share", range(SHARES))
def test_dying_between_two_writes_loses_nothing(
    told: Remembering, share: int, subtests: pytest.Subtests
) -> None:
    for number in range(share, len(told.files), SHARES):
        with subtests.test(number=number):
            location = uri()
            put(location, told.files[number])
            look(location, told.promised[number])


def die(fault: Fault) -> None:
    """Tell the story up to a fault, and look."""
    story, location = Story(), uri()
    with pytest.raises(Killed):
        story.tell(FaultFilesystem(open_filesystem(location), fault))
    look(location, [story])


@pytest.mark.parametrize("share", range(TORN_SHARES))
def test_a_torn_write_loses_nothing(
    told: Remembering, share: int, subtests: pytest.Subtests
) -> None:
    appends = [number for number, kind in enumerate(told.writes, 1) if kind == "append"]
    for number in appends[share::TORN_SHARES]:
        with subtests.test(number=number):
            die(Fault(number, "torn"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_that_dies_leaves_what_is_between_two_writes(
    told: Remembering, when: Literal["before", "after"]
) -> None:
    """Whatever it does on its way out, such as tidying up, is done no more."""
    uploads = [number for number, kind in enumerate(told.writes, 1) if kind == "upload"]
    die(Fault(uploads[len(uploads) // 2], when))
