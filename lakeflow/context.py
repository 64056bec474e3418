"""What a process has chosen: the tracking URI, the experiment, how lakes are opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakeflow.config import environment

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_URI = "./lake"
"""Where things are recorded unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How a lake is opened.

    Attributes:
        storage_options: fsspec's options for its filesystem.
        exclusive_writer: Whether this process is the only one that writes; None takes the
            setting of the environment.
    """

    storage_options: Mapping[str, object] = field(default_factory=dict)
    exclusive_writer: bool | None = None


# Of the process and not of a thread, as MLflow has it: a script sets them once at its top.
_openings: dict[str, Opening] = {}
_tracking_uri: str | None = None
_experiment_id: str | None = None


def tracking_uri() -> str:
    """Return the location that was set, else that of the environment, else ``./lake``."""
    return _tracking_uri or environment("TRACKING_URI") or DEFAULT_URI


def is_tracking_uri_set() -> bool:
    """Return whether a location was set, here or in the environment."""
    return bool(_tracking_uri or environment("TRACKING_URI"))


def set_tracking_uri(uri: str | None) -> None:
    """Set the location for this process; None goes back to the environment's."""
    global _tracking_uri
    _tracking_uri = uri


def opening(location: str) -> Opening:
    """Return how the lake at a location is opened."""
    return _openings.get(location, Opening())


def set_opening(location: str, opening: Opening) -> None:
    """Set how the lake at a location is opened from now on in this process."""
    _openings[location] = opening


def experiment_id() -> str | None:
    """Return the id of the experiment that was set, if any."""
    return _experiment_id


def set_experiment_id(value: str | None) -> None:
    """Set the experiment for runs that this process starts."""
    global _experiment_id
    _experiment_id = value
