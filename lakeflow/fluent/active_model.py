"""The active model: the logged model for which metrics are logged where nobody names one."""

from __future__ import annotations

from contextvars import ContextVar

from lakeflow.config import environment

# Read once: every metric that is logged asks for the active model.
_named = environment("ACTIVE_MODEL_ID")

chosen: ContextVar[str | None] = ContextVar("lakeflow_active_model", default=_named)
"""Its id, in each thread and each task of asyncio; what begins in one begins with it."""


def get_active_model_id() -> str | None:
    """Return the id of the active model of this thread or task; None if there is none."""
    return chosen.get()


def clear_active_model() -> None:
    """Let no model be active in this thread or task."""
    chosen.set(None)
