"""Experiments, runs and points as MLflow's entities, and datasets from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    ExperimentTag,
    InputTag,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunTag,
)

from lakeflow import entities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def experiment_of(found: entities.Experiment, shown: Callable[[str], str]) -> Experiment:
    """Return an experiment as MLflow's entity.

    Args:
        found: The experiment.
        shown: Returns a location as MLflow is to see it.
    """
    return Experiment(
        found.experiment_id,
        found.name,
        shown(found.artifact_location),
        found.lifecycle_stage,
        tags=[ExperimentTag(key, value) for key, value in found.tags.items()],
        creation_time=found.creation_time,
        last_update_time=found.last_update_time,
    )


def info_of(found: entities.RunInfo, shown: Callable[[str], str]) -> RunInfo:
    """Return what is known of a run as MLflow's entity; arguments as for ``run_of``."""
    return RunInfo(
        # By position: what the first one is called differs between MLflow 2 and 3.
        found.run_id,
        found.experiment_id,
        found.user_id,
        found.status,
        found.start_time,
        found.end_time,
        found.lifecycle_stage,
        artifact_uri=shown(found.artifact_uri),
        run_name=found.run_name,
    )


def run_of(found: entities.Run, shown: Callable[[str], str]) -> Run:
    """Return a run as MLflow's entity.

    Args:
        found: The run.
        shown: Returns a location as MLflow is to see it.
    """
    data = RunData(
        metrics=[metric_of(each) for each in found.data.latest_metrics],
        params=[Param(key, value) for key, value in found.data.params.items()],
        tags=[RunTag(key, value) for key, value in found.data.tags.items()],
    )
    return Run(
        info_of(found.info, shown), data, _inputs_of(found.inputs), **_outputs_of(found.outputs)
    )


def metric_of(found: entities.Metric) -> Metric:
    """Return a point as MLflow's entity."""
    return Metric(found.key, found.value, found.timestamp, found.step)


def _inputs_of(found: entities.RunInputs) -> RunInputs:
    return RunInputs(
        [
            DatasetInput(
                Dataset(
                    each.dataset.name,
                    each.dataset.digest,
                    each.dataset.source_type,
                    each.dataset.source,
                    each.dataset.schema,
                    each.dataset.profile,
                ),
                [InputTag(tag.key, tag.value) for tag in each.tags],
            )
            for each in found.dataset_inputs
        ],
        **_models_of(found),
    )


try:
    from mlflow.entities import LoggedModelInput, LoggedModelOutput, RunOutputs
except ImportError:
    # MLflow 2 knows no logged models.
    def _models_of(found: entities.RunInputs) -> dict[str, Any]:
        return {}

    def _outputs_of(found: entities.RunOutputs) -> dict[str, Any]:
        return {}
else:

    def _models_of(found: entities.RunInputs) -> dict[str, Any]:
        return {
            "model_inputs": [LoggedModelInput(each.model_id) for each in found.model_inputs]
        }

    def _outputs_of(found: entities.RunOutputs) -> dict[str, Any]:
        made = [LoggedModelOutput(each.model_id, each.step) for each in found.model_outputs]
        return {"run_outputs": RunOutputs(made)}


def dataset_inputs_from(given: Iterable[DatasetInput]) -> list[entities.DatasetInput]:
    """Return uses of datasets from MLflow's entities."""
    return [
        entities.DatasetInput(
            entities.Dataset(
                each.dataset.name,
                each.dataset.digest,
                each.dataset.source_type,
                each.dataset.source,
                each.dataset.schema,
                each.dataset.profile,
            ),
            [entities.InputTag(tag.key, tag.value) for tag in each.tags or ()],
        )
        for each in given
    ]
