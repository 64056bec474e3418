"""Values of columns in a line of the log, checked against what the columns declare. Pure."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow import parsed_records
from lakeflow.parsed_records import MisfitError
from lakeflow.stores.things import CODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lakeflow.schema import Column

# By the type itself: to ``isinstance`` true is a whole number as well.
TYPES = {
    "string": frozenset({str}),
    "long": frozenset({int}),
    "double": frozenset({int, float}),
}
_NOTHING = type(None)


def checked_text(values: Any, count: int) -> list[str]:
    """Return a column of texts; MisfitError if it is none, or has more or fewer than others."""
    if type(values) is not list or len(values) != count:
        raise MisfitError
    if not TYPES["string"].issuperset(map(type, values)):
        raise MisfitError
    return values


class Checks(NamedTuple):
    """What the values of a column may be.

    Attributes:
        name: The column.
        types: Their types.
        code: Of an array that takes what 64 bits hold; empty for texts.
        is_object: Whether each is a JSON object whose values are texts.
    """

    name: str
    types: frozenset[type]
    code: str
    is_object: bool


def checks_of(column: Column, *, nullable: bool) -> Checks:
    """Return what the values of a column may be, null among them or not."""
    types = TYPES[column.type] | ({_NOTHING} if nullable else frozenset())
    return Checks(column.name, types, CODES.get(column.type, ""), column.is_object)


def checked(
    columns: Iterable[Checks], rows: Mapping[str, Any], count: int, absent: Any = None
) -> dict[str, Any]:
    """Return the values of columns by name.

    Args:
        columns: The columns.
        rows: Values by name.
        count: How many each has to have.
        absent: The values of a column that is not given.

    Raises:
        MisfitError: There are more or fewer than of others, or one is not of its type.
    """
    found = {}
    # Without a call for each column: most lines have a row or two of thirty columns.
    for name, types, code, is_object in columns:
        values = rows.get(name, absent)
        if type(values) is not list or len(values) != count:
            raise MisfitError
        if not types.issuperset(map(type, values)):
            raise MisfitError
        if code:
            present = values
            if None in values:
                present = [each for each in values if each is not None]
            # It checks a whole column in one call.
            try:
                array(code, present)
            except OverflowError:
                raise MisfitError from None
        if is_object and not all(each is None or _is_object(each) for each in values):
            raise MisfitError
        found[name] = values
    return found


def _is_object(text: str) -> bool:
    """Return whether a text is a JSON object whose values are texts."""
    try:
        found = parsed_records.parse_object(text.encode())
    except MisfitError:
        return False
    return TYPES["string"].issuperset(map(type, found.values()))
