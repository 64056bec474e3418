"""The stages of model versions; MLflow deprecates them in favour of aliases."""

from __future__ import annotations

import warnings

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


def stages_of_versions() -> list[str]:
    """Return all stages, which are those of every version."""
    warn_of_stages("get_model_version_stages")
    return list(ALL_STAGES)


def warn_of_stages(what: str) -> None:
    """Warn who called the client that stages are deprecated.

    To be called by what a method of the client calls: the warning names the line of the user's
    that called this method.

    Args:
        what: The method, or its parameter.
    """
    warnings.warn(
        f"{what} is deprecated since 2.9.0, as stages of model versions are: "
        "set_registered_model_alias and tags say what a version is for",
        FutureWarning,
        stacklevel=4,
    )
