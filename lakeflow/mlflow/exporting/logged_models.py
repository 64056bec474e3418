"""Logged models, from the lake to MLflow 3; MLflow 2 has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.mlflow.exporting import files
from lakeflow.mlflow.exporting.target import IS_2, STATE_TAG, digest, pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow.entities import Experiment, LoggedModel, Run

    from lakeflow.mlflow.exporting.target import Export

_ID_TAG = "lakeflow.model_id"

_MODELS_AT_ONCE = 100


def export_models(
    export: Export, experiment: Experiment, place: Any, known: Mapping[str, Any]
) -> None:
    """Write the logged models of an experiment, and note their ids in MLflow.

    Args:
        export: The export.
        experiment: The experiment of the lake.
        place: That of MLflow.
        known: What MLflow has of the runs.
    """
    if IS_2:
        return
    id_there = place.experiment_id
    there = {
        model.tags[_ID_TAG]: model
        for model in (() if id_there is None else _search(export.target, id_there))
        if _ID_TAG in model.tags
    }
    since = export.wanted.since
    for model in _search(export.source, experiment.experiment_id):
        if since is not None and model.creation_timestamp < since:
            continue
        export.report.lake["logged models"] += 1
        found = there.get(model.model_id)
        if not export.wanted.dry_run:
            run = known.get(model.source_run_id or "")
            run_id = run.run_id if run else None
            found = found or _create(export, place.open(), model, run_id)
        if found is None:
            continue
        export.report.there["logged models"] += 1
        export.models[model.model_id] = found.model_id
        if not export.wanted.dry_run:
            _finish(export, place, model, found)


def _search(client: Any, experiment_id: str) -> Iterator[LoggedModel]:
    for page in pages(
        lambda token: client.search_logged_models(
            [experiment_id], max_results=_MODELS_AT_ONCE, page_token=token
        )
    ):
        yield from page


def _create(
    export: Export, experiment_id: str, model: LoggedModel, run_id: str | None
) -> LoggedModel | None:
    made: LoggedModel | None = export.refusable(
        f"logged model {model.model_id}",
        lambda: export.target.create_logged_model(
            experiment_id,
            model.name,
            run_id,
            # Already here: an export that is stopped next finds it by the tag.
            {**model.tags, _ID_TAG: model.model_id},
            model.params,
            model.model_type,
        ),
    )
    export.report.written["logged models"] += made is not None
    return made


def _finish(export: Export, place: Any, model: LoggedModel, found: LoggedModel) -> None:
    """Write what may have changed since it was made: tags, files and status."""
    state = digest(model.tags, str(model.status), model.last_updated_timestamp)
    if found.tags.get(STATE_TAG) == state:
        return
    place.open()
    if export.wanted.with_artifacts and not files.copied(
        export,
        f"logged model {model.model_id}",
        model.artifact_location,
        lambda folder: export.target.log_model_artifacts(found.model_id, folder),
    ):
        return
    status = str(model.status)
    if status in {"READY", "FAILED"} and status != str(found.status):
        export.target.finalize_logged_model(found.model_id, status)
    export.target.set_logged_model_tags(found.model_id, {**model.tags, STATE_TAG: state})


def lacking(export: Export, run: Run) -> list[str]:
    """Return the ids of logged models that a run used or made and that are not in MLflow."""
    if IS_2:
        return []
    both = (*run.inputs.model_inputs, *run.outputs.model_outputs)
    return sorted({each.model_id for each in both} - export.models.keys())


def uses(export: Export, run: Run) -> tuple[list[Any], list[Any]]:
    """Return which logged models a run used and made, as MLflow's entities there."""
    if IS_2:
        return [], []
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    ids = export.models
    used = [
        LoggedModelInput(ids[each.model_id])
        for each in run.inputs.model_inputs
        if each.model_id in ids
    ]
    made = [
        LoggedModelOutput(ids[each.model_id], each.step)
        for each in run.outputs.model_outputs
        if each.model_id in ids
    ]
    return used, made
