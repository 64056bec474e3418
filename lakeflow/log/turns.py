"""Whose turn it is to change the control log, by who has made its latest events.

Each event tells its maker. So all who are at work agree on the order of turns, without a word
to each other: whoever had theirs longest ago is next. It is an order of courtesy only. Who
comes too early, or does not come, does no harm but takes time.
"""

from __future__ import annotations

from typing import NamedTuple

# A turn costs about one request more than its changes, so short ones make all take longer
# together; with long ones everybody waits longer for the next.
_LONGEST_TURN_CHANGES = 7

# Changes until everybody has had a turn, about: the more are at work, the shorter are turns.
_ROUND_CHANGES = 128

# Where nobody comes after a turn, the same one has the next. After so many of them nobody seems
# to be there, and from then on it has so many at once.
_TURNS_ALONE = 4

# Who has not come for so many others is not waited for.
_MOST_MAKERS = 64


class _Run(NamedTuple):
    """Changes in a row.

    Attributes:
        now: In the present turn; 0 if it is over.
        before: In the turn before; 0 if there was none.
    """

    now: int
    before: int


class Turns:
    """The turns of those who were met.

    Args:
        me: This process.

    Attributes:
        me: This process.
        holder: Whose turn it is: who has made the last event; None before the first one.
    """

    def __init__(self, me: str) -> None:
        self.me = me
        self.holder: str | None = None
        self._runs: dict[str, _Run] = {}  # who made an event last is the last

    @property
    def is_mine(self) -> bool:
        """Whether it is our turn."""
        return self.holder == self.me

    def note(self, maker: str) -> None:
        """Take note of who has made the next event."""
        run = self._runs.get(maker, _Run(0, 0))
        if maker == self.holder:
            # Another turn of the same one: who was to come next has not come.
            if len(self._runs) > 1 and run.now == self._end:
                del self._runs[next(iter(self._runs))]
        else:
            if self.holder is not None:
                self._runs[self.holder] = _Run(0, self._runs[self.holder].now)
            # Who was to come before has not come, and is not waited for again.
            for each in self._before(maker):
                del self._runs[each]
            # Put in anew, at the end: a dictionary keeps the place of a key that it has.
            self._runs.pop(maker, None)
            if len(self._runs) == _MOST_MAKERS:
                del self._runs[next(iter(self._runs))]
        self._runs[maker] = _Run(run.now + 1, run.before)
        self.holder = maker

    def forget_others(self) -> None:
        """Forget all but the present turn: they may have been there long ago."""
        self._runs = {name: run for name, run in self._runs.items() if name == self.holder}

    def ahead(self) -> int:
        """Return how many events are likely to come before our turn; 0 while it is ours."""
        if self.holder is None or self.is_mine:
            return 0
        run = self._runs[self.holder]
        # Who made only a few the last time is not expected to make more.
        is_short = run.now <= run.before < self._longest
        rest = (run.before if is_short else self._end) - run.now
        others = [self._runs[each].before for each in self._before(self.me)]
        return rest + sum(min(self._longest, changes) for changes in others)

    def is_over(self) -> bool:
        """Return whether our turn is over, unless nobody comes."""
        return self.is_mine and self._runs[self.me].now == self._end

    def is_long(self) -> bool:
        """Return whether nobody has come for so long that nobody seems to be there."""
        return self.is_mine and self._end >= _TURNS_ALONE * self._longest

    def _before(self, maker: str) -> list[str]:
        """Return whose turns come before that of a maker; nobody's before that of a new one."""
        names = list(self._runs)
        return names[: names.index(maker)] if maker in self._runs else []

    @property
    def _longest(self) -> int:
        """Changes of a turn, at most."""
        return max(1, min(_LONGEST_TURN_CHANGES, _ROUND_CHANGES // len(self._runs)))

    @property
    def _end(self) -> int:
        """Changes in a row after which the present turn is over."""
        assert self.holder is not None
        run = self._runs[self.holder]
        longest, alone = self._longest, _TURNS_ALONE * self._longest
        # A new one begins with one change: it did not wait as long as the others.
        end = longest if run.before else 1
        while end < min(run.now, alone):
            end += min(end, longest)
        # Who is alone for days has had thousands of turns.
        turns = -(min(0, end - run.now) // alone)
        return end + turns * alone
