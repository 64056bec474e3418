"""What tests of traces share: nothing goes on when one begins; the rows of a lake's spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import lakeflow
from lakeflow.tracing import live_trace, outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def clean_tracing(clean_process: None) -> Iterator[None]:
    """Let no test find traces or settings of another one."""
    yield
    # Before their lakes go.
    live_trace.take_all()
    outbox.close()
    lakeflow.tracing.reset()


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Return where a lake is to be."""
    return tmp_path / "lake"


@pytest.fixture
def rows(lake: Path) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that reads the spans of the lake, the one that began first first."""

    def read(query: str = "SELECT * FROM spans ORDER BY start_time_ns, span_id") -> list[Any]:
        return lakeflow.sql(query, tracking_uri=lake).to_pylist()

    return read


@pytest.fixture
def stored(lake: Path, table_rows: Callable[..., list[dict[str, Any]]]) -> Callable[..., Any]:
    """Return a function that folds the lake and reads the table of spans as it is."""

    def read() -> list[dict[str, Any]]:
        lakeflow.compact(lake)
        found = table_rows(lake, "spans")
        return sorted(found, key=lambda row: (row["start_time_ns"], row["span_id"]))

    return read
