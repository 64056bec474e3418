"""How processes agree on the next event of the control log: the rules, without a filesystem.

Event number n is a file that is created exactly once, so whoever creates it has decided what
comes after event n - 1. That would be all, were events never deleted. They are, once a fold
holds them, and then a process that was paused can take an old number again: it believes that
it has won, and others may read its *void* event as a true one. Three rules prevent that:

1. What was read beyond a fold is true if no fold has passed, by then, the last event that was
   known for certain before. Otherwise stand on the newest fold, and read beyond that one.
2. An event that was created is void if the newest fold holds its number, unless the fold says
   that it was this very event. Then delete it, stand on that fold, and decide again.
3. Only events that a finished fold holds are deleted, and only a grace after it was finished.

**Lease.** While less than half the grace has passed since the newest fold was looked for,
nothing beyond that fold can be deleted, so that rules 1 and 2 need no other look. The time is
taken before the look is sent, and compared after the answer to what shall be true has come;
the other half of the grace is for clocks of machines that differ.

Where others are at work, the file of an event repeats those right before it that its maker has
taken in since it stood on a fold. All of them are true, so what is read there is as true as the
event of the file.

The rules are generators that yield requests and are sent the answers: ``control_log`` carries
them out, a test walks every interleaving of several processes, a simulation measures them.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lakeflow.exceptions import ConflictError
from lakeflow.log.control_requests import Create, Delete, Folded, Look, Owner, Pause
from lakeflow.log.events_beyond import REPEATED_EVENTS, read_beyond

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.log.control_requests import Event, Steps

D_co = TypeVar("D_co", covariant=True)

# Where others are at work, a process makes a few changes in a row, for which it reads once, and
# gives way for most of the time that it has waited for its turn: then few read at once, and
# each is about as often first as the others. With fewer in a row all take longer together,
# with more the others wait longer. The longest pause is for cores and stores that are the
# bound: there a shorter one ends while others still have their turns, and all ask at once.
_SHORTEST_TURN_CHANGES = 3
_TURN_GROWTH = 2
_PAUSE_SHARE = 0.7
_LONGEST_PAUSE_S = 5.0

# A process that is alone gives way after this many changes in a row. It would never learn of
# others otherwise, each of which is one request too late every time.
_LONGEST_TURN_CHANGES = 32

# One request that hung must not make the next pauses long, so each counts as at most a second,
# and for a fifth of the average.
_LONGEST_REQUEST_S = 1.0
_NEWEST_SHARE = 0.2

# A change loses this many races before it gives up, however long they took: a process that
# was stopped meanwhile has passed its deadline, but has not been unlucky yet.
_LEAST_RACES_LOST = 4


class Events(Protocol[D_co]):
    """What is known of the control log; it is given true events only, in order.

    One thread at a time changes it.
    """

    @property
    def base(self) -> Folded:
        """The finished fold that it stands on."""

    @property
    def last(self) -> int:
        """Number of the last event that it has taken in, or else that its base holds."""

    def stand_on(self, base: Folded) -> None:
        """Stand on a finished fold, and forget every event."""

    def rebase(self, base: Folded) -> None:
        """Stand on a newer fold that holds no event beyond the last one.

        Nothing else becomes known by that, so this may do nothing; but it may forget the
        events that the fold holds, and files of the older fold may be deleted some day.
        """

    def take(self, number: int, data: bytes) -> None:
        """Take in the next event."""

    def draft(self) -> D_co:
        """Return this state, to decide on; what is added to it is not added here."""


class Changes(Protocol):
    """The changes that wait to become one event."""

    def gather(self) -> None:
        """Let those join that have come meanwhile."""

    def decide(self, number: int) -> tuple[Event | None, bool]:
        """Decide all of them on what is known now.

        Args:
            number: The number of the event that they become.

        Returns:
            The event, or None if nothing is to be changed; and whether any of them is refused
            or changes nothing, which must not be so because something is not known yet.
        """


class ControlProtocol:
    """The rules for one process.

    Args:
        events: What it knows.
        clock: Seconds that go on while the machine sleeps.
        grace_s: For how long events are kept at least after a fold that holds them.

    Attributes:
        read_at: Up to when everything is known that others have changed, by the clock.
    """

    def __init__(self, events: Events[Any], clock: Callable[[], float], grace_s: float) -> None:
        self._events = events
        self._clock = clock
        self._lease_s = grace_s / 2
        self._turn = _LONGEST_TURN_CHANGES
        self._in_a_row = 0
        self._news = 1  # events that were found when this process last gave way
        self._recent: deque[bytes] = deque(maxlen=REPEATED_EVENTS)
        self._give_way_s = 0.0
        self._request_s = 0.0
        self._changed_at = -math.inf
        self.reset()

    def reset(self) -> None:
        """Begin anew with the newest fold: nothing that is known can be relied on."""
        self._has_stood = False
        self._leased_until = -math.inf
        self.read_at = -math.inf

    def refresh(self) -> Steps[None]:
        """Learn what others have changed."""
        if not self._has_stood:
            yield from self._look()
        yield from self._read(None)

    def change(self, changes: Changes, deadline: float) -> Steps[None]:
        """Make changes; they are true once this returns.

        A process that is alone knows everything already and needs one request. Where others
        took the number, it reads what they did, decides again and tries the next one.

        Args:
            changes: What to change.
            deadline: When to give up, by the clock.

        Raises:
            ConflictError: Others were faster each time.
        """
        began, known = self._clock(), self._events.last
        must_read = yield from self._begin()
        lost, sent = 0, None
        while True:
            changes.gather()
            if must_read and (yield from self._read(sent)):
                break
            if lost >= _LEAST_RACES_LOST and self._clock() >= deadline:
                raise ConflictError(
                    f"others changed the lake first, {lost} times in a row",
                    hint="nothing was written; try again when fewer processes make changes",
                )
            event, needs_newest = changes.decide(self._events.last + 1)
            # A refusal must not rest on old knowledge: read the newest, and decide again.
            if needs_newest and not must_read:
                must_read = True
                continue
            if event is None or (yield from self._create(event)):
                break
            # Lost: others are at work, so from now on this process gives way more often.
            lost, sent, must_read, self._turn = lost + 1, event, True, _SHORTEST_TURN_CHANGES
            self._in_a_row = 1
        self._changed_at = self._clock()
        if self._in_a_row == 1:
            self._give_way_s = self._share(self._changed_at - began, self._events.last - known)

    def _begin(self) -> Steps[bool]:
        """Give way if our turn is over, and return whether there is likely to be news.

        Who has made a change is the first to know, and would make the next one too. So where
        others were met, it waits until most of them have had their turns, each time; where
        nobody comes, less and less often.
        """
        is_crowded = self._is_crowded
        is_over = self._in_a_row >= self._turn
        if is_over:
            # Who has lost a race needs up to five: its answer, whose event there is, what
            # it missed, its next one, and chance; where nobody came, fewer have to do.
            least_s = (3 if self._is_alone else 5) * self._request_s
            yield Pause(self._changed_at, max(least_s, self._give_way_s if is_crowded else 0))
            self._in_a_row, self._turn = (
                0,
                min(self._turn * _TURN_GROWTH, _LONGEST_TURN_CHANGES),
            )
        self._in_a_row += 1
        is_new = not self._has_stood
        is_passed = not self._is_leased() and (yield from self._look())
        return (is_over and is_crowded) or is_new or is_passed

    def _share(self, waited_s: float, events: int) -> float:
        """Return for how long to give way, having waited for a turn while others had theirs."""
        others = max(0.0, 1 - _SHORTEST_TURN_CHANGES / max(1, events))
        return min(_PAUSE_SHARE * waited_s * others, _LONGEST_PAUSE_S)

    @property
    def _is_alone(self) -> bool:
        """Whether nobody was met for long."""
        return self._turn == _LONGEST_TURN_CHANGES

    @property
    def _is_crowded(self) -> bool:
        """Whether others were met lately."""
        return self._turn == _SHORTEST_TURN_CHANGES

    def _is_leased(self) -> bool:
        return self._clock() < self._leased_until

    def _look(self) -> Steps[bool]:
        """Look for the newest fold; return whether it holds more than we know for certain.

        If not, everything is true that was read beyond what we know: it was not folded when
        this was answered, hence never deleted before.
        """
        asked = self._clock()
        folded: Folded = yield Look()
        is_passed = folded.number > self._events.last
        if is_passed or not self._has_stood:
            self._events.stand_on(folded)
            self._recent.clear()
            self._has_stood = True
        elif folded.fold > self._events.base.fold:
            self._events.rebase(folded)
        # From when the look was sent: the answer may have been true only then.
        self._leased_until = asked + self._lease_s
        return is_passed

    def _read(self, sent: Event | None) -> Steps[bool]:
        """Take in all events there are (rule 1).

        Args:
            sent: An event of ours that somebody else's was found in place of. It may be ours
                all the same, created by an attempt whose answer was lost.

        Returns:
            Whether it is.
        """
        is_ours = False
        while True:
            asked = self._clock()
            found = yield from self._beyond(is_lost=sent is not None)
            # After the answer: it is true if the lease still ran when it came, or if no fold
            # has passed us by now. Else all of it is read again, beyond the newer fold.
            if self._is_leased() or not (yield from self._look()):
                break
            is_ours = sent is not None and (yield from self._is_folded(sent))
        for data in found:
            self._take(data)
            is_ours = is_ours or (sent is not None and data == sent.data)
        self.read_at = asked
        return is_ours

    def _beyond(self, *, is_lost: bool = False) -> Steps[list[bytes]]:
        """Read beyond what is known, up to the end.

        Args:
            is_lost: Whether a race was lost just now, so that there is at least one.
        """
        is_alone = self._is_alone
        step = 1 if is_lost else self._news
        found = yield from read_beyond(self._events.last, None if is_alone else step)
        if not is_lost:
            self._news = max(1, len(found))
        if found and not is_alone:
            self._turn = _SHORTEST_TURN_CHANGES
        return found

    def _create(self, event: Event) -> Steps[bool]:
        """Create an event; return whether that is what happened (rule 2)."""
        asked = self._clock()
        # Who meets nobody writes no more than there is to say.
        before = () if self._is_alone else tuple(self._recent)
        is_created: bool = yield Create(event, before)
        took_s = min(self._clock() - asked, _LONGEST_REQUEST_S)
        share = _NEWEST_SHARE if self._request_s else 1
        self._request_s += share * (took_s - self._request_s)
        # Compared after the answer: the process may have slept while it waited.
        if not self._is_leased() and (yield from self._look()):
            # That fold holds its number: if with another event, ours is void.
            if (yield from self._is_folded(event)):
                return True
            if is_created:
                yield Delete(event.number)
            return False
        if is_created:
            self._take(event.data)
            self.read_at = asked
        return is_created

    def _take(self, data: bytes) -> None:
        """Take in the next event, which is true."""
        self._events.take(self._events.last + 1, data)
        self._recent.append(data)

    def _is_folded(self, event: Event) -> Steps[bool]:
        """Return whether the fold that we stand on holds an event."""
        if event.number > self._events.base.number:
            return False
        owner: str | None = yield Owner(event.number)
        return owner == event.id
