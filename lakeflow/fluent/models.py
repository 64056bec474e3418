"""Registered models: register a version, tag it, search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.client import LakeflowClient
from lakeflow.exceptions import InvalidInputError
from lakeflow.fluent.lakes import get_registry_uri
from lakeflow.fluent.pages import all_pages, most_results
from lakeflow.kinds.registry import MOST_MODELS
from lakeflow.open_store import open_store
from lakeflow.stores.artifacts.run_uris import of_run
from lakeflow.transfer import paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.entities.model_registry import ModelVersion, RegisteredModel


def register_model(
    model_uri: str,
    name: str,
    await_registration_for: int | None = 300,
    *,
    tags: dict[str, Any] | None = None,
) -> ModelVersion:
    """Make the next version of a registered model; the model too, where there is none.

    Both in one event: there is never a model without the version.

    Args:
        model_uri: ``runs:/<run id>/<path>``, of which the version keeps the run and where its
            artifacts are; a logged model, ``models:/<model id>``; a version of another model,
            ``models:/...``; a path, or a URL.
        name: Name of the model.
        await_registration_for: Has no effect: a version is there when the call returns.
        tags: Values by key, of the version; values become text.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
        InvalidInputError: INVALID_PARAMETER_VALUE, no name, a URI that is no text, a path that
            leads out of the run's artifacts, a bad tag.
        LakeflowException: INTERNAL_ERROR as in MLflow, ``model_uri`` names a version that
            there is not.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-register-model")
        >>> with lakeflow.start_run() as run:
        ...     lakeflow.log_text("weights", "model/weights.txt")
        >>> model_uri = f"runs:/{run.info.run_id}/model"
        >>> version = lakeflow.register_model(model_uri, "Analyzer", tags={"team": "nlp"})
        >>> version.version, version.tags, version.run_id == run.info.run_id
        (1, {'team': 'nlp'}, True)
        >>> lakeflow.artifacts.load_text("models:/Analyzer/1/weights.txt")
        'weights'
    """
    source, run_id = _source(model_uri)
    store = open_store(get_registry_uri(), create=True)
    return store.model_versions.create(
        name,
        source,
        run_id,
        tags,
        # Opened where files may be those of a run: they may be in another lake than the models.
        tracking=lambda: open_store(create=False),
        makes_model=True,
    )


def _source(model_uri: object) -> tuple[str, str | None]:
    """Return a source, and the run that it says has made it."""
    if not isinstance(model_uri, str):
        raise InvalidInputError(f"model_uri is {model_uri!r}, not a string")
    run_id, path = of_run(model_uri)
    if run_id is None:
        return model_uri, None
    artifacts = LakeflowClient().get_run(run_id).info.artifact_uri
    below = paths.checked(path, "model_uri")
    return f"{artifacts}/{below}" if below else artifacts, run_id


def set_model_version_tag(
    name: str, version: str | int | None = None, key: str | None = None, value: Any = None
) -> None:
    """Set a tag of a version; see ``LakeflowClient.set_model_version_tag``."""
    LakeflowClient().set_model_version_tag(name, version, key, value)


def search_registered_models(
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[RegisteredModel]:
    """Return every registered model that a filter lets through.

    Args:
        max_results: Most models; None for all.
        filter_string: The filter; see ``LakeflowClient.search_registered_models``.
        order_by: Lines such as ``"timestamp DESC"``; by default by name.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, a malformed filter or order.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-fluent-models")
        >>> for name in ("b", "a"):
        ...     _ = lakeflow.register_model("s3://models/analyzer", name)
        >>> [model.name for model in lakeflow.search_registered_models()]
        ['a', 'b']
    """
    client = LakeflowClient()
    return all_pages(
        lambda size, token: client.search_registered_models(
            filter_string, size, order_by, token
        ),
        most_results(max_results),
        MOST_MODELS,
    )


def search_model_versions(
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[ModelVersion]:
    """Return every version, of any model, that a filter lets through.

    Args:
        max_results: Most versions; None for all.
        filter_string: The filter; see ``LakeflowClient.search_model_versions``.
        order_by: Lines such as ``"version_number DESC"``; by default what was changed last is
            first.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, a malformed filter or order.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-fluent-versions")
        >>> for team in ("sky", "sea"):
        ...     _ = lakeflow.register_model("s3://a", "Analyzer", tags={"team": team})
        >>> found = lakeflow.search_model_versions(filter_string="tags.team = 'sea'")
        >>> [version.version for version in found]
        [2]
    """
    client = LakeflowClient()
    return all_pages(
        lambda size, token: client.search_model_versions(filter_string, size, order_by, token),
        most_results(max_results),
    )
