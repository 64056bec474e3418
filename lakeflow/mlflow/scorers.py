"""MLflow's calls about scorers, by the stores of the lake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.entities import ScorerVersion
    from mlflow.genai.scorers.online.entities import OnlineScorer, OnlineScoringConfig

    from lakeflow.entities import OnlineScoringConfig as LakeConfig
    from lakeflow.entities import ScorerVersion as LakeVersion


@raises_mlflow
class ScorerMethods(LakeMethods):
    """Calls about scorers."""

    def register_scorer(
        self, experiment_id: str, name: str, serialized_scorer: str
    ) -> ScorerVersion:
        """Make the next version of a scorer."""
        from mlflow.genai.scorers.scorer_utils import (
            validate_scorer_model,
            validate_scorer_name,
        )

        validate_scorer_name(name)
        model = _model_of(serialized_scorer)
        validate_scorer_model(model)
        if _is_of_gateway(model):
            raise NotFoundError(
                f"the scorer {name!r} asks the gateway's endpoint {model!r}: MLflow keeps "
                "endpoints in a database, and a lake has none"
            )
        made = self.lake.scorers.register(experiment_id, name, serialized_scorer)
        return _version_of(made)

    def list_scorers(self, experiment_id: str) -> list[ScorerVersion]:
        """Return the latest version of each scorer of an experiment, by name."""
        return list(map(_version_of, self.lake.scorers.latest(experiment_id)))

    def list_scorers_across_experiments(
        self, experiment_ids: Sequence[str]
    ) -> list[ScorerVersion]:
        """Return the latest version of each scorer of some experiments, by both names."""
        if not experiment_ids:
            return []
        return list(map(_version_of, self.lake.scorers.latest_of(experiment_ids)))

    def get_scorer(
        self, experiment_id: str, name: str, version: int | None = None
    ) -> ScorerVersion:
        """Return a version of a scorer, by default the latest."""
        return _version_of(self.lake.scorers.get(experiment_id, name, version))

    def list_scorer_versions(self, experiment_id: str, name: str) -> list[ScorerVersion]:
        """Return all versions of a scorer, the first one first."""
        return list(map(_version_of, self.lake.scorers.versions(experiment_id, name)))

    def delete_scorer(self, experiment_id: str, name: str, version: int | None = None) -> None:
        """Delete a version of a scorer, or all of them with it."""
        self.lake.scorers.delete(experiment_id, name, version)

    def upsert_online_scoring_config(
        self,
        experiment_id: str,
        scorer_name: str,
        sample_rate: float,
        filter_string: str | None = None,
        **_: Any,
    ) -> OnlineScoringConfig:
        """Say how much of the new traces a scorer scores.

        Raises:
            MlflowException: INVALID_PARAMETER_VALUE, the rate is no number from 0 to 1; or it
                is more than 0 where the scorer does not ask MLflow's gateway, as in MLflow.
        """
        if not isinstance(sample_rate, int | float):
            raise InvalidInputError(
                f"sample_rate must be a number, got {type(sample_rate).__name__}"
            )
        _check_filter(filter_string)
        latest = self.lake.scorers.get(experiment_id, scorer_name)
        if sample_rate > 0 and not _is_of_gateway(_model_of(latest.serialized_scorer)):
            raise InvalidInputError(
                f"Scorer '{scorer_name}' does not use a gateway model. Automatic evaluation is "
                "only supported for scorers that use gateway models."
            )
        set_online = self.lake.scorers.set_online
        return _config_of(set_online(experiment_id, scorer_name, sample_rate, filter_string))

    def get_online_scoring_configs(
        self, scorer_ids: Sequence[str]
    ) -> list[OnlineScoringConfig]:
        """Return what was said of those of some scorers of which anything was."""
        return list(map(_config_of, self.lake.scorers.online(scorer_ids)))

    def get_active_online_scorers(self) -> list[OnlineScorer]:
        """Return the scorers that score any new traces."""
        from mlflow.genai.scorers.online.entities import OnlineScorer

        return [
            OnlineScorer(
                version.scorer_name,
                version.serialized_scorer,
                _config_of(config),
                version.scorer_version,
            )
            for version, config in self.lake.scorers.active_online()
        ]


def _model_of(serialized: str) -> str | None:
    from mlflow.genai.scorers.scorer_utils import extract_model_from_serialized_scorer

    try:
        found = json.loads(serialized)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"serialized_scorer is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidInputError("serialized_scorer is no JSON object")
    model: str | None = extract_model_from_serialized_scorer(found)
    return model


def _is_of_gateway(model: str | None) -> bool:
    from mlflow.genai.scorers.scorer_utils import is_gateway_model

    return bool(is_gateway_model(model))


def _check_filter(filter_string: object) -> None:
    if not filter_string:
        return
    if not isinstance(filter_string, str):
        raise InvalidInputError(
            f"filter_string must be a string, got {type(filter_string).__name__}"
        )
    from lakeflow.kinds import TRACE
    from lakeflow.query.language.filters import parse_filter

    parse_filter(filter_string, TRACE)


def _version_of(found: LakeVersion) -> ScorerVersion:
    from mlflow.entities import ScorerVersion

    return ScorerVersion(
        experiment_id=found.experiment_id,
        scorer_name=found.scorer_name,
        scorer_version=found.scorer_version,
        serialized_scorer=found.serialized_scorer,
        creation_time=found.creation_time,
        scorer_id=found.scorer_id,
    )


def _config_of(found: LakeConfig) -> OnlineScoringConfig:
    from mlflow.genai.scorers.online.entities import OnlineScoringConfig

    return OnlineScoringConfig(**dict(found))
