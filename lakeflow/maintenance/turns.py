"""One compaction of a lake after another, as far as a lock can tell."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from lakeflow.exceptions import InvalidStateError
from lakeflow.tables import folds

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.lake import Lake

_LOCK_POLL_S = 0.05

LOCK = f"{folds.FOLDS}/lock"
"""Spares a second compaction of the same lake the work; not what makes it safe."""

# Threads that compact, with the lake that each has open.
_under_way: set[tuple[int, int]] = set()


def in_turn(lake: Lake, wait: bool, work: Callable[[], None]) -> None:
    """Do work under the lock, or where somebody else has it leave the work to them."""
    here = threading.get_ident(), id(lake)
    if here in _under_way:
        if not wait:
            return
        # Waiting for the lock would be waiting for oneself.
        raise InvalidStateError(
            f"a signal has interrupted this thread while it compacts {lake.fs.uri}, and its "
            "handler cannot compact it too",
            hint="what the handler has logged is safe; compact once it has returned",
        )
    _under_way.add(here)
    try:
        while True:
            with lake.fs.exclusive(LOCK) as mine:
                if mine:
                    work()
                    return
            if not wait:
                return
            time.sleep(_LOCK_POLL_S)
    finally:
        _under_way.discard(here)
