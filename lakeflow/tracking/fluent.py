"""Another name of the fluent functions: ``from lakeflow.tracking.fluent import start_run``."""

from lakeflow.fluent import *  # noqa: F403
