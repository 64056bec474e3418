"""The model registry beyond MLflow's client: its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from lakeflow import context, formats
from lakeflow.client import open_store

if TYPE_CHECKING:
    import datetime
    import os

    import polars
    import pyarrow

    from lakeflow.stores.store import Store

__all__ = ["history"]


@overload
def history(
    name: str,
    *,
    as_of: int | datetime.datetime | None = ...,
    output_format: Literal["arrow"] = ...,
    registry_uri: str | os.PathLike[str] | None = ...,
) -> pyarrow.Table: ...


@overload
def history(
    name: str,
    *,
    as_of: int | datetime.datetime | None = ...,
    output_format: Literal["polars"],
    registry_uri: str | os.PathLike[str] | None = ...,
) -> polars.DataFrame: ...


@overload
def history(
    name: str,
    *,
    as_of: int | datetime.datetime | None = ...,
    output_format: Literal["pandas"],
    registry_uri: str | os.PathLike[str] | None = ...,
) -> Any: ...


@overload
def history(
    name: str,
    *,
    as_of: int | datetime.datetime | None = ...,
    output_format: Literal["list"],
    registry_uri: str | os.PathLike[str] | None = ...,
) -> list[dict[str, Any]]: ...


def history(
    name: str,
    *,
    as_of: int | datetime.datetime | None = None,
    output_format: formats.Format = "arrow",
    registry_uri: str | os.PathLike[str] | None = None,
) -> Any:
    """Return every change of a registered model and of its versions, in their order.

    Nothing is ever taken out of it: it tells of models that were renamed, by any of their
    names, and of models that were deleted. Where several models have had the name, one after
    the other, it tells of each; their ``model_id`` differs.

    Cost: a look at the log, and the row groups of ``registry_events`` that hold the model.

    Args:
        name: A name that a model has or had.
        as_of: Only what was done until then: milliseconds since the Unix epoch, or a
            ``datetime``, local unless it has a zone.
        output_format: ``"arrow"``, ``"polars"``, ``"pandas"``, or ``"list"`` for a dict a
            row; see docs/reference/frames.md.
        registry_uri: Location of the registry; that of the process by default.

    Returns:
        Columns ``time`` (UTC, milliseconds), ``user_id``, ``action`` (what was called),
        ``name`` (of the model, after the change), ``version``, ``key`` (the tag or alias),
        ``before`` and ``after`` (JSON objects; null for nothing), ``model_id`` and
        ``event_id``, by which the rows are ordered.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no model has or had the name; there is no lake.
        InvalidInputError: INVALID_PARAMETER_VALUE, this is no name, no time or no format.
        LakeflowException: FEATURE_DISABLED, polars or pandas is not installed.
    """
    formats.check(output_format)
    table = _registry(registry_uri).models.history.table(name, as_of)
    return formats.convert(table, output_format)


def _registry(uri: str | os.PathLike[str] | None) -> Store:
    return open_store(uri or context.registry_uri(), create=False)
