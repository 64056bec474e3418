"""Making a call again where it failed for a reason that may pass."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, TypeVar

from lakeflow.exceptions import LakeflowException, StorageError
from lakeflow.filesystem.failures import EXPIRED, NO_BUCKET, cause_of, store_code
from lakeflow.printable import without_password
from lakeflow.signals import let_through

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0

_logger = logging.getLogger(__name__)


def retry_until_deadline(
    attempt: Callable[[], T], what: str, deadline_s: float, renew: Callable[[], None]
) -> T:
    """Return what a call returns, made again until it succeeds or has no prospect of it.

    The pauses in between double. Credentials that have expired are renewed once.

    Args:
        attempt: The call; making it twice must do no harm.
        what: How an error message begins, such as ``cannot read a``.
        deadline_s: Seconds after which no other attempt begins.
        renew: Takes the credentials that there are now.

    Raises:
        FileNotFoundError: There is no such file.
        FileExistsError: There is such a file.
        StorageError: It failed, and why.
    """
    deadline = time.monotonic() + deadline_s
    pause, is_renewed = _PAUSE_S, False
    while True:
        try:
            return attempt()
        except (FileExistsError, LakeflowException):
            raise
        # Every backend has exceptions of its own, with no class above them but Exception.
        except Exception as error:
            let_through(error)
            cause = cause_of(error)
            # A missing bucket comes as a missing file, too, which would read as an empty lake.
            if isinstance(error, FileNotFoundError) and cause is not NO_BUCKET:
                raise
            may_renew = cause is EXPIRED and not is_renewed
            is_late = time.monotonic() + pause > deadline
            if not may_renew and (not cause.is_transient or is_late):
                raise StorageError(
                    f"{what}: {_said(error)}", cause.code, hint=cause.hint
                ) from error
            # The first failure of a call is told as a warning; the next ones would fill a log.
            level = logging.WARNING if pause == _PAUSE_S else logging.INFO
            rest = max(0, deadline - time.monotonic())
            told = without_password(f"{what}, trying again for {rest:.0f} s: {error!r}")
            _logger.log(level, "%s", told)
            if may_renew:
                is_renewed = True
                renew()
        # Shortened at random, so that many clients do not come back at once.
        time.sleep(random.uniform(pause / 2, pause))
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def _said(error: Exception) -> str:
    """Return what an error says; some stores give a code and no message."""
    text = str(error)
    return text if text not in {"", "None"} else store_code(error) or type(error).__name__
