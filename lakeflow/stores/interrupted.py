"""Whether the handler of a signal calls, which has interrupted another call of this thread."""

from __future__ import annotations

import itertools
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_STANDARD_LIBRARY = os.path.dirname(os.__file__)


def has_interrupted_us() -> bool:
    """Return whether code of others stands between two calls of lakeflow on this stack.

    It may also be code that lakeflow itself has called.
    """
    owners = (owner for owner, _ in itertools.groupby(_owners()))
    return list(itertools.islice(owners, 3)) == ["ours", "theirs", "ours"]


def _owners() -> list[str]:
    """Return whose each frame of this stack is, from here on; none for the standard library."""
    found = []
    for frame in stack(sys._getframe()):
        if is_ours(frame):
            found.append("ours")
        # Locks and context managers of the standard library stand between our own calls anyway.
        elif not frame.f_code.co_filename.startswith(_STANDARD_LIBRARY):
            found.append("theirs")
    return found


def stack(frame: FrameType | None) -> list[FrameType]:
    """Return a frame and all that have called it, the outermost one last."""
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found


def is_ours(frame: FrameType) -> bool:
    """Return whether a frame is of lakeflow's own code."""
    return str(frame.f_globals.get("__name__")).partition(".")[0] == __name__.partition(".")[0]
