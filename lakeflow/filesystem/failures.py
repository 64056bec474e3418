"""Why a filesystem failed: its own exceptions, read without importing who raised them. Pure."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Cause(NamedTuple):
    """What an exception comes down to.

    Attributes:
        code: Error code of ours.
        hint: What to check; None if nothing in particular.
        is_transient: Whether the same call may succeed later.
    """

    code: str
    hint: str | None = None
    is_transient: bool = False


_BUSY = Cause(
    "TEMPORARILY_UNAVAILABLE", "the store is busy or out of reach; try again later", True
)
_UNREACHABLE = Cause(
    "TEMPORARILY_UNAVAILABLE",
    "check the endpoint, the network and whether the server runs",
    True,
)
_LATE = Cause("DEADLINE_EXCEEDED", "the store does not answer in time", True)
_DENIED = Cause(
    "PERMISSION_DENIED",
    "a lake needs the permissions to list, get and put objects, and to delete them for "
    "compaction",
)
_UNKNOWN_KEY = Cause("PERMISSION_DENIED", "check the access key and the secret")
EXPIRED = Cause("PERMISSION_DENIED", "the credentials have expired; get new ones")
NO_BUCKET = Cause("RESOURCE_DOES_NOT_EXIST", "check the name of the bucket, or make it")
_ELSEWHERE = Cause("INVALID_PARAMETER_VALUE", "check the region and the endpoint of the bucket")
_FULL = Cause("RESOURCE_EXHAUSTED", "make room and try again")
_OPTIONS = Cause("INVALID_PARAMETER_VALUE", "check the storage options")
_READ_ONLY = Cause("PERMISSION_DENIED", "this user may not do that; check the permissions")
_ENDED = Cause("INVALID_STATE", "the interpreter is ending: do this before")
_UNKNOWN = Cause("TEMPORARILY_UNAVAILABLE")

_BY_STORE_CODE: Mapping[str, Cause] = {
    **dict.fromkeys(
        (
            "SlowDown",
            "ServiceUnavailable",
            "InternalError",
            "RequestLimitExceeded",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
            "ServerBusy",
            "OperationAborted",
            "ConditionalRequestConflict",
            "409",
            "429",
            "500",
            "502",
            "503",
            "504",
        ),
        _BUSY,
    ),
    **dict.fromkeys(("RequestTimeout", "OperationTimedOut", "408"), _LATE),
    **dict.fromkeys(
        (
            "AccessDenied",
            "AllAccessDisabled",
            "PublicAccessNotPermitted",
            "BlobImmutableDueToPolicy",
            "403",
        ),
        _DENIED,
    ),
    **dict.fromkeys(
        (
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "AuthenticationFailed",
            "NoAuthenticationInformation",
            "401",
        ),
        _UNKNOWN_KEY,
    ),
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"),
        EXPIRED,
    ),
    **dict.fromkeys(("NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"), NO_BUCKET),
    **dict.fromkeys(
        (
            "PermanentRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "301",
        ),
        _ELSEWHERE,
    ),
    **dict.fromkeys(("QuotaExceeded", "InsufficientStorage", "507"), _FULL),
}

_BY_CLASS: Mapping[str, Cause] = {
    **dict.fromkeys(
        (
            "AuthenticationException",
            "ClientAuthenticationError",
            "GoogleAuthError",
            "NoCredentialsError",
            "PartialCredentialsError",
            "TokenRetrievalError",
        ),
        _UNKNOWN_KEY,
    ),
    **dict.fromkeys(("ReadTimeoutError", "ConnectTimeoutError", "TimeoutError"), _LATE),
    **dict.fromkeys(
        (
            "ClientConnectionError",
            "ClientPayloadError",
            "ConnectionError",
            "EOFError",
            "HTTPClientError",
            "IncompleteReadError",
            "NoValidConnectionsError",
            "SSHException",
            "ServiceRequestError",
            "ServiceResponseError",
            "TransportError",
        ),
        _UNREACHABLE,
    ),
    "PermissionError": _DENIED,
    **dict.fromkeys(("ParamValidationError", "TypeError", "ValueError"), _OPTIONS),
}
"""By the name of the class or of one above it: those of botocore, aiohttp, paramiko, Azure's
SDK, google-auth and Python."""

_BY_ERRNO: Mapping[int, Cause] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _READ_ONLY),
    **dict.fromkeys((errno.EBUSY, errno.EAGAIN, errno.EINTR), _BUSY),
    **dict.fromkeys(
        (
            errno.ECONNABORTED,
            errno.ECONNREFUSED,
            errno.ECONNRESET,
            errno.EHOSTUNREACH,
            errno.ENETUNREACH,
            errno.EPIPE,
        ),
        _UNREACHABLE,
    ),
    errno.ETIMEDOUT: _LATE,
    errno.ENOTDIR: Cause("INVALID_PARAMETER_VALUE", "a part of the path is a file"),
}

EXISTS = frozenset({"PreconditionFailed", "412", "BlobAlreadyExists", "conditionNotMet"})
"""What stores answer where there is an object already."""

PAST_END = frozenset({"InvalidRange", "416"})
"""What stores answer where there is nothing from an offset on."""


def store_code(error: BaseException) -> str | None:
    """Return the code that a store gave for a failure; None if it gave none."""
    return next(_codes(error), None)


def cause_of(error: BaseException) -> Cause:
    """Return what an exception of a filesystem comes down to."""
    if any("cannot schedule new futures after" in str(each) for each in _chain(error)):
        return _ENDED
    for code in _codes(error):
        if code in _BY_STORE_CODE:
            return _BY_STORE_CODE[code]
    found = _BY_ERRNO.get(getattr(error, "errno", None) or 0)
    if found is not None:
        return found
    for each in _chain(error):
        for kind in type(each).__mro__:
            if kind.__name__ in _BY_CLASS:
                return _BY_CLASS[kind.__name__]
    return _UNKNOWN


def _codes(error: BaseException) -> Iterator[str]:
    """Yield what a store said, the most particular code first."""
    for each in _chain(error):
        response = getattr(each, "response", None)
        if isinstance(response, dict) and "Error" in response:
            yield str(response["Error"].get("Code"))
        for name in ("error_code", "code", "status_code"):
            found = getattr(each, name, None)
            if isinstance(found, str | int):
                yield str(getattr(found, "value", found))
        if str(each).startswith("Forbidden: "):
            yield "403"  # gcsfs keeps no code of it


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
