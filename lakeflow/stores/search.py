"""Searches by page: what is asked for becomes a statement, its rows a page and a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeflow.entities import LifecycleStage, ViewType, validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.query.engine import page_tokens
from lakeflow.query.engine.compile import Search, compile_search
from lakeflow.query.language.filters import parse_filter, parse_order
from lakeflow.stores.snapshots import SnapshotId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lakeflow.kinds import Kind
    from lakeflow.query.engine.statement import Statement

MAX_RESULTS = 50_000
"""Most results of one page, as in MLflow."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        ids: What is on it, in order.
        snapshot_id: The moment of its first page; None for that page itself.
        token: Token of the next page; None for the last one.
    """

    ids: list[str]
    snapshot_id: SnapshotId | None
    token: str | None = None


_STAGES = {
    ViewType.ACTIVE_ONLY: (LifecycleStage.ACTIVE,),
    ViewType.DELETED_ONLY: (LifecycleStage.DELETED,),
    ViewType.ALL: (LifecycleStage.ACTIVE, LifecycleStage.DELETED),
}


def search_of(
    kind: Kind,
    filter_string: str | None,
    view_type: int,
    order_by: Iterable[str] | None,
    experiment_ids: object = None,
    snapshot_id: SnapshotId | None = None,
    root: str = "",
) -> Search:
    """Return the search that arguments of MLflow's ask for.

    Args:
        kind: What is searched.
        filter_string: The filter.
        view_type: Which lifecycle stages.
        order_by: The order.
        experiment_ids: One id or several; none for all.
        snapshot_id: What is gone back to; None for now.
        root: Location of the lake.

    Raises:
        InvalidInputError: One of them is malformed.
    """
    if view_type not in _STAGES:
        raise InvalidInputError(f"no view type {view_type!r}; there are 1, 2 and 3")
    return Search(
        kind,
        parse_filter(filter_string, kind),
        tuple(parse_order(order_by, kind)),
        _STAGES[view_type],
        _ids(experiment_ids),
        None if snapshot_id is None else snapshot_id.fold,
        root,
    )


def _ids(given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    listed = [given] if isinstance(given, str | int) else given
    if not hasattr(listed, "__iter__"):
        raise InvalidInputError(f"experiment_ids is {given!r}, not a list of ids")
    return tuple(sorted({validation.experiment_id(each) for each in listed}))


def page_of(
    search: Search,
    max_results: object,
    page_token: str | None,
    fetch: Callable[
        [Statement, SnapshotId | None], tuple[list[tuple[Any, ...]], SnapshotId | None]
    ],
) -> Page:
    """Return one page.

    A token holds the sort position of the last row, so a later page costs what the first
    one does; and the moment of the first page, so that what others log meanwhile moves
    nothing.

    Args:
        search: What is searched.
        max_results: Size of the page, from 1 to 50,000.
        page_token: Token of the page before; None for the first one.
        fetch: Carries out a statement, as of a moment; None for the one that the search is
            of. Returns the rows and the moment that they are of, None where nothing is
            gone back to.

    Raises:
        InvalidInputError: The size or the token cannot be used.
    """
    size = _size(max_results)
    snapshot_id: SnapshotId | None = None
    after: list[Any] = []
    if page_token:
        at, after = page_tokens.decode(page_token, search, compile_search(search, 1).keys)
        snapshot_id = SnapshotId(*at) if at else None
    rows, seen = fetch(compile_search(search, size + 1, after), snapshot_id)
    ids = [row[0] for row in rows[:size]]
    if len(rows) <= size:
        return Page(ids, snapshot_id)
    token = page_tokens.encode(search, snapshot_id or seen, rows[size - 1][1:])
    return Page(ids, snapshot_id, token)


def _size(max_results: object) -> int:
    if (
        not isinstance(max_results, int)
        or isinstance(max_results, bool)
        or not 0 < max_results <= MAX_RESULTS
    ):
        wanted = (
            f"at most {MAX_RESULTS}"
            if isinstance(max_results, int) and max_results > MAX_RESULTS
            else "a positive integer"
        )
        raise InvalidInputError(
            f"Invalid value {max_results} for parameter 'max_results' supplied. "
            f"It must be {wanted}"
        )
    return max_results
