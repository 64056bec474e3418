"""Experiments: make, choose, search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow import context
from lakeflow.config import environment
from lakeflow.entities import Experiment, LifecycleStage, ViewType, validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.fluent import active_runs, endings
from lakeflow.fluent.pages import all_pages, most_results
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence


def create_experiment(
    name: str, artifact_location: str | None = None, tags: dict[str, Any] | None = None
) -> str:
    """Make an experiment and return its id; see ``LakeflowClient.create_experiment``."""
    return open_store(create=True).experiments.create(name, artifact_location, tags)


def get_experiment(experiment_id: str) -> Experiment:
    """Return an experiment, deleted ones too; see ``LakeflowClient.get_experiment``."""
    return open_store(create=True).experiments.get(experiment_id)


def get_experiment_by_name(name: str) -> Experiment | None:
    """Return the experiment of a name; see ``LakeflowClient.get_experiment_by_name``."""
    return open_store(create=True).experiments.find(name)


def delete_experiment(experiment_id: str) -> None:
    """Mark an experiment and its runs as deleted; see ``LakeflowClient.delete_experiment``."""
    open_store(create=True).delete_experiment(experiment_id)


def set_experiment_tag(key: str, value: Any) -> None:
    """Set a tag of the experiment in which the next run would be.

    See ``LakeflowClient.set_experiment_tag``.
    """
    set_experiment_tags({key: value})


def set_experiment_tags(tags: dict[str, Any]) -> None:
    """Set several tags of the experiment in which the next run would be, all or none.

    Args:
        tags: Values by key; values become text. In an empty one there is nothing to set.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, a deleted experiment, a bad key or value.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-set-experiment-tags")
        >>> experiment = lakeflow.set_experiment("digits")
        >>> lakeflow.set_experiment_tags({"team": "vision", "priority": 1})
        >>> lakeflow.get_experiment(experiment.experiment_id).tags
        {'priority': '1', 'team': 'vision'}
    """
    if tags:
        location = context.tracking_uri()
        experiment_id = experiment_of_new_runs(location)
        open_store(location, create=True).experiments.set_tags(experiment_id, tags)


def delete_experiment_tag(key: str) -> None:
    """Remove a tag of the experiment in which the next run would be.

    See ``LakeflowClient.delete_experiment_tag``.
    """
    location = context.tracking_uri()
    experiment_id = experiment_of_new_runs(location)
    open_store(location, create=True).experiments.delete_tag(experiment_id, key)


def set_experiment(
    experiment_name: str | None = None, experiment_id: str | None = None
) -> Experiment:
    """Choose the experiment for the runs that this process and its children start.

    It is meant in other lakes by its name, see ``set_tracking_uri``; and in children that are
    not forked, whose environment has ``LAKEFLOW_EXPERIMENT_NAME``.

    Args:
        experiment_name: Its name; it is made if there is none. Processes may race.
        experiment_id: Its id, instead of the name.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, both or neither given, a name that is no
            text, or it is deleted.
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no experiment with this id.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-set-experiment")
        >>> lakeflow.set_experiment("digits").name
        'digits'
    """
    if (experiment_name is None) == (experiment_id is None):
        raise InvalidInputError(
            "Must specify exactly one of: `experiment_id` or `experiment_name`; got "
            f"{experiment_name!r} and {experiment_id!r}"
        )
    # Tasks that begin from now on are known to have begun in this place.
    active_runs.here()
    endings.stand_guard()
    location = context.tracking_uri()
    if experiment_id is not None:
        experiment = open_store(location, create=True).experiments.get(experiment_id)
    else:
        experiment = _experiment_named(location, _checked_name(experiment_name))
    if experiment.lifecycle_stage != LifecycleStage.ACTIVE:
        raise InvalidInputError(
            f"Cannot set a deleted experiment {experiment.name!r} as the active experiment",
            hint="restore it with restore_experiment, or choose another name",
        )
    _choose(location, experiment)
    return experiment


def _checked_name(name: object) -> str:
    # By a number somebody means an id, and it would become a name.
    if not isinstance(name, str):
        raise InvalidInputError(
            f"the experiment name {name!r} is not a string",
            hint=f"for the experiment with this id: set_experiment(experiment_id={name!r})",
        )
    return name


def _choose(location: str, experiment: Experiment) -> None:
    context.set_experiment(
        context.ChosenExperiment(location, experiment.experiment_id, experiment.name)
    )


def _experiment_named(location: str, name: str) -> Experiment:
    return open_store(location, create=True).experiments.named(name)


def experiment_of_new_runs(location: str | None = None) -> str:
    """Return the experiment for a new run: set, from the environment, or the default.

    Args:
        location: The lake; that of the process by default.
    """
    location = location or context.tracking_uri()
    chosen = context.experiment()
    if chosen is not None and chosen.location == location:
        return chosen.experiment_id
    if chosen is not None:
        # Its id would be another experiment's here.
        experiment = _experiment_named(location, chosen.name)
        # From here on by the id that it has in this lake, so that it is looked for once.
        _choose(location, experiment)
        return experiment.experiment_id
    name = environment("EXPERIMENT_NAME")
    if name:
        return _experiment_named(location, name).experiment_id
    return validation.experiment_id(
        environment("EXPERIMENT_ID") or "0", "EXPERIMENT_ID of the environment"
    )


def search_experiments(
    view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[Experiment]:
    """Return every experiment that a filter lets through.

    Args:
        view_type: ``ViewType.ACTIVE_ONLY``, ``DELETED_ONLY`` or ``ALL``.
        max_results: Most experiments; None for all.
        filter_string: The filter; see ``LakeflowClient.search_experiments``.
        order_by: Lines such as ``"name DESC"``; by default the latest first.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, a malformed filter or order.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-fluent-experiments")
        >>> _ = lakeflow.create_experiment("digits")
        >>> found = lakeflow.search_experiments(order_by=["name DESC"])
        >>> [experiment.name for experiment in found]
        ['digits', 'Default']
    """
    experiments = open_store(create=True).experiments
    return all_pages(
        lambda size, token: experiments.search(view_type, size, filter_string, order_by, token),
        most_results(max_results),
    )
