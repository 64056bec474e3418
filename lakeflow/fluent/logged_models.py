"""Logged models: made by the active run, found, and active themselves."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from lakeflow import formats
from lakeflow.client import LakeflowClient
from lakeflow.entities import LoggedModel, LoggedModelStatus
from lakeflow.exceptions import InvalidInputError
from lakeflow.fluent import active_model, active_runs
from lakeflow.fluent.experiments import experiment_of_new_runs
from lakeflow.fluent.logged import target
from lakeflow.fluent.origin import origin_tags
from lakeflow.fluent.pages import all_pages, most_results
from lakeflow.open_store import open_store
from lakeflow.values import fields

if TYPE_CHECKING:
    from types import TracebackType

    import polars

    from lakeflow.entities import LoggedModelOutput

_logger = logging.getLogger(__name__)

_EXTERNAL = "mlflow.model.isExternal"
"""MLflow's tag of a model whose files are elsewhere."""

_FIELDS = fields(LoggedModel)

# With its lake: another one may be set before somebody asks.
_last: ContextVar[tuple[str, str] | None] = ContextVar(
    "lakeflow_last_logged_model", default=None
)


def initialize_logged_model(
    name: str | None = None,
    source_run_id: str | None = None,
    tags: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
    model_type: str | None = None,
    experiment_id: str | None = None,
) -> LoggedModel:
    """Make a logged model whose files come later; see ``LakeflowClient.create_logged_model``.

    Args:
        name: Its name; a random one by default.
        source_run_id: The run that makes it; the active one by default, if there is one.
        tags: Values by key, beside those that say who makes it, and with what.
        params: Values by key.
        model_type: What it is for.
        experiment_id: Its experiment; that of the active run by default, else that of new runs.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-initialize-logged-model")
        >>> with lakeflow.start_run() as run:
        ...     model = lakeflow.initialize_logged_model("digits", params={"depth": 3})
        ...     _ = lakeflow.finalize_logged_model(model.model_id, "READY")
        >>> model = lakeflow.last_logged_model()
        >>> str(model.status), model.source_run_id == run.info.run_id
        ('READY', True)
    """
    client = LakeflowClient()
    active = active_runs.active()
    run = active[-1].run if active else None
    if experiment_id is None:
        experiment_id = run.info.experiment_id if run else experiment_of_new_runs()
    if source_run_id is None and run is not None:
        source_run_id = run.info.run_id
    made = client.create_logged_model(
        experiment_id, name, source_run_id, origin_tags(None) | (tags or {}), params, model_type
    )
    _last.set((client.tracking_uri, made.model_id))
    return made


def create_external_model(
    name: str | None = None,
    source_run_id: str | None = None,
    tags: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
    model_type: str | None = None,
    experiment_id: str | None = None,
) -> LoggedModel:
    """Make a logged model whose files are elsewhere; it is ready at once.

    The arguments are those of ``initialize_logged_model``.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-create-external-model")
        >>> str(lakeflow.create_external_model("agent", model_type="agent").status)
        'READY'
    """
    marked = {**(tags or {}), _EXTERNAL: "true"}
    made = initialize_logged_model(
        name, source_run_id, marked, params, model_type, experiment_id
    )
    return finalize_logged_model(made.model_id, LoggedModelStatus.READY)


def finalize_logged_model(
    model_id: str, status: Literal["READY", "FAILED"] | LoggedModelStatus
) -> LoggedModel:
    """Set the status of a logged model; see ``LakeflowClient.finalize_logged_model``."""
    return LakeflowClient().finalize_logged_model(model_id, status)


def get_logged_model(model_id: str) -> LoggedModel:
    """Return a logged model; see ``LakeflowClient.get_logged_model``."""
    return LakeflowClient().get_logged_model(model_id)


def last_logged_model() -> LoggedModel | None:
    """Return the logged model that this thread or task has made last; None if none."""
    last = _last.get()
    return None if last is None else LakeflowClient(last[0]).get_logged_model(last[1])


def delete_logged_model(model_id: str) -> None:
    """Delete a logged model; see ``LakeflowClient.delete_logged_model``."""
    LakeflowClient().delete_logged_model(model_id)


def set_logged_model_tags(model_id: str, tags: dict[str, Any]) -> None:
    """Set tags of a logged model; see ``LakeflowClient.set_logged_model_tags``."""
    LakeflowClient().set_logged_model_tags(model_id, tags)


def delete_logged_model_tag(model_id: str, key: str) -> None:
    """Remove a tag of a logged model; see ``LakeflowClient.delete_logged_model_tag``."""
    LakeflowClient().delete_logged_model_tag(model_id, key)


def log_model_params(params: dict[str, Any], model_id: str | None = None) -> None:
    """Log params of a logged model; see ``LakeflowClient.log_model_params``.

    Args:
        params: Values by key.
        model_id: The model; the active one by default.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, none is named, and none is active.
    """
    wanted = model_id or active_model.get_active_model_id()
    if wanted is None:
        raise InvalidInputError(
            "no model_id is given, and no model is active", hint="call set_active_model before"
        )
    LakeflowClient().log_model_params(wanted, params)


def log_outputs(models: list[LoggedModelOutput] | None = None) -> None:
    """Log logged models that the active run has made; see ``LakeflowClient.log_outputs``."""
    store, run_id = target()
    store.runs.log_outputs(run_id, models)


def search_logged_models(
    experiment_ids: list[str] | None = None,
    filter_string: str | None = None,
    datasets: list[dict[str, str]] | None = None,
    max_results: int | None = None,
    order_by: list[dict[str, Any]] | None = None,
    output_format: Literal["pandas", "list", "polars"] = "pandas",
) -> Any:
    """Return every logged model that a filter lets through.

    Args:
        experiment_ids: Their experiments; that of new runs by default.
        filter_string: As for ``LakeflowClient.search_logged_models``.
        datasets: As there.
        max_results: Most models; None for all.
        order_by: As there.
        output_format: ``"list"`` for a list of ``LoggedModel``; ``"pandas"`` or ``"polars"``
            for a frame with a row for each and their fields as columns.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, one of them is malformed.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-fluent-search-logged-models")
        >>> for name in ("small", "large"):
        ...     model = lakeflow.create_external_model(name)
        ...     _ = lakeflow.log_metric("accuracy", len(name) / 10, model_id=model.model_id)
        >>> found = lakeflow.search_logged_models(
        ...     filter_string="name = 'large' AND metrics.accuracy >= 0.5", output_format="list"
        ... )
        >>> [model.name for model in found]
        ['large']
        >>> lakeflow.end_run()
    """
    if output_format not in {"pandas", "list", "polars"}:
        raise InvalidInputError(
            f"Unsupported output format: {output_format!r}. Supported string values are "
            "'pandas', 'polars' or 'list'"
        )
    client = LakeflowClient()
    wanted = [experiment_of_new_runs()] if experiment_ids is None else experiment_ids
    models = all_pages(
        lambda size, token: client.search_logged_models(
            wanted,
            filter_string,
            datasets,
            size,
            order_by,
            token,
        ),
        most_results(max_results),
    )
    if output_format == "list":
        return models
    rows = [model.to_dictionary() | {"status": model.status} for model in models]
    if output_format == "pandas":
        return formats.require("pandas", formats.PANDAS).DataFrame(rows)
    return _frame(rows)


def _frame(rows: list[dict[str, Any]]) -> polars.DataFrame:
    """Return models as a polars frame: pairs and points are lists of structs."""
    library = formats.require("polars", formats.POLARS)
    text, number = library.String, library.Int64
    pairs = library.List(library.Struct({"key": text, "value": text}))
    points = library.Struct(
        {
            "key": text,
            "value": library.Float64,
            "timestamp": number,
            "step": number,
            "dataset_name": text,
            "dataset_digest": text,
            "run_id": text,
        }
    )
    others = {"tags": pairs, "params": pairs, "metrics": library.List(points)}
    numbers = {"creation_timestamp", "last_updated_timestamp"}
    # Said for each column: lists that are empty in all rows tell polars no type.
    schema = {name: others.get(name, number if name in numbers else text) for name in _FIELDS}
    plain = [
        row
        | {"status": str(row["status"])}
        | {
            name: [{"key": key, "value": value} for key, value in row[name].items()]
            for name in ("tags", "params")
        }
        | {"metrics": [dict(each) for each in row["metrics"] or ()]}
        for row in rows
    ]
    return library.DataFrame(plain, schema=schema)  # type: ignore[no-any-return]


class ActiveModel(LoggedModel):
    """A logged model that is active; with ``with``, until the end of the block."""

    __slots__ = ("_before",)

    _before: str | None

    def __enter__(self) -> ActiveModel:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        active_model.chosen.set(self._before)


def set_active_model(*, name: str | None = None, model_id: str | None = None) -> ActiveModel:
    """Let a logged model be the one for which metrics are logged where nobody names one.

    It is active in this thread or task until another one is, until ``clear_active_model``, or
    until the end of the ``with`` block that this stands in.

    Args:
        name: Its name in the experiment of new runs: of several the newest; where there is none
            an external model is made.
        model_id: Its id, instead.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
        InvalidInputError: INVALID_PARAMETER_VALUE, neither is given, or the model with this id
            has another name.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-set-active-model")
        >>> with lakeflow.start_run(), lakeflow.set_active_model(name="agent") as model:
        ...     _ = lakeflow.log_metric("accuracy", 0.9)
        >>> lakeflow.get_logged_model(model.model_id).metrics[0].value
        0.9
    """
    if name is None and model_id is None:
        raise InvalidInputError("Either name or model_id must be provided")
    if model_id is not None:
        found = get_logged_model(model_id)
        if name is not None and found.name != name:
            raise InvalidInputError(
                f"LoggedModel with model_id {model_id!r} has name {found.name!r}, which does "
                f"not match the provided name {name!r}."
            )
    else:
        found = _named(str(name))
    active = ActiveModel(**{field: getattr(found, field) for field in _FIELDS})
    # Models are frozen, and this is none of their fields.
    object.__setattr__(active, "_before", active_model.get_active_model_id())
    active_model.chosen.set(found.model_id)
    return active


def _named(name: str) -> LoggedModel:
    # A model of this name, whatever characters are in it: no filter is made of it.
    client = LakeflowClient()
    ids = open_store(create=True).logged_models.named(experiment_of_new_runs(), name)
    if len(ids) > 1:
        _logger.warning("there are several logged models %r; the newest is active now", name)
    return client.get_logged_model(ids[0]) if ids else create_external_model(name)
