"""Searches by page: what is asked for becomes a statement, its rows a page and a token.

The steps of ``search_runs``, from ``RunStore.search`` in ``stores.runs`` on:

 1. ``Snapshots.as_of`` (``stores.snapshots``) finds the snapshot that ``as_of`` goes back to.
 2. ``search_of`` (here) makes a ``Search`` of the arguments; ``parse_filter`` and
    ``parse_order`` (``query.language.filters``) read filter and order.
 3. ``page_of`` (here) begins the page: ``decode`` (``query.engine.page_tokens``) returns the
    snapshot and the sort position in its token.
 4. ``compile_search`` (``query.engine.compile``) writes the statement, for one row more than
    the page has: that row tells whether there is a next page.
 5. ``Reader.search`` (``stores.reader``) carries it out, and once more where a fold has
    replaced files meanwhile: ``retry_when_replaced`` (``stores.snapshots``).
 6. ``Snapshots.held`` (``stores.snapshots``) holds the snapshot; ``Memtable.refresh``
    (``stores.memtable``) reads what the log has grown by.
 7. ``Snapshot.sync_tables`` (``stores.snapshots``) brings hot rows into the engine's tables,
    which ``Overlay`` (``query.engine.overlay``) keeps.
 8. ``Lake.paths`` (``lake``) returns the files of each table that may hold what is asked for.
 9. ``JoinCache`` (``query.engine.join_cache``) lends the rows of these files, joined already,
    where the same was asked for before.
10. ``laid_over`` (``query.engine.overlay``) writes the SQL that lays hot rows over files or
    cached rows; DuckDB carries it out. Where ``candidates`` (``query.engine.candidates``) finds
    few things in many, their documents stand in for the files.
11. ``page_of`` (here) cuts the page; ``encode`` (``query.engine.page_tokens``) makes the token
    of the next one.
12. ``Reader.runs`` (``stores.reader``) reads the runs on the page: ``StoredThings.get``
    (``stores.stored_things``) their documents, ``Snapshot.merged`` (``stores.snapshots``) the
    log over them, ``run_state`` (``stores.state``) what both say.
13. ``RunState.entity`` (``stores.state``) makes the ``Run`` that the caller gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lakeflow.entities import LifecycleStage, ViewType, validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.query.engine import page_tokens
from lakeflow.query.engine.candidates import candidates
from lakeflow.query.engine.compile import compile_bounds, compile_count, compile_search
from lakeflow.query.engine.search import Search
from lakeflow.query.language.conditions import Combination
from lakeflow.query.language.filters import parse_filter, parse_order
from lakeflow.stores.arguments import listed
from lakeflow.stores.snapshots import SnapshotId
from lakeflow.values import replace

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.query.engine.candidates import Candidates
    from lakeflow.query.engine.statement import Statement
    from lakeflow.query.language.conditions import Condition
    from lakeflow.stores.reader import Reader


class Searched(Protocol):
    """What carries searches out: a ``Reader``, or what knows the past in another way."""

    def as_of(self, as_of: int | datetime.datetime | None) -> SnapshotId | None:
        """Return what is gone back to; see ``Reader.as_of``."""

    def search(
        self,
        statement: Statement,
        experiment_ids: Sequence[str],
        snapshot_id: SnapshotId | None = None,
        candidates: Candidates | None = None,
    ) -> tuple[list[tuple[Any, ...]], SnapshotId]:
        """Return the rows of a search, and the snapshot they are of; see ``Reader.search``."""


class Page(NamedTuple):
    """One page.

    Attributes:
        ids: What is on it, in order.
        snapshot_id: What its things are to be read as of: the snapshot that its token names,
            or that of ``as_of``; None for what this process saw last.
        token: Token of the next page; None for the last one.
    """

    ids: list[str]
    snapshot_id: SnapshotId | None
    token: str | None = None


_PAGE_SIZE = 10_000
"""Things on a page where all pages are wanted."""

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
    also: Condition | None = None,
    narrow: Callable[[Search], Search] = lambda search: search,
) -> Search:
    """Return the search that arguments of MLflow's ask for.

    Args:
        kind: What is searched.
        filter_string: The filter.
        view_type: Which lifecycle stages.
        order_by: The order.
        experiment_ids: One id or several; None for all. A list that is empty is of none.
        snapshot_id: What is gone back to; None for now.
        root: Location of the lake.
        also: What must hold besides the filter; None for nothing.
        narrow: Returns the search that is meant where other arguments say more.

    Raises:
        InvalidInputError: One of them is malformed.
    """
    if view_type not in _STAGES:
        raise InvalidInputError(f"no view type {view_type!r}; there are 1, 2 and 3")
    ids = listed("experiment_ids", experiment_ids)
    return narrow(
        Search(
            kind,
            _both(parse_filter(filter_string, kind), also),
            tuple(parse_order(order_by, kind)),
            _STAGES[view_type],
            # In one order, however they are listed: page tokens and kept joins go by it.
            tuple(sorted(set(validation.experiment_ids(ids or ())))),
            ids == [],
            None if snapshot_id is None else snapshot_id.fold,
            root,
        )
    )


def _both(one: Condition | None, other: Condition | None) -> Condition | None:
    return Combination("AND", (one, other)) if one and other else one or other


def page_of(
    lake: Lake,
    reader: Searched,
    kind: Kind,
    filter_string: str | None,
    max_results: object,
    order_by: Iterable[str] | None,
    page_token: str | None,
    *,
    view_type: int = ViewType.ALL,
    experiment_ids: object = None,
    also: Condition | None = None,
    narrow: Callable[[Search], Search] = lambda search: search,
    as_of: int | datetime.datetime | None = None,
    root: str | None = None,
) -> Page:
    """Return one page of the things of a kind.

    A token holds the sort position of the last row, so a later page costs what the first
    one does; and the snapshot of the first page, so that what others log meanwhile moves
    nothing.

    Args:
        lake: The lake.
        reader: What searches it.
        kind: What is searched.
        filter_string: As for ``search_of``.
        max_results: Size of the page.
        order_by: As for ``search_of``.
        page_token: Token of the page before; None for the first one.
        view_type: As for ``search_of``.
        experiment_ids: As for ``search_of``.
        also: As for ``search_of``.
        narrow: As for ``search_of``.
        as_of: What is gone back to; None for now.
        root: What locations in the lake begin with where they are compared; None for the
            location of the lake.

    Raises:
        InvalidInputError: One of them is malformed; the size or the token cannot be used.
        NotFoundError: That far back nothing is kept.
    """
    past = reader.as_of(as_of)
    root = lake.fs.uri if root is None else root
    search = search_of(
        kind,
        filter_string,
        view_type,
        order_by,
        experiment_ids,
        past,
        root,
        also,
        narrow,
    )
    size = _size(max_results, kind)
    if search.is_of_none:
        return Page([], past)
    begun: SnapshotId | None = past
    after: list[Any] = []
    lake_id = lake.file.lake_id
    if page_token:
        # Compiled for the number of its keys: a token must have a value for each.
        saved, after = page_tokens.decode(
            page_token, search, lake_id, compile_search(search, 1).keys
        )
        begun = SnapshotId(*saved) if saved else past
    narrowed, at = _narrowed(reader, search, begun)
    # One row more than the page has tells whether there is a next page.
    statement = compile_search(narrowed, size + 1, after)
    rows, seen = reader.search(statement, search.experiment_ids, at, candidates(search, size))
    ids = [row[0] for row in rows[:size]]
    if len(rows) <= size:
        return Page(ids, at)
    token = page_tokens.encode(search, lake_id, at or seen, rows[size - 1][1:])
    return Page(ids, at, token)


def pages_of(
    lake: Lake,
    reader: Reader,
    kind: Kind,
    filter_string: str | None = None,
    order_by: Iterable[str] | None = None,
    most: int | None = None,
    **given: Any,
) -> Iterator[Page]:
    """Yield page after page of the things of a kind, as they were at the first one.

    Args:
        lake: The lake.
        reader: What searches it.
        kind: What is searched.
        filter_string: As for ``search_of``.
        order_by: As for ``search_of``.
        most: How many things there are at most on all of them; None for all.
        **given: Further arguments of ``page_of``.
    """
    token = None
    found = 0
    while most is None or found < most:
        size = _PAGE_SIZE if most is None else min(_PAGE_SIZE, most - found)
        page = page_of(lake, reader, kind, filter_string, size, order_by, token, **given)
        yield page
        found += len(page.ids)
        token = page.token
        if token is None:
            return


def _narrowed(
    reader: Searched, search: Search, at: SnapshotId | None
) -> tuple[Search, SnapshotId | None]:
    """Return a search that knows where the rows are that it asks about, and as of when.

    A trace is told by its own row when it was: of its spans only those files and row groups
    are read then that are of that time.
    """
    bounds = compile_bounds(search)
    if bounds is None:
        return search, at
    rows, seen = reader.search(bounds, search.experiment_ids, at)
    first, last = rows[0]
    # Of nothing nothing is asked: no number is within these.
    between = (1, 0) if first is None else (first, last)
    return replace(search, between=between), at or seen


def count_of(
    lake: Lake,
    reader: Reader,
    kind: Kind,
    filter_string: str | None,
    experiment_ids: object,
    also: Condition | None = None,
) -> int:
    """Return how many things a search finds.

    Args:
        lake: The lake.
        reader: What searches it.
        kind: What is searched.
        filter_string: As for ``search_of``.
        experiment_ids: As for ``search_of``.
        also: As for ``search_of``.

    Raises:
        InvalidInputError: One of them is malformed.
    """
    search = search_of(
        kind, filter_string, ViewType.ALL, None, experiment_ids, root=lake.fs.uri, also=also
    )
    if search.is_of_none:
        return 0
    search, at = _narrowed(reader, search, None)
    rows, _ = reader.search(compile_count(search), search.experiment_ids, at)
    return int(rows[0][0])


def _size(max_results: object, kind: Kind) -> int:
    assert kind.catalogue is not None
    size, most = validation.integer(max_results), kind.catalogue.most
    if size is None or not 0 < size <= most:
        wanted = f"at most {most}" if size and size > 0 else "a positive integer"
        raise InvalidInputError(
            f"Invalid value {max_results} for parameter 'max_results' supplied. "
            f"It must be {wanted}"
        )
    return size
