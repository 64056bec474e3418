"""One page of a search."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


class PagedList(list[T]):
    """A page of results, with the token of the next one.

    Attributes:
        token: What to give as ``page_token`` for the next page; None on the last page.
    """

    def __init__(self, items: list[T], token: str | None) -> None:
        super().__init__(items)
        self.token = token

    def to_list(self) -> list[T]:
        """Return the items as a plain list."""
        return list(self)
