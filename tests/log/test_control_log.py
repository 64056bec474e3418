"""The control log carried out: races of threads and processes, shared events, broken stores.

Run as a program it is one of several processes that change a log in a folder.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

import lakeflow
from lakeflow.config import Settings
from lakeflow.exceptions import ConflictError, DamagedLakeError, StorageError
from lakeflow.filesystem.local import LocalFilesystem
from lakeflow.filesystem.location import open_filesystem
from lakeflow.ids import maker_of
from lakeflow.log.control_log import ControlLog
from lakeflow.log.control_requests import Await, Folded
from lakeflow.log.event_files import event_in
from lakeflow.log.positions import CONTROL, LOG, Position, event_path
from lakeflow.tables import folds
from lakeflow.testing.flaky import FlakyFileSystem, Flaw, lake_filesystem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lakeflow.filesystem.interface import Filesystem

FOLDS = "control-folds"
_NUMBERS = itertools.count()


class Draft:
    """Names of the changes so far."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def add(self, bodies: Sequence[str]) -> None:
        self.names += [json.loads(f"{{{body}}}")["name"] for body in bodies]


class Member:
    """One of those who change a log, as a process would: with a state of its own.

    Args:
        fs: The lake's filesystem.
        grace_s: For how long events are kept after a fold.
        options: More arguments of the log.

    Attributes:
        log: The log.
        names: Names of all changes that it knows of.
        base: The fold that it stands on.
        stood: How often it has begun with a fold.
    """

    def __init__(self, fs: Filesystem, grace_s: float = 120, **options: Any) -> None:
        self.fs = fs
        self.base = Folded(0, 0)
        self.last = 0
        self.names: list[str] = []
        self.stood = 0
        self.log = ControlLog(fs, self, self.look, self.owner, encode, grace_s, **options)

    # What it knows

    def stand_on(self, base: Folded) -> None:
        self.base, self.last = base, base.number
        self.names = [record["name"] for event in self.folded() for record in event["records"]]
        self.stood += 1

    def rebase(self, base: Folded) -> None:
        assert base.number <= self.last
        self.base = base

    def take(self, number: int, data: bytes) -> str:
        assert number == self.last + 1
        self.last = number
        event = json.loads(data)
        self.names += [record["name"] for record in event["records"]]
        return maker_of(event["id"])

    def draft(self) -> Draft:
        return Draft(self.names)

    # Folds: a file each with the events up to a number

    def look(self) -> Folded:
        entries = self.fs.list(FOLDS)
        if not entries:
            return Folded(0, 0)
        fold, number = entries[-1].name.split("-")
        return Folded(int(fold), int(number))

    def folded(self) -> list[Any]:
        if self.base.fold == 0:
            return []
        found: list[Any] = json.loads(self.fs.read(_fold_path(self.base)))
        return found

    def owner(self, number: int) -> str | None:
        owner: str = self.folded()[number - 1]["id"]
        return owner

    def fold(self) -> None:
        """Fold all events that there are."""
        before = Member(self.fs)
        before.stand_on(self.look())
        events = before.folded()
        while self.fs.exists(event_path(len(events) + 1)):
            events.append(read(self.fs, len(events) + 1))
        after = Folded(before.base.fold + 1, len(events))
        self.fs.create(_fold_path(after), json.dumps(events).encode())

    def vacuum(self) -> None:
        """Delete all events that are folded."""
        for number in range(1, self.look().number + 1):
            self.fs.delete(event_path(number))

    # Changes

    def add(self, name: str) -> int:
        """Make a change that says how many there were before; return that."""
        return self.log.change(adding(name))


def _fold_path(fold: Folded) -> str:
    return f"{FOLDS}/{fold.fold:04d}-{fold.number:04d}"


def encode(number: int, event_id: str, changes: Sequence[Sequence[str]]) -> bytes:
    records = ",".join(f"{{{body}}}" for bodies in changes for body in bodies)
    return f'{{"number":{number},"id":"{event_id}","records":[{records}]}}\n'.encode()


def adding(name: str) -> Callable[[Draft], tuple[list[str], int]]:
    def decide(draft: Draft) -> tuple[list[str], int]:
        if name in draft.names:
            raise ValueError(f"{name} is taken")
        return [f'"name":"{name}","before":{len(draft.names)}'], len(draft.names)

    return decide


def read(fs: Filesystem, number: int) -> Any:
    """Return an event, whatever its file repeats."""
    return json.loads(event_in(fs.read(event_path(number))))


def events_of(fs: Filesystem) -> list[Any]:
    """Return all events, folded or not, checking that each was decided on those before it."""
    member = Member(fs)
    member.stand_on(member.look())
    events = member.folded()
    with contextlib.suppress(FileNotFoundError):
        while True:
            events.append(read(fs, len(events) + 1))
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    records = [record for event in events for record in event["records"]]
    assert [record["before"] for record in records] == list(range(len(records)))
    names = {entry.name for entry in fs.list(f"{LOG}/{CONTROL}")}
    assert names <= {Path(event_path(event["number"])).name for event in events}
    return events


def names_of(fs: Filesystem) -> list[str]:
    return [record["name"] for event in events_of(fs) for record in event["records"]]


def at_once(*works: Callable[[], object]) -> list[Any]:
    """Return what functions return or raise that are called by a thread each."""
    outcomes: dict[int, Any] = {}

    def run(index: int) -> None:
        try:
            outcomes[index] = works[index]()
        except BaseException as error:  # noqa: BLE001 - is looked at
            outcomes[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [outcomes[index] for index in range(len(works))]


def remote(*flaws: Flaw) -> Filesystem:
    """Return a filesystem whose every call is a request."""
    flaky = FlakyFileSystem(fsspec.filesystem("memory"))
    fs = lake_filesystem(flaky, f"/control-{next(_NUMBERS)}", Settings(cache_bytes=0))
    flaky.flaws += flaws
    return fs


@pytest.fixture(params=["file", "memory", "remote"])
def fs(request: pytest.FixtureRequest, tmp_path: Path) -> Filesystem:
    if request.param == "remote":
        return remote()
    if request.param == "file":
        return open_filesystem(str(tmp_path / "lake"))
    return open_filesystem(f"memory://control-{next(_NUMBERS)}")


class Counted(LocalFilesystem):
    """A local folder that counts calls, and that lets tests into them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), str(folder))
        self.calls: Counter[str] = Counter()
        self.on_create: Callable[[str, bytes], None] = lambda path, data: None

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        self.calls["read"] += 1
        return super().read(path, start, end)

    def list(self, path: str) -> Any:
        self.calls["list"] += 1
        return super().list(path)

    def exists(self, path: str) -> bool:
        self.calls["exists"] += 1
        return super().exists(path)

    def create(self, path: str, data: bytes) -> None:
        self.calls["create"] += 1
        self.on_create(path, data)
        super().create(path, data)


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    return Counted(tmp_path / "counted")


# One order


def test_changes_are_seen_by_others_once_they_look(fs: Filesystem) -> None:
    one, two = Member(fs), Member(fs)
    assert [one.add("a"), one.add("b"), two.add("c")] == [0, 1, 2]
    one.log.refresh()
    assert one.names == ["a", "b", "c"]
    assert names_of(fs) == ["a", "b", "c"]


def test_racing_threads_with_a_state_each_lose_nothing(fs: Filesystem) -> None:
    def changes(number: int) -> Callable[[], list[int]]:
        member = Member(fs)
        return lambda: [member.add(f"{number}-{k}") for k in range(15)]

    outcomes = at_once(*(changes(number) for number in range(8)))
    assert sorted(itertools.chain(*outcomes)) == list(range(120))
    assert len(events_of(fs)) == 120


def test_racing_processes_lose_nothing(tmp_path: Path) -> None:
    processes = [spawn(tmp_path, "race", number, 15) for number in range(8)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0].split() for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert sorted(map(int, itertools.chain(*told))) == list(range(120))
    assert len(events_of(open_filesystem(str(tmp_path)))) == 120


def test_a_refusal_is_the_newest_word(fs: Filesystem) -> None:
    one, two = Member(fs), Member(fs)
    one.add("a")
    two.add("b")
    # Not known to one yet, who would try to create an event if it did not look.
    with pytest.raises(ValueError, match="b is taken"):
        one.add("b")
    found = one.log.change(lambda draft: ([], list(draft.names)))
    assert found == ["a", "b"]
    assert names_of(fs) == ["a", "b"]


def test_what_only_an_older_state_would_refuse_is_done(fs: Filesystem) -> None:
    one, two = Member(fs), Member(fs)
    one.add("a")
    two.add("b")

    def after_b(draft: Draft) -> tuple[list[str], str]:
        if "b" not in draft.names:
            raise LookupError("there is no b")
        return [f'"name":"c","before":{len(draft.names)}'], "done"

    assert one.log.change(after_b) == "done"
    assert names_of(fs) == ["a", "b", "c"]


def test_a_change_may_have_several_records(fs: Filesystem) -> None:
    member = Member(fs)
    member.log.change(lambda _: (['"name":"a","before":0', '"name":"b","before":1'], None))
    member.add("c")
    assert [len(event["records"]) for event in events_of(fs)] == [2, 1]


# Requests


def test_who_is_alone_creates_a_file_a_change_and_asks_for_nothing(counted: Counted) -> None:
    member = Member(counted)
    member.add("first")
    counted.calls.clear()
    for number in range(10):
        member.add(f"{number}")
    assert counted.calls == {"create": 10}


def test_without_a_grace_nothing_is_taken_for_granted(counted: Counted) -> None:
    member = Member(counted, grace_s=0)
    member.add("first")
    counted.calls.clear()
    member.add("second")
    assert counted.calls == {"create": 1, "list": 2}  # the fake folds are listed


def test_the_lease_ends_with_half_the_grace(counted: Counted) -> None:
    now = [0.0]
    member = Member(counted, grace_s=100, now=lambda: now[0])
    member.add("first")
    for now[0], looks in ((49, 0), (50, 1), (99, 0), (101, 1)):
        counted.calls.clear()
        member.add(f"{now}")
        assert counted.calls == {"create": 1} | ({"list": looks} if looks else {})


def test_a_refresh_without_news_is_one_look_by_name(counted: Counted) -> None:
    now = [0.0]
    member = Member(counted, grace_s=100, now=lambda: now[0])
    member.add("first")
    counted.calls.clear()
    now[0] = 1
    member.log.refresh()
    assert counted.calls == {"exists": 1}
    member.log.refresh(max_age_s=5)
    assert counted.calls == {"exists": 1}
    now[0] = 60  # the lease is over
    member.log.refresh(max_age_s=5)
    assert counted.calls == {"exists": 1, "read": 1, "list": 1}


def test_an_event_is_asked_for_until_it_is_there_or_the_time_is_over(counted: Counted) -> None:
    now = iter(range(100))
    log = Member(counted, now=lambda: float(next(now))).log
    assert log._answer(Await(1, 0, 0, until=9)) == {}
    # Each look at the clock is a second, and there are three of them for each request.
    assert counted.calls == {"read": 4}
    Member(counted).add("a")
    assert list(log._answer(Await(1, 0, 0, until=0))) == [1]


def test_events_tell_who_has_made_them(counted: Counted) -> None:
    one, two = Member(counted), Member(counted)
    for member in (one, two, one):
        member.add(f"{len(member.names)} of {id(member)}")
    makers = [maker_of(event["id"]) for event in events_of(counted)]
    assert makers[0] == makers[2] != makers[1]
    assert len({event["id"] for event in events_of(counted)}) == 3


def test_threads_share_a_refresh(counted: Counted) -> None:
    member, other = Member(counted), Member(counted)
    other.add("a")
    entered, go_on = threading.Event(), threading.Event()
    look = member.look

    def slow_look() -> Folded:
        entered.set()
        assert go_on.wait(30)
        return look()

    member.log._look = slow_look
    works = [member.log.refresh] * 5
    thread = threading.Thread(target=at_once, args=works)
    thread.start()
    assert entered.wait(30)
    time.sleep(0.05)  # for the others to come; if they are late, they only ask again
    go_on.set()
    thread.join(30)
    assert member.names == ["a"]
    assert member.stood == 1


def test_what_was_created_is_secured_before_it_counts(counted: Counted) -> None:
    secured: list[str] = []
    member = Member(counted, secure=secured.append)
    member.add("a")
    member.add("b")
    assert secured == [event_path(1), event_path(2)]


# Threads share events


class Meeting:
    """Has a thread make the first event for as long as others come that share the second one.

    Args:
        fs: The filesystem.
        error: What goes wrong with the second event.
        lands: Whether it is there all the same.
    """

    def __init__(
        self, fs: Counted, error: BaseException | None = None, lands: bool = False
    ) -> None:
        self.member = Member(fs)
        self._fs, self._error, self._lands = fs, error, lands
        self._entered, self._go_on = threading.Event(), threading.Event()
        fs.on_create = self._create

    def _create(self, path: str, data: bytes) -> None:
        if path == event_path(1):
            self._entered.set()
            assert self._go_on.wait(30)
        elif path == event_path(2) and self._error is not None:
            error, self._error = self._error, None
            if self._lands:
                LocalFilesystem.create(self._fs, path, data)
            raise error

    def of(self, *works: Callable[[], object]) -> list[Any]:
        """Return the outcomes of what the others do."""
        first = threading.Thread(target=self.member.add, args=("first",))
        first.start()
        assert self._entered.wait(30)

        def wait_for_all() -> None:
            limit = time.monotonic() + 30
            while len(self.member.log._waiting) <= len(works):  # the first is among them
                assert time.monotonic() < limit
                time.sleep(0.001)
            self._go_on.set()

        *outcomes, _ = at_once(*works, wait_for_all)
        first.join(30)
        return outcomes

    def of_changes(self, *names: str) -> list[Any]:
        """Return the outcomes of changes."""
        return self.of(*(lambda name=name: self.member.add(name) for name in names))


def test_threads_share_the_next_event(counted: Counted) -> None:
    outcomes = Meeting(counted).of_changes(*"abcdefghij")
    assert sorted(outcomes) == list(range(1, 11))
    assert [len(event["records"]) for event in events_of(counted)] == [1, 10]


def test_each_refusal_is_raised_in_its_own_thread(counted: Counted) -> None:
    outcomes = Meeting(counted).of_changes("first", "a", "a", "b", "b")
    assert str(outcomes[0]) == "first is taken"
    for name, pair in (("a", outcomes[1:3]), ("b", outcomes[3:5])):
        assert {type(each) for each in pair} == {ValueError, int}
        assert f"{name} is taken" in map(str, pair)
    assert [len(event["records"]) for event in events_of(counted)] == [1, 2]


@pytest.mark.parametrize("lands", [False, True], ids=["before", "after"])
def test_a_failed_event_fails_in_every_thread(counted: Counted, lands: bool) -> None:
    meeting = Meeting(counted, StorageError("no answer", "DEADLINE_EXCEEDED"), lands)
    outcomes = meeting.of_changes(*"abcd")
    assert {type(each) for each in outcomes} == {StorageError}
    assert {each.error_code for each in outcomes} == {"DEADLINE_EXCEEDED"}
    assert len({id(each) for each in outcomes}) == 4
    # What is known afterwards is what is there.
    assert meeting.member.add("last") == (5 if lands else 1)
    assert len(events_of(counted)) == (3 if lands else 2)


def test_others_are_told_that_the_one_who_wrote_for_them_was_interrupted(
    counted: Counted,
) -> None:
    meeting = Meeting(counted, KeyboardInterrupt())
    outcomes = meeting.of_changes(*"abcd")
    kinds = Counter(type(each) for each in outcomes)
    assert kinds == {KeyboardInterrupt: 1, StorageError: 3}
    assert sum("was interrupted" in str(each) for each in outcomes) == 3
    assert meeting.member.add("last") == 1
    assert not meeting.member.log._waiting


def test_others_go_on_where_nothing_was_written_yet(counted: Counted) -> None:
    meeting = Meeting(counted)
    strikes = iter([KeyboardInterrupt()])

    def interrupted(_: Draft) -> tuple[list[str], int]:
        for error in strikes:
            raise error
        return [], -1

    add = meeting.member.add
    outcomes = meeting.of(
        lambda: add("a"), lambda: add("b"), lambda: meeting.member.log.change(interrupted)
    )
    # It is raised in the thread that decides, whichever that is; its own change is not made.
    kinds = Counter(type(each) for each in outcomes)
    assert kinds == {KeyboardInterrupt: 1, int: 2}
    made = {each for each in outcomes[:2] if isinstance(each, int)}
    assert made == set(range(1, 1 + len(made)))
    assert len(names_of(counted)) == 1 + len(made)


# Stores that fail


def test_an_event_that_is_there_already_is_ours_if_its_content_is(counted: Counted) -> None:
    member = Member(counted)
    member.add("first")
    counted.on_create = lambda path, data: LocalFilesystem.create(counted, path, data)
    assert member.add("mine") == 1  # created, and then found to exist
    assert names_of(counted) == ["first", "mine"]


@pytest.mark.parametrize("trouble", ["fail", "lose"])
def test_a_request_without_an_answer_is_made_again(trouble: Any) -> None:
    fs = remote(
        Flaw(trouble, "pipe_file", nth=4, every=5), Flaw(trouble, "cat_file", nth=3, every=9)
    )
    one, two = Member(fs), Member(fs)
    for number in range(4):
        one.add(f"one {number}")
        two.add(f"two {number}")
    assert len(names_of(fs)) == 8


def test_an_answer_that_was_cut_short_is_asked_for_again() -> None:
    fs = remote()
    Member(fs).add("a")
    fs._opened().flaws.append(Flaw("truncate", "cat_file", matches=CONTROL))
    member = Member(fs)
    member.log.refresh()
    assert member.names == ["a"]


def test_an_event_that_stays_short_is_damage(counted: Counted) -> None:
    LocalFilesystem.create(counted, event_path(1), b'{"number":1')
    with pytest.raises(DamagedLakeError, match=r"00000001\.jsonl .* is damaged"):
        Member(counted).log.refresh()


def test_a_folder_that_is_deleted_meanwhile_is_made_again(counted: Counted) -> None:
    missing = iter([FileNotFoundError("the folder"), FileNotFoundError("the folder")])

    def vanish(_path: str, _data: bytes) -> None:
        for error in missing:
            raise error

    counted.on_create = vanish
    assert Member(counted).add("a") == 0
    assert counted.calls["create"] == 3


def test_others_that_are_first_for_a_minute_are_a_conflict(counted: Counted) -> None:
    times = itertools.count(0, 10)
    member = Member(counted, now=lambda: float(next(times)))
    numbers = itertools.count()

    def be_first(path: str, _data: bytes) -> None:
        name = f"rival {next(numbers)}"
        body = f'"name":"{name}","before":{int(Path(path).stem) - 1}'
        data = encode(int(Path(path).stem), name, [[body]])
        LocalFilesystem.create(counted, path, data)

    counted.on_create = be_first
    with pytest.raises(ConflictError, match="others changed the lake first"):
        member.add("mine")
    assert all("rival" in name for name in names_of(counted))
    counted.on_create = lambda _path, _data: None
    assert member.add("mine") == len(names_of(counted)) - 1


# Pauses that are longer than any retention


def sleep_through(sleeper: Member, rival: Member, changes: int) -> Callable[[], None]:
    """Return what happens while somebody sleeps: changes that are folded and deleted."""

    def happen() -> None:
        for number in range(changes):
            rival.add(f"meanwhile {number}")
        rival.fold()
        rival.vacuum()

    return happen


@pytest.mark.parametrize("changes", [1, 3])
def test_who_has_slept_between_deciding_and_creating_decides_again(
    fs: Filesystem, changes: int
) -> None:
    sleeper, rival = Member(fs, grace_s=0), Member(fs, grace_s=0)
    sleeper.add("before")
    meanwhile = iter([sleep_through(sleeper, rival, changes)])
    decided = []

    def decide(draft: Draft) -> tuple[list[str], int]:
        decided.append(len(draft.names))
        result = adding("mine")(draft)
        for happen in meanwhile:
            happen()
        return result

    assert sleeper.log.change(decide) == 1 + changes
    assert decided == [1, 1 + changes]
    assert names_of(fs)[-1] == "mine"
    assert not fs.exists(event_path(2))  # the void one is deleted


def test_an_event_that_is_folded_before_its_maker_looks_is_its_own(counted: Counted) -> None:
    member, other = Member(counted, grace_s=0), Member(counted, grace_s=0)
    member.add("first")
    look, looks = member.look, itertools.count()

    def slow_look() -> Folded:
        if next(looks) == 1:  # before the event there is one look, and one after it
            other.fold()
            other.vacuum()
        return look()

    member.log._look = slow_look
    assert member.add("mine") == 1
    assert names_of(counted) == ["first", "mine"]
    assert member.add("last") == 2


def test_a_newer_fold_of_what_is_known_changes_nothing(counted: Counted) -> None:
    member, other = Member(counted, grace_s=0), Member(counted)
    member.add("a")
    other.fold()
    member.add("b")
    assert member.base == Folded(1, 1)
    assert member.stood == 1
    assert member.names == ["a", "b"]


def test_a_reader_never_takes_a_void_event(counted: Counted) -> None:
    reader, maker, sleeper = (Member(counted, grace_s=0) for _ in range(3))
    maker.add("before")
    reader.log.refresh()
    maker.add("true")
    maker.fold()
    maker.vacuum()
    # What a sleeper leaves that has not looked at the fold yet.
    void = encode(2, "void", [['"name":"void","before":1']])
    LocalFilesystem.create(counted, event_path(2), void)
    reader.log.refresh()
    assert reader.names == ["before", "true"]
    sleeper.log.refresh()
    assert sleeper.names == ["before", "true"]


def test_a_process_that_was_stopped_notices_what_it_slept_through(tmp_path: Path) -> None:
    fs = open_filesystem(str(tmp_path))
    rival = Member(fs, grace_s=0)
    rival.add("before")
    process = spawn(tmp_path, "sleep", GRACE_S)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    for number in range(3):
        rival.add(f"meanwhile {number}")
    rival.fold()
    time.sleep(GRACE_S)
    rival.vacuum()
    os.kill(process.pid, signal.SIGCONT)
    told, _ = process.communicate(timeout=60)
    # It decided on one change, was stopped, and decided again on four.
    assert told.split() == ["1", "4", "done", "4"]
    assert names_of(fs) == ["before", *(f"meanwhile {n}" for n in range(3)), "mine"]
    assert not fs.exists(event_path(2))


def test_a_forked_child_has_locks_of_its_own(
    counted: Counted, forked: Callable[[Callable[[], None]], int]
) -> None:
    member = Member(counted)
    member.add("first")
    entered, go_on = threading.Event(), threading.Event()
    parent = os.getpid()

    def hold(_path: str, _data: bytes) -> None:
        if os.getpid() == parent:
            entered.set()
            assert go_on.wait(30)

    counted.on_create = hold
    thread = threading.Thread(target=member.add, args=("parent",))
    thread.start()
    assert entered.wait(30)

    def child() -> None:
        member.log.reset()
        assert member.add("child") == 1

    assert forked(child) == 0
    go_on.set()
    thread.join(30)
    assert names_of(counted) == ["first", "child", "parent"]


# Other processes

GRACE_S = 0.2


def spawn(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    source = Path(lakeflow.__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, __file__, str(folder), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source)},
    )


def race(member: Member, name: str, changes: str) -> Iterator[object]:
    """Make changes at the same time as others."""
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(changes)):
        yield member.add(f"{name}-{number}")


def sleep(member: Member, grace_s: str) -> Iterator[object]:
    """Make a change, and be stopped when it is decided."""
    member = Member(member.fs, grace_s=float(grace_s))
    member.log.refresh()
    decided = []

    def decide(draft: Draft) -> tuple[list[str], int]:
        decided.append(len(draft.names))
        if len(decided) == 1:
            os.kill(os.getpid(), signal.SIGSTOP)
        return adding("mine")(draft)

    result = member.log.change(decide)
    yield from (*decided, "done", result)


if __name__ == "__main__":
    _, folder, task, *rest = sys.argv
    for line in {"race": race, "sleep": sleep}[task](Member(open_filesystem(folder)), *rest):
        print(line)


def test_the_position_of_the_log_is_kept_however_long_nothing_changes() -> None:
    position = Position(7, 0, 1)
    fold = folds.Fold(1_000, positions={CONTROL: position, "a writer long gone": position})
    assert folds.kept_positions(fold, []) == {CONTROL: position}
