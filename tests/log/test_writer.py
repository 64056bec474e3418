"""The log by itself: order, rotation, and cuts at a moment."""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow import parsed_records
from lakeflow.config import Settings
from lakeflow.exceptions import StorageError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.log import writer as writers
from lakeflow.log.clock import Clock, seconds
from lakeflow.log.fold_boundary import FoldBoundaryFinder
from lakeflow.log.positions import CONTROL, Position, hot_spans, list_segments
from lakeflow.log.writer import LogWriter, ObjectLogWriter, log_writer
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store
from lakeflow.tables import folds
from lakeflow.testing.faults import FaultFilesystem

if TYPE_CHECKING:
    from pathlib import Path

_NUMBERS = itertools.count()


def clock_of(line: bytes) -> int | None:
    return parsed_records.clock(line, 2**62)


def test_a_clock_never_runs_backwards_and_follows_what_was_read() -> None:
    clock = Clock()
    times = [clock.next() for _ in range(1000)]
    assert times == sorted(set(times))
    clock.observe(times[-1] + 10**9)
    assert clock.next() > times[-1] + 10**9


def test_no_two_threads_get_one_time() -> None:
    clock = Clock()
    times: list[int] = []
    # Ahead of the machine's, as after a look at the records of another: then it only counts.
    clock.observe(clock.next() + 10**9)

    def take() -> None:
        times.extend(clock.next(2) for _ in range(20_000))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    taken = sorted(times)
    assert all(after - before >= 2 for before, after in itertools.pairwise(taken))


def test_segments_rotate_by_size_and_lines_stay_whole() -> None:
    fs = open_filesystem(f"memory://log-{next(_NUMBERS)}")
    writer = log_writer(fs, Clock(), segment_bytes=500, fsync=True)
    for number in range(50):
        writer.append([f'"run_id":"r{number}"', '"run_id":"twin"'])
    writer.close()
    sizes = list_segments(fs)
    assert len(sizes) > 5
    lines = [json.loads(line) for path in sorted(sizes) for line in fs.read(path).splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 101))
    assert writer.written_bytes == sum(sizes.values())


class SlowObjects:
    """Objects in memory, of which the first is not written before the others are waited for."""

    can_append = False
    uri = "slow://"

    def __init__(self, threads: int) -> None:
        self.objects: dict[str, bytes] = {}
        self.error: BaseException | None = None
        self._others = threads - 1

    def create(self, path: str, data: bytes) -> None:
        if not self.objects:
            limit = time.monotonic() + 30
            while len(self.writer._waiting) <= self._others:  # its own is among them
                assert time.monotonic() < limit
                time.sleep(0.001)
        elif self.error is not None:
            raise self.error
        self.objects[path] = data

    def keep(self, path: str, data: bytes) -> None:
        pass

    def append_at_once(self) -> list[BaseException]:
        """Let each thread append a record; return what was raised."""
        self.writer = ObjectLogWriter(self, Clock(), segment_bytes=10**6, fsync=False)  # type: ignore[arg-type]
        raised: list[BaseException] = []

        def append(number: int) -> None:
            try:
                self.writer.append([f'"run_id":"r{number}"'])
            except BaseException as error:  # noqa: BLE001 - what is raised is the question
                raised.append(error)

        numbers = range(self._others + 1)
        threads = [threading.Thread(target=append, args=(number,)) for number in numbers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return raised


def test_threads_that_write_objects_share_them() -> None:
    fs = SlowObjects(threads=8)
    assert fs.append_at_once() == []
    assert len(fs.objects) == 2
    found = [json.loads(line) for data in fs.objects.values() for line in data.splitlines()]
    assert sorted(record["run_id"] for record in found) == [f"r{n}" for n in range(8)]
    assert [record["seq"] for record in found] == list(range(1, 9))


def test_what_is_too_large_for_an_object_is_cut_between_lines() -> None:
    fs = SlowObjects(threads=0)
    writer = ObjectLogWriter(fs, Clock(), segment_bytes=300, fsync=False)  # type: ignore[arg-type]
    fs.writer = writer
    sizes = [500, 10, 10, 200, 10, 500, 10]
    writer.append([f'"run_id":"{"x" * size}"' for size in sizes])
    found = [[json.loads(line) for line in data.splitlines()] for data in fs.objects.values()]
    assert [record["seq"] for lines in found for record in lines] == [*range(1, 8)]
    assert all(len(data) <= 300 or data.count(b"\n") == 1 for data in fs.objects.values())
    assert writer.written_bytes == sum(map(len, fs.objects.values()))


@pytest.mark.parametrize("error", [StorageError("full"), KeyboardInterrupt()])
def test_each_thread_hears_that_a_shared_object_was_not_written(error: BaseException) -> None:
    fs = SlowObjects(threads=4)
    fs.error = error
    raised = fs.append_at_once()
    assert len(fs.objects) == 1
    assert len(raised) == 3
    assert error in raised
    assert all(each is error or isinstance(each, StorageError) for each in raised)
    assert len({id(each) for each in raised}) == 3, "each thread has a traceback of its own"
    fs.error = None
    fs.writer.append(['"run_id":"later"'])
    assert [b"later" in data for data in fs.objects.values()] == [False, True]
    assert len({path.split("/")[1] for path in fs.objects}) == 2, "nothing follows a failure"


def test_what_others_wait_for_is_written_though_its_turn_is_interrupted() -> None:
    """Before the write: nobody may return as if it had been made."""
    fs = SlowObjects(threads=1)
    writer = fs.writer = ObjectLogWriter(fs, Clock(), segment_bytes=10**6, fsync=False)  # type: ignore[arg-type]

    class Interrupting(deque[Any]):
        def __iter__(self) -> Any:
            if threading.current_thread() is threading.main_thread():
                raise KeyboardInterrupt
            return super().__iter__()

    writer._waiting = Interrupting()
    with writer._lock:
        other = threading.Thread(target=writer.append, args=(['"run_id":"other"'],))
        other.start()
        while not len(writer._waiting):
            time.sleep(0.001)
        with pytest.raises(KeyboardInterrupt):
            writer._append_waiting()
    other.join()
    assert [b"other" in data for data in fs.objects.values()] == [True]


def test_who_gathers_within_a_gathering_does_not_end_it(tmp_path: Path) -> None:
    lake = Lake.on(open_filesystem(tmp_path / "lake"), Settings(auto_compact=False))
    with lake.gathering() as outer:
        with lake.gathering() as inner:
            inner.write()
        lake.append(['"run_id":"x"'])
        assert outer.size


@pytest.mark.parametrize("kind", [LogWriter, ObjectLogWriter])
def test_what_a_handler_logs_in_vain_fails_no_other_call_and_is_tried_again(
    kind: type[LogWriter], uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs = open_filesystem(uri)
    writer = kind(fs, Clock(), segment_bytes=10**6, fsync=False)
    write, calls = writer._write, itertools.count()

    def interrupted(lines: bytes) -> None:
        number = next(calls)
        if number == 1:
            raise StorageError("the disk is full")
        write(lines)
        if number == 0:
            writer.append(['"run_id":"handler"'])

    monkeypatch.setattr(writer, "_write", interrupted)
    for name in ("first", "second"):
        writer.append([f'"run_id":"{name}"'])
    logged = b"".join(fs.read(path) for path in fs.sizes("log"))
    assert [logged.count(name) for name in (b"first", b"second", b"handler")] == [1, 1, 1]


def test_a_segment_of_another_lake_that_cannot_be_closed_fails_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "_MOST_OPEN", 0)
    lakes = [open_filesystem(tmp_path / name) for name in ("a", "b")]
    one, other = (log_writer(fs, Clock(), segment_bytes=10**6, fsync=False) for fs in lakes)
    one.append(['"run_id":"a"'])

    def close() -> None:
        raise StorageError("the mount is gone")

    assert one._file is not None
    monkeypatch.setattr(one._file, "close", close)
    other.append(['"run_id":"b"'])
    assert lakes[1].sizes("log")
    other.close()


def test_a_segment_that_was_deleted_while_idle_is_not_written_to(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs = open_filesystem(uri)
    writer = log_writer(fs, Clock(), segment_bytes=10**6, fsync=False)
    writer.append(['"run_id":"a"'])
    (first,) = list_segments(fs)
    fs.delete(first)
    now = seconds()
    monkeypatch.setattr("lakeflow.log.writer.seconds", lambda: now + 61)
    writer.append(['"run_id":"b"'])
    (second,) = list_segments(fs)
    assert json.loads(fs.read(second))["run_id"] == "b"


@pytest.mark.parametrize("durability", ["process", "fsync"])
def test_a_fold_is_on_the_disk_before_it_is_finished_and_fsync_covers_the_log(
    tmp_path: Path, durability: Literal["process", "fsync"]
) -> None:
    fs = FaultFilesystem(open_filesystem(tmp_path))
    synced: list[str] = []
    fs.sync = lambda *paths: synced.extend(paths)  # type: ignore[method-assign]
    store = Store(Lake.on(fs, Settings(durability=durability, auto_compact=False)))
    store.runs.log_metric(store.runs.create("0").info.run_id, "m", 1, 1, 1)
    (segment,) = (path for path in list_segments(fs) if CONTROL not in path)
    always = ["log/control/00000001.jsonl", "lake.json", segment]
    assert synced == (always if durability == "fsync" else [])
    synced.clear()
    compact_lake(store.lake)
    # What it reads comes before the plan, and the plan and all files before the end.
    plan, done = map(synced.index, (folds.plan_path(1), folds.done_path(1)))
    assert segment in synced[:plan]
    fold = store.lake.fold()
    files = [f"tables/{name}/{file.path}" for name in fold.files for file in fold.files[name]]
    files += [file.path for index in fold.indexes.values() for file in index]
    files += [store.lake.tables[name].commit_path(n) for name, n in fold.versions.items()]
    assert {*files} <= {*synced[:done]}


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
    positions: dict[str, Position] = {}
    folded: dict[str, int] = {}
    while True:
        finder = FoldBoundaryFinder(fs, hot_spans(sizes, positions))
        cut = finder.find(limit, clock_of, None, 1)
        if cut.size_bytes == 0:
            break
        before, after = [], []
        positions |= cut.positions
        offsets = {f"log/{writer}/1.jsonl": at.offset for writer, at in positions.items()}
        for path in sizes:
            offset = offsets.get(path, 0)
            data = fs.read(path)
            assert offset >= folded.get(path, 0)
            assert offset == 0 or data[offset - 1 : offset] == b"\n"
            before += map(clock_of, data[folded.get(path, 0) : offset].splitlines())
            after += map(clock_of, data[offset:].splitlines())
        largest = max((clock for clock in before if clock is not None), default=-1)
        smallest = min((clock for clock in after if clock is not None), default=10**9)
        assert largest <= smallest
        folded = offsets
    complete = {path: size - len('{"torn') for path, size in sizes.items()}
    assert {path: folded.get(path, 0) for path in sizes} == complete
