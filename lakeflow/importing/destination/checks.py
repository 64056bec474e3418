"""What a lake takes of a source: bad values are left out and reported, others stay. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.importing.items import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def kept_pairs(
    pairs: Mapping[str, str], where: str, report: Callable[[Problem], None]
) -> dict[str, str]:
    """Return those params or tags that a lake can have.

    Args:
        pairs: Value by key.
        where: What they are, and of what.
        report: Told of the others.
    """
    kept = {}
    for key, value in pairs.items():
        try:
            kept[validation.key(key)] = validation.text(value)
        except InvalidInputError as error:
            report(Problem(f"{where} {key!r}", str(error)))
    return kept


def time_or_none(
    value: int | None, where: str, report: Callable[[Problem], None]
) -> int | None:
    """Return a time; None where there is none, or none that is one."""
    if value is None:
        return None
    try:
        return validation.milliseconds(value, where)
    except InvalidInputError as error:
        report(Problem(where, str(error)))
        return None


def kept_text(value: str, where: str, report: Callable[[Problem], None]) -> str:
    """Return a text; an empty one where a lake cannot have it."""
    try:
        return validation.text(value, where)
    except InvalidInputError as error:
        report(Problem(where, str(error)))
        return ""
