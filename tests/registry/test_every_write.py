"""A process that dies at any write of the registry leaves the state of before or of after."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

from lakeflow.config import Settings
from lakeflow.exceptions import NotFoundError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.filesystem.memory import MemoryFilesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store
from lakeflow.testing.faults import FaultFilesystem

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from lakeflow.filesystem.interface import Filesystem

SETTINGS = Settings(fold_bytes=3_000, vacuum_grace_s=0, retention_s=0, auto_compact=False)
STORY: list[Callable[[Store], Any]] = [
    lambda store: store.models.create("a", {"team": "x"}, "text"),
    lambda store: store.model_versions.create("a", "s1", tags={"k": "v"}),
    lambda store: store.model_versions.create("a", "s2"),
    lambda store: store.models.set_alias("a", "champion", 1),
    lambda store: store.model_versions.transition("a", 1, "Production", False),
    lambda store: compact_lake(store.lake),
    lambda store: store.model_versions.transition("a", 2, "Production", True),
    lambda store: store.models.rename("a", "b"),
    lambda store: store.model_versions.copy("models:/b@champion", "a"),
    lambda store: store.model_versions.delete("b", 1),
    lambda store: store.model_versions.create("b", "s3"),
    lambda store: compact_lake(store.lake),
    lambda store: store.models.delete("b"),
    lambda store: compact_lake(store.lake),
    lambda store: store.models.create("b"),
]

Files = dict[str, tuple[bytes, Any]]
"""Content and time of change by path within the lake."""

_NUMBERS = itertools.count()


def uri() -> str:
    return f"memory://registry-{next(_NUMBERS)}"


def opened(fs: Filesystem) -> Store:
    return Store(Lake.on(fs, SETTINGS))


def shown(store: Store) -> dict[str, Any]:
    """Everything that the registry says of the two names but times, without an engine."""
    found: dict[str, Any] = {}
    for name in "ab":
        try:
            model = store.models.get(name)
        except NotFoundError:
            continue
        found[name] = (
            model.tags,
            model.description,
            model.aliases,
            {each.current_stage: each.version for each in model.latest_versions},
            [version for number in (1, 2, 3) if (version := told(store, name, number))],
        )
    return found


def told(store: Store, name: str, number: int) -> tuple[Any, ...]:
    try:
        found = store.model_versions.get(name, number)
    except NotFoundError:
        return ()
    return found.source, found.current_stage, found.aliases, found.tags


def found_by_search(store: Store) -> dict[str, list[int]]:
    models = {each.name: [] for each in store.models.search(None, 10, None, None)}
    for version in store.model_versions.search(None, 10, ["version_number"], None):
        models[version.name].append(version.version)
    return models


class Remembering(FaultFilesystem):
    """Keeps what is in the store before each write, and how many steps were done by then."""

    def __init__(self, location: str) -> None:
        super().__init__(open_filesystem(location))
        self.kept: list[tuple[int, Files]] = []
        self.done = 0

    def write(self, kind: Any, act: Any, torn: Any = None) -> None:
        self.kept.append((self.done, files_below(self.full(""))))
        super().write(kind, act, torn)


def files_below(root: str) -> Files:
    return {
        path.removeprefix(root): (file.getvalue(), file.modified)
        for path, file in MemoryFileSystem.store.items()
        if path.startswith(root)
    }


def test_dying_at_any_write_leaves_the_old_or_the_new_state(subtests: pytest.Subtests) -> None:
    remembering = Remembering(uri())
    store = opened(remembering)
    remembering.kept.clear()
    states = [shown(store)]
    for step in STORY:
        step(store)
        remembering.done += 1
        states.append(shown(store))
    remembering.kept.append((len(STORY), files_below(remembering.full(""))))
    assert found_by_search(store) == {"a": [1], "b": []}
    # What a change leaves, and some of what a fold leaves that takes the events in.
    folds = Counter[int]()
    for done, files in remembering.kept:
        folds[done] += 1
        if folds[done] % 40 == 1:
            with subtests.test(done=done, write=folds[done]):
                survive(files, states[done], states[min(done + 1, len(STORY))])


def survive(files: Files, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Go on with a lake that somebody left between two writes."""
    location = uri()
    root = open_filesystem(location).full("")
    for path, (content, modified) in files.items():
        file = MemoryFile(MemoryFileSystem(), f"{root}{path}", content)
        file.modified = modified
        MemoryFileSystem.store[f"{root}{path}"] = file
    MemoryFilesystem.release_all()
    survivor = opened(open_filesystem(location))
    left = shown(survivor)
    # Nobody has died in the middle of a call that was one write: it is made, or it is not.
    assert left in (before, after)
    compact_lake(survivor.lake)
    assert shown(survivor) == left
    survivor.models.create("c")
    assert survivor.model_versions.create("c", "s").version == 1
    assert shown(opened(open_filesystem(location))) == left
