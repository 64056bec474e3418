"""Infinities, which MLflow's databases keep as the largest numbers. Pure."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST = sys.float_info.max
"""What stands for infinity."""


def unclipped(values: Sequence[float]) -> list[float]:
    """Return values of a metric as they were logged.

    Examples:
        >>> unclipped([0.5, 1.7976931348623157e308, -1.7976931348623157e308])
        [0.5, inf, -inf]
    """
    return [math.copysign(math.inf, each) if abs(each) >= LARGEST else each for each in values]
