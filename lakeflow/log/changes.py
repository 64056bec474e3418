"""Changes of the control log that threads wait for, and what becomes one event of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from lakeflow.exceptions import InvalidInputError
from lakeflow.ids import id_by
from lakeflow.log.control_requests import Event

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Sequence

    from lakeflow.log.control_protocol import Events

T = TypeVar("T")


class Draft(Protocol):
    """What is known, and changes that are decided but not made yet."""

    def add(self, bodies: Sequence[str]) -> None:
        """Add the records of a change, so that the next one is decided on them too."""


D = TypeVar("D", bound=Draft)

_MOST_BYTES = 10 * 1024 * 1024
"""What a change may take in the first line of its event, which has its own record, and then all
changes as a text. The parser of a fold takes lines of up to 16 MiB: half as much of what other
threads change fits in, too."""

_SHORT = 128 * 1024
"""Characters that are not measured: a character takes four bytes at most, or has one escape."""


class Change(Generic[D, T]):
    """A change that a thread waits for until it is made, or is known not to be."""

    def __init__(self, decide: Callable[[D], tuple[Sequence[str], T]]) -> None:
        self._decide = decide
        self._result: T | None = None
        self.error: BaseException | None = None
        self.is_settled = False

    def decide(self, draft: D) -> Sequence[str]:
        """Decide it anew, and return its records; none if it is refused."""
        # An earlier decision may have been a refusal, which others have made obsolete.
        self.error = None
        try:
            bodies, self._result = self._decide(draft)
            _check_size(bodies)
        except Exception as error:  # noqa: BLE001 - raised in the thread whose change it is
            self.error = error
            return ()
        return bodies

    def settle(self, error: BaseException | None = None) -> None:
        """Let its thread go on."""
        self.error = error or self.error
        self.is_settled = True

    def outcome(self) -> T:
        """Return its result or raise why there is none."""
        if self.error is not None:
            raise self.error
        return self._result  # type: ignore[return-value]


def _size(bodies: Sequence[str]) -> int:
    """Return how many bytes records take in the first line of an event, at most."""
    characters = sum(map(len, bodies))
    if characters <= _SHORT:
        return 8 * characters
    texts = (json.dumps(each, ensure_ascii=False) for each in bodies)
    return sum(map(len, (each.encode() for each in (*bodies, *texts))))


def _check_size(bodies: Sequence[str]) -> None:
    size = _size(bodies)
    if size > _MOST_BYTES:
        raise InvalidInputError(
            f"one change would take {size:,} bytes of the log, and may take {_MOST_BYTES:,}",
            hint="make it with several calls, or log what is so long as an artifact",
        )


class Group(Generic[D]):
    """The changes that become the next event together.

    Attributes:
        gathered: All that have come.
        decided: Those that are in the event.
        may_be_made: Whether the event was sent since they were decided.
    """

    def __init__(
        self,
        waiting: deque[Change[D, Any]],
        events: Events[D],
        encode: Callable[[int, str, Sequence[Sequence[str]]], bytes],
        me: str,
    ) -> None:
        self._me = me
        # Shared with the log: whoever comes while we wait for our turn is still taken along.
        self._waiting = waiting
        self._events = events
        self._encode = encode
        self.gathered: list[Change[D, Any]] = []
        self.decided: list[Change[D, Any]] = []
        self.may_be_made = False

    def gather(self) -> None:
        """Take in all that wait."""
        # In one step: other threads add theirs meanwhile.
        self.gathered = list(self._waiting)

    def decide(self, number: int) -> tuple[Event | None, bool]:
        """Decide them anew as the event of this number, as ``control_protocol`` asks for.

        Returns:
            The event, None if nothing is changed; and whether any was refused.
        """
        self.decided, self.may_be_made = [], False
        draft = self._events.draft()
        records: list[Sequence[str]] = []
        size = 0
        for change in self.gathered:
            # What would make too large an event is left to the next one: its thread leads it.
            if size > _MOST_BYTES // 2:
                break
            # Most changes are alone in their event, and nobody is to know of them.
            if records and records[-1]:
                draft.add(records[-1])
            self.decided.append(change)
            records.append(change.decide(draft))
            size += _size(records[-1])
        bodies = [each for each in records if each]
        # A refusal may rest on what is not known yet, so the newest must be read first.
        if not bodies:
            return None, True
        event_id = id_by(self._me)
        event = Event(number, event_id, self._encode(number, event_id, bodies))
        self.may_be_made = True  # the next request sends it
        return event, len(bodies) < len(records)
