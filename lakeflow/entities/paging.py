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

    def _repr_html_(self) -> str | None:
        """Return a page of traces for notebooks, with a line for each that opens.

        None of anything else: then it is shown as a list is.
        """
        # Which a job that only logs does not need.
        from lakeflow.entities.trace import Trace
        from lakeflow.entities.trace_page import pages

        traces = [each for each in self if isinstance(each, Trace)]
        return pages(traces) if traces and len(traces) == len(self) else None
