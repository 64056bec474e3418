"""The control log: changes of what is unique in a lake, in one order for all processes.

Experiments and models have names of which there is one, and versions without gaps. So whoever
changes them decides on what is known, and creates the next event; if somebody else has created
it, decides again on what has become known by that. A process that is alone needs one request
a change. The rules are in ``control_protocol``; here they are carried out.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lakeflow.exceptions import (
    ConflictError,
    InvalidStateError,
    StorageError,
)
from lakeflow.filesystem.threads import in_order
from lakeflow.ids import maker_of, new_id
from lakeflow.log.changes import Change, D, Group
from lakeflow.log.clock import seconds
from lakeflow.log.control_protocol import ControlProtocol
from lakeflow.log.control_requests import Await, Create, Delete, Look, Owner, Pause, Read
from lakeflow.log.event_files import event_in, events_before, read_file, written
from lakeflow.log.events_beyond import EVENTS_AT_ONCE
from lakeflow.log.positions import event_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.log.control_protocol import Events
    from lakeflow.log.control_requests import Folded, Request, Steps

T = TypeVar("T")

_DEADLINE_S = 60.0

_ATTEMPTS = 3


def _ends(data: bytes) -> bool:
    return data.endswith(b"\n")


class ControlLog(Generic[D]):
    """The control log for one process; its threads share events.

    Args:
        fs: The lake's filesystem.
        events: What is known of it; changed only in here, by one thread at a time.
        look: Returns the newest finished fold, as it is in the store now.
        owner: Returns the id of the event that has a number in the fold on which the events
            stand, or None.
        encode: Returns the content of the file of an event, given its number, its id and the
            records of each change. It holds the id, and ends in a newline.
        grace_s: For how long events are kept at least after a fold that holds them was
            finished. Whoever deletes them must keep to it: with 0 nothing is taken for
            granted, at the price of requests.
        is_whole: Returns whether the content of a file is all of it; by default it is if it
            ends in a newline.
        secure: Makes a file that was created survive a power cut, where that is asked for.
        now: The clock, for tests.

    Attributes:
        created: Number of the last event that this process has made, and what the filesystem
            tells its file by.
    """

    def __init__(
        self,
        fs: Filesystem,
        events: Events[D],
        look: Callable[[], Folded],
        owner: Callable[[int], str | None],
        encode: Callable[[int, str, Sequence[Sequence[str]]], bytes],
        grace_s: float,
        is_whole: Callable[[bytes], bool] = _ends,
        secure: Callable[[str], None] | None = None,
        now: Callable[[], float] = seconds,
    ) -> None:
        self._fs = fs
        self._events = events
        self._look = look
        self._owner = owner
        self._encode = encode
        self._is_whole = is_whole
        self._secure = secure
        self._now = now
        self._grace_s = grace_s
        self.reset()

    def reset(self) -> None:
        """Begin anew, also in a forked child; what was under way stays the parent's."""
        # A child is another maker of events, and a thread of the parent may have been changing
        # what is known.
        self._me = new_id()
        self._protocol = ControlProtocol(
            self._events, self._now, self._grace_s, maker_of(self._me)
        )
        self._lock = threading.RLock()
        self.created: tuple[int, object] = 0, None
        self._waiting: deque[Change[D, Any]] = deque()
        self._pool: ThreadPoolExecutor | None = None

    def refresh(self, max_age_s: float = 0) -> None:
        """Learn what other processes have changed.

        One request, or two where the lease has run out; none if another thread has just done
        so.

        Args:
            max_age_s: Nothing is asked if what is known is not older than this.

        Raises:
            StorageError: The lake cannot be read.
        """
        since = self._now() - max_age_s
        # Once without the lock, where a thread may be waiting for a store; then again with it,
        # since the thread that had it may have learnt all there is.
        # The handler of a signal that has interrupted this thread in here has what is known.
        if self._protocol.read_at > since or self._is_mine() or self._is_newest():
            return
        with self._lock:
            if self._protocol.read_at <= since:
                self._run(self._protocol.refresh())

    def _is_newest(self) -> bool:
        """Return whether a look at a disk tells that what is known is all there is.

        As the rules would have it; but it is asked before each run that is made.
        """
        # The lease before the look too: while we slept another thread may have got a new one.
        return (
            self._fs.can_append
            and self._protocol.is_leased()
            and not self._fs.exists(event_path(self._events.last + 1))
            and self._protocol.is_leased()
        )

    def change(self, decide: Callable[[D], tuple[Sequence[str], T]]) -> T:
        """Make a change that is decided on all changes before it.

        Threads that come while an event is under way share the next one.

        Args:
            decide: Takes a draft of what is known, and returns the records of the change (the
                fields of each JSON object, without braces; none to change nothing) and a
                result. It may raise to refuse. It is called again where others were first,
                maybe in another thread, and must not call anything of this class.

        Returns:
            The result of the decision that was carried out.

        Raises:
            InvalidStateError: This is the handler of a signal which has interrupted a change.
            ConflictError: Others were first for a whole minute.
            StorageError: The lake cannot be read or written. If the answer of a remote store
                was lost, the change may have been made.
        """
        if self._is_mine():
            raise InvalidStateError(
                f"a signal has interrupted this thread in a change of {self._fs.uri}, and its "
                "handler cannot make another one",
                hint="make it once the handler has returned",
            )
        mine = Change(decide)
        # Before the lock is taken, so that the thread that has it can make this change too.
        self._waiting.append(mine)
        try:
            with self._lock:
                # More than once where so much waits that it takes several events.
                while not mine.is_settled:
                    self._lead(mine)
        finally:
            if not mine.is_settled:  # this thread was interrupted
                with contextlib.suppress(ValueError):
                    self._waiting.remove(mine)
        return mine.outcome()

    def _is_mine(self) -> bool:
        """Return whether this thread has the lock: then this is the handler of a signal."""
        # Python's own conditions ask in the same way.
        return bool(self._lock._is_owned())  # type: ignore[attr-defined]

    def _lead(self, mine: Change[D, Any]) -> None:
        """Make all changes that wait; the lock is held."""
        group = Group(self._waiting, self._events, self._encode, self._me)
        group.gather()
        try:
            self._run(self._protocol.change(group, self._now() + _DEADLINE_S))
            # Only what was decided: who joined after that waits for the next event.
            self._settle(group.decided, mine, None)
        except ConflictError as error:
            # Nothing of it was written, and others have not waited for so long.
            self._settle([mine], mine, error)
        except Exception as error:  # noqa: BLE001 - raised in every thread
            self._settle(group.gathered, mine, error)
        except BaseException:
            if group.may_be_made:  # else others go on by themselves
                others = [change for change in group.decided if change is not mine]
                interrupted = StorageError(
                    f"the thread that changed {self._fs.uri} for others was interrupted",
                    hint="look whether the change was made, and make it again if not",
                )
                self._settle(others, mine, interrupted)
            raise

    def _settle(
        self, changes: Sequence[Change[D, Any]], mine: Change[D, Any], error: Exception | None
    ) -> None:
        """Let threads go on; one exception cannot be raised in several of them."""
        for change in changes:
            if not change.is_settled:
                change.settle(error if change is mine or error is None else _shared(error))
                with contextlib.suppress(ValueError):  # its thread was interrupted meanwhile
                    self._waiting.remove(change)

    # Carrying out what the rules ask for

    def _run(self, steps: Steps[T]) -> T:
        try:
            request = next(steps)
            while True:
                request = steps.send(self._answer(request))
        except StopIteration as end:
            result: T = end.value
            return result
        except BaseException:
            # The rules were left in the middle of a step: what they know may not be true.
            self._protocol.reset()
            raise

    def _answer(self, request: Request) -> object:
        match request:
            case Look():
                return self._look()
            case Read(numbers):
                return self._read(numbers)
            case Await(number, start, every_s, until):
                return self._await(number, start, every_s, until)
            case Create(event, before):
                return self._create(event.number, event.data, before)
            case Owner(number):
                return self._owner(number)
            case Delete(number):
                with contextlib.suppress(StorageError):  # then vacuum does it
                    self._fs.delete(event_path(number))
            case Pause(since, seconds):
                until = since + seconds * random.uniform(0.75, 1.25)
                time.sleep(max(0, until - self._now()))
        return None

    def _create(self, number: int, event: bytes, before: Sequence[bytes]) -> bool:
        # From a disk one file more is read sooner than a longer one is written.
        content = event if self._fs.can_append else written(event, before)
        path = event_path(number)
        try:
            identity = self._create_once(path, content)
        except FileExistsError:
            return False
        # Before it counts: a power cut must not take back what somebody was told.
        if self._secure is not None:
            self._secure(path)
        self.created = number, identity
        return True

    def _create_once(self, path: str, content: bytes) -> object:
        # Deleted meanwhile: what was there instead, or the folder that was empty.
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(FileNotFoundError):
                return self._fs.create(path, content)
        return self._fs.create(path, content)

    def _read(self, numbers: Sequence[int]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for number, content in zip(numbers, self._each(numbers), strict=False):
            if content is None:
                break
            found[number] = event_in(content)
            # An event out of its own file stays: of that it is known that it is whole.
            for place, event in enumerate(events_before(content), 1):
                found.setdefault(number - place, event)
        return found

    def _await(
        self, number: int, start: float, every_s: float, until: float
    ) -> dict[int, bytes]:
        while True:
            time.sleep(max(0, start - self._now()))
            start = max(start, self._now()) + every_s
            found = self._read([number])
            if found or max(start, self._now()) >= until:
                return found

    def _each(self, numbers: Sequence[int]) -> Iterator[bytes | None]:
        """Yield the files of events: on a disk one by one, in requests all at once."""
        # A disk answers at once; only requests, which wait for a network, are worth threads.
        if self._fs.can_append or len(numbers) == 1:
            return map(self._file, numbers)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(
                EVENTS_AT_ONCE, thread_name_prefix="lakeflow-control"
            )
        return in_order(self._pool, self._file, numbers, EVENTS_AT_ONCE)

    def _file(self, number: int) -> bytes | None:
        """Return the content of the file of an event; None if there is none."""
        try:
            return read_file(self._fs, event_path(number), self._is_whole)
        except FileNotFoundError:
            return None


def _shared(error: Exception) -> StorageError:
    """Return an error of a write for a thread that waited for it."""
    code = getattr(error, "error_code", None)
    shared = StorageError(f"a change of several threads failed: {error}", code)
    shared.__cause__ = error
    return shared
