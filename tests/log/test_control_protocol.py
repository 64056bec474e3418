"""The rules of the control log: every interleaving of a few processes, and how fair they are.

A process is the real generator of ``ControlProtocol``. It cannot be copied, so for each way to
go on it is made anew and given the answers so far.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import random
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from lakeflow.exceptions import ConflictError
from lakeflow.log.control_protocol import ControlProtocol
from lakeflow.log.control_requests import (
    Await,
    Create,
    Delete,
    Event,
    Folded,
    Look,
    Owner,
    Pause,
    Read,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lakeflow.log.control_requests import Request, Steps

History = tuple[str, ...]
"""Ids of events, from the first one on."""


class Known:
    """What a process knows: ids of all events."""

    def __init__(self, histories: Sequence[History]) -> None:
        self._histories = histories
        self.base = Folded(0, 0)
        self.history: History = ()

    @property
    def last(self) -> int:
        return len(self.history)

    def stand_on(self, base: Folded) -> None:
        self.base = base
        self.history = self._histories[base.fold]

    def rebase(self, base: Folded) -> None:
        assert base.number <= self.last
        self.base = base

    def take(self, number: int, data: bytes) -> str:
        assert number == self.last + 1
        self.history += (data.decode(),)
        return data.decode().partition("-")[0]

    def draft(self) -> History:
        return self.history

    def __repr__(self) -> str:
        return f"{self.base} {self.history}"


class OneChange:
    """A change that is never refused; each event that is made of it has an id of its own."""

    def __init__(self, name: str, known: Known) -> None:
        self._known = known
        self.name = name
        self.decided_on: History = ()
        self.attempts = 0

    def __repr__(self) -> str:
        return f"{self.name}{self.attempts}{self.decided_on}"

    def gather(self) -> None:
        pass

    def decide(self, number: int) -> tuple[Event, bool]:
        self.decided_on = self._known.draft()
        self.attempts += 1
        name = f"{self.name}.{self.attempts}"
        return Event(number, name, name.encode()), False


class Told(NamedTuple):
    """What a call of a process returned with: the change it made, if any, and on what."""

    change: str
    history: History


class Process(NamedTuple):
    """A process in the middle of its calls.

    Attributes:
        point: Where it stands, among the points of the model.
        pending: What has happened of its present request.
    """

    point: int = 0
    pending: tuple[Any, ...] = ()


class Point(NamedTuple):
    """Where a process may stand.

    Attributes:
        answers: Answers to its requests that brought it there, each with its time.
        request: What it asks for now; None at its end.
        told: What its calls returned.
        has_created: Whether an event that it has asked for was there after that.
    """

    answers: tuple[tuple[int, Any], ...]
    request: Request | None
    told: tuple[Told, ...]
    has_created: bool


class File(NamedTuple):
    """A file of the store.

    Attributes:
        event: Its event.
        before: Those right before it that it repeats, the latest last.
    """

    event: str
    before: History


class World(NamedTuple):
    """Files of the store, and who stands where.

    Attributes:
        files: Event by number, with the events before it that the file repeats.
        folded: The events that the newest fold holds.
        finished: When each of them was folded.
        now: The time.
        processes: The processes.
    """

    files: tuple[tuple[int, File], ...]
    folded: History
    finished: tuple[int, ...]
    now: int
    processes: tuple[Process, ...]

    def file(self, number: int) -> File | None:
        return next((file for place, file in self.files if place == number), None)

    def with_file(self, number: int, file: File) -> World:
        return self._replace(files=tuple(sorted((*self.files, (number, file)))))

    def without_file(self, number: int) -> World:
        return self._replace(files=tuple(file for file in self.files if file[0] != number))

    def with_process(self, index: int, process: Process) -> World:
        processes = (*self.processes[:index], process, *self.processes[index + 1 :])
        return self._replace(processes=processes)

    def happened(self) -> History:
        """Return all events that are true."""
        history = list(self.folded)
        while (file := self.file(len(history) + 1)) is not None:
            history.append(file.event)
        return tuple(history)


class Model:
    """All that can happen to some processes.

    Args:
        programs: For each process its calls: ``c`` makes a change, ``r`` refreshes.
        protocol: The rules.
        events: Numbers that there can be at most.
        at_once: Whether events that are read together are read in any order.
        grace: How long after a fold vacuum deletes what it holds.
        skew: By how much the clocks that it compares may be apart.
        ticks: When time ends.
        lost_answers: Whether an answer to a create may be lost, and it is sent again.
        eager: Whether vacuum deletes what is not folded.
        strangers: Events of processes of which nothing else is known.
    """

    def __init__(
        self,
        *programs: str,
        events: int,
        protocol: type[ControlProtocol] = ControlProtocol,
        at_once: bool = True,
        grace: int = 0,
        skew: int = 0,
        ticks: int = 0,
        lost_answers: bool = False,
        eager: bool = False,
        strangers: int = 0,
    ) -> None:
        self.programs = programs
        self.events = events
        self.protocol = protocol
        self.at_once = at_once
        self.grace, self.skew, self.ticks = grace, skew, ticks
        self.lost_answers = lost_answers
        self.eager = eager
        self.strangers = strangers
        self.points: list[Point] = []
        self._numbers: dict[str, int] = {}
        self._next: dict[tuple[int, int, int, Any], int] = {}
        self._histories: list[History] = [()]

    def walk(self) -> tuple[int, str | None]:
        """Return how many states there are, and what is wrong in the first wrong one."""
        starts = [Process(self._point(index, ())) for index in range(len(self.programs))]
        first = World((), (), (), 0, tuple(starts))
        seen, todo = {first}, deque([first])
        while todo:
            world = todo.popleft()
            wrong = self.violation(world)
            if wrong:
                return len(seen), wrong
            for after in self.steps(world):
                known = len(seen)
                # Worlds are deep: to look for one first would hash each twice.
                seen.add(after)
                if len(seen) > known:
                    todo.append(after)
        return len(seen), None

    def violation(self, world: World) -> str | None:
        """Return what a process was told that is not so."""
        said = [told for process in world.processes for told in self.points[process.point].told]
        happened = world.happened() if said else ()
        for told in said:
            if told.history != happened[: len(told.history)]:
                return f"false: {told}, but {happened} happened"
            made = [event for event in happened if event.partition(".")[0] == told.change]
            if len(made) > 1:
                return f"twice: {told}, but {happened} happened"
        return None

    def steps(self, world: World) -> Iterator[World]:
        """Yield each state that may be next."""
        owner = world.file(len(world.folded) + 1)
        if owner is not None:
            finished = (*world.finished, world.now) if self.ticks else ()
            yield world._replace(folded=(*world.folded, owner.event), finished=finished)
        for number, _ in world.files:
            if self._may_delete(world, number):
                yield world.without_file(number)
        yield from self._made_by_strangers(world)
        if world.now < self.ticks:
            yield world._replace(now=world.now + 1)
        for index, process in enumerate(world.processes):
            if not self._waits_for_a_twin(world, index):
                yield from self._served(world, index, process)

    def _made_by_strangers(self, world: World) -> Iterator[World]:
        history = world.happened() if self.strangers else ()
        made = sum(event.startswith("stranger") for event in history)
        if made < self.strangers and len(history) < self.events:
            yield world.with_file(len(history) + 1, File(f"stranger.{made + 1}", ()))

    def _may_delete(self, world: World, number: int) -> bool:
        if number > len(world.folded):
            return self.eager
        if not self.ticks:
            return True
        return world.now - world.finished[number - 1] >= self.grace - self.skew

    def _waits_for_a_twin(self, world: World, index: int) -> bool:
        """Return whether a process is to create an event before a twin of it has created any.

        It makes no difference which of those with one program is the first that does: let it be
        the first one.
        """
        twins = [at for at in range(index) if self.programs[at] == self.programs[index]]
        request = self.points[world.processes[index].point].request
        if not twins or not isinstance(request, Create):
            return False
        twin = world.processes[twins[-1]]
        point = self.points[twin.point]
        is_sent = isinstance(point.request, Create) and bool(twin.pending)
        return not is_sent and not point.has_created

    def _served(self, world: World, index: int, process: Process) -> Iterator[World]:
        """Carry out a step of what a process asks for."""

        def answered(after: World, answer: Any) -> World:
            point = self._after(process.point, index, after.now, answer)
            return after.with_process(index, Process(point))

        def pending(after: World, *what: Any) -> World:
            return after.with_process(index, Process(process.point, what))

        request = self.points[process.point].request
        match request:
            case Look() | Owner() | Pause():
                answer = process.pending or (self._told(world, request),)
                is_slow = isinstance(request, Look) and self.ticks and not process.pending
                # Time may pass between a look and its answer.
                yield pending(world, *answer) if is_slow else answered(world, *answer)
            case Read():
                yield from self._read(world, request, process.pending, pending, answered)
            case Await(number):
                yield from self._awaited(world, number, answered)
            case Create():
                yield from self._created(world, request, process.pending, pending, answered)
            case Delete(number):
                yield answered(world.without_file(number), None)

    def _awaited(
        self, world: World, number: int, answered: Callable[[World, Any], World]
    ) -> Iterator[World]:
        """Ask for a file for long enough, or not: it has come by then, or it has not."""
        for found in {(), _contents({number: world.file(number)})}:
            yield answered(world, found)

    def _created(
        self,
        world: World,
        request: Create,
        sent: tuple[Any, ...],
        pending: Callable[..., World],
        answered: Callable[[World, Any], World],
    ) -> Iterator[World]:
        """Create an event."""
        event, before = request
        is_free = world.file(event.number) is None
        file = File(event.id, tuple(each.decode() for each in before))
        after = world.with_file(event.number, file) if is_free else world
        yield answered(after, is_free)
        if self.lost_answers and is_free and not sent:
            yield pending(after, "again")

    def _told(self, world: World, request: Look | Owner | Pause) -> Any:
        match request:
            case Look():
                if world.folded not in self._histories:
                    self._histories.append(world.folded)
                return Folded(self._histories.index(world.folded), len(world.folded))
            case Owner(number):
                return world.folded[number - 1]
        return None

    def _read(
        self,
        world: World,
        request: Read,
        found: tuple[Any, ...],
        pending: Callable[..., World],
        answered: Callable[[World, Any], World],
    ) -> Iterator[World]:
        """Read one of the files."""
        # There is none beyond that at any time.
        numbers = [number for number in request.numbers if number <= self.events]
        missing = [number for number in numbers if number not in dict(found)]
        for number in missing if self.at_once else missing[:1]:
            now = dict(found) | {number: world.file(number)}
            if len(now) == len(numbers) or (not self.at_once and now[number] is None):
                yield answered(world, _contents(now))
            else:
                yield pending(world, *sorted(now.items()))
        if not numbers:
            yield answered(world, ())

    def _after(self, point: int, index: int, now: int, answer: Any) -> int:
        key = point, index, now, answer
        if key not in self._next:
            self._next[key] = self._point(index, (*self.points[point].answers, (now, answer)))
        return self._next[key]

    def _point(self, index: int, answers: tuple[tuple[int, Any], ...]) -> int:
        """Return where answers bring a process, which others may have done before."""
        time = [0]
        known = Known(self._histories)
        protocol = self.protocol(known, lambda: time[0], self.grace, f"{index}")
        told: list[Told] = []
        steps = _calls(f"{index}", self.programs[index], protocol, known, told)
        request, has_created = None, False
        with contextlib.suppress(StopIteration):
            request = next(steps)
            for time[0], answer in answers:
                has_created = has_created or isinstance(request, Create)
                request = None
                request = steps.send(answer)
        described = f"{index} {told} {has_created}"
        if request is not None:
            described += f"{known} {_described(vars(protocol))} {_frames(steps)}"
        number = self._numbers.setdefault(described, len(self.points))
        if number == len(self.points):
            self.points.append(Point(answers, request, tuple(told), has_created))
        return number


def _calls(
    name: str, program: str, protocol: ControlProtocol, known: Known, told: list[Told]
) -> Steps[None]:
    """Make one call after another."""
    for place, call in enumerate(program):
        if call == "r":
            yield from protocol.refresh()
            told.append(Told("", known.history))
        else:
            change = OneChange(f"{name}-{place}", known)
            yield from protocol.change(change, math.inf)
            made = f"{change.name}.{change.attempts}"
            told.append(Told(change.name, (*change.decided_on, made)))


def _contents(found: dict[int, File | None]) -> tuple[tuple[int, bytes], ...]:
    """Return the events in files up to the first that is missing, and what these repeat."""
    contents: dict[int, bytes] = {}
    for number, file in sorted(found.items()):
        if file is None:
            break
        for place, event in enumerate((file.event, *reversed(file.before))):
            contents.setdefault(number - place, event.encode())
    return tuple(sorted(contents.items()))


_NO_STATE = {
    *("_events", "_clock", "read_at", "self", "protocol", "known", "told"),
    *("asked", "took_s", "now", "start", "until", "every_s", "found_at", "is_late"),
}
"""What is described elsewhere, or makes no difference to what comes next."""


def _described(values: dict[str, Any]) -> str:
    return str({name: value for name, value in values.items() if name not in _NO_STATE})


def _frames(steps: Any) -> str:
    """Return where a generator stands, with all that it has."""
    frames = []
    while steps is not None and steps.gi_frame is not None:
        frames.append(f"{steps.gi_frame.f_lasti} {_described(steps.gi_frame.f_locals)}")
        steps = steps.gi_yieldfrom
    return " ".join(frames)


class Met(ControlProtocol):
    """Others were met before: events repeat those before them, and their end is looked for."""

    def __init__(
        self, events: Any, clock: Callable[[], float], grace_s: float, me: str
    ) -> None:
        super().__init__(events, clock, grace_s, me)
        self._are_others = True

    def _beyond(self, missing: float) -> Steps[list[bytes]]:
        # As where some events were waited for in vain: one begins in the middle of them.
        return (yield from super()._beyond(min(missing, self._events.last + 5)))


# With every rule


_TIMED = {"events": 2, "grace": 2, "skew": 1, "ticks": 3}

_REPEATED = {**_TIMED, "events": 3, "ticks": 1, "at_once": False, "strangers": 1}
"""An event between two of one process, which repeats the first of them or must not."""


@pytest.mark.parametrize(
    ("programs", "options", "least"),
    [
        (("c", "c", "c"), {"events": 3, "at_once": False}, 100_000),
        (("c", "c", "r"), {"events": 2}, 10_000),
        (("cc", "c"), {"events": 3}, 5_000),
        (("c", "c"), {"events": 2, "lost_answers": True}, 10_000),
        (("c", "c"), _TIMED, 20_000),
        (("c", "cr"), {"events": 2, "grace": 2, "skew": 1, "ticks": 2}, 10_000),
        (("c", "c", "r"), {"events": 3, "at_once": False, "protocol": Met}, 10_000),
        (("cc", "c"), {"events": 3, "protocol": Met}, 10_000),
        (("cc", "r"), {**_REPEATED, "protocol": Met}, 200_000),
        (("c", "c"), {**_TIMED, "ticks": 2, "protocol": Met}, 30_000),
    ],
    ids=[
        "three",
        "reader",
        "twice",
        "lost answers",
        "lease",
        "lease of a reader",
        "reader of what is repeated",
        "twice with what is repeated",
        "lease of a reader of what is repeated",
        "lease of what is repeated",
    ],
)
def test_nobody_is_told_what_is_not_so(
    programs: tuple[str, ...], options: dict[str, Any], least: int
) -> None:
    states, wrong = Model(*programs, **options).walk()
    assert wrong is None
    assert states > least


# Without one of them the same walk finds what goes wrong


class NoLookAfterReading(ControlProtocol):
    """Rule 1 is missing."""

    def _read(self, sent: Event | None, missing: float = math.inf) -> Steps[bool]:
        for data in (yield from self._beyond(missing)):
            self._take(data)
        return False


class LookBeyondWhatWasRead(ControlProtocol):
    """Rule 1 asks whether a fold has passed the last event that was read."""

    def _read(self, sent: Event | None, missing: float = math.inf) -> Steps[bool]:
        while True:
            for data in (yield from self._beyond(missing)):
                self._take(data)
            if self.is_leased() or not (yield from self._look()):
                return False


class ReaderWithoutLook(ControlProtocol):
    """Rule 1 is missing for those who only read."""

    def refresh(self) -> Steps[None]:
        yield from self._look()
        for data in (yield from self._beyond(math.inf)):
            self._take(data)


class NoLookAfterCreating(ControlProtocol):
    """Rule 2 is missing."""

    def _create(self, event: Event) -> Steps[bool]:
        is_created = yield Create(event, tuple(self._recent))
        if is_created:
            self._take(event.data)
        return is_created


class EveryFoldedIsVoid(ControlProtocol):
    """Rule 2 does not ask whose event was folded."""

    def _is_folded(self, event: Event) -> Steps[bool]:
        return False
        yield


class WholeGrace(ControlProtocol):
    """The lease leaves nothing to clocks that differ."""

    def __init__(
        self, events: Any, clock: Callable[[], float], grace_s: float, me: str
    ) -> None:
        super().__init__(events, clock, 2 * grace_s, me)


class ClockBeforeTheAnswer(ControlProtocol):
    """The lease is looked at when the event is sent."""

    def _create(self, event: Event) -> Steps[bool]:
        is_leased = self.is_leased()
        if not is_leased:
            return (yield from super()._create(event))
        is_created = yield Create(event, tuple(self._recent))
        if is_created:
            self._take(event.data)
        return is_created


class ClockAfterTheLook(ControlProtocol):
    """The lease begins when the look is answered."""

    def _look(self) -> Steps[bool]:
        is_passed = yield from super()._look()
        self._leased_until = self._clock() + self._lease_s
        return is_passed


class LostIsLost(ControlProtocol):
    """Nobody looks whose the event is that was found in place of ours."""

    def _read(self, sent: Event | None, missing: float = math.inf) -> Steps[bool]:
        return (yield from super()._read(None, missing))


class RepeatsWhatIsFolded(Met):
    """What is repeated goes on with what comes after a fold that nobody here has read."""

    def _look(self) -> Steps[bool]:
        before = tuple(self._recent)
        is_passed = yield from super()._look()
        if is_passed:
            self._recent.extend(before)
        return is_passed


class WholeGraceOfRepeated(WholeGrace, Met):
    """The same where events repeat others."""


class ClockAfterTheLookAtRepeated(ClockAfterTheLook, Met):
    """As above."""


@pytest.mark.parametrize(
    ("protocol", "programs", "options", "what"),
    [
        (NoLookAfterReading, ("c", "c", "c"), {"events": 3, "at_once": False}, "false"),
        (LookBeyondWhatWasRead, ("c", "c", "c"), {"events": 3, "at_once": False}, "false"),
        (ReaderWithoutLook, ("c", "c", "r"), {"events": 2}, "false"),
        (NoLookAfterCreating, ("c", "c"), {"events": 2}, "false"),
        (EveryFoldedIsVoid, ("c", "c"), {"events": 3}, "twice"),
        (ControlProtocol, ("c", "c"), {"events": 2, "eager": True}, "false"),
        (WholeGrace, ("c", "c"), _TIMED, "false"),
        (ClockBeforeTheAnswer, ("c", "c"), _TIMED, "false"),
        (ClockAfterTheLook, ("c", "c"), _TIMED, "false"),
        (WholeGraceOfRepeated, ("c", "c"), {**_TIMED, "ticks": 2}, "false"),
        (ClockAfterTheLookAtRepeated, ("c", "c"), {**_TIMED, "ticks": 2}, "false"),
        (LostIsLost, ("c", "c"), {"events": 3, "lost_answers": True}, "twice"),
        (
            RepeatsWhatIsFolded,
            ("cc", "r"),
            _REPEATED,
            "false",
        ),
    ],
)
def test_no_rule_can_be_left_out(
    protocol: type[ControlProtocol],
    programs: tuple[str, ...],
    options: dict[str, Any],
    what: str,
) -> None:
    _, wrong = Model(*programs, protocol=protocol, **options).walk()
    assert wrong is not None
    assert wrong.startswith(what)


def test_the_whole_grace_would_do_for_clocks_that_agree() -> None:
    exact = {**_TIMED, "skew": 0}
    assert Model("c", "c", protocol=WholeGrace, **exact).walk()[1] is None


# Fairness, in a time that is only counted


class Contest:
    """Processes that make changes as fast as they can, over a store that takes its time.

    Args:
        processes: How many.
        changes: How many each of them makes.
        request_s: How long a request takes, on the average.
        lost_s: How much longer a create takes that others were faster than.
        repeats: Whether files repeat the events before theirs, as they do on a store.

    Attributes:
        files: Files by number.
        requests: Requests by kind.
        calls: How long each change took.
        now: The time.
    """

    def __init__(
        self,
        processes: int,
        changes: int,
        *,
        request_s: float = 0.03,
        lost_s: float = 0,
        repeats: bool = True,
    ) -> None:
        self.files: dict[int, File] = {}
        self.requests: Counter[str] = Counter()
        self.calls: list[float] = []
        self.now = 0.0
        self._request_s, self._lost_s, self._repeats = request_s, lost_s, repeats
        self._chance = random.Random(processes)
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        for name in range(processes):
            self._go_on(self._process(f"{name}", changes))
        while self._due:
            self.now, _, happen = heapq.heappop(self._due)
            happen()

    def _at(self, time: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time, next(self._order), happen))

    def _process(self, name: str, changes: int) -> Steps[None]:
        known = Known([()])
        protocol = ControlProtocol(known, lambda: self.now, 120, name)
        for number in range(changes):
            start = self.now
            yield from protocol.change(OneChange(f"{name}-{number}", known), math.inf)
            self.calls.append(self.now - start)

    def _go_on(self, steps: Steps[None], answer: Any = None) -> None:
        with contextlib.suppress(StopIteration):
            self._serve(steps, steps.send(answer))

    def _serve(self, steps: Steps[None], request: Request) -> None:
        """Have something happen in the middle of a request, and the answer come at its end."""
        self.requests[type(request).__name__] += 1
        took = self._request_s * self._chance.uniform(0.7, 1.3)
        match request:
            case Look():
                self._at(self.now + took, lambda: self._go_on(steps, Folded(0, 0)))
            case Read():
                self._read(steps, request)
            case Await(_, start):
                self._at(max(self.now, start), lambda: self._await(steps, request))
            case Create():
                self._at(self.now + took / 2, lambda: self._create(steps, request, took / 2))
            case Pause(since, seconds):
                until = since + seconds * self._chance.uniform(0.75, 1.25)
                self._at(max(self.now, until), lambda: self._go_on(steps))

    def _create(self, steps: Steps[None], request: Create, rest: float) -> None:
        number, name, _ = request.event
        is_created = number not in self.files
        if is_created:
            before = tuple(each.decode() for each in request.before)
            self.files[number] = File(name, before if self._repeats else ())
        else:
            rest += self._lost_s
        self._at(self.now + rest, lambda: self._go_on(steps, is_created))

    def _await(self, steps: Steps[None], request: Await) -> None:
        """Ask for a file, and have the answer come, or ask again."""
        number, _, every_s, until = request
        sent, took = self.now, self._request_s * self._chance.uniform(0.7, 1.3)
        self.requests["file"] += 1
        file: File | None = None

        def look() -> None:
            nonlocal file
            file = self.files.get(number)

        def answer() -> None:
            again = max(self.now, sent + every_s)
            if file is not None:
                self._go_on(steps, _contents({number: file}))
            elif again < until:
                self._at(again, lambda: self._await(steps, request))
            else:
                self._go_on(steps, ())

        self._at(sent + took / 2, look)
        self._at(sent + took, answer)

    def _read(self, steps: Steps[None], request: Read) -> None:
        found: dict[int, File | None] = {}
        ends = []
        for number in request.numbers:
            took = self._request_s * self._chance.uniform(0.7, 1.3)
            self.requests["file"] += 1
            self._at(
                self.now + took / 2,
                lambda number=number: found.update({number: self.files.get(number)}),
            )
            ends.append(self.now + took)
        self._at(max(ends), lambda: self._go_on(steps, _contents(found)))


def test_a_process_that_is_alone_needs_one_request_a_change() -> None:
    contest = Contest(1, 100)
    assert contest.requests == {"Look": 1, "Read": 1, "file": 1, "Create": 100, "Pause": 3}


@pytest.mark.parametrize(
    ("options", "most_files", "slowest_s"),
    [
        ({}, 5.5, 5),
        ({"lost_s": 0.03}, 5.5, 5),
        # Each event is read by 15 others, and few ask for what is not there.
        ({"repeats": False}, 18, 7),
    ],
    ids=["told", "compared", "in a folder"],
)
def test_many_processes_share_the_log_fairly(
    options: dict[str, Any], most_files: float, slowest_s: float
) -> None:
    contest = Contest(16, 50, **options)
    assert sorted(contest.files) == list(range(1, 801))
    assert contest.now < 36
    assert max(contest.calls) < slowest_s
    assert contest.requests["Create"] < 1.35 * 800
    assert contest.requests["file"] < most_files * 800


def test_who_makes_many_changes_keeps_nobody_waiting() -> None:
    contest = Contest(2, 400)
    assert max(contest.calls) < 1.5
    assert contest.requests["Create"] < 1.05 * 800
    assert contest.requests["file"] < 1 * 800


def test_many_who_make_one_change_each_do_not_wait_for_more_of_anybody() -> None:
    contest = Contest(16, 1)
    assert max(contest.calls) < 1.2
    assert contest.requests["Create"] < 8 * 16
    assert contest.requests["file"] < 16 * 16


def test_a_change_gives_up_only_after_some_races_were_lost() -> None:
    known = Known([()])
    change = OneChange("mine", known)
    steps = ControlProtocol(known, lambda: 10, 0, "me").change(change, 5)

    def lose_every_race() -> None:
        answer = None
        while True:
            match steps.send(answer):
                case Look():
                    answer = Folded(0, 0)
                case Read(numbers):
                    there = [number for number in numbers if number <= change.attempts]
                    answer = dict.fromkeys(there, b"theirs")
                case Await():
                    answer = {}
                case Create():
                    answer = False

    with pytest.raises(ConflictError, match="4 times in a row\nHint: nothing was written"):
        lose_every_race()
    assert change.attempts == 4
