"""Commands that do a thing again and again, until they are interrupted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lakeflow.cli.terminal import complain
from lakeflow.exceptions import LakeflowException

if TYPE_CHECKING:
    from collections.abc import Callable

_PASSING = {
    "TEMPORARILY_UNAVAILABLE",
    "RESOURCE_EXHAUSTED",
    "DEADLINE_EXCEEDED",
    "REQUEST_LIMIT_EXCEEDED",
    "RESOURCE_CONFLICT",
}
"""Codes of errors after which the same may succeed later."""


def repeat(step: Callable[[], bool], every_s: float) -> None:
    """Take a step once each time, until it returns False.

    Args:
        step: What is done. An error of it that passes is said in one line.
        every_s: Seconds from one beginning to the next.

    Raises:
        LakeflowException: Trying again is of no use.
    """
    goes_on = True
    while goes_on:
        began = time.monotonic()
        try:
            goes_on = step()
        except LakeflowException as error:
            if error.error_code not in _PASSING:
                raise
            # Errors have a hint in a line of its own, and here each is one line among many.
            message = " ".join(str(error).split())
            complain(f"lakeflow: {error.error_code}: {message}; trying again")
        if goes_on:
            time.sleep(max(0.0, every_s - (time.monotonic() - began)))
