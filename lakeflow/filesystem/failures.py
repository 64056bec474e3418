"""Why a filesystem failed: its own exceptions, read without importing who raised them. Pure."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.system_errors import BY_ERRNO

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
_ENDED = Cause("INVALID_STATE", "the interpreter is ending: do this before")
_UNKNOWN = Cause("TEMPORARILY_UNAVAILABLE")

_S3_CODES = {
    "SlowDown": _BUSY,
    "ServiceUnavailable": _BUSY,
    "InternalError": _BUSY,
    # Ceph's, for whatever goes wrong in itself, such as two requests for one key.
    "UnknownError": _BUSY,
    "RequestLimitExceeded": _BUSY,
    "Throttling": _BUSY,
    "ThrottlingException": _BUSY,
    "TooManyRequests": _BUSY,
    "OperationAborted": _BUSY,
    # Another request for the same key was under way: whether there is an object is open.
    "ConditionalRequestConflict": _BUSY,
    "RequestTimeout": _LATE,
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": _UNKNOWN_KEY,
    "ExpiredToken": EXPIRED,
    "ExpiredTokenException": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "InvalidToken": EXPIRED,
    "NoSuchBucket": NO_BUCKET,
    "PermanentRedirect": _ELSEWHERE,
    "AuthorizationHeaderMalformed": _ELSEWHERE,
    "IllegalLocationConstraintException": _ELSEWHERE,
    "QuotaExceeded": _FULL,
    "InsufficientStorage": _FULL,
}
"""Codes of S3, and of Ceph and other stores that speak its language."""

_AZURE_CODES = {
    "ServerBusy": _BUSY,
    "OperationTimedOut": _LATE,
    "PublicAccessNotPermitted": _DENIED,
    "BlobImmutableDueToPolicy": _DENIED,
    "AuthenticationFailed": _UNKNOWN_KEY,
    "NoAuthenticationInformation": _UNKNOWN_KEY,
    "ContainerNotFound": NO_BUCKET,
    "ContainerBeingDeleted": NO_BUCKET,
}

_HTTP_CODES = {
    **dict.fromkeys(("409", "429", "500", "502", "503", "504"), _BUSY),
    "408": _LATE,
    "403": _DENIED,
    "401": _UNKNOWN_KEY,
    # S3 sends who asks in the wrong region elsewhere.
    "301": _ELSEWHERE,
    "507": _FULL,
}
"""HTTP statuses: nearly all that gcsfs keeps, and what the others give without a code."""

_BY_STORE_CODE: Mapping[str, Cause] = {**_S3_CODES, **_AZURE_CODES, **_HTTP_CODES}

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
            # paramiko's, where the server has closed the connection.
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
    # Clients are made with the options, and raise these for one that they do not know.
    **dict.fromkeys(("ParamValidationError", "TypeError", "ValueError"), _OPTIONS),
}
"""By the name of the class or of one above it: those of botocore, aiohttp, paramiko, Azure's
SDK, google-auth and Python."""

_BY_ERRNO: Mapping[int, Cause] = {
    **{number: Cause(*refusal) for number, refusal in BY_ERRNO.items()},
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
"""What stores answer where there is an object already: S3, any by HTTP, Azure, Google."""

PAST_END = frozenset({"InvalidRange", "416"})
"""What stores answer where there is nothing from an offset on."""


def store_code(error: BaseException) -> str | None:
    """Return the code that a store gave for a failure; None if it gave none."""
    return next(_codes(error), None)


def cause_of(error: BaseException) -> Cause:
    """Return what an exception of a filesystem comes down to."""
    # Python raises a plain RuntimeError for this; only its text tells it from others.
    if any("cannot schedule new futures after" in str(each) for each in _chain(error)):
        return _ENDED
    for code in _codes(error):
        if code in _BY_STORE_CODE:
            return _BY_STORE_CODE[code]
    # The number says more than the class: it tells a full disk from a broken connection.
    found = _BY_ERRNO.get(getattr(error, "errno", None) or 0)
    if found is not None:
        return found
    for each in _chain(error):
        for ancestor in type(each).__mro__:
            if ancestor.__name__ in _BY_CLASS:
                return _BY_CLASS[ancestor.__name__]
    return _UNKNOWN


def _codes(error: BaseException) -> Iterator[str]:
    """Yield what a store said, the most particular code first."""
    for each in _chain(error):
        # botocore has the code in the response, Azure's SDK and gcsfs in attributes.
        response = getattr(each, "response", None)
        if isinstance(response, dict) and "Error" in response:
            yield str(response["Error"].get("Code"))
        for name in ("error_code", "code", "status_code"):
            found = getattr(each, name, None)
            if isinstance(found, str | int):
                # Azure's are an Enum, of which str() would give the name of the class as well.
                yield str(getattr(found, "value", found))
        if str(each).startswith("Forbidden: "):
            yield "403"  # gcsfs raises a refusal as a plain OSError, without its code


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
