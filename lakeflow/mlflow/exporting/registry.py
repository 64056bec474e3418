"""Registered models and prompts with their versions, from the lake to MLflow.

MLflow numbers versions itself, one after the other. A number that the lake has given away and
deleted gets a version that holds the place, and goes when the last one is there.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from mlflow.exceptions import MlflowException
from mlflow.tracking._model_registry.client import ModelRegistryClient
from mlflow.tracking._tracking_service.utils import _use_tracking_uri

from lakeflow.mlflow.exporting.target import STATE_TAG, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lakeflow.mlflow.exporting.target import Export

_MODEL_TAG = "lakeflow.model"
"""Tag of a registered model that was exported: the id of its lake, and its own there."""

_PLACEHOLDER_TAG = "lakeflow.placeholder"

_NO_STAGE = "None"

_REFUSALS_OF_VERSIONS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INTERNAL_ERROR"}
"""The last one where a source is a model that MLflow does not find."""

_IDS = "SELECT model_id FROM registered_models ORDER BY model_id"

_MODEL = """
    SELECT "name", description, tags, aliases FROM registered_models WHERE model_id = $id
"""

_RUNS = "SELECT DISTINCT run_id FROM model_versions WHERE run_id IS NOT NULL"

_VERSIONS = """
    SELECT "version", source, run_id, description, run_link, current_stage, tags
    FROM model_versions WHERE model_id = $id ORDER BY "version"
"""


class _Model(NamedTuple):
    name: str
    description: str | None
    tags: Mapping[str, str]
    aliases: Mapping[str, int]


class _Version(NamedTuple):
    version: int
    source: str
    run_id: str | None
    description: str | None
    run_link: str | None
    stage: str
    tags: Mapping[str, str]


def note_runs(export: Export) -> None:
    """Note which runs of the lake versions of models name, before runs are written."""
    with export.store.columns.snapshot() as cursor:
        export.runs.update((run_id, None) for (run_id,) in cursor.run(_RUNS))


def export_registry(export: Export) -> None:
    """Write all registered models and prompts, and their versions in order."""
    # A store of models looks for a source such as models:/m-1 where the process logs to.
    with (
        _use_tracking_uri(export.target.tracking_uri),
        export.store.columns.snapshot() as cursor,
    ):
        for (model_id,) in cursor.run(_IDS):
            model = _Model(*cursor.run(_MODEL, {"id": model_id})[0])
            versions = [_Version(*row) for row in cursor.run(_VERSIONS, {"id": model_id})]
            lake = export.report.lake
            lake["models"] += 1
            lake["versions"] += len(versions)
            lake["aliases"] += len(model.aliases)
            _export_model(export, model_id, model, versions)
            export.advance(f"model {model.name}")


def _export_model(
    export: Export, model_id: str, model: _Model, versions: list[_Version]
) -> None:
    # The client of users refuses tags of prompts, which are models to a store.
    client = ModelRegistryClient(export.target._registry_uri, export.target.tracking_uri)
    there = _found(lambda: client.get_registered_model(model.name))
    identity = f"{export.store.lake.file.lake_id}.{model_id}"
    if there is not None and there.tags.get(_MODEL_TAG) != identity:
        export.report.miss(
            f"model {model.name!r}", "MLflow has another model of this name already"
        )
        return
    if export.wanted.dry_run:
        export.report.there["models"] += there is not None
        return
    tags = {**model.tags, _MODEL_TAG: identity}
    if there is None:
        there = export.refusable(
            f"model {model.name!r}",
            lambda: client.create_registered_model(model.name, tags, model.description),
        )
        if there is None:
            return
        export.report.written["models"] += 1
    export.report.there["models"] += 1
    if (there.description or None) != (model.description or None):
        client.update_registered_model(model.name, model.description or "")
    for key, value in tags.items():
        if there.tags.get(key) != value:
            client.set_registered_model_tag(model.name, key, value)
    _export_versions(export, client, model, versions)
    _export_aliases(export, client, model, there.aliases)


def _found(get: Callable[[], Any]) -> Any:
    """Return what a call finds; None where it finds nothing."""
    try:
        return get()
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _export_versions(
    export: Export, client: Any, model: _Model, versions: list[_Version]
) -> None:
    wanted = {each.version: each for each in versions}
    numbers = range(1, max(wanted, default=0) + 1)
    # One by one: searches leave out prompts, and have no way to write a name with quotes.
    found = {
        number: _found(lambda number=number: client.get_model_version(model.name, str(number)))  # type: ignore[misc]
        for number in numbers
    }
    there = {number: each for number, each in found.items() if each is not None}
    for number in numbers:
        version = wanted.get(number)
        # MLflow counts on from the largest number that it has given, whatever was deleted.
        if number not in there and number < max(there, default=0):
            if version is not None:
                where = f"model {model.name!r}, version {number}"
                export.report.miss(where, "MLflow gave this number away, and deleted it")
            continue
        made = there.get(number) or _create(export, client, model.name, number, version)
        if int(made.version) != number:
            where = f"model {model.name!r}, version {number}"
            export.report.miss(where, f"MLflow made version {made.version}: others write to it")
            return
        there.setdefault(number, made)
        if version is not None and _PLACEHOLDER_TAG not in made.tags:
            _finish(export, client, version, made)
            export.report.there["versions"] += 1
    for number, each in there.items():
        if _PLACEHOLDER_TAG in each.tags:
            client.delete_model_version(model.name, str(number))


def _create(
    export: Export, client: Any, name: str, number: int, version: _Version | None
) -> Any:
    """Make a version; where there is none, or MLflow refuses it, one that holds its place."""
    made = None
    if version is not None:
        run_id, source = _origin(export, version)
        made = export.refusable(
            f"model {name!r}, version {number}",
            lambda: client.create_model_version(
                name=name,
                source=source,
                run_id=run_id,
                tags=dict(version.tags),
                run_link=version.run_link,
                description=version.description,
                await_creation_for=0,
            ),
            _REFUSALS_OF_VERSIONS,
        )
        export.report.written["versions"] += made is not None
    if made is not None:
        return made
    return client.create_model_version(
        name=name,
        source="s3://lakeflow/none",
        tags={_PLACEHOLDER_TAG: "true"},
        await_creation_for=0,
    )


def _origin(export: Export, version: _Version) -> tuple[str | None, str]:
    """Return the run and the source of a version as MLflow there knows them."""
    source = version.source
    if source.startswith("models:/"):
        ours = source.removeprefix("models:/")
        return None, f"models:/{export.models.get(ours, ours)}"
    ours = version.run_id or ""
    theirs = export.runs.get(ours)
    if theirs is None:
        return None, source
    before = export.source.get_run(ours).info.artifact_uri
    if source.startswith(f"{before}/"):
        after = export.target.get_run(theirs).info.artifact_uri
        return theirs, after + source.removeprefix(before)
    return theirs, source.replace(f"runs:/{ours}", f"runs:/{theirs}", 1)


def _finish(export: Export, client: Any, version: _Version, made: Any) -> None:
    """Write what may have changed since a version was made."""
    name, number = made.name, str(made.version)
    state = digest(version)
    if made.tags.get(STATE_TAG) == state:
        return
    if (made.description or None) != (version.description or None):
        client.update_model_version(name, number, version.description or "")
    for key, value in version.tags.items():
        if made.tags.get(key) != value:
            client.set_model_version_tag(name, number, key, value)
    if version.stage not in {made.current_stage, None} and (
        version.stage != _NO_STAGE or made.current_stage not in {None, _NO_STAGE}
    ):
        with warnings.catch_warnings():
            # Stages are deprecated, and kept all the same.
            warnings.simplefilter("ignore")
            client.transition_model_version_stage(name, number, version.stage)
    client.set_model_version_tag(name, number, STATE_TAG, state)


def _export_aliases(
    export: Export, client: Any, model: _Model, there: Mapping[str, Any]
) -> None:
    for alias, version in model.aliases.items():
        # MLflow returns nothing here, and None is what a refusal returns.
        if str(there.get(alias)) == str(version) or export.refusable(
            f"model {model.name!r}, alias {alias!r}",
            lambda alias=alias, version=version: (
                client.set_registered_model_alias(  # type: ignore[misc]
                    model.name, alias, str(version)
                )
                or True
            ),
        ):
            export.report.there["aliases"] += 1
