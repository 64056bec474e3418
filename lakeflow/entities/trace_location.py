"""Where traces go."""

from __future__ import annotations

from dataclasses import dataclass

from lakeflow.entities._base import Entity


@dataclass(frozen=True, slots=True, repr=False)
class MlflowExperimentLocation(Entity):
    """An experiment as the place of traces.

    Attributes:
        experiment_id: Its id.
    """

    experiment_id: str
