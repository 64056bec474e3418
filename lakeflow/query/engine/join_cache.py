"""What searches have joined, kept in the engine's memory for those that ask the same again.

A board that is looked at asks one thing over and over, with other conditions, orders and pages.
What it compares and sorts by is the same rows each time as long as the files are.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import LakeflowException
from lakeflow.query.engine.connection import engine_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.query.engine.connection import Engine

_KEPT = 4
_ASKED = 64
_MOST_CHARACTERS = 32 * 1024 * 1024


@dataclass(slots=True)
class _Table:
    name: str
    readers: int = 0


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
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._tables: OrderedDict[str, _Table] = OrderedDict()
        self._asked: OrderedDict[str, bool] = OrderedDict()

    @contextlib.contextmanager
    def held(self, relation: str, values: dict[str, Any]) -> Iterator[str | None]:
        """Hold the table of a relation, or None; the second time it is asked for, it is made.

        Args:
            relation: Its query.
            values: What is bound to its parameters, the files that it reads among them.
        """
        key = repr((relation, values))
        with self._lock:
            table, connections = self._found(key), self._connections
        try:
            yield None if table is None else table.name
        finally:
            with self._lock:
                if table is not None:
                    table.readers -= 1
                is_wanted = table is None and self._is_wanted(key)
        if is_wanted:
            self._make(key, relation, values, connections)

    def is_lost(self) -> bool:
        """Return whether the engine has begun anew since a table was last asked for."""
        return self._connections != self._engine.connections

    def _found(self, key: str) -> _Table | None:
        if self.is_lost():
            self._connections = self._engine.connections
            self._clear()
        table = self._tables.get(key)
        if table is not None:
            self._tables.move_to_end(key)
            table.readers += 1
        return table

    def _is_wanted(self, key: str) -> bool:
        """Return whether a relation is asked for the second time, not more and not less."""
        is_wanted = self._asked.get(key) is False
        self._asked[key] = key in self._asked
        self._asked.move_to_end(key)
        while len(self._asked) > _ASKED:
            self._asked.popitem(last=False)
        return is_wanted

    def _make(self, key: str, relation: str, values: dict[str, Any], connections: int) -> None:
        """Make a table, unless it is too large; who asked has the answer already."""
        table = _Table(f"main.kept_{next(self._numbers)}")
        size = f"SELECT coalesce(sum(strlen(each::VARCHAR)), 0) FROM ({relation}) AS each"  # noqa: S608
        with (
            contextlib.suppress(LakeflowException, FileNotFoundError, MemoryError),
            engine_errors(),
            contextlib.closing(self._engine.cursor()) as cursor,
        ):
            if self._engine.connections != connections:
                return
            ((characters,),) = cursor.execute(size, values).fetchall()
            if characters > _MOST_CHARACTERS:
                return
            cursor.execute(f"CREATE TABLE {table.name} AS {relation}", values)
            with self._lock:
                if connections == self._connections:
                    self._tables[key] = table
                for old in self._too_many():
                    cursor.execute(f"DROP TABLE {old}")

    def _too_many(self) -> list[str]:
        """Forget those that were asked for long ago and nobody reads; return their names."""
        dropped = []
        for key, table in list(self._tables.items()):
            if len(self._tables) > _KEPT and not table.readers:
                del self._tables[key]
                self._asked.pop(key, None)
                dropped.append(table.name)
        return dropped
