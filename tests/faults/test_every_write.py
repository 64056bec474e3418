"""Stop at every single write of logging, folding and vacuuming, and look what is left."""

from __future__ import annotations

import io
import itertools
from collections import Counter
from typing import Any

import pyarrow.parquet
import pytest

from lakeflow.config import Settings
from lakeflow.entities import Metric, Param, RunTag
from lakeflow.filesystem.location import open_filesystem
from lakeflow.filesystem.memory import MemoryFilesystem
from lakeflow.kinds import TABLES
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store
from lakeflow.testing.faults import Fault, FaultFilesystem, Killed

SETTINGS = Settings(
    segment_bytes=2_000, fold_bytes=3_000, vacuum_grace_s=0, retention_s=0, auto_compact=False
)
_NUMBERS = itertools.count()


class Story:
    """Calls on a lake, and what each of them promised once it returned."""

    def __init__(self, fs: FaultFilesystem) -> None:
        self.fs = fs
        self.experiments: set[str] = set()
        self.runs: dict[str, dict[str, Any]] = {}
        self.pending: Any = None

    def tell(self) -> None:
        """Log, fold, log on, fold with changes and removals, vacuum."""
        self.store = Store(Lake.on(self.fs, SETTINGS))
        self.experiment("first")
        one, two = self.run(), self.run()
        for step in range(6):
            self.batch(one, step)
        self.compact()
        self.rename("first", "renamed")
        self.experiment("first")
        self.batch(two, 1)
        self.untag(one, "t0")
        self.end(one)
        for step in range(4, 9):
            self.batch(one, step)
        self.store.lake.seal()
        self.compact()
        self.batch(two, 2)
        self.compact()

    def experiment(self, name: str) -> None:
        self.pending = ("experiment", name)
        self.store.experiments.create(name)
        self.pending = None
        self.experiments.add(name)

    def rename(self, old: str, new: str) -> None:
        self.pending = ("rename", old, new)
        (identity,) = (e.experiment_id for e in [self.store.experiments.find(old)] if e)
        self.store.experiments.rename(identity, new)
        self.pending = None
        self.experiments = self.experiments - {old} | {new}

    def run(self) -> str:
        run_id = self.store.runs.create("0", start_time=1, run_name="name").info.run_id
        self.runs[run_id] = {
            "points": set(),
            "params": {},
            "tags": {"mlflow.runName": "name"},
            "status": "RUNNING",
        }
        return run_id

    def batch(self, run_id: str, step: int) -> None:
        metrics = [Metric("loss", step / 2, 1000 + step, step), Metric("acc", 1.0, 1, step)]
        params, tags = (
            [Param(f"p{step}", "v")],
            [RunTag(f"t{step}", "v"), RunTag("last", str(step))],
        )
        model = self.runs[run_id]
        self.pending = (run_id, step)
        self.store.runs.log_batch(run_id, metrics, params, tags)
        self.pending = None
        model["points"] |= {("loss", step / 2, 1000 + step, step), ("acc", 1.0, 1, step)}
        model["params"][f"p{step}"] = "v"
        model["tags"] |= {f"t{step}": "v", "last": str(step)}

    def untag(self, run_id: str, key: str) -> None:
        self.pending = ("untag", key)
        self.store.runs.delete_tag(run_id, key)
        self.pending = None
        del self.runs[run_id]["tags"][key]

    def end(self, run_id: str) -> None:
        self.pending = ("end", run_id)
        self.store.terminate(run_id, end_time=5)
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
    }


def check(story: Story, store: Store) -> None:
    """What returned is there; what was cut off is there whole or not at all."""
    names = {each for each in ("first", "renamed") if store.experiments.find(each) is not None}
    match story.pending:
        case ("rename", old, new):
            assert names in (story.experiments, story.experiments - {old} | {new})
        case ("experiment", name):
            assert names in (story.experiments, story.experiments | {name})
        case _:
            assert names == story.experiments
    listed = [each.name for each in store.experiments.search(view_type=3, max_results=100)]
    assert sorted(listed) == sorted({"Default", *names}), "no name twice"
    for run_id, promised in story.runs.items():
        seen = observe(store, run_id)
        if seen == promised:
            continue
        assert story.pending is not None, (seen, promised)
        match story.pending:
            case ("untag", key):
                assert seen["tags"] == {k: v for k, v in promised["tags"].items() if k != key}
            case ("end", _):
                assert seen == promised | {"status": "FINISHED"}
            case (str(), step):
                assert (
                    seen["points"] - promised["points"]
                    == {
                        ("loss", step / 2, 1000 + step, step),
                        ("acc", 1.0, 1, step),
                    }
                    - promised["points"]
                )
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


def writes_of_the_story() -> list[str]:
    fs = FaultFilesystem(open_filesystem(uri()))
    Story(fs).tell()
    return fs.writes


def stop_and_look(fault: Fault) -> None:
    location = uri()
    story = Story(FaultFilesystem(open_filesystem(location), fault))
    with pytest.raises(Killed):
        story.tell()
    MemoryFilesystem.release_all()
    survivor = Store(Lake.on(open_filesystem(location), SETTINGS))
    check(story, survivor)
    compact_lake(survivor.lake)
    check(story, survivor)
    tidy(survivor.lake)
    compact_lake(survivor.lake)
    check(story, Store(Lake.on(open_filesystem(location), SETTINGS)))
    for path, span in survivor.lake.listing().unfolded.items():
        rest = survivor.lake.fs.read(path, *span)
        assert b"\n" not in rest, "a complete line was not folded"


WRITES = writes_of_the_story()


@pytest.mark.parametrize("write", range(1, len(WRITES) + 1))
def test_dying_before_a_write_loses_nothing(write: int) -> None:
    stop_and_look(Fault(write, "before"))


@pytest.mark.parametrize("write", range(1, len(WRITES) + 1))
def test_dying_after_a_write_loses_nothing(write: int) -> None:
    stop_and_look(Fault(write, "after"))


@pytest.mark.parametrize("write", [n for n, kind in enumerate(WRITES, 1) if kind == "append"])
def test_a_torn_write_loses_nothing(write: int) -> None:
    stop_and_look(Fault(write, "torn"))
