"""The stages of model versions; MLflow deprecates them in favour of aliases."""

from __future__ import annotations

from lakeflow.exceptions import InvalidInputError

STAGE_NONE = "None"
STAGE_STAGING = "Staging"
STAGE_PRODUCTION = "Production"
STAGE_ARCHIVED = "Archived"

ALL_STAGES = [STAGE_NONE, STAGE_STAGING, STAGE_PRODUCTION, STAGE_ARCHIVED]
DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS = [STAGE_STAGING, STAGE_PRODUCTION]

_CANONICAL = {stage.lower(): stage for stage in ALL_STAGES}


def get_canonical_stage(stage: object) -> str:
    """Return a stage as it is stored, however its letters are written.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, there is no such stage.
    """
    found = _CANONICAL.get(stage.lower()) if isinstance(stage, str) else None
    if found is None:
        raise InvalidInputError(
            f"Invalid Model Version stage: {stage}. "
            f"Value must be one of {', '.join(ALL_STAGES)}."
        )
    return found
