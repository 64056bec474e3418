"""Which functions a call enters, Python's and the system's: a timing would decide nothing."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def functions_entered(call: Callable[[], object]) -> list[str]:
    """Return the names of the Python functions that a call enters, the call itself left out."""
    names: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            names.append(frame.f_code.co_qualname)

    _noted(call, note)
    return names[1:]


def asked_of_the_system(call: Callable[[], object]) -> list[str]:
    """Return the names of the functions of ``os`` that a call enters, in order."""
    names: list[str] = []

    def note(_: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and function.__module__ == os.stat.__module__:
            names.append(function.__name__)

    _noted(call, note)
    return names


def _noted(call: Callable[[], object], note: Callable[[FrameType, str, Any], None]) -> None:
    # Hypothesis measures collections by a function, whichever call they happen in.
    gc.disable()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        gc.enable()
