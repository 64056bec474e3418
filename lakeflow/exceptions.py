"""Every error that lakeflow raises on purpose.

    LakeflowException               any code; what MLflow calls MlflowException
    |- NotHereError                 NOT_IMPLEMENTED: MLflow has it; also an AttributeError
    `- RestException                where MLflow's server would answer with an error
       |- InvalidInputError         INVALID_PARAMETER_VALUE, BAD_REQUEST; also a ValueError
       |- NotFoundError             RESOURCE_DOES_NOT_EXIST; also a LookupError
       |- AlreadyExistsError        RESOURCE_ALREADY_EXISTS
       |- InvalidStateError         INVALID_STATE
       |- ConflictError             RESOURCE_CONFLICT: somebody else committed first
       |- DamagedLakeError          DATA_LOSS: what is stored cannot be read
       |- OutOfMemoryError          RESOURCE_EXHAUSTED; also a MemoryError
       `- StorageError              PERMISSION_DENIED, RESOURCE_EXHAUSTED, ...; also an OSError

A code is MLflow's string for the same cause, so that code that compares ``error_code``
keeps working. The message names the value; the hint says what to do about it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

# The codes too are found here, as they are in MLflow's module.
from lakeflow.error_codes import *  # noqa: F403
from lakeflow.error_codes import HTTP_STATUS, ErrorCode
from lakeflow.printable import printable, without_password


class LakeflowException(Exception):
    """An error with a code, also importable as ``MlflowException``.

    Args:
        message: What happened, naming the value.
        error_code: MLflow's name of the cause, or its number, an ``ErrorCode``;
            ``INTERNAL_ERROR`` when there is no better one.
        hint: What to do about it; becomes a last line of the message.
        **kwargs: Further fields of ``serialize_as_json``.

    Attributes:
        message: The whole message.
        error_code: The code, a string.
        json_kwargs: The further fields.

    Examples:
        >>> error = LakeflowException("no run abc", "RESOURCE_DOES_NOT_EXIST")
        >>> error.get_http_status_code()
        404
        >>> error.serialize_as_json()
        '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run abc"}'
    """

    default_code = "INTERNAL_ERROR"

    def __init__(
        self,
        message: object,
        error_code: str | int | None = None,
        *,
        hint: str | None = None,
        **kwargs: object,
    ) -> None:
        whole = f"{message}\nHint: {hint}" if hint else str(message)
        # Names and paths in it are of whoever wrote to the lake, and it ends on a terminal or
        # in a log; the location of a lake may have a password in it.
        self.message = printable(without_password(whole), "\n\t")
        self.error_code = _name_of(error_code) or self.default_code
        self.json_kwargs = kwargs
        super().__init__(self.message)

    def __reduce__(self) -> tuple[object, ...]:
        # By itself pickle would call the class with the message alone, and lose the code.
        return (_rebuild, (type(self), self.message, self.error_code, self.json_kwargs))

    def serialize_as_json(self) -> str:
        """Return code, message and further fields as one JSON object."""
        fields = {"error_code": self.error_code, "message": self.message}
        return json.dumps(fields | self.json_kwargs)

    def get_http_status_code(self) -> int:
        """Return the HTTP status that MLflow's server answers for this code."""
        return HTTP_STATUS.get(self.error_code, 500)

    @classmethod
    def invalid_parameter_value(cls, message: str, **kwargs: object) -> LakeflowException:
        """Return an error with code ``INVALID_PARAMETER_VALUE``."""
        return cls(message, "INVALID_PARAMETER_VALUE", hint=None, **kwargs)


def _name_of(error_code: str | int | None) -> str | None:
    if not isinstance(error_code, int):
        return error_code
    # As MLflow does: the error is raised for another reason, which is not to be lost.
    known = error_code in ErrorCode.__members__.values()
    return ErrorCode.Name(error_code) if known else "INTERNAL_ERROR"


def _rebuild(
    kind: type[LakeflowException], message: str, code: str, kwargs: dict[str, object]
) -> LakeflowException:
    """Rebuild a pickled error; MLflow's users pass them between processes."""
    # The message has the hint in it already.
    return kind(message, code, hint=None, **kwargs)


class RestException(LakeflowException):
    """What a lake answers a call with; code that was written for a server catches it.

    Args:
        json: The message; or ``error_code`` and ``message`` of a server's answer.
        error_code: As for ``LakeflowException``.
        hint: As for ``LakeflowException``.
        **kwargs: As for ``LakeflowException``.
    """

    def __init__(
        self,
        json: object,
        error_code: str | int | None = None,
        *,
        hint: str | None = None,
        **kwargs: object,
    ) -> None:
        if isinstance(json, Mapping):
            error_code = json.get("error_code", "INTERNAL_ERROR")
            json = f"{error_code}: {json.get('message', f'Response: {json}')}"
        super().__init__(json, error_code, hint=hint, **kwargs)

    @property
    def json(self) -> dict[str, object]:
        """What a server would have answered: code, message and further fields."""
        fields: dict[str, object] = {"error_code": self.error_code, "message": self.message}
        return fields | self.json_kwargs


class InvalidInputError(RestException, ValueError):
    """What the caller gave cannot be used; nothing was written."""

    default_code = "INVALID_PARAMETER_VALUE"


class NotFoundError(RestException, LookupError):
    """There is no such experiment, run, tag or file."""

    default_code = "RESOURCE_DOES_NOT_EXIST"


class AlreadyExistsError(RestException):
    """The name is taken."""

    default_code = "RESOURCE_ALREADY_EXISTS"


class InvalidStateError(RestException):
    """The thing exists but its state does not allow the operation."""

    default_code = "INVALID_STATE"


class ConflictError(RestException):
    """Somebody else committed first; reading again and trying again is safe."""

    default_code = "RESOURCE_CONFLICT"


class DamagedLakeError(RestException):
    """Something stored in the lake cannot be read; nothing was overwritten."""

    default_code = "DATA_LOSS"


class OutOfMemoryError(RestException, MemoryError):
    """A statement needs more memory than it may have; the process goes on."""

    default_code = "RESOURCE_EXHAUSTED"


class NotHereError(LakeflowException, AttributeError):
    """MLflow has this name, and lakeflow leaves it to MLflow."""

    default_code = "NOT_IMPLEMENTED"


class StorageError(RestException, OSError):
    """The filesystem refused: permissions, a full disk, no exclusive creation."""

    default_code = "TEMPORARILY_UNAVAILABLE"


MlflowException = LakeflowException
"""MLflow's name of the same class."""
