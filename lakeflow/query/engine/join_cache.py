"""What searches have joined, kept in the engine's memory for those that ask the same again.

A board that is looked at asks one thing over and over, with other conditions, orders and pages.
What it compares and sorts by is the same rows each time as long as the files are.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import LakeflowException

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.query.engine.connection import Engine

_MOST_TABLES = 4

_MOST_COUNTED_RELATIONS = 64

_MOST_CHARACTERS = 32 * 1024 * 1024
"""Characters of all values of a table; one with more is not made."""


class _Table:
    __slots__ = ("name", "readers")

    def __init__(self, name: str) -> None:
        self.name = name
        self.readers = 0


class JoinCache:
    """Relations that were asked for twice; threads share it.

    At most four of 32 million characters each are kept, those that were asked for last.

    Args:
        engine: In whose memory they are.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._numbers = itertools.count()
        self._connections = -1
        self.reset()

    def reset(self) -> None:
        """Begin anew, also in a forked child."""
        self._lock = threading.RLock()
        self._clear()

    def _clear(self) -> None:
        self._tables: OrderedDict[str, _Table] = OrderedDict()
        self._times_asked: OrderedDict[str, int] = OrderedDict()

    @contextlib.contextmanager
    def held(
        self, relation: str, values: dict[str, Any], order: str = ""
    ) -> Iterator[str | None]:
        """Hold the table of a relation, or None; the second time it is asked for, it is made.

        Args:
            relation: Its query.
            values: What is bound to its parameters, the files that it reads among them.
            order: What the rows of its table are sorted by; empty for any order.
        """
        key = repr((relation, values))
        with self._lock:
            if self.is_lost():
                # The tables were in the memory of the connection that the engine had before.
                self._connections = self._engine.connections
                self._clear()
            connections = self._connections
            table = self._tables.get(key)
            if table is not None:
                self._tables.move_to_end(key)
                table.readers += 1
        try:
            yield None if table is None else table.name
        finally:
            with self._lock:
                if table is not None:
                    table.readers -= 1
                times = self._count_question(key) if table is None else 0
        # What is asked for once is not worth the memory. After the second time we do not try
        # again: a table that was not made then is too large, or another thread is making it.
        if times == 2:
            self._make(key, relation, values, order, connections)

    def is_lost(self) -> bool:
        """Return whether the engine has begun anew since a table was last asked for."""
        return self._connections != self._engine.connections

    def _count_question(self, key: str) -> int:
        """Count that a relation was asked for, and return how often it was."""
        times = self._times_asked.pop(key, 0) + 1
        self._times_asked[key] = times
        while len(self._times_asked) > _MOST_COUNTED_RELATIONS:
            self._times_asked.popitem(last=False)
        return times

    def _make(
        self, key: str, relation: str, values: dict[str, Any], order: str, connections: int
    ) -> None:
        """Make a table, unless it is too large."""
        table = _Table(f"main.kept_{next(self._numbers)}")
        size = f"SELECT coalesce(sum(strlen(each::VARCHAR)), 0) FROM ({relation}) AS each"  # noqa: S608
        with (
            # Who asked has the answer already, so an error here is nobody's concern.
            contextlib.suppress(LakeflowException, FileNotFoundError, MemoryError),
            contextlib.closing(self._engine.cursor()) as cursor,
        ):
            # The files were found for the old connection; whoever asks next begins anew.
            if self._engine.connections != connections:
                return
            # DuckDB does not say what a table would take, so its texts are measured first.
            ((characters,),) = cursor.run(size, values)
            if characters > _MOST_CHARACTERS:
                return
            # The first rows of an order are found several times as fast where they come first:
            # what follows is less than the last one of them, and is not put in its place.
            ordered = f"{relation} ORDER BY {order}" if order else relation
            cursor.run(f"CREATE TABLE {table.name} AS {ordered}", values)
            with self._lock:
                # Another thread may have seen in the meantime that the engine began anew.
                if connections == self._connections:
                    self._tables[key] = table
                # What somebody reads stays, even if there are more tables than there should be.
                unread = [each for each in self._tables if not self._tables[each].readers]
                for old in unread[: max(0, len(self._tables) - _MOST_TABLES)]:
                    # It may come back, but only if it is asked for twice once more.
                    self._times_asked.pop(old, None)
                    cursor.run(f"DROP TABLE {self._tables.pop(old).name}")
