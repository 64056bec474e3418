"""The hot append log: one folder a writer, one file a segment, one JSON line a record.

A writer is one process that has opened the lake for writing; nobody else ever writes in its
folder, so writers never wait for each other. Where files can be appended to, a segment grows by
a write a call; elsewhere each write is a segment of its own. A line is complete once it ends in
a newline; what follows the last newline was never acknowledged.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, NotRequired, TypedDict, Unpack

from lakeflow.exceptions import LakeflowException, StorageError
from lakeflow.ids import new_id
from lakeflow.log.clock import Clock, seconds
from lakeflow.log.positions import LOG
from lakeflow.records import Origin, copied, is_copy, line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakeflow.filesystem.interface import AppendFile, Filesystem

_logger = logging.getLogger(__name__)

# A vacuum deletes a segment ``vacuum_grace_s`` after it was folded, by default two minutes. So
# only after a pause may the segment that we write to be gone.
_IDLE_S = 60.0

_MOST_OPEN = 64
"""Segments that a process has open at once, of all lakes: many systems give it 256 files."""

_DOUBTFUL_RECORDS_KEPT = 1_000
"""Records that a writer remembers because it is not known whether they were written."""


def _said(body: str, first: Origin | None) -> str:
    return body if first is None else copied(first, body)


class _Options(TypedDict):
    """What a ``LogWriter`` is made with, of whichever kind."""

    segment_bytes: int
    fsync: bool
    check: NotRequired[Callable[[], None]]


class LogWriter:
    """The one writer of this process; threads share it. A segment grows by one write a call.

    ``log_writer`` makes the one that a filesystem needs.

    Args:
        fs: The lake's filesystem.
        clock: The process's clock.
        segment_bytes: Size at which a segment is sealed.
        fsync: Whether to sync each write to the disk.
        check: Called before a file is made; raises if the lake is not there any more.

    Attributes:
        id: Name of the folder that it writes to now.
        written_bytes: What it has written.
    """

    def __init__(
        self,
        fs: Filesystem,
        clock: Clock,
        *,
        segment_bytes: int,
        fsync: bool,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._fs = fs
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._fsync = fsync
        self._check = check
        # Reentrant: the handler of a signal may log in the middle of a write of its own thread.
        self._lock = threading.RLock()
        self._is_appending = False
        self._interrupting: deque[Sequence[str]] = deque()
        self._file: AppendFile | None = None
        self._used_at = 0.0
        # Records that may be there: when they are logged again, they say which one they are.
        self._doubtful: list[tuple[str, Origin]] = []
        self.written_bytes = 0
        self._begin()

    def _begin(self) -> None:
        """Begin a folder of its own, with nothing in it."""
        self.id = new_id()
        self._segments = 0
        self._sequence = 0

    def append(self, bodies: Sequence[str]) -> None:
        """Append records with one write: once it returns, they survive a SIGKILL.

        Args:
            bodies: For each record the fields of its JSON object, without the braces; the
                order (``seq`` and ``clock``) is added here.

        Raises:
            StorageError: The disk is full, say. Nothing was appended, unless only the answer
                of a remote store was lost, or only the sync has failed.
        """
        with self._lock:
            if self._is_appending:
                # The handler of a signal has interrupted this very thread in here. Lines in
                # between would break the order of clocks, so they come right after.
                self._interrupting.append(bodies)
                return
            self._is_appending = True
            try:
                self._append(bodies)
            finally:
                self._is_appending = False
            if self._interrupting:
                self._append_behind()

    def _append_interrupting(self) -> None:
        """Append what handlers of signals have handed over; the lock is held."""
        while self._interrupting:
            bodies = self._interrupting.popleft()
            self._is_appending = True
            try:
                self._append(bodies)
            except LakeflowException:
                self._interrupting.appendleft(bodies)
                raise
            finally:
                self._is_appending = False

    def _append_behind(self) -> None:
        """Do that in a call whose own records are settled: it must not fail for others."""
        try:
            self._append_interrupting()
        except LakeflowException as error:
            _logger.warning(
                "what the handler of a signal has logged waits for the next record: %s", error
            )

    def _append(self, bodies: Sequence[str]) -> None:
        """Append records; the lock is held."""
        now = seconds()
        # A busy writer needs no look: what was written to just now is younger than the grace.
        if now - self._used_at > _IDLE_S and self._segments > 0:
            self._renew_if_deleted()
        self._used_at = now
        # Under the lock, so that clocks grow from line to line: a fold bisects by them.
        sequence, clock = self._sequence + 1, self._clock.next(len(bodies))
        self._sequence += len(bodies)
        # They may be there already: saying which they are keeps them from counting twice.
        again = [*map(self._taken_back, bodies)] if self._doubtful else None
        lines = ""
        for body in bodies if again is None else map(_said, bodies, again):
            lines += line(body, sequence, clock)
            sequence += 1
            clock += 1
        try:
            self._write(lines.encode())
        except BaseException:
            sent = [Origin(self.id, sequence + n, clock + n) for n in range(-len(bodies), 0)]
            # Nobody knows what is there now, or will be when a slow store gets to it. So
            # nothing may come after it in this folder, and the writer begins another one.
            with contextlib.suppress(StorageError):  # the reason why is raised already
                self._seal()
            self._begin()
            for body, origin, first in zip(bodies, sent, again or sent, strict=True):
                # What is a copy says already which record it is.
                if not is_copy(body):
                    self._doubtful.append((body, first or origin))
            del self._doubtful[:-_DOUBTFUL_RECORDS_KEPT]
            raise

    def _write(self, lines: bytes) -> None:
        # One write for all of them: that costs about as much as a write for one.
        file = self._file or self._open()
        file.write(lines)
        if self._fsync:
            file.sync()
        self.written_bytes += len(lines)
        if file.size >= self._segment_bytes:
            self._seal()

    def _open(self) -> AppendFile:
        segment = self._next_segment()
        _make_room(self)
        self._file = self._fs.open_append(segment)
        _open_writers[self] = None
        # Syncing the file alone would not keep its name through a power cut.
        if self._fsync:
            self._fs.sync(segment)
        return self._file

    def _taken_back(self, body: str) -> Origin | None:
        """Return which record one is that is logged again; of several equal ones the first."""
        for place, (doubtful, origin) in enumerate(self._doubtful):
            if doubtful == body:
                del self._doubtful[place]
                return origin
        return None

    def _next_segment(self) -> str:
        # Else the folder of a lake that was moved would be made anew, and nobody would look
        # for records there.
        self._check()
        self._segments += 1
        return f"{LOG}/{self.id}/{self._segments:08d}.jsonl"

    def _renew_if_deleted(self) -> None:
        """Begin anew after a pause in which a vacuum may have deleted all that was written."""
        # A lock keeps a vacuum from an open segment, unless it runs on another machine that
        # does not see locks of this one. So we look.
        if self._file is None or self._file.is_deleted():
            self._seal()
            self._begin()

    def deleted(self) -> tuple[str, int, int] | None:
        """Return writer, number and size of the open segment if somebody has deleted it."""
        with self._lock:
            file = self._file
            if file is None or self._is_appending or not file.is_deleted():
                return None
            deleted = self.id, self._segments, file.size
            self._seal()
            self._begin()
            return deleted

    def close(self) -> None:
        """Seal the open segment; a later append opens a new one."""
        with self._lock:
            try:
                # Left over where a write failed: theirs, or the one that they had interrupted.
                self._append_interrupting()
            finally:
                self._seal()

    def _seal(self) -> None:
        # Before it is closed: also a file whose close fails is closed, and its number is soon
        # that of another one.
        file, self._file = self._file, None
        if file is not None:
            _open_writers.pop(self, None)
            file.close()

    def abandon(self) -> None:
        """Let go of the segment in a forked child; the parent goes on writing to it."""
        if self._file is not None:
            _open_writers.pop(self, None)
            self._file.abandon()
            self._file = None


_open_writers: dict[LogWriter, None] = {}


def _make_room(newcomer: LogWriter) -> None:
    """Seal the segments that were written to longest ago, as far as there are too many."""
    # A list, which is made in one step: other threads open and seal segments meanwhile.
    others = sorted(list(_open_writers), key=lambda each: each._used_at)
    for other in others[: max(0, len(others) + 1 - _MOST_OPEN)]:
        # Who is writing just now is left alone: it may wait for us in the same way.
        if other is not newcomer and other._lock.acquire(blocking=False):
            try:
                # This thread may be writing there, if it is in the handler of a signal.
                if not other._is_appending:
                    other._seal()
            except StorageError as error:
                # It is closed all the same, and the record that is to be written is another's.
                _logger.warning("%s", error)
            finally:
                other._lock.release()


class _Waiting:
    """Records that a thread waits for until they are written, or are known not to be."""

    __slots__ = ("bodies", "error", "is_settled")

    def __init__(self, bodies: Sequence[str]) -> None:
        self.bodies = bodies
        self.is_settled = False
        self.error: Exception | None = None


class ObjectLogWriter(LogWriter):
    """The writer where each write is an object: threads that come meanwhile share the next."""

    def __init__(self, fs: Filesystem, clock: Clock, **options: Unpack[_Options]) -> None:
        super().__init__(fs, clock, **options)
        self._waiting: deque[_Waiting] = deque()

    def append(self, bodies: Sequence[str]) -> None:
        """Append records with one write, as above, or with that of another thread."""
        mine, is_leader = _Waiting(bodies), False
        # Before the lock is taken, so that the thread that has it can write this too.
        self._waiting.append(mine)
        try:
            with self._lock:
                if self._is_appending:
                    # The handler of a signal has interrupted this very thread in here, which
                    # writes it next.
                    mine.is_settled = True
                    self._waiting.remove(mine)
                    self._interrupting.append(bodies)
                    return
                if not mine.is_settled:
                    is_leader, self._is_appending = True, True
                    try:
                        self._append_waiting()
                    finally:
                        self._is_appending = False
                if self._interrupting:
                    self._append_behind()
        finally:
            if not mine.is_settled:  # this thread was interrupted before its turn
                with contextlib.suppress(ValueError):
                    self._waiting.remove(mine)
        if mine.error is None:
            return
        if is_leader:
            raise mine.error
        # One exception raised in several threads would mix up their tracebacks.
        code = getattr(mine.error, "error_code", None)
        raise StorageError(
            f"a write of several threads failed: {mine.error}", code
        ) from mine.error

    def _append_waiting(self) -> None:
        """Append what every thread waits for; the lock is held."""
        # Other threads add themselves to the deque meanwhile; a list of it is made in one step.
        together = [each for each in list(self._waiting) if not each.is_settled]
        # What the others are told unless the write ends: an interrupt is no Exception.
        error: Exception | None = StorageError(
            f"the thread that wrote for others to {self._fs.uri} was interrupted",
            hint="look whether it is there, and log it again if not",
        )
        try:
            self._append([body for each in together for body in each.bodies])
            error = None
        except Exception as failure:  # noqa: BLE001 - raised in every thread
            error = failure
        finally:
            for each in together:
                each.is_settled, each.error = True, error
                self._waiting.remove(each)

    def _write(self, lines: bytes) -> None:
        if len(lines) > self._segment_bytes:
            # A line ends with a newline, and has no other.
            middle = lines.rfind(b"\n", 0, len(lines) // 2) + 1 or lines.find(b"\n") + 1
            if middle < len(lines):
                self._write(lines[:middle])
                self._write(lines[middle:])
                return
        segment = self._next_segment()
        self._fs.create(segment, lines)
        # This process reads its own log as soon as it searches: then that costs no request.
        self._fs.keep(segment, lines)
        self.written_bytes += len(lines)


def log_writer(fs: Filesystem, clock: Clock, **options: Unpack[_Options]) -> LogWriter:
    """Return the writer for a kind of filesystem; arguments as for ``LogWriter``."""
    writer = LogWriter if fs.can_append else ObjectLogWriter
    return writer(fs, clock, **options)
