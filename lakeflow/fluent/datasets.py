"""Datasets for evaluation, as MLflow's functions of ``mlflow.genai`` have them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from lakeflow.client import LakeflowClient
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.fluent.experiments import experiment_of_new_runs
from lakeflow.fluent.pages import all_pages, most_results

if TYPE_CHECKING:
    from lakeflow.entities import EvaluationDataset

_WEEK_MS = 7 * 24 * 60 * 60 * 1000

_MOST_DATASETS_A_PAGE = 1_000


def create_dataset(
    name: str | None = None,
    experiment_id: str | list[str] | None = None,
    tags: dict[str, Any] | None = None,
) -> EvaluationDataset:
    """Make a dataset for evaluation; see ``LakeflowClient.create_dataset``.

    Args:
        name: Any text; another dataset may have the same.
        experiment_id: The experiment that it is linked to, or several; the active one by
            default.
        tags: Values become text.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, there is no name, or an id is none.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-fluent-create-dataset")
        >>> dataset = lakeflow.create_dataset("questions")
        >>> _ = dataset.merge_records([{"inputs": {"question": "why?"}}])
        >>> lakeflow.get_dataset("questions").profile
        '{"num_records": 1}'
    """
    if name is None:
        raise InvalidInputError("Parameter 'name' is required.")
    client = LakeflowClient()
    linked = experiment_of_new_runs() if experiment_id is None else experiment_id
    return client.create_dataset(name, linked, tags)


def get_dataset(name: str | None = None, dataset_id: str | None = None) -> EvaluationDataset:
    """Return a dataset by its name or by its id.

    Args:
        name: Its name, if no other one has it.
        dataset_id: Its id.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is none.
        InvalidInputError: INVALID_PARAMETER_VALUE, several have the name; none of both is
            given, or both are.
    """
    if (name is None) == (dataset_id is None):
        raise InvalidInputError("Give either 'name' or 'dataset_id'.")
    client = LakeflowClient()
    if dataset_id is not None:
        return client.get_dataset(dataset_id)
    quoted = str(name).replace("'", "''")
    # Two tell already that the name is not that of one alone.
    found = client.search_datasets(filter_string=f"name = '{quoted}'", max_results=2)
    if not found:
        raise NotFoundError(f"Dataset with name '{name}' not found.")
    if len(found) > 1:
        raise InvalidInputError(
            f"Multiple datasets found with name '{name}'.", hint="give its dataset_id"
        )
    return found[0]


def delete_dataset(dataset_id: str) -> None:
    """Delete a dataset with its records; see ``LakeflowClient.delete_dataset``."""
    LakeflowClient().delete_dataset(dataset_id)


def search_datasets(
    experiment_ids: str | list[str] | None = None,
    filter_string: str | None = None,
    max_results: int | None = None,
    order_by: list[str] | None = None,
) -> list[EvaluationDataset]:
    """Return datasets, by default the newest first; see ``LakeflowClient.search_datasets``.

    Args:
        experiment_ids: The experiment that they are linked to, or several; all by default.
        filter_string: Which of them; those of the last seven days by default, as in MLflow.
        max_results: Most of them; all by default.
        order_by: Fields, each with ASC or DESC behind it.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, one of them is malformed.
    """
    ids = [experiment_ids] if isinstance(experiment_ids, str) else experiment_ids
    wanted = filter_string or f"created_time >= {time.time_ns() // 1_000_000 - _WEEK_MS}"
    client = LakeflowClient()
    return all_pages(
        lambda size, token: client.search_datasets(ids, wanted, size, order_by, token),
        most_results(max_results),
        _MOST_DATASETS_A_PAGE,
    )


def set_dataset_tags(dataset_id: str, tags: dict[str, Any]) -> None:
    """Set tags of a dataset; see ``LakeflowClient.set_dataset_tags``."""
    LakeflowClient().set_dataset_tags(dataset_id, tags)


def delete_dataset_tag(dataset_id: str, key: str) -> None:
    """Remove a tag of a dataset; see ``LakeflowClient.delete_dataset_tag``."""
    LakeflowClient().delete_dataset_tag(dataset_id, key)


def add_dataset_to_experiments(dataset_id: str, experiment_ids: list[str]) -> EvaluationDataset:
    """Link a dataset to experiments; see ``LakeflowClient.add_dataset_to_experiments``."""
    return LakeflowClient().add_dataset_to_experiments(dataset_id, experiment_ids)


def remove_dataset_from_experiments(
    dataset_id: str, experiment_ids: list[str]
) -> EvaluationDataset:
    """Take links away; see ``LakeflowClient.remove_dataset_from_experiments``."""
    return LakeflowClient().remove_dataset_from_experiments(dataset_id, experiment_ids)
