"""Which engines are open: few at a time, since each has threads and memory of its own.

A process may have hundreds of lakes, as sweeps and suites of tests do, and asks few at once.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import duckdb

    from lakeflow.query.engine.connection import Engine

_MOST_OPEN = 16

# Held for moments. The lock of an engine may be taken within it, and never the other way round.
lock = threading.RLock()

# Those used last at the end.
_open: WeakKeyDictionary[Engine, None] = WeakKeyDictionary()


def used(engine: Engine) -> list[duckdb.DuckDBPyConnection | None]:
    """Note that an engine was used, and close those that are too many.

    Returns:
        Their connections, to be let go of without the lock: their threads are waited for.
    """
    with lock:
        _open.pop(engine, None)
        _open[engine] = None
        idle = [each for each in _open if each is not engine and not each.holders]
        too_many = idle[: max(0, len(_open) - _MOST_OPEN)]
        for each in too_many:
            del _open[each]
        return [each.begin_anew() for each in too_many]


def _forget() -> None:
    """Begin anew in a forked child: another thread of the parent may have held the lock."""
    global lock
    lock = threading.RLock()
    _open.clear()


os.register_at_fork(after_in_child=_forget)
