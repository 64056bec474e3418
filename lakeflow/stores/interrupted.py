"""Whether the handler of a signal calls, which has interrupted another call of this thread."""

from __future__ import annotations

import itertools
import sys
import sysconfig
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_STANDARD_LIBRARY = sysconfig.get_path("stdlib")


def has_interrupted_us() -> bool:
    """Return whether code of others stands between two calls of lakeflow on this stack.

    It may also be code that lakeflow itself has called.
    """
    owners = (owner for owner, _ in itertools.groupby(_owners()))
    return list(itertools.islice(owners, 3)) == ["ours", "theirs", "ours"]


def _owners() -> list[str]:
    """Return whose each frame of this stack is, from here on; none for the standard library."""
    found = []
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if name.partition(".")[0] == __name__.partition(".")[0]:
            found.append("ours")
        elif not frame.f_code.co_filename.startswith(_STANDARD_LIBRARY):
            found.append("theirs")
        frame = frame.f_back
    return found
