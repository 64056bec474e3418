"""Clocks: one of records, which never runs backwards, and one that goes on in a sleep."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_FURTHEST_AHEAD_US = 24 * 3600 * 1_000_000
"""How far ahead of the time a clock may be: further ahead it is no clock of a machine."""

_AWAKE = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))

# On Linux only CLOCK_BOOTTIME goes on while the machine sleeps, on macOS only CLOCK_MONOTONIC:
# time.monotonic() is neither there.
seconds: Callable[[], float] = (
    time.monotonic if _AWAKE is None else partial(time.clock_gettime, _AWAKE)
)
"""Return seconds that go on while the machine sleeps."""


class Clock:
    """Microseconds since the Unix epoch that never run backwards.

    It is also never behind a record that this process has read, so that what somebody
    writes after reading sorts after what was read, even from a machine whose clock runs
    ahead (a hybrid logical clock: Kulkarni and others, 2014).
    """

    def __init__(self) -> None:
        self._last = 0
        self._store_us = 0

    def next(self, count: int = 1) -> int:
        """Return a time later than every earlier answer.

        Args:
            count: How many microseconds from then on are taken, for as many records.
        """
        now = time.time_ns() // 1000
        # No lock, which would take longer than all of this: from here on no call is made, and
        # so neither a handler of a signal nor another thread that waits for the interpreter's
        # lock can come in between. A Python without that lock would need one here.
        # Two calls within a microsecond, or a machine whose clock was set back.
        if now <= self._last:
            now = self._last + 1
        self._last = now + count - 1
        return now

    def observe(self, clock: int) -> None:
        """Take note of the clock of a record that was read."""
        taken = min(clock, self.latest())
        # As above: from the look at it on, nobody else can set it.
        if taken > self._last:
            self._last = taken

    def observe_store(self, modified_s: float) -> None:
        """Take note of a time by the store's clock, in seconds."""
        self._store_us = max(self._store_us, int(modified_s * 1_000_000))

    def latest(self) -> int:
        """Return the latest clock that is taken from a record.

        A day ahead of the time by the later of two clocks, that of this machine and that of
        the store: who believed any number would write records that sort last for ever.
        """
        return max(time.time_ns() // 1000, self._store_us) + _FURTHEST_AHEAD_US
