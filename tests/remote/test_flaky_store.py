"""A store on which every fifth call goes wrong loses nothing and doubles nothing.

Each test begins at another call, so that together every call of the story goes wrong.
"""

from __future__ import annotations

import errno
import itertools
from typing import TYPE_CHECKING

import fsspec
import pytest

from lakeflow.config import Settings
from lakeflow.exceptions import LakeflowException
from lakeflow.filesystem import retry
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store
from lakeflow.testing.flaky import FlakyFileSystem, Flaw, lake_filesystem
from lakeflow.testing.story import Story

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVERY = 5
ERRORS = {
    "timeout": TimeoutError,
    "reset": ConnectionResetError,
    "busy": lambda: OSError(errno.EBUSY, "busy"),
}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_PAUSE_S", 0.001)


@pytest.fixture
def flaky(tmp_path: Path) -> FlakyFileSystem:
    return FlakyFileSystem(fsspec.filesystem("memory"))


@pytest.fixture
def open_store(flaky: FlakyFileSystem, tmp_path: Path) -> Callable[[], Store]:
    numbers = itertools.count()

    def opened() -> Store:
        settings = Settings(
            fold_bytes=3_000,
            vacuum_grace_s=0,
            retention_s=0,
            auto_compact=False,
            cache_folder=str(tmp_path / f"cache-{next(numbers)}"),
        )
        return Store(Lake.on(lake_filesystem(flaky, str(tmp_path), settings), settings))

    return opened


def tell(flaky: FlakyFileSystem, story: Story, flaw: Flaw) -> None:
    """Tell a story in which things go wrong, and then look with nothing wrong any more."""
    flaky.flaws = [flaw]
    story.tell()
    assert flaky.struck > 0
    flaky.flaws = []


def look(story: Story, open_store: Callable[[], Store]) -> None:
    story.check(open_store())
    survivor = open_store()
    compact_lake(survivor.lake)
    story.check(survivor)
    story.check(open_store())


def test_each_trouble_is_what_it_says(flaky: FlakyFileSystem, tmp_path: Path) -> None:
    for name in "abcd":
        flaky.pipe_file(f"{tmp_path}/{name}", b"content", mode="create")
    names = [f"{tmp_path}/{name}" for name in "abcd"]
    assert flaky.ls(str(tmp_path), detail=False) == names
    flaky.rm_file(names.pop())
    flaky.flaws = [Flaw("stale", "ls"), Flaw("omit", "ls", nth=2), Flaw("delay", "ls", nth=3)]
    assert flaky.ls(str(tmp_path), detail=False) == [*names, f"{tmp_path}/d"]
    assert flaky.ls(str(tmp_path), detail=False) == names[1::2]
    assert flaky.ls(str(tmp_path), detail=False) == names
    flaky.flaws = [Flaw("truncate"), Flaw("fail", "pipe_file"), Flaw("lose", "rm_file")]
    assert flaky.cat_file(names[0]) == b"con"
    assert flaky.cat_file(names[0]) == b"content"
    with pytest.raises(TimeoutError):
        flaky.pipe_file(f"{tmp_path}/e", b"content")
    with pytest.raises(TimeoutError):
        flaky.rm_file(names[0])
    assert flaky.ls(str(tmp_path), detail=False) == names[1:]
    with pytest.raises(FileExistsError):
        flaky.pipe_file(names[1], b"other", mode="create")
    assert (flaky.struck, flaky.calls["ls"]) == (6, 5)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("nth", range(1, EVERY + 1))
def test_a_call_that_fails_once_is_made_again(
    flaky: FlakyFileSystem, open_store: Callable[[], Store], nth: int, error: str
) -> None:
    story = Story(open_store)
    tell(flaky, story, Flaw("fail", nth=nth, every=EVERY, error=ERRORS[error]))
    look(story, open_store)


@pytest.mark.parametrize("nth", range(1, EVERY + 1))
def test_a_reply_that_is_lost_does_nothing_twice(
    flaky: FlakyFileSystem, open_store: Callable[[], Store], nth: int
) -> None:
    story = Story(open_store)
    tell(flaky, story, Flaw("lose", nth=nth, every=EVERY, error=ConnectionResetError))
    look(story, open_store)


@pytest.mark.parametrize("trouble", ["truncate", "omit", "stale"])
@pytest.mark.parametrize("nth", range(1, EVERY + 1))
def test_a_wrong_answer_is_an_error_at_worst(
    flaky: FlakyFileSystem, open_store: Callable[[], Store], nth: int, trouble: str
) -> None:
    story = Story(open_store, flaky.calm)
    tell(flaky, story, Flaw(trouble, nth=nth, every=EVERY))
    # A reader may see less for once.
    expected = (LakeflowException, AssertionError)
    assert all(isinstance(error, expected) for error in story.errors)
    look(story, open_store)


def test_a_listing_that_lacks_a_segment_for_long_loses_none(
    flaky: FlakyFileSystem, open_store: Callable[[], Store]
) -> None:
    """The first segment of a writer is listed later than the second: no fold goes past it."""
    writer = open_store()
    run_id = writer.runs.create("0").info.run_id
    for step in range(6):
        writer.runs.log_metric(run_id, "loss", step, step, step)
    flaky.flaws = [Flaw("omit", "find", every=1, matches="/log")]
    compact_lake(writer.lake)
    assert flaky.struck > 0
    flaky.flaws = []
    for store in (open_store(), writer):
        assert [point.step for point in store.runs.history(run_id, "loss")] == list(range(6))
        compact_lake(store.lake)
