"""Another name of the fluent functions: ``from lakeflow.tracking.fluent import start_run``."""

from typing import TYPE_CHECKING

import lakeflow

if TYPE_CHECKING:
    from lakeflow import *  # noqa: F403
else:

    def __getattr__(name: str) -> object:
        return getattr(lakeflow, name)
