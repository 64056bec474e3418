"""What MLflow writes for the states of models. Pure."""

from __future__ import annotations

from lakeflow.entities import LoggedModelStatus

DELETED_VERSION = "Deleted_Internal"
"""Stage of a version that was deleted: MLflow keeps its number, and forgets its source."""

_OF_LOGGED_MODELS = {
    1: LoggedModelStatus.PENDING,
    2: LoggedModelStatus.READY,
    3: LoggedModelStatus.FAILED,
}


def logged_model_status(number: int | None) -> str:
    """Return the status of a logged model.

    Examples:
        >>> logged_model_status(2), logged_model_status(9)
        ('READY', 'UNSPECIFIED')
    """
    return _OF_LOGGED_MODELS.get(number or 0, LoggedModelStatus.UNSPECIFIED).value
