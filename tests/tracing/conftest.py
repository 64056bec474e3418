"""Tracing is on, and nothing goes on, when a test begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow.tracing import live_trace, outbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def clean_tracing(clean_process: None) -> Iterator[None]:
    """Let no test find traces or settings of another one."""
    yield
    # Before their lakes go.
    live_trace.take_all()
    outbox.close()
    lakeflow.tracing.reset()
