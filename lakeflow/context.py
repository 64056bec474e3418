"""What a process has chosen: where it records, experiment, how lakes are opened, settings."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from lakeflow.config import environment, pass_on
from lakeflow.exceptions import InvalidInputError
from lakeflow.filesystem.location import canonical
from lakeflow.values import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_URI = "./lake"
"""Where things are recorded unless somebody says otherwise."""


@frozen
class Opening:
    """How a lake is opened.

    Attributes:
        storage_options: fsspec's options for its filesystem.
        exclusive_writer: Whether this process is the only one that writes; None takes the
            setting of the environment.
    """

    storage_options: Mapping[str, object] = field(default_factory=dict)
    exclusive_writer: bool | None = None


@frozen
class ChosenExperiment:
    """The experiment for new runs.

    Attributes:
        location: The lake in which it has its id.
        experiment_id: Its id there.
        name: Its name, by which it is meant in every other lake.
    """

    location: str
    experiment_id: str
    name: str


# Of the process and not of a thread, as MLflow has it: a script sets them once at its top.
# Children that do not share this memory find the lake and the experiment in their environment.
_openings: dict[str, Opening] = {}
_tracking_uri: str | None = None
_experiment: ChosenExperiment | None = None
_settings: dict[str, str] = {}


@functools.cache
def _first_known(text: str) -> str:
    """Return where a location is, however the process changes its folder afterwards."""
    return canonical(text)


# A path that is not absolute is one from where the process began.
for _text in {
    DEFAULT_URI,
    environment("TRACKING_URI") or DEFAULT_URI,
    environment("REGISTRY_URI") or DEFAULT_URI,
}:
    # Whoever uses it is told.
    with contextlib.suppress(InvalidInputError, OSError):
        _first_known(_text)


def tracking_uri() -> str:
    """Return the location that was set, else that of the environment, else ``./lake``.

    It is an absolute path or a URL, and stays so when the process changes its folder.

    Raises:
        InvalidInputError: The environment names no location.
    """
    return _tracking_uri or _first_known(environment("TRACKING_URI") or DEFAULT_URI)


def is_tracking_uri_set() -> bool:
    """Return whether a location was set, here or in the environment."""
    return bool(_tracking_uri or environment("TRACKING_URI"))


def set_tracking_uri(uri: str | None) -> None:
    """Set the location for this process and its children; None for the environment's.

    Args:
        uri: What ``canonical`` returns.
    """
    global _tracking_uri
    _tracking_uri = uri
    _pass_on()


def pass_on_tracking_uri() -> None:
    """Let children record where this process does, the default and a relative path too.

    They may begin in another folder, and would make another lake there.
    """
    pass_on("TRACKING_URI", tracking_uri())


def registry_uri() -> str | None:
    """Return the location of the registry that was set or is in the environment, if any.

    Raises:
        InvalidInputError: The environment names no location.
    """
    named = setting("REGISTRY_URI")
    return _first_known(named) if named else None


def opening(location: str) -> Opening:
    """Return how the lake at a location is opened."""
    return _openings.get(location, Opening())


def storage_options_below(location: str) -> Mapping[str, object]:
    """Return the options that were set for a location, or for what it is in."""
    while location:
        if location in _openings:
            return _openings[location].storage_options
        location = location.rpartition("/")[0]
    return {}


def set_opening(location: str, opening: Opening) -> None:
    """Set how the lake at a location is opened from now on in this process."""
    _openings[location] = opening


def experiment() -> ChosenExperiment | None:
    """Return the experiment that was set, if any."""
    return _experiment


def set_experiment(chosen: ChosenExperiment | None) -> None:
    """Set the experiment for runs that this process and its children start."""
    global _experiment
    _experiment = chosen
    _pass_on()


def setting(name: str) -> str | None:
    """Return a setting that was chosen in this process, else that of the environment.

    Args:
        name: The setting without its prefix.
    """
    return _settings.get(name) or environment(name)


def choose(name: str, value: str | None) -> None:
    """Choose a setting for this process and its children; None for the environment's."""
    if value is None:
        _settings.pop(name, None)
    else:
        _settings[name] = value
    pass_on(name, value)


def _pass_on() -> None:
    pass_on("EXPERIMENT_NAME", None if _experiment is None else _experiment.name)
    if _experiment is None:
        pass_on("TRACKING_URI", _tracking_uri)
    else:
        pass_on_tracking_uri()
