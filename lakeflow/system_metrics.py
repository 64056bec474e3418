"""Settings of system metrics: what the machine is busy with, logged beside each run.

They hold for runs that are started later, here and in processes that this one starts.
"""

from __future__ import annotations

from lakeflow import context
from lakeflow.sampling import plan

__all__ = [
    "disable_system_metrics_logging",
    "enable_system_metrics_logging",
    "set_system_metrics_node_id",
    "set_system_metrics_samples_before_logging",
    "set_system_metrics_sampling_interval",
]


def enable_system_metrics_logging() -> None:
    """Log system metrics of all runs, but of those with ``log_system_metrics=False``.

    Needs psutil, which ``lakeflow[system-metrics]`` installs; where it is missing a run that
    is started gives a warning.

    Examples:
        >>> import lakeflow
        >>> lakeflow.enable_system_metrics_logging()
        >>> lakeflow.set_system_metrics_sampling_interval(30)
        >>> lakeflow.disable_system_metrics_logging()
        >>> lakeflow.set_system_metrics_sampling_interval(None)
    """
    context.choose(plan.ENABLED, "true")


def disable_system_metrics_logging() -> None:
    """Log system metrics only of runs with ``log_system_metrics=True``, as by default."""
    context.choose(plan.ENABLED, "false")


def set_system_metrics_sampling_interval(interval: float | None) -> None:
    """Set how long to wait between two samples.

    Args:
        interval: Seconds, up to a day; None or 0 for
            ``LAKEFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL`` or the default of 10.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is none.
    """
    seconds = plan.interval_s("interval", interval)
    context.choose(plan.INTERVAL, None if seconds is None else str(seconds))


def set_system_metrics_samples_before_logging(samples: int | None) -> None:
    """Set of how many samples the mean is logged.

    Args:
        samples: Up to a million; None or 0 for
            ``LAKEFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING`` or the default of 1.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is none.
    """
    count = plan.samples("samples", samples)
    context.choose(plan.SAMPLES, None if count is None else str(count))


def set_system_metrics_node_id(node_id: str | None) -> None:
    """Set the name of this machine, for runs that several machines log to.

    Args:
        node_id: Becomes a part of the names, as in ``system/<node id>/disk_usage_percentage``;
            None for ``LAKEFLOW_SYSTEM_METRICS_NODE_ID`` or none.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, no name of a metric can hold it.
    """
    context.choose(plan.NODE, plan.node_id("node_id", node_id))
