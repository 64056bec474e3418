"""Pages of a search, read one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.entities import PagedList

T = TypeVar("T")

_MOST_RESULTS_A_PAGE = 10_000


def most_results(given: object) -> int | None:
    """Return how many results there may be at most; None for all.

    Raises:
        InvalidInputError: It is no integer.
    """
    number = validation.integer(given)
    if given is not None and number is None:
        raise InvalidInputError(f"max_results is {given!r}, not an integer")
    return number


def all_pages(
    page_of: Callable[[int, str | None], PagedList[T]],
    max_results: int | None,
    page_size: int = _MOST_RESULTS_A_PAGE,
) -> list[T]:
    """Return what all pages hold, up to a number of results."""
    found: list[T] = []
    token = None
    while max_results is None or len(found) < max_results:
        left = page_size if max_results is None else max_results - len(found)
        page = page_of(min(page_size, left), token)
        found += page
        token = page.token
        if token is None:
            break
    return found
