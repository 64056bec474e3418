"""The log by itself: order, rotation, and cuts at a moment."""

from __future__ import annotations

import itertools
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow.storage.location import open_filesystem
from lakeflow.storage.log import Clock, LogCutter, LogWriter, list_segments
from lakeflow.tracking import records

_NUMBERS = itertools.count()


def test_a_clock_never_runs_backwards_and_follows_what_was_read() -> None:
    clock = Clock()
    times = [clock.next() for _ in range(1000)]
    assert times == sorted(set(times))
    clock.observe(times[-1] + 10**9)
    assert clock.next() > times[-1] + 10**9


def test_segments_rotate_by_size_and_lines_stay_whole() -> None:
    fs = open_filesystem(f"memory://log-{next(_NUMBERS)}")
    writer = LogWriter(fs, Clock(), segment_bytes=500, fsync=True)
    for number in range(50):
        writer.append([f'"run_id":"r{number}"', '"run_id":"twin"'])
    writer.close()
    sizes = list_segments(fs)
    assert len(sizes) > 5
    lines = [json.loads(line) for path in sorted(sizes) for line in fs.read(path).splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 101))
    assert writer.written_bytes == sum(sizes.values())


lines = st.lists(st.one_of(st.integers(0, 60), st.none()), max_size=25)


@given(st.lists(lines, min_size=1, max_size=4), st.integers(0, 2000), st.integers(0, 300))
@settings(max_examples=200, deadline=None)
def test_a_cut_is_a_moment(clocks: list[list[int | None]], limit: int, tail: int) -> None:
    """No record before the cut is later than one after it, whoever wrote the two."""
    fs = open_filesystem(f"memory://cut-{next(_NUMBERS)}")
    for number, writer in enumerate(clocks):
        known = iter(sorted(clock for clock in writer if clock is not None))
        content = b"".join(
            b"garbage " * 3 + b"\n"
            if clock is None
            else json.dumps({"seq": 1, "clock": next(known), "pad": "x" * tail}).encode()
            + b"\n"
            for clock in writer
        )
        fs.create(f"log/{number}/1.jsonl", content + b'{"torn')
    sizes = list_segments(fs)
    folded: dict[str, int] = {}
    while True:
        cut = LogCutter(fs, sizes, folded).cut(limit, records.clock, None)
        if cut.size_bytes == 0:
            break
        before, after = [], []
        for path, offset in cut.offsets.items():
            data = fs.read(path)
            assert offset >= folded.get(path, 0)
            assert offset == 0 or data[offset - 1 : offset] == b"\n"
            before += [
                records.clock(line) for line in data[folded.get(path, 0) : offset].splitlines()
            ]
            after += [records.clock(line) for line in data[offset:].splitlines()]
        largest = max((clock for clock in before if clock is not None), default=-1)
        smallest = min((clock for clock in after if clock is not None), default=10**9)
        assert largest <= smallest
        folded = dict(cut.offsets)
    complete = {path: size - len('{"torn') for path, size in sizes.items()}
    assert {path: folded.get(path, 0) for path in sizes} == complete
