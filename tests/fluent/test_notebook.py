"""A real kernel of a notebook, whose cells await."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jupyter_client.manager import start_new_kernel

import lakeflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FIRST = """
import asyncio
import lakeflow

async def begin(name):
    lakeflow.start_run(run_name=name)
    await asyncio.sleep(0)

async def end():
    await asyncio.sleep(0)
    lakeflow.end_run()

def active():
    run = lakeflow.active_run()
    print(None if run is None else run.info.run_name)

async def train(name):
    with lakeflow.start_run(run_name=name, nested=True):
        await asyncio.sleep(0.01)
        lakeflow.log_metric(name, 1.0)
"""


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Give what runs a cell and returns what it has printed."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))

    def run(code: str) -> str:
        printed = ""

        def hear(message: dict[str, dict[str, str]]) -> None:
            nonlocal printed
            content = message["content"]
            printed += content.get("text", "")
            assert "ename" not in content, content

        client.execute_interactive(code, output_hook=hear, timeout=60)
        return printed.strip()

    try:
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_run_is_active_in_all_cells_until_it_ends(
    cell: Callable[[str], str], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    cell(f"{FIRST}\nlakeflow.set_tracking_uri({str(lake)!r})")
    cell("await begin('awaited')")
    assert cell("active()") == "awaited"
    # Its own task has called nothing before, and calls nothing itself.
    cell("await asyncio.to_thread(lakeflow.log_metric, 'first', 0.0)")
    cell("lakeflow.log_metric('m', 1.0)")
    cell("await asyncio.create_task(end())")
    assert cell("active()") == "None"
    cell("await asyncio.wait_for(begin('waited for'), 10)")
    cell("await asyncio.gather(train('a'), train('b'))")
    assert cell("active()") == "waited for"
    cell("await asyncio.to_thread(lakeflow.log_metric, 'm', 2.0)")
    cell("lakeflow.end_run()")
    found = lakeflow.LakeflowClient(lake).search_runs(["0"])
    assert {run.info.run_name: run.data.metrics for run in found} == {
        "awaited": {"first": 0.0, "m": 1.0},
        "waited for": {"m": 2.0},
        "a": {"a": 1.0},
        "b": {"b": 1.0},
    }
