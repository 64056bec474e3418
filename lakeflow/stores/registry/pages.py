"""Pages of models and of versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.entities import ViewType

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.search import Page

MOST_MODELS, MOST_VERSIONS = 1_000, 200_000
"""Most of each that a page may have, as in MLflow."""


def page_of_kind(
    lake: Lake,
    reader: Reader,
    kind: Kind,
    filter_string: str | None,
    max_results: object,
    order_by: Sequence[str] | None,
    page_token: str | None,
    as_of: int | datetime.datetime | None,
    most: int,
) -> Page:
    """Return a page of the things of a kind, which have no lifecycle stage and no experiment.

    Its ``snapshot_id`` is what its things are to be read as of.

    Args:
        lake: The lake.
        reader: What searches it.
        kind: The kind.
        filter_string: The filter.
        max_results: Size of the page.
        order_by: The order.
        page_token: Token of the page before.
        as_of: What is gone back to; None for now.
        most: Most results that a page may have.
    """
    # Loads sqlglot, which a job that only logs does not need.
    from lakeflow.stores.search import page_of, search_of

    past = reader.as_of(as_of)
    search = search_of(kind, filter_string, ViewType.ALL, order_by, snapshot_id=past)
    page = page_of(
        search,
        lake.file.lake_id,
        max_results,
        page_token,
        lambda statement, snapshot_id: reader.search(statement, (), snapshot_id or past),
        most,
    )
    return page._replace(snapshot_id=page.snapshot_id or past)
