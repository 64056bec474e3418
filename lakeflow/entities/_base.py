"""What every entity shares: MLflow's iteration over (name, value) pairs; how it is shown."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, ClassVar

from lakeflow.printable import printable
from lakeflow.values import fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A value may have a megabyte, and a run thousands of them.
_SHORT = reprlib.Repr()
_SHORT.maxstring = 200
_SHORT.maxdict = _SHORT.maxlist = 50
# To reprlib an entity within another one is something other.
_SHORT.maxother = 2_000

short = _SHORT.repr
"""Returns what ``repr`` does, with the middle left out of what is long."""

_MOST_ROWS_A_FIELD = 200
"""Most rows that the table of a notebook has for one field."""


class Entity:
    """Base of the entities: ``dict(entity)`` gives its fields, as MLflow's do.

    What MLflow's do not have is no part of that, of what is shown, and of dictionaries.
    """

    __slots__ = ()

    _ours: ClassVar[tuple[str, ...]] = ()
    """Fields that MLflow's entities lack."""

    def __iter__(self) -> Iterator[tuple[str, object]]:
        for name in fields(type(self)):
            if name not in self._ours:
                yield name, getattr(self, name)

    def to_dictionary(self) -> dict[str, object]:
        """Return the fields by name."""
        return dict(self)

    def __repr__(self) -> str:
        shown = (f"{name}={short(value)}" for name, value in self)
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_html_(self) -> str:
        """Return a table for notebooks; what others have logged is text in it."""
        # Which a job that only logs does not need.
        from html import escape

        rows = (
            f"<tr><th style='text-align:left'>{escape(printable(name))}</th>"
            f"<td style='text-align:left'>{escape(printable(_text(value)))}</td></tr>"
            for name, value in _rows(self.to_dictionary())
        )
        return f"<table><caption>{type(self).__name__}</caption>{''.join(rows)}</table>"


def _rows(dictionary: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    """Return a row for each value in nested dictionaries, by a name with dots."""
    for number, (key, value) in enumerate(dictionary.items()):
        if number == _MOST_ROWS_A_FIELD:
            yield f"{before}...", f"{len(dictionary) - number:,} more"
            return
        if isinstance(value, dict):
            yield from _rows(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _text(value: object) -> str:
    if not isinstance(value, str):
        return short(value)
    return value if len(value) <= _SHORT.maxstring else f"{value[: _SHORT.maxstring]}..."
