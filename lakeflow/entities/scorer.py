"""Scorers of experiments, and how they score new traces."""

from __future__ import annotations

from dataclasses import dataclass

from lakeflow.entities._base import Entity


@dataclass(frozen=True, slots=True, repr=False)
class ScorerVersion(Entity):
    """A version of a scorer.

    Attributes:
        experiment_id: The experiment.
        scorer_name: Unique in the experiment.
        scorer_version: From 1 on.
        serialized_scorer: The scorer as a JSON object.
        creation_time: Milliseconds since the Unix epoch, UTC.
        scorer_id: What the versions of a scorer share.
    """

    experiment_id: str
    scorer_name: str
    scorer_version: int
    serialized_scorer: str
    creation_time: int
    scorer_id: str


@dataclass(frozen=True, slots=True, repr=False)
class OnlineScoringConfig(Entity):
    """How much of the new traces of an experiment a scorer scores.

    Attributes:
        online_scoring_config_id: New whenever it is set.
        scorer_id: The scorer.
        sample_rate: Share of the traces, from 0 to 1.
        experiment_id: The experiment.
        filter_string: Which traces; None for all.
    """

    online_scoring_config_id: str
    scorer_id: str
    sample_rate: float
    experiment_id: str
    filter_string: str | None = None
