"""Of many files some are worked on at once, and never more than fit into memory."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from lakeflow.transfer import at_once

STORE = SimpleNamespace(can_append=False)


class Load:
    """What is worked on at one time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.bytes = self.most_bytes = self.files = self.most_files = 0

    def work(self, size: int) -> int:
        with self.lock:
            self.bytes += size
            self.files += 1
            self.most_bytes = max(self.most_bytes, self.bytes)
            self.most_files = max(self.most_files, self.files)
        time.sleep(0.002)
        with self.lock:
            self.bytes -= size
            self.files -= 1
        return size


def test_small_files_are_many_at_once() -> None:
    load = Load()
    assert sorted(at_once.done(STORE, load.work, range(300), int)) == list(range(300))
    assert load.most_files > 20


def test_large_files_are_as_many_as_fit() -> None:
    load = Load()
    size = at_once.MOST_BYTES // 3
    assert list(at_once.done(STORE, load.work, [size] * 12, int)) == [size] * 12
    assert load.most_files <= 3
    huge = 10 * at_once.MOST_BYTES
    assert list(at_once.done(STORE, Load().work, [huge] * 3, int)) == [huge] * 3


def test_after_a_failure_nothing_begins_and_what_had_begun_is_told() -> None:
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError("the third")
        time.sleep(0.005)
        return number

    told: list[int] = []
    with pytest.raises(ValueError, match="the third"):
        told.extend(at_once.done(STORE, work, range(10_000), lambda _: 1))
    assert sorted([*told, 3]) == sorted(begun)
    assert len(begun) < 500


def test_on_this_machine_they_follow_one_another() -> None:
    thread = threading.get_ident()
    disk = SimpleNamespace(can_append=True)
    found = list(at_once.done(disk, lambda _: threading.get_ident(), range(5), lambda _: 1))
    assert found == [thread] * 5


def test_who_takes_no_more_of_the_results_lets_nothing_begin() -> None:
    load, begun = Load(), []
    results = at_once.done(STORE, load.work, (begun.append(1) or 1 for _ in range(10_000)), int)
    next(results)
    results.close()
    assert load.files == 0, "what had begun has ended"
    assert len(begun) < 5_000  # how many depends on whose turn it is; all are 10,000


def test_who_begins_nothing_at_the_end_leaves_room_for_the_others_to_see_it() -> None:
    def work(_: int) -> int:
        raise ValueError("the first")

    pile = at_once._Pile(iter([at_once.MOST_BYTES] * 3), int, 3)
    # One after the other, as three threads may come; a daemon, so that none waits for it.
    taker = threading.Thread(
        target=lambda: [pile.work_off(work) for _ in range(3)], daemon=True
    )
    taker.start()
    taker.join(60)
    assert not taker.is_alive()
    assert list(pile.results()) == []
    assert str(pile.failure) == "the first"


def test_nothing_is_lost_where_a_thread_cannot_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start, started = threading.Thread.start, []

    def seldom(thread: threading.Thread) -> None:
        if len(started) == 3:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", seldom)
    assert sorted(at_once.done(STORE, Load().work, range(100), int)) == list(range(100))
    started[:] = [threading.current_thread()] * 3
    assert sorted(at_once.done(STORE, Load().work, range(100), int)) == list(range(100))
