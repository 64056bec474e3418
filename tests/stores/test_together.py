"""Reads of several threads at once become one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakeflow.stores.together import Together


class Reads:
    """Reads slowly: a read ends when it is let go.

    Attributes:
        asked: The ids of each read.
        begun: Set while a read goes on.
        let_go: Lets it end.
    """

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, ids: list[str]) -> dict[str, str]:
        self.asked.append(ids)
        self.begun.set()
        assert self.let_go.wait(30)
        if "broken" in ids:
            raise OSError("broken")
        return {each: each.upper() for each in ids}


def wait_for(together: Together[dict[str, str]], waiting: int) -> None:
    while len(together._asked) < waiting:
        threading.Event().wait(0.001)


def test_who_asks_while_a_read_goes_on_is_read_with_the_others() -> None:
    reads = Reads()
    together = Together(reads)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(together.get, ["a"])
        assert reads.begun.wait(30)
        others = [threads.submit(together.get, ids) for ids in (["b", "a"], ["c"], ["b"])]
        wait_for(together, 3)
        reads.let_go.set()
        assert first.result() == {"a": "A"}
        found = [each.result() for each in others]
    assert [each["b"] for each in (found[0], found[2])] == ["B", "B"]
    assert (found[0]["a"], found[1]["c"]) == ("A", "C")
    # What was asked before is read once more: it may have changed since that read began.
    assert [sorted(each) for each in reads.asked] == [["a"], ["a", "b", "c"]]


def test_a_read_that_fails_fails_for_who_asked_alone() -> None:
    reads = Reads()
    together = Together(reads)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(together.get, ["a"])
        assert reads.begun.wait(30)
        broken = threads.submit(together.get, ["broken"])
        whole = threads.submit(together.get, ["b"])
        wait_for(together, 2)
        reads.let_go.set()
        assert first.result() == {"a": "A"}
        with pytest.raises(OSError, match="broken"):
            broken.result()
        assert whole.result() == {"b": "B"}


def test_a_read_in_the_middle_of_one_of_its_own_thread_does_not_wait() -> None:
    def read(ids: list[str]) -> dict[str, str]:
        # As the handler of a signal does.
        return {**(together.get(["b"]) if "a" in ids else {}), **dict.fromkeys(ids, "here")}

    together = Together(read)
    assert together.get(["a"]) == {"a": "here", "b": "here"}
