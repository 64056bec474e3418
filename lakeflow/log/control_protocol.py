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
event of the file. And then each waits for its turn, of a few changes in a row: in ``turns``.

The rules are generators that yield requests and are sent the answers: ``control_log`` carries
them out, a test walks every interleaving of several processes, a simulation measures them.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lakeflow.exceptions import ConflictError
from lakeflow.log.control_requests import Await, Create, Delete, Folded, Look, Owner, Pause
from lakeflow.log.events_beyond import REPEATED_EVENTS, read_beyond, read_up_to
from lakeflow.log.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.log.control_requests import Event, Steps

D_co = TypeVar("D_co", covariant=True)

# Times below are in requests of this process, which take about as long as those of others.
# Who is next has created its event that long after a turn, or it does not come. Whom we have
# not met needs as long: it learns that it has lost, reads what it missed in two steps, since
# our files do not repeat it, and creates its next event.
_UNTIL_NEXT = 5.0

# While others have their turns, we ask when half of what is ahead of us should be there. We
# begin a little early, ask again, and no longer wait for what takes a fifth more time, and one
# request. Then somebody has not come.
_EARLY, _EVERY, _LONGER = 0.9, 0.7, 1.2

# Of what was there at once, others are likely to be further already.
_AT_ONCE = 1.4

# Others are busy if so much of the time passed with their events.
_BUSY = 0.6

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

    def take(self, number: int, data: bytes) -> str:
        """Take in the next event, and return who has made it."""

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
        me: Who makes events here, as ``Events.take`` says it.

    Attributes:
        read_at: Up to when everything is known that others have changed, by the clock.
    """

    def __init__(
        self, events: Events[Any], clock: Callable[[], float], grace_s: float, me: str
    ) -> None:
        self._events = events
        self._clock = clock
        self._lease_s = grace_s / 2
        self._turns = Turns(me)
        self._are_others = False  # whether others were met lately
        self._gave_way_at = 0  # the last event there was then
        self._recent: deque[bytes] = deque(maxlen=REPEATED_EVENTS)
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
            if lost:
                yield from self._wait()
                changes.gather()
            event, needs_newest = changes.decide(self._events.last + 1)
            # A refusal must not rest on old knowledge: read the newest, and decide again.
            if needs_newest and not must_read:
                must_read = True
                continue
            if event is None or (yield from self._create(event)):
                break
            lost, sent, must_read = lost + 1, event, True
            if not self._are_others:
                self._are_others = True
                self._turns.forget_others()
        self._changed_at = self._clock()

    def _begin(self) -> Steps[bool]:
        """Wait if it is not our turn, and return whether there is likely to be news."""
        is_new = not self._has_stood
        is_passed = not self.is_leased() and (yield from self._look())
        if self._turns.is_over() and self._gave_way_at < self._events.last:
            self._gave_way_at = self._events.last
            yield from self._give_way()
        elif (
            self._are_others
            and self._clock() > self._changed_at + _UNTIL_NEXT * self._request_s
        ):
            yield from self._return()
        return is_new or is_passed

    def _give_way(self) -> Steps[None]:
        """Let others have their turns; if nobody comes, go on with ours."""
        is_long = self._turns.is_long()
        if self._are_others:
            start = self._changed_at + self._request_s
            until = self._changed_at + _UNTIL_NEXT * self._request_s
            if (yield from self._await(1, start, until)) is not None:
                yield from self._wait()
            elif is_long:
                self._are_others = False
        elif is_long:
            # Without a look. Who is there wins the next race, of which we learn by losing it.
            yield Pause(self._changed_at, _UNTIL_NEXT * self._request_s)

    def _return(self) -> Steps[None]:
        """Come back after a while, in which others may have been busy."""
        known, since = self._events.last, max(self.read_at, self._changed_at)
        yield from self._read(None)
        busy_s = (self._events.last - known) * self._request_s
        if busy_s > _BUSY * (self.read_at - since):
            yield from self._wait()

    def _wait(self) -> Steps[None]:
        """Wait until those have had their turns who come before us."""
        is_late = False
        while ahead := self._turns.ahead():
            known, now = self._events.last, self._clock()
            # Half of them, to learn soon if somebody does not come.
            step = min((ahead + 1) // 2, REPEATED_EVENTS)
            start = now + (0 if is_late else _EARLY * (step - 1) * self._request_s)
            until = now + (_LONGER * step + 1) * self._request_s
            found_at = yield from self._await(step, start, until)
            is_late = found_at is None or found_at - start < _AT_ONCE * self._request_s
            if found_at is None:
                if step > 1:
                    yield from self._read(None, known + step)
                if self._events.last - known < step / 2:
                    break

    def _await(self, step: int, start: float, until: float) -> Steps[float | None]:
        """Wait for an event, and take in all up to it; return when it was there, if it was."""
        number = self._events.last + step
        every_s = max(_EVERY, step / 4) * self._request_s
        found = dict((yield Await(number, start, every_s, until)))
        if number not in found:
            return None
        found_at = self._clock()
        events = yield from read_up_to(self._events.last, number, found)
        # As for all that is read: see there.
        if not self.is_leased() and (yield from self._look()):
            return None
        for data in events:
            self._take(data)
        return found_at if events else None

    def is_leased(self) -> bool:
        """Return whether nothing beyond what we stand on can have been deleted yet."""
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

    def _read(self, sent: Event | None, missing: float = math.inf) -> Steps[bool]:
        """Take in all events there are (rule 1).

        Args:
            sent: An event of ours that somebody else's was found in place of. It may be ours
                all the same, created by an attempt whose answer was lost.
            missing: A number that was not there.

        Returns:
            Whether it is.
        """
        is_ours = False
        while True:
            asked = self._clock()
            found = yield from self._beyond(missing)
            # After the answer: it is true if the lease still ran when it came, or if no fold
            # has passed us by now. Else all of it is read again, beyond the newer fold.
            if self.is_leased() or not (yield from self._look()):
                break
            is_ours = sent is not None and (yield from self._is_folded(sent))
        for data in found:
            self._take(data)
            is_ours = is_ours or (sent is not None and data == sent.data)
        self.read_at = asked
        return is_ours

    def _beyond(self, missing: float) -> Steps[list[bytes]]:
        """Read beyond what is known, up to the end."""
        return (
            yield from read_beyond(self._events.last, repeats=self._are_others, missing=missing)
        )

    def _create(self, event: Event) -> Steps[bool]:
        """Create an event; return whether that is what happened (rule 2)."""
        asked = self._clock()
        # Who meets nobody writes no more than there is to say.
        before = tuple(self._recent) if self._are_others else ()
        is_created: bool = yield Create(event, before)
        took_s = min(self._clock() - asked, _LONGEST_REQUEST_S)
        share = _NEWEST_SHARE if self._request_s else 1
        self._request_s += share * (took_s - self._request_s)
        # Compared after the answer: the process may have slept while it waited.
        if not self.is_leased() and (yield from self._look()):
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
        self._turns.note(self._events.take(self._events.last + 1, data))
        self._recent.append(data)

    def _is_folded(self, event: Event) -> Steps[bool]:
        """Return whether the fold that we stand on holds an event."""
        if event.number > self._events.base.number:
            return False
        owner: str | None = yield Owner(event.number)
        return owner == event.id
