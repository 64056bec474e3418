"""Searches for runs, answered with a table or a list."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal, overload

from lakeflow import formats
from lakeflow.entities import Run, ViewType, validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.fluent.experiments import experiment_of_new_runs, search_experiments
from lakeflow.fluent.pages import all_pages, most_results
from lakeflow.open_store import open_store
from lakeflow.stores.arguments import listed
from lakeflow.system_errors import loading

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    import polars
    import pyarrow

_logger = logging.getLogger(__name__)


@overload
def search_runs(
    experiment_ids: Sequence[str] | str | int | None = ...,
    filter_string: str = ...,
    run_view_type: int = ...,
    max_results: int | None = ...,
    order_by: Sequence[str] | None = ...,
    output_format: Literal["pandas"] = ...,
    search_all_experiments: bool = ...,
    experiment_names: Sequence[str] | None = ...,
    *,
    as_of: int | datetime.datetime | None = ...,
) -> Any: ...


@overload
def search_runs(
    experiment_ids: Sequence[str] | str | int | None = ...,
    filter_string: str = ...,
    run_view_type: int = ...,
    max_results: int | None = ...,
    order_by: Sequence[str] | None = ...,
    *,
    output_format: Literal["list"],
    search_all_experiments: bool = ...,
    experiment_names: Sequence[str] | None = ...,
    as_of: int | datetime.datetime | None = ...,
) -> list[Run]: ...


@overload
def search_runs(
    experiment_ids: Sequence[str] | str | int | None = ...,
    filter_string: str = ...,
    run_view_type: int = ...,
    max_results: int | None = ...,
    order_by: Sequence[str] | None = ...,
    *,
    output_format: Literal["polars"],
    search_all_experiments: bool = ...,
    experiment_names: Sequence[str] | None = ...,
    as_of: int | datetime.datetime | None = ...,
) -> polars.DataFrame: ...


@overload
def search_runs(
    experiment_ids: Sequence[str] | str | int | None = ...,
    filter_string: str = ...,
    run_view_type: int = ...,
    max_results: int | None = ...,
    order_by: Sequence[str] | None = ...,
    *,
    output_format: Literal["arrow"],
    search_all_experiments: bool = ...,
    experiment_names: Sequence[str] | None = ...,
    as_of: int | datetime.datetime | None = ...,
) -> pyarrow.Table: ...


def search_runs(
    experiment_ids: Sequence[str] | str | int | None = None,
    filter_string: str = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = 100_000,
    order_by: Sequence[str] | None = None,
    output_format: formats.Format = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str | None] | None = None,
    *,
    as_of: int | datetime.datetime | None = None,
) -> Any:
    """Return the runs that a filter lets through as one table, or as a list.

    Args:
        experiment_ids: Ids of experiments, or one id; by default the experiment in which
            ``start_run`` would make a run. In an empty list there are no runs.
        filter_string: The filter; see ``LakeflowClient.search_runs``.
        run_view_type: ``ViewType.ACTIVE_ONLY``, ``DELETED_ONLY`` or ``ALL``.
        max_results: Most runs; None for all.
        order_by: Lines such as ``"metrics.loss DESC"``; see ``LakeflowClient.search_runs``.
        output_format: ``"pandas"``, as in MLflow; ``"arrow"``, ``"polars"``, or ``"list"`` for
            ``Run`` objects. Tables are built by columns: many runs take a fraction of the
            time and memory of a list. See docs/reference/frames.md.
        search_all_experiments: Whether to search all active experiments if none is named.
        experiment_names: Names of experiments, instead of ids; unknown ones are skipped.
        as_of: A time, local unless it has a zone, or a Delta version of the table ``runs``:
            what the lake held in its tables then.

    Returns:
        A row for each run with columns ``run_id``, ``experiment_id``, ``status``,
        ``artifact_uri``, ``start_time`` and ``end_time`` (times with zone UTC), then
        ``metrics.<key>``, ``params.<key>`` and ``tags.<key>``, each kind in the order in
        which the runs bring the keys up. What a run lacks is null in Arrow and polars; in
        pandas it is NaN, NaT or None.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, both ids and names, no such format, a
            malformed filter or order.
        NotFoundError: RESOURCE_DOES_NOT_EXIST, ``as_of`` is too far back.
        LakeflowException: FEATURE_DISABLED, pandas or polars is not installed.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-fluent-search")
        >>> for lr in (0.1, 0.2):
        ...     with lakeflow.start_run():
        ...         _ = lakeflow.log_param("lr", lr)
        ...         lakeflow.log_metric("loss", 1 - lr)
        >>> found = lakeflow.search_runs(order_by=["metrics.loss"], output_format="polars")
        >>> found["params.lr"].to_list()
        ['0.2', '0.1']
    """
    formats.check(output_format)
    ids = _searched(experiment_ids, experiment_names, search_all_experiments)
    max_results = most_results(max_results)
    # A search makes the lake, as MLflow's makes its store.
    store = open_store(create=True)
    if output_format == "list":
        return all_pages(
            lambda size, token: store.runs.search(
                ids, filter_string, run_view_type, size, order_by, token, as_of
            ),
            max_results,
        )
    # It is loaded from many files: where no more can be opened, the error is to say so.
    with loading("what searches"):
        from lakeflow.stores.runs_table import search_table

    table = search_table(
        store.lake,
        store.runs.reader,
        ids,
        filter_string,
        run_view_type,
        max_results,
        order_by,
        as_of,
    )
    return formats.convert(table, output_format)


def _searched(
    ids: Sequence[str] | str | int | None,
    names: Sequence[str | None] | None,
    search_all: bool,
) -> list[str]:
    """Return the ids of the experiments that a search is for."""
    given, named = listed("experiment_ids", ids), listed("experiment_names", names)
    if given and named:
        raise InvalidInputError(
            "Only experiment_ids or experiment_names can be used, but not both"
        )
    if search_all and not (given or named):
        return [experiment.experiment_id for experiment in search_experiments()]
    if given is None and named is None:
        return [experiment_of_new_runs()]
    # A list that came out empty means none.
    return validation.experiment_ids(given or ()) + _ids_of_names(named or ())


def _ids_of_names(names: Sequence[str | None]) -> list[str]:
    ids = []
    for name in names:
        experiment = None if name is None else open_store(create=True).experiments.find(name)
        if experiment is not None:
            ids.append(experiment.experiment_id)
        elif name is not None:
            _logger.warning("there is no experiment %r; it is left out of the search", name)
    return ids
