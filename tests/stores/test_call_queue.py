"""Asynchronous logging: its threads, and what is said of a call that failed."""

from __future__ import annotations

import gc
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
