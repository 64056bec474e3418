"""Which functions a call enters: a timing would decide nothing."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def functions_entered(call: Callable[[], object]) -> list[str]:
    """Return the names of the Python functions that a call enters, the call itself left out."""
    names: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            names.append(frame.f_code.co_qualname)

    # Hypothesis measures collections by a function, whichever call they happen in.
    gc.disable()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        gc.enable()
    return names[1:]
