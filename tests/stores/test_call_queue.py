"""Asynchronous logging: its threads, and what is said of a call that failed."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.entities import Metric, Param, RunTag
from lakeflow.exceptions import LakeflowException
from lakeflow.stores import call_queue

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def logging_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("lakeflow-log")]


def test_threads_that_log_end_when_they_have_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_queue, "_SECONDS_OF_REST", 0.05)
    clients = [LakeflowClient(tmp_path / f"lake {n}") for n in range(15)]
    runs = [client.create_run("0").info.run_id for client in clients]
    for value in (1.0, 2.0):
        for client, run_id in zip(clients, runs, strict=True):
            client.log_metric(run_id, "m", value, step=int(value), synchronous=False)
        for thread in logging_threads():
            thread.join(60)
        assert not logging_threads()
    for client, run_id in zip(clients, runs, strict=True):
        assert [each.value for each in client.get_metric_history(run_id, "m")] == [1.0, 2.0]


def test_a_thread_does_not_rest_once_the_run_is_ended(
    client: LakeflowClient, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_queue, "_SECONDS_OF_REST", 3600)
    client.log_metric(run_id, "m", 1.0, synchronous=False)
    (thread,) = logging_threads()
    client.log_metric(run_id, "m", 2.0, step=1, synchronous=False)
    client.set_terminated(run_id)
    thread.join(60)
    assert not thread.is_alive()
    assert client.get_run(run_id).data.metrics == {"m": 2.0}


def test_one_thread_makes_the_calls_of_a_loop(
    client: LakeflowClient, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_queue, "_SECONDS_OF_REST", 3600)
    found = set()
    for step in range(50):
        client.log_metric(run_id, "m", 1.0, step=step, synchronous=False)
        found.update(logging_threads())
    assert len(found) == 1
    client.set_terminated(run_id)


@pytest.mark.parametrize(
    ("log", "about"),
    [
        (lambda: lakeflow.log_metric("m", "bad", synchronous=False), "log_metric of ['m']"),  # type: ignore[arg-type]
        (lambda: lakeflow.log_metrics({"a": 1, "b": "bad"}, synchronous=False), "['a', 'b']"),  # type: ignore[dict-item]
        (lambda: lakeflow.log_param("p", 2, synchronous=False), "log_param of ['p']"),
        (lambda: lakeflow.log_params({"q": 1, "p": 2}, synchronous=False), "['q', 'p']"),
        (lambda: lakeflow.set_tag("\x1b", 2, synchronous=False), r"set_tag of ['\x1b']"),
        (lambda: lakeflow.log_metric(7, 2, synchronous=False), "of [7]"),  # type: ignore[arg-type]
    ],
)
def test_a_call_that_failed_says_which_run_and_key(
    uri: str, log: Callable[[], Any], about: str, caplog: pytest.LogCaptureFixture
) -> None:
    lakeflow.set_tracking_uri(uri)
    with lakeflow.start_run() as run:
        lakeflow.log_param("p", 1)
        with pytest.raises(LakeflowException) as caught:
            log().wait()
    assert about in str(caught.value)
    assert f"to run '{run.info.run_id}': " in str(caught.value)
    assert about in caplog.text


def test_a_batch_that_failed_names_its_keys(client: LakeflowClient, run_id: str) -> None:
    batch = [Metric("m", 1.0, 0)], [Param("p", "1")], [RunTag("t" * 300, "v")]
    with pytest.raises(LakeflowException, match=r"log_batch of \['m', 'p', 't+\.\.\.t+'\] to"):
        client.log_batch(run_id, *batch, synchronous=False).wait()  # type: ignore[union-attr]


def test_a_promise_that_is_kept_does_not_keep_what_was_logged(
    client: LakeflowClient, run_id: str
) -> None:
    class Text(str):
        """A text that one can look for."""

    text = Text("v")
    seen = weakref.ref(text)
    promise = client.set_tag(run_id, "t", text, synchronous=False)
    assert promise is not None
    promise.wait()
    client.set_terminated(run_id)
    del text
    gc.collect()
    assert seen() is None


def fail(client: LakeflowClient, run_id: str, key: str = "m") -> call_queue.RunOperations:
    promise = client.log_metric(run_id, key, "bad", synchronous=False)  # type: ignore[arg-type]
    assert promise is not None
    return promise


def test_what_failed_is_told_once_at_the_end_of_its_run(client: LakeflowClient) -> None:
    run_id, other = (client.create_run("0").info.run_id for _ in range(2))
    fail(client, run_id)
    client.set_terminated(other)
    with pytest.raises(LakeflowException, match=r"1 .*lost: log_metric of \['m'\]") as caught:
        client.set_terminated(run_id, "FAILED")
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert client.get_run(run_id).info.status == "FAILED"
    client.set_terminated(run_id)
    lakeflow.flush_async_logging()


def test_what_wait_has_told_is_not_told_again(client: LakeflowClient, run_id: str) -> None:
    promise = fail(client, run_id)
    for _ in range(2):
        with pytest.raises(LakeflowException, match="bad"):
            promise.wait()
    client.set_terminated(run_id)


def test_a_flush_tells_of_all_runs_and_lakes(tmp_path: Path) -> None:
    clients = [LakeflowClient(tmp_path / f"lake {n}") for n in range(2)]
    runs = [client.create_run("0").info.run_id for client in clients]
    for client, run_id in zip(clients, runs, strict=True):
        fail(client, run_id)
    with pytest.raises(LakeflowException) as caught:
        lakeflow.flush_artifact_async_logging()
    told = "\n".join([str(caught.value), *caught.value.__notes__])
    assert all(run_id in told for run_id in runs)
    lakeflow.flush_async_logging()


def test_many_failures_are_counted(client: LakeflowClient, run_id: str) -> None:
    for number in range(1_500):
        fail(client, run_id, f"m{number}")
    with pytest.raises(LakeflowException, match=r"^1500 .*m0.*m9'.*; and 1490 more$"):
        client.set_terminated(run_id)
    client.set_terminated(run_id)


def test_an_error_of_a_block_is_raised_and_carries_what_was_lost(uri: str) -> None:
    lakeflow.set_tracking_uri(uri)

    def train() -> None:
        with lakeflow.start_run(), lakeflow.start_run(nested=True):
            lakeflow.log_metric("m", "bad", synchronous=False)  # type: ignore[arg-type]
            raise KeyError("of the program")

    with pytest.raises(KeyError) as caught:
        train()
    assert "log_metric of ['m']" in caught.value.__notes__[0]
    outer = lakeflow.start_run()
    with pytest.raises(LakeflowException, match="bad"), lakeflow.start_run(nested=True):
        lakeflow.log_metric("m", "bad", synchronous=False)  # type: ignore[arg-type]
    assert lakeflow.active_run() == outer
    lakeflow.end_run()


def test_long_texts_wait_at_the_bound_of_the_memory_that_they_hold(
    tmp_path: Path, another_process: Callable[..., Any]
) -> None:
    run_id = LakeflowClient(tmp_path / "lake").create_run("0").info.run_id
    store = another_process(str(tmp_path / "lake"), queue_bytes=5_000)
    held = []

    def look(*args: Any) -> None:
        held.append(store._queue._held)
        store.runs.set_tag(*args)

    for number in range(50):
        store.log(False, look, run_id, f"t{number}", "x" * 2_000)
    store.log(False, look, run_id, "t", "x" * 20_000)
    store.terminate(run_id)
    assert max(held[:-1]) <= 5_000
    assert 20_000 < held[-1] < 21_000
    assert store._queue._held == 0
    assert len(store.runs.get(run_id).data.tags) == 52
    store.lake.close()


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("key", "x" * 100), 103),
        (("key", 5, None, object()), 3),
        (({"a": "x" * 100, "b": 1.0},), 228),
        (([Metric("m", 1.0, 0)], [Param("p", "x" * 100)], []), 228),
    ],
)
def test_texts_are_what_arguments_hold(args: tuple[Any, ...], expected: int) -> None:
    assert call_queue.held_by(args) == expected


def test_what_failed_does_not_keep_what_was_logged(client: LakeflowClient, run_id: str) -> None:
    class Value:
        """No number, that one can look for."""

    value = Value()
    seen = weakref.ref(value)
    promise = client.log_metric(run_id, "m", value, synchronous=False)  # type: ignore[arg-type]
    del value
    with pytest.raises(LakeflowException):
        client.set_terminated(run_id)
    gc.collect()
    assert seen() is None
    assert promise is not None


def test_tasks_log_to_one_queue(uri: str) -> None:
    lakeflow.set_tracking_uri(uri)

    async def log(name: str) -> str:
        with lakeflow.start_run(run_name=name) as run:
            for step in range(3):
                lakeflow.log_metric(name, step, step=step, synchronous=False)
                await asyncio.sleep(0)
        return run.info.run_id

    async def main() -> list[str]:
        return await asyncio.gather(log("a"), log("b"))

    for name, run_id in zip("ab", asyncio.run(main()), strict=True):
        history = LakeflowClient(uri).get_metric_history(run_id, name)
        assert [each.value for each in history] == [0, 1, 2]


def test_a_forked_child_has_a_queue_of_its_own(
    tmp_path: Path, forked: Callable[[Callable[[], None]], int]
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    fail(client, run_id)

    def log() -> None:
        # What failed in the parent is the parent's to tell.
        client.log_metric(run_id, "child", 1.0, synchronous=False)
        lakeflow.flush_async_logging()

    assert forked(log) == 0
    assert client.get_run(run_id).data.metrics == {"child": 1.0}
    with pytest.raises(LakeflowException, match="bad"):
        lakeflow.flush_async_logging()


@pytest.mark.parametrize(
    ("ending", "code"), [("", 0), ("signal.raise_signal(signal.SIGTERM)", -signal.SIGTERM)]
)
def test_a_process_that_ends_tells_on_stderr(tmp_path: Path, ending: str, code: int) -> None:
    program = f"""
import logging, signal, sys, lakeflow
logging.disable()
lakeflow.set_tracking_uri(sys.argv[1])
lakeflow.start_run()
lakeflow.log_metric("m", "bad", synchronous=False)
{ending}
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "lake"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert done.stderr.count("log_metric of ['m']") == 1
    assert done.stderr.startswith("lakeflow: 1 asynchronous call(s) failed")
