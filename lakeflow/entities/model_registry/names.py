"""Names of the registry: return the value as it is stored, or raise with MLflow's code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError, LakeflowException

MAX_ALIAS_LENGTH = 255

_ALIAS = re.compile(r"[\w\-]+")
_LIKE_A_VERSION = re.compile(r"[vV]\d+")


def model_name(value: object) -> str:
    """Return the name of a model.

    Raises:
        InvalidInputError: It is empty or no text.
    """
    if value is None or value == "":
        raise InvalidInputError("Registered model name cannot be empty.")
    if not isinstance(value, str):
        raise InvalidInputError(f"the model name {value!r} is not a string")
    return validation.text(value, "name")


def new_name(value: object) -> str:
    """Return the name that a model is to have.

    Raises:
        InvalidInputError: As for ``model_name``.
        LakeflowException: INTERNAL_ERROR as in MLflow, it is nothing but white space.
    """
    if isinstance(value, str) and not value.strip():
        raise LakeflowException(f"The name must not be an empty string, as {value!r} is")
    return model_name(value)


def version(value: Any) -> int:
    """Return a version as a number; texts of digits are taken too.

    Raises:
        InvalidInputError: It is none.
    """
    number = validation.integer(value)
    if number is not None:
        return number
    try:
        # No other type: int(1.5) is 1.
        return int(value if isinstance(value, str) else "")
    except ValueError:
        raise InvalidInputError(f"Model version must be an integer, got {value!r}") from None


def alias(value: object) -> str:
    """Return an alias.

    Raises:
        InvalidInputError: It is empty, too long, reserved, or has other characters than
            letters, digits, ``_`` and ``-``.
    """
    if value is None or value == "":
        raise InvalidInputError("Registered model alias name cannot be empty.")
    if not isinstance(value, str) or not _ALIAS.fullmatch(value):
        raise InvalidInputError(
            f"Invalid alias name: {value!r}",
            hint="an alias has letters, digits, underscores and dashes",
        )
    if len(value) > MAX_ALIAS_LENGTH:
        raise InvalidInputError(
            f"'Registered model alias name' exceeds the maximum length of {MAX_ALIAS_LENGTH} "
            f"characters: it has {len(value)}"
        )
    if value.lower() == "latest":
        raise InvalidInputError(
            f"{value!r} alias name (case insensitive) is reserved: models:/<name>/latest is "
            "the largest version"
        )
    if _LIKE_A_VERSION.fullmatch(value):
        raise InvalidInputError(f"Version alias name '{value}' is reserved.")
    return value


def source(value: object) -> str:
    """Return where the files of a version are.

    Raises:
        InvalidInputError: It is no text.
    """
    if not isinstance(value, str):
        raise InvalidInputError(
            f"source is {value!r}, not a string",
            hint="a path or a URL says where the files are",
        )
    return validation.text(value, "source")


def tags(values: Mapping[str, Any] | None) -> dict[str, str]:
    """Return tags, their values as text.

    Raises:
        InvalidInputError: They are no dictionary, or one of them cannot be kept.
    """
    if values is not None and not isinstance(values, Mapping):
        raise InvalidInputError(f"tags is {values!r}, not a dictionary")
    return {
        validation.key(key): validation.text(value) for key, value in (values or {}).items()
    }


def described(value: object) -> str | None:
    """Return a description, which may be None."""
    return None if value is None else validation.text(value, "description")


def stage_or_version(version: object, stage: object) -> None:
    """Check that one of two is given.

    Raises:
        InvalidInputError: Both or neither are.
    """
    if version and stage:
        raise InvalidInputError("version and stage cannot be set together")
    if not (version or stage):
        raise InvalidInputError("version or stage must be set")
