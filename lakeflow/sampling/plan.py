"""Whether and how the machine is sampled: settings of the process, read when a run starts."""

from __future__ import annotations

import logging
import math

from lakeflow import context
from lakeflow.config import flag
from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError, LakeflowException
from lakeflow.formats import require
from lakeflow.values import frozen

INSTALLED_BY = "lakeflow[system-metrics]"
"""What pip installs for it."""

ENABLED = "ENABLE_SYSTEM_METRICS_LOGGING"
INTERVAL = "SYSTEM_METRICS_SAMPLING_INTERVAL"
SAMPLES = "SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING"
NODE = "SYSTEM_METRICS_NODE_ID"

_DEFAULT_INTERVAL_S = 10.0
_LONGEST_INTERVAL_S = 24 * 3600
# They are held in memory until they are logged.
_MOST_SAMPLES = 1_000_000

_logger = logging.getLogger(__name__)


@frozen
class Plan:
    """How the machine is sampled for one run.

    Attributes:
        interval_s: Seconds between two looks at it.
        samples: Looks whose mean is logged.
        node_id: The machine among those that log to the run; part of the names of metrics.
    """

    interval_s: float = _DEFAULT_INTERVAL_S
    samples: int = 1
    node_id: str | None = None

    @property
    def prefix(self) -> str:
        """What the names of the metrics begin with."""
        return f"system/{self.node_id}/" if self.node_id else "system/"


def plan(log_system_metrics: bool | None) -> Plan | None:
    """Return how a new or resumed run is sampled; None if it is not.

    Args:
        log_system_metrics: What its caller wants; None takes the setting of the process.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, a setting is none.
        LakeflowException: FEATURE_DISABLED, the caller wants it and psutil is not installed.
    """
    is_wanted = log_system_metrics
    if is_wanted is None:
        is_wanted = flag(ENABLED, context.setting(ENABLED) or "false")
    if not is_wanted:
        return None
    try:
        require("psutil", INSTALLED_BY)
    except LakeflowException as error:
        if log_system_metrics:
            raise
        # A setting of a whole cluster is not to stop a job on the one machine that lacks it.
        _logger.warning("system metrics are not logged: %s", error)
        return None
    return Plan(
        interval_s(INTERVAL, context.setting(INTERVAL)) or _DEFAULT_INTERVAL_S,
        samples(SAMPLES, context.setting(SAMPLES)) or 1,
        node_id(NODE, context.setting(NODE)),
    )


def interval_s(name: str, value: object) -> float | None:
    """Return a sampling interval; None for none and for 0, which mean the default.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is no number from 0 to a day.
    """
    if value is None:
        return None
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds <= _LONGEST_INTERVAL_S:
        raise InvalidInputError(
            f"{name} is {value!r}, which is not a number of seconds",
            hint=f"give a number from 0 to {_LONGEST_INTERVAL_S}; 0 is the default",
        )
    return seconds or None


def samples(name: str, value: object) -> int | None:
    """Return how many samples are logged together; None for none and for 0, the default.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is no whole number from 0 to a million.
    """
    if value is None:
        return None
    try:
        count = int(value) if isinstance(value, str) else validation.integer(value)
    except ValueError:
        count = None
    if count is None or not 0 <= count <= _MOST_SAMPLES:
        raise InvalidInputError(
            f"{name} is {value!r}, which is not a number of samples",
            hint=f"give a whole number from 0 to {_MOST_SAMPLES}; 0 is the default",
        )
    return count or None


def node_id(name: str, value: object) -> str | None:
    """Return a node id as text; None for none.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it cannot be a part of a metric's name.
    """
    text = "" if value is None else str(value)
    if text:
        # With the rest of the longest name behind it.
        validation.key(f"{Plan(node_id=text).prefix}system_memory_usage_percentage", name)
    return text or None
