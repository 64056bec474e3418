"""What the file of an event holds: the event, and those before it where many make changes."""

from __future__ import annotations

import base64
import itertools
import json
import random
import zlib
from typing import Any

import fsspec
import pytest

from lakeflow.config import Settings
from lakeflow.exceptions import DamagedLakeError
from lakeflow.lake import Lake
from lakeflow.log.event_files import (
    event_in,
    events_before,
    read_event,
    written,
)
from lakeflow.log.positions import event_path
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store
from lakeflow.testing.flaky import FlakyFileSystem, lake_filesystem

_NUMBERS = itertools.count()
EVENT = b'{"seq":1}\n{"seq":2}\n'


def test_a_file_holds_its_event_and_repeats_others_the_latest_first() -> None:
    before = [b"first\n", b"second\nof two lines\n", b"third\n"]
    content = written(EVENT, before)
    assert event_in(content) == EVENT
    assert events_before(content) == before[::-1]
    assert content.count(b"\n") == 3, "one line more than the event has"
    assert written(EVENT, ()) == EVENT
    assert events_before(EVENT) == []


def test_no_more_is_repeated_than_is_worth_it() -> None:
    large = [random.Random(number).randbytes(100_000) for number in range(5)]
    assert events_before(written(EVENT, large)) == large[:-3:-1]
    assert written(EVENT, [b"x" * 1_000_000]) == EVENT
    assert len(written(EVENT, [b'{"seq":0,"clock":1,"experiment_id":"0"}\n' * 10] * 16)) < 1000


def repeating(packed: bytes, sizes: object) -> bytes:
    line = {"before": base64.b64encode(packed).decode(), "sizes": sizes}
    return EVENT + json.dumps(line, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        EVENT + b'{"before":\n',
        EVENT + b'{"before":"!","sizes":[1]}\n',
        EVENT + b'{"before":7,"sizes":[1]}\n',
        EVENT + b'{"before":"' + b"[" * 100_000 + b"\n",
        repeating(b"no zlib", [7]),
        repeating(zlib.compress(b"event\n"), [5]),
        repeating(zlib.compress(b"event\n"), [7]),
        repeating(zlib.compress(b"event\n"), [6.0]),
        repeating(zlib.compress(b"event\n"), [-6, 12]),
        repeating(zlib.compress(b"event\n"), ["6"]),
        repeating(zlib.compress(b"event\n"), 6),
        repeating(zlib.compress(b"event\n"), None),
        repeating(zlib.compress(b" " * 10_000_000), [10_000_000]),
    ],
)
def test_what_cannot_be_read_repeats_nothing_and_leaves_the_event(content: bytes) -> None:
    assert event_in(content) == EVENT
    assert events_before(content) == []


def test_a_line_alone_is_an_event_whatever_it_says() -> None:
    assert event_in(b'{"before":"","sizes":[]}\n') == b'{"before":"","sizes":[]}\n'


def remote() -> Any:
    """Return a filesystem whose every call is a request."""
    flaky = FlakyFileSystem(fsspec.filesystem("memory"))
    return lake_filesystem(flaky, f"/events-{next(_NUMBERS)}", Settings(cache_bytes=0))


def test_an_event_that_was_cut_short_is_refused_wherever_that_was() -> None:
    fs = remote()
    content = written(EVENT, [b"before\n"])
    for cut in range(1, len(content)):
        fs.create(event_path(cut), content[:cut])
        if content[:cut] == EVENT:
            continue
        with pytest.raises(DamagedLakeError):
            read_event(fs, event_path(cut), lambda event: event == EVENT)
    assert read_event(fs, event_path(len(EVENT)), lambda event: event == EVENT) == EVENT


def test_folds_and_readers_take_each_event_once() -> None:
    settings = Settings(auto_compact=False)
    fs = remote()
    stores = [Store(Lake.on(fs, settings)) for _ in range(3)]
    names = [f"e{number}" for number in range(12)]
    for name, store in zip(names, itertools.cycle(stores), strict=False):
        store.experiments.create(name)
    repeated = [len(events_before(fs.read(event_path(number)))) for number in range(1, 14)]
    assert max(repeated) > 5
    assert [names_in(Store(Lake.on(fs, settings))), names_in(stores[0])] == [names] * 2
    compact_lake(stores[0].lake)
    assert [names_in(Store(Lake.on(fs, settings))), names_in(stores[1])] == [names] * 2
    stores[2].experiments.create("e12")
    assert names_in(Store(Lake.on(fs, settings))) == [*names, "e12"]
    assert not [entry for entry in fs.list("") if entry.name == "rejected"]


@pytest.mark.parametrize("said", [{}, {"event_id": [None]}], ids=["nothing", "null"])
def test_an_event_that_does_not_tell_its_id_is_one_all_the_same(said: dict[str, Any]) -> None:
    fs, settings = remote(), Settings(auto_compact=False)
    Store(Lake.on(fs, settings)).experiments.create("a")
    event = json.loads(fs.read(event_path(2)))
    del event["control_events"]["event_id"]
    event["control_events"] |= said
    fs.delete(event_path(2))
    fs.create(event_path(2), json.dumps(event).encode() + b"\n")
    store = Store(Lake.on(fs, settings))
    store.experiments.create("b")
    assert names_in(store) == ["a", "b"]


def names_in(store: Store) -> list[str]:
    """Return the experiments, the first one made first, but for the one that is always there."""
    found = store.experiments.search()
    return [each.name for each in sorted(found, key=lambda each: int(each.experiment_id))][1:]
