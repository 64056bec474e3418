"""What the rules of the control log ask for: requests, each with what its answer is."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")


class Folded(NamedTuple):
    """A finished fold, or the state before the first one.

    Attributes:
        fold: Its number; 0 before the first one.
        number: Number of the last event that it holds.
    """

    fold: int
    number: int


class Event(NamedTuple):
    """An event to be created.

    Attributes:
        number: Its place in the order.
        id: What tells it from every other event.
        data: Content of its file; the id is in it, so no other event has the same content.
    """

    number: int
    id: str
    data: bytes


class Look(NamedTuple):
    """Ask for the newest finished fold; the answer is a ``Folded``."""


class Read(NamedTuple):
    """Ask for events; the answer is the content of each that is there, by its number.

    It may also have those of events before them: what their files repeat.

    Attributes:
        numbers: Which, in order. Where one is missing, so are all that come after it.
    """

    numbers: tuple[int, ...]


class Create(NamedTuple):
    """Create the file of an event if its number is free; the answer is whether it was.

    Attributes:
        event: The event.
        before: Contents of the events right before it, the latest last: what the file repeats.
    """

    event: Event
    before: tuple[bytes, ...]


class Await(NamedTuple):
    """Ask for an event again and again, until it is there; the answer is that of a ``Read``.

    Attributes:
        number: Which.
        start: When to ask for the first time, by the clock of this process.
        every_s: How long after one request the next one is sent.
        until: When to ask no more.
    """

    number: int
    start: float
    every_s: float
    until: float


class Owner(NamedTuple):
    """Ask for the id of an event that the fold holds on which the events stand, or None."""

    number: int


class Delete(NamedTuple):
    """Delete the file of a void event; vacuum would do it too."""

    number: int


class Pause(NamedTuple):
    """Let others have their turn.

    Attributes:
        since: From when on, by the clock of this process.
        seconds: How long, about: at random, or processes that met once would meet each time.
    """

    since: float
    seconds: float


Request: TypeAlias = Look | Read | Await | Create | Owner | Delete | Pause
Steps: TypeAlias = Generator[Request, Any, T]
