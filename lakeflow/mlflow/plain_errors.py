"""What MLflow says when something is wrong, as an error of ours on one line."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from lakeflow.exceptions import LakeflowException, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def plain(what: str, hint: str | None = None) -> Iterator[None]:
    """Raise what MLflow, or the database behind it, says as an error of ours.

    Args:
        what: What is wrong then, as the beginning of a sentence.
        hint: What to do about it.

    Raises:
        StorageError: MLflow's code, it said something.
        LakeflowException: FEATURE_DISABLED, it needs a package that is not installed.
    """
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        code = getattr(error, "error_code", "TEMPORARILY_UNAVAILABLE")
        raise StorageError(f"{what}: {said(error)}", code, hint=hint) from error
    except ImportError as error:
        # The driver of a database, which SQLAlchemy loads by the name in the URI.
        raise LakeflowException(
            f"{what}: it needs a package that is not there: {error}", "FEATURE_DISABLED"
        ) from error


def said(error: Exception) -> str:
    """Return the message of an error on one line."""
    return " ".join(str(error).split())[:500]
