"""Traces that have ended, until a thread has stored them: who makes them never waits.

The first trace is stored a tenth of a second after it ended; those that end meanwhile, and
while it is written, are one write. What does not fit into the bounds, or cannot be stored, is
counted and dropped, and said once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from lakeflow.exceptions import StorageError
from lakeflow.shutdown import at_shutdown
from lakeflow.tracing.finished import stored_forms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.stores.store import Store
    from lakeflow.tracing.finished import Finished
    from lakeflow.tracing.origin import Origin

MOST_TRACES = 50_000
MOST_BYTES = 256 * 1024 * 1024
"""What waits at most."""

_SECONDS_TO_GATHER = 0.1
_MOST_CHARACTERS_A_WRITE = 8 * 1024 * 1024
_MOST_SECONDS_AT_THE_END = 10.0
"""Seconds for which a process that ends waits for a lake that does not answer."""

_logger = logging.getLogger(__name__)


class Outbox:
    """Traces that wait; threads share it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew in a forked child: what waits is the parent's."""
        self._waiting: deque[tuple[Finished, int]] = deque()
        self._held = 0
        self._put = 0
        self._done = 0
        self._lost = 0
        self._reason = ""
        self._is_told = False
        self._stored_at = 0.0
        self._gather_s = _SECONDS_TO_GATHER
        self._worker: threading.Thread | None = None
        # Its lock may be taken twice by one thread: the handler of a signal puts traces in,
        # too.
        self._changed = threading.Condition()
        # Not events: one has a lock, for which the handler of a signal would wait that comes as
        # its own thread sets it.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._hurry: SimpleQueue[None] = SimpleQueue()

    def put(self, finished: Finished) -> None:
        """Take a trace in, or drop it if there are too many; never waits, never raises."""
        held = finished.held()
        # Without the lock: threads that come at once may pass the bounds by a few.
        if len(self._waiting) >= MOST_TRACES or self._held + held > MOST_BYTES:
            self.lose(1, "they end faster than they can be stored")
            return
        with self._changed:
            self._held += held
            self._put += 1
            self._waiting.append((finished, held))
        if self._worker is None:
            self._begin()
        else:
            _tell(self._wake)

    def lose(self, count: int, reason: str) -> None:
        """Count traces that are lost; the first time it is said why."""
        self._lost += count
        self._reason = reason
        if not self._is_told:
            self._is_told = True
            _logger.warning("traces are lost: %s; their number is said at the end", reason)

    def flush(self, seconds: float | None = None) -> bool:
        """Return once what was put before is stored or lost.

        Args:
            seconds: How long to wait at most; None for as long as it takes.

        Returns:
            Whether all of it is.
        """
        # What this thread itself is to store it cannot wait for.
        if self._worker is threading.current_thread():
            return False
        if self._done >= self._put:
            return True
        # What is put from now on is not waited for, or it might never end.
        wanted = self._put
        until = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while self._done < wanted:
                # In each round: the thread may have emptied both since, on its way to what came
                # before.
                _tell(self._hurry)
                _tell(self._wake)
                rest = None if until is None else until - time.monotonic()
                if rest is not None and rest <= 0:
                    return False
                self._changed.wait(_SECONDS_TO_GATHER if rest is None else min(rest, 0.1))
                if self._worker is None or not self._worker.is_alive():
                    self._begin()
        return True

    def close(self) -> None:
        """Store what waits: the process ends; say what was lost."""
        if not self.flush(_MOST_SECONDS_AT_THE_END):
            self.lose(
                self._put - self._done, "the lake did not answer before the process ended"
            )
        if self._lost:
            _logger.warning("%s traces were lost: %s", f"{self._lost:,}", self._reason)
            self._lost, self._is_told = 0, False

    def _begin(self) -> None:
        """Let a thread work, or work here where none can be started any more."""
        with self._changed:
            if self._worker is not None and self._worker.is_alive():
                return
            # A daemon: a lake that does not answer keeps no process alive.
            worker = threading.Thread(target=self._work, name="lakeflow-traces", daemon=True)
            self._worker = worker
            _tell(self._wake)
        try:
            worker.start()
        except RuntimeError:
            self._worker = None
            self._store_waiting()

    def _work(self) -> None:
        while True:
            self._wake.get()
            # The first one after a rest is not to wait for long.
            is_rested = time.monotonic() - self._stored_at > self._gather_s
            with contextlib.suppress(Empty):
                self._hurry.get(timeout=_SECONDS_TO_GATHER if is_rested else self._gather_s)
            # Before it is looked at: what is put afterwards wakes this thread again.
            for told in (self._wake, self._hurry):
                while not told.empty():
                    told.get()
            self._store_waiting()

    def _store_waiting(self) -> None:
        while self._waiting:
            some: list[Finished] = []
            held = 0
            while self._waiting and held < _MOST_CHARACTERS_A_WRITE:
                with self._changed:
                    finished, bytes_held = self._waiting.popleft()
                    self._held -= bytes_held
                held += bytes_held
                some.append(finished)
            self._store(some)
            self._stored_at = time.monotonic()
            with self._changed:
                self._done += len(some)
                self._changed.notify_all()

    def _store(self, some: Sequence[Finished]) -> None:
        by_origin: dict[Origin, list[Finished]] = {}
        for each in some:
            by_origin.setdefault(each.trace.origin, []).append(each)
        for origin, several in by_origin.items():
            try:
                # Once for all of them: where the lake does not answer each look takes a minute.
                store = origin.store()
                self._place(origin, several)
            # Whatever it is, the application goes on.
            except Exception as error:  # noqa: BLE001
                self.lose(len(several), str(error))
            else:
                self._store_in(store, several)

    def _place(self, origin: Origin, several: Sequence[Finished]) -> None:
        """Find the experiment of traces that nobody has given one."""
        without = [each.trace for each in several if each.trace.experiment_id is None]
        if without:
            experiment_id = origin.experiment_id()
            for trace in without:
                trace.experiment_id = experiment_id

    def _store_in(self, store: Store, several: Sequence[Finished]) -> None:
        # Where every write is an object, each is paid for.
        lake = store.lake
        self._gather_s = (
            _SECONDS_TO_GATHER if lake.fs.can_append else lake.settings.flush_interval_ms / 1000
        )
        try:
            log(store, several)
        except Exception as error:
            # A store that refuses one of them refuses all.
            if len(several) == 1 or isinstance(error, StorageError):
                self.lose(len(several), str(error))
                _logger.debug("traces are lost", exc_info=True)
                return
            # One that cannot be stored is not to take the others along.
            for each in several:
                self._store_in(store, [each])


def _tell(told: SimpleQueue[None]) -> None:
    if told.empty():
        told.put(None)


def log(store: Store, several: Sequence[Finished]) -> None:
    """Log traces to a store: one append, and what was said of them meanwhile.

    Raises:
        LakeflowException: They cannot be logged; none of them was.
    """
    whole = [each for each in several if not (each.trace.is_part or each.trace.is_stored)]
    with store.lake.gathering() as gathered:
        for each in several:
            if each.trace.is_part or each.trace.is_stored:
                (info,), columns = stored_forms([each])
                log_one = store.traces.log_part if each.trace.is_part else store.traces.end
                log_one(info, columns)
        if whole:
            store.traces.log_traces(*stored_forms(whole))
        gathered.write()
    for each in several:
        # An assessment is refused of a trace that is not there.
        for assessment in each.trace.assessments:
            store.traces.create_assessment(assessment)


_outbox = Outbox()
put = _outbox.put
lost = _outbox.lose
flush = _outbox.flush
close = _outbox.close

os.register_at_fork(after_in_child=_outbox.reset)
at_shutdown(close)
