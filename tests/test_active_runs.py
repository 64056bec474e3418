"""Which run is active where: tasks, cells of a notebook, threads."""

from __future__ import annotations

import ast
import asyncio
import contextvars
import inspect
from typing import TYPE_CHECKING, Any

import pytest

import lakeflow

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path


@pytest.fixture(autouse=True)
def lake(tmp_path: Path) -> None:
    lakeflow.set_tracking_uri(f"memory://{tmp_path.name}")


def runs() -> dict[str, dict[str, float]]:
    """Return the metrics of every run, by its name."""
    found = lakeflow.LakeflowClient().search_runs(["0"])
    return {run.info.run_name: run.data.metrics for run in found}


def active() -> str | None:
    run = lakeflow.active_run()
    return None if run is None else run.info.run_name


async def setup(name: str = "r") -> None:
    lakeflow.start_run(run_name=name)
    await asyncio.sleep(0)


async def end() -> None:
    await asyncio.sleep(0)
    lakeflow.end_run()


# Notebooks compile a cell with this flag, which makes a coroutine of one that awaits.


def compiled(cell: str, names: dict[str, Any]) -> Coroutine[Any, Any, None] | None:
    code = compile(cell, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    is_async = code.co_flags & inspect.CO_COROUTINE
    return eval(code, names) if is_async else exec(code, names)


def kernel(cells: list[str], names: dict[str, Any]) -> None:
    """Run cells as ipykernel does: in one task, those that await in one each."""

    async def beside() -> None:
        await asyncio.sleep(3600)

    async def dispatch() -> None:
        heartbeat = asyncio.create_task(beside())
        for cell in cells:
            coroutine = compiled(cell, names)
            if coroutine is not None:
                await asyncio.ensure_future(coroutine)
        heartbeat.cancel()

    asyncio.run(dispatch())


def terminal(cells: list[str], names: dict[str, Any]) -> None:
    """Run cells as IPython does in a terminal: those that await in the loop, others outside."""
    with asyncio.Runner() as runner:
        for cell in cells:
            coroutine = compiled(cell, names)
            if coroutine is not None:
                runner.run(coroutine, context=contextvars.copy_context())


def jupyter_run(cells: list[str], names: dict[str, Any]) -> None:
    """Run each cell in a loop of its own, as ``asyncio.run`` does."""
    for cell in cells:
        coroutine = compiled(cell, names)
        if coroutine is not None:
            asyncio.run(coroutine)


SHELLS = (kernel, terminal, jupyter_run)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "cells",
    [
        # Started where something awaits, ended where nothing does, and the other way round.
        ["m.last_active_run()", "await setup()", "m.log_metric('a', 1)", "m.end_run()"],
        ["m.start_run(run_name='r')", "await sleep(0); m.log_metric('a', 1)", "await end()"],
        ["await setup()", "m.log_metric('a', 1); await sleep(0)", "await end()"],
        ["await setup()", "await sleep(0)", "await wait_for(log(), 9)", "await end()"],
    ],
)
def test_a_run_goes_from_cell_to_cell(
    shell: Callable[[list[str], dict[str, Any]], None], cells: list[str]
) -> None:
    async def log() -> None:
        lakeflow.log_metric("a", 1)

    names = {
        "m": lakeflow,
        "setup": setup,
        "end": end,
        "sleep": asyncio.sleep,
        "wait_for": asyncio.wait_for,
        "log": log,
        "seen": (seen := []),
        "active": active,
    }
    shell([*cells, "await sleep(0); seen.append(active())", "seen.append(active())"], names)
    assert runs() == {"r": {"a": 1}}
    assert seen == [None, None]
    assert active() is None
    assert lakeflow.last_active_run().info.status == "FINISHED"


async def awaited(work: Coroutine[Any, Any, None]) -> None:
    await work


async def as_task(work: Coroutine[Any, Any, None]) -> None:
    await asyncio.create_task(work)


async def in_time(work: Coroutine[Any, Any, None]) -> None:
    await asyncio.wait_for(work, 9)


async def gathered(work: Coroutine[Any, Any, None]) -> None:
    await asyncio.gather(work, asyncio.sleep(0))


async def in_group(work: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(work)


WAYS = (awaited, as_task, in_time, gathered, in_group)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_task_starts_or_ends_holds_for_who_waited(way: Callable[..., Any]) -> None:
    async def main() -> None:
        await way(setup())
        assert active() == "r"
        await way(setup_within())
        assert active() == "within"
        await way(end())
        assert active() == "r"

    async def setup_within() -> None:
        lakeflow.start_run(run_name="within", nested=True)

    asyncio.run(main())
    assert active() == "r"
    asyncio.run(end())
    assert active() is None


def test_a_block_ends_its_run_whatever_tasks_left_open_in_it() -> None:
    async def child() -> None:
        lakeflow.start_run(run_name="child", nested=True)

    async def main() -> None:
        with lakeflow.start_run(run_name="parent"):
            await asyncio.create_task(child())

    asyncio.run(main())
    assert active() is None
    found = lakeflow.LakeflowClient().search_runs(["0"])
    assert [run.info.status for run in found] == ["FINISHED"] * 2


def test_a_run_that_a_thread_ends_is_ended() -> None:
    async def main() -> None:
        await setup()
        await asyncio.to_thread(lakeflow.end_run)
        assert active() is None
        # What a thread starts is the thread's.
        await asyncio.to_thread(lakeflow.start_run, run_name="in a thread")
        assert active() is None
        await asyncio.to_thread(lakeflow.log_metric, "a", 1)

    asyncio.run(main())
    assert len(runs()) == 3


@pytest.mark.parametrize("delays", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 0, 0), (2, 0, 1)])
@pytest.mark.parametrize("is_staggered", [False, True])
def test_tasks_side_by_side_never_mix(delays: tuple[int, ...], is_staggered: bool) -> None:
    # They start their runs by logging, at different times, and end none.
    async def work(number: int) -> None:
        for _ in range(delays[number] * 3):
            await asyncio.sleep(0)
        lakeflow.log_metric(f"a{number}", 1)
        await asyncio.sleep(0)
        lakeflow.log_metric(f"b{number}", 1)

    async def main() -> None:
        tasks = []
        for number in range(3):
            tasks.append(asyncio.create_task(work(number)))
            if is_staggered:
                await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert active() is None
        await asyncio.create_task(setup())
        assert active() == "r"

    asyncio.run(main())
    assert active() == "r"
    found = sorted(sorted(metrics) for metrics in runs().values())
    assert found == [[], ["a0", "b0"], ["a1", "b1"], ["a2", "b2"]]


def test_a_task_logs_to_the_run_that_it_began_in() -> None:
    async def work(name: str) -> None:
        await asyncio.sleep(0)
        lakeflow.log_metric(name, 1)
        with lakeflow.start_run(run_name=name, nested=True):
            await asyncio.sleep(0)
            lakeflow.log_metric(f"own {name}", 1)

    async def main() -> None:
        with lakeflow.start_run(run_name="parent"):
            await asyncio.gather(*(work(name) for name in "ab"))

    asyncio.run(main())
    assert runs() == {"parent": {"a": 1, "b": 1}, "a": {"own a": 1}, "b": {"own b": 1}}


def test_a_call_of_another_thread_finds_what_its_task_would() -> None:
    async def work() -> None:
        lakeflow.start_run(run_name="r")

    async def main() -> None:
        await asyncio.create_task(work())
        await asyncio.to_thread(lakeflow.log_metric, "a", 1)

    asyncio.run(main())
    asyncio.run(asyncio.to_thread(lakeflow.log_metric, "c", 1))
    lakeflow.end_run()
    assert active() is None
    assert runs() == {"r": {"a": 1, "c": 1}}


def test_a_call_of_another_thread_finds_nothing_of_what_ran_beside_it() -> None:
    async def leaves() -> None:
        lakeflow.start_run(run_name="left")

    async def logs() -> None:
        await asyncio.sleep(0.01)
        await asyncio.to_thread(lakeflow.log_metric, "a", 1)

    async def main() -> None:
        await asyncio.gather(leaves(), logs())

    asyncio.run(main())
    assert runs()["left"] == {}
    assert len(runs()) == 2
