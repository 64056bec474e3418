"""Handlers of signals that use the lake while their thread is in the middle of a call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.exceptions import InvalidStateError

if TYPE_CHECKING:
    from pathlib import Path

WORK = """
import signal, sys, time
import lakeflow
from lakeflow import LakeflowClient
from lakeflow.config import Settings
from lakeflow.open_store import open_store

uri, main, handled = sys.argv[1:]
lakeflow.set_tracking_uri(uri)
client = LakeflowClient()
run = client.create_run("0").info.run_id
other = client.create_run("0").info.run_id
# Loaded before: an import that a handler begins anew waits for nobody, but takes long.
client.search_runs(["0"], "metrics.loss > 1e9")
store = open_store(create=False)
calls = {
    "metric": lambda n: client.log_metric(run, "loss", n, step=n, timestamp=n),
    "async": lambda n: client.log_metric(run, "loss", n, step=n, timestamp=n, synchronous=False),
    "param": lambda n: client.log_param(run, f"p{n}", n),
    "tag": lambda n: client.set_tag(run, "preempted", n),
    "run": lambda n: client.create_run("0"),
    "get": lambda n: client.get_run(other),
    "search": lambda n: client.search_runs(["0"], "metrics.loss >= 0"),
    "history": lambda n: client.get_metric_history(run, "loss"),
    "sql": lambda n: lakeflow.sql("SELECT count(*) FROM runs"),
    "experiment": lambda n: client.get_experiment_by_name(f"e{n}"),
    "compact": lambda n: lakeflow.compact(),
}
count = [0]
done = {"main": 0, "handled": 0}

def handle(*_):
    if done["handled"] < 60:
        count[0] += 1
        calls[handled](count[0])
        done["handled"] += 1
    signal.setitimer(signal.ITIMER_REAL, 0.001)

signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.001)
until = time.monotonic() + 20
while done["handled"] < 60 and time.monotonic() < until:
    count[0] += 1
    calls[main](count[0])
    done["main"] += 1
# Not the timer: a handler that is due would start it again.
signal.signal(signal.SIGALRM, signal.SIG_IGN)
assert done["handled"] >= 20, done
print(run, done["main"], done["handled"])
"""


@pytest.mark.parametrize(
    ("main", "handled"),
    [
        ("metric", "metric"),
        ("param", "param"),
        ("async", "async"),
        ("async", "search"),
        ("search", "search"),
        ("search", "metric"),
        ("get", "sql"),
        ("run", "run"),
        ("experiment", "run"),
        ("compact", "search"),
    ],
)
def test_a_handler_may_call_while_its_thread_is_in_a_call(
    tmp_path: Path, main: str, handled: str
) -> None:
    command = [sys.executable, "-c", WORK, str(tmp_path / "lake"), main, handled]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    run_id, *counts = done.stdout.split()
    logged = dict.fromkeys(("metric", "async", "param", "run"), 0)
    for call, count in zip((main, handled), map(int, counts), strict=True):
        if call in logged:
            logged[call] += count
    client = LakeflowClient(tmp_path / "lake")
    points = client.get_metric_history(run_id, "loss")
    assert len({point.step for point in points}) == len(points)
    assert len(points) == logged["metric"] + logged["async"]
    assert len(client.get_run(run_id).data.params) == logged["param"]
    found = client.search_runs(None, max_results=50_000)
    assert len(found) == 2 + logged["run"]
    # Were the order of lines broken, a fold that ends between two of them would lose one.
    for segment in (tmp_path / "lake/log").glob("*/*.jsonl"):
        lines = segment.read_bytes().splitlines()
        clocks = [line.split(b'"clock":')[1].split(b",")[0] for line in lines]
        assert clocks == sorted(clocks)


# Of each call every step: where Python has just entered or left a function of ours or of its own.
AT_EACH_STEP = """
import os, signal, sys
import lakeflow
from lakeflow import LakeflowClient

lakeflow.set_tracking_uri(sys.argv[1])
client = LakeflowClient()
run = client.create_run("0").info.run_id
traced = lakeflow.trace(lambda n: n, name="traced")
calls = {
    "metric": lambda n: client.log_metric(run, "loss", n, step=n),
    "async": lambda n: client.log_metric(run, "loss", n, step=n, synchronous=False),
    "tag": lambda n: client.set_tag(run, "t", n),
    "trace": traced,
    "text": lambda n: client.log_text(run, "text", f"{n}.txt"),
    "model": lambda n: client.create_logged_model("0", name=f"m{n}"),
    "dataset": lambda n: client.create_dataset(f"d{n}"),
    "end": lambda n: client.set_terminated(run),
}
made = dict.fromkeys(calls, 0)

def call(name):
    made[name] += 1
    calls[name](sum(made.values()))

for name in calls:
    call(name)  # loaded before
lakeflow.flush_trace_async_logging()
for main, handled in zip(sys.argv[2::2], sys.argv[3::2]):
    signal.signal(signal.SIGUSR1, lambda *_: call(handled))
    steps = at = 0

    def step(frame, event, _):
        global steps
        steps += 1
        if steps == at:
            os.kill(os.getpid(), signal.SIGUSR1)

    while steps == at:
        at, steps = at + STRIDE, 0
        sys.setprofile(step)
        try:
            call(main)
        finally:
            sys.setprofile(None)
        steps = min(steps, at)
    print(main, at, file=sys.stderr)
lakeflow.flush_trace_async_logging()
client.set_terminated(run)
print(run, *(made[name] for name in ("metric", "async", "trace", "text", "model", "dataset")))
"""


def test_a_handler_may_call_at_any_step_of_a_call(tmp_path: Path) -> None:
    pairs = ["metric metric", "async async", "trace trace", "tag trace", "trace async"]
    pairs += ["text metric", "metric text", "end async", "model tag", "tag dataset"]
    code = AT_EACH_STEP.replace("STRIDE", os.environ.get("LAKEFLOW_TEST_STEPS", "3"))
    command = [sys.executable, "-c", code, str(tmp_path / "lake"), *" ".join(pairs).split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    run_id, metrics, queued, traces, texts, models, datasets = done.stdout.split()
    client = LakeflowClient(tmp_path / "lake")
    assert len(client.get_metric_history(run_id, "loss")) == int(metrics) + int(queued)
    assert len(client.list_artifacts(run_id)) == int(texts)
    assert len(client.search_logged_models(["0"], max_results=50)) == min(50, int(models))
    assert len(client.search_datasets()) == int(datasets)
    lakeflow.set_tracking_uri(tmp_path / "lake")
    found = lakeflow.search_traces(max_results=10_000, return_type="list")
    # What is called within a trace is a span of it.
    assert sum(len(trace.data.spans) for trace in found) == int(traces)


LATE = """
import atexit, sys, threading
import lakeflow
lakeflow.set_tracking_uri(sys.argv[1])
run = lakeflow.start_run()
lakeflow.log_metric("early", 1, synchronous=False)
atexit.register(lambda: lakeflow.log_metric("late", 1, synchronous=False))
client = lakeflow.LakeflowClient()
atexit.register(lambda: client.log_metric(run.info.run_id, "later", 1, synchronous=False).wait())
atexit.register(lakeflow.compact)
atexit.register(lambda: lakeflow.copy(sys.argv[1], sys.argv[1] + "-copy"))
print(run.info.run_id)
"""


def test_what_is_queued_by_an_exit_hook_is_written_and_the_process_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LATE, str(tmp_path / "lake")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    metrics = {}
    for run in LakeflowClient(tmp_path / "lake").search_runs(["0"]):
        metrics |= run.data.metrics
        assert run.info.status == "FINISHED"
    assert metrics == {"early": 1.0, "late": 1.0, "later": 1.0}, done.stderr
    # What works in many threads elsewhere has none any more.
    assert done.stderr == ""
    assert (tmp_path / "lake" / "tables").exists()
    assert len(LakeflowClient(tmp_path / "lake-copy").search_runs(["0"])) == 1


def test_logging_goes_on_where_no_thread_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr("threading.Thread.start", refuse)
        for step in range(3):
            client.log_metric(run_id, "loss", step, step=step, synchronous=False)
    client.log_metric(run_id, "loss", 3, step=3, synchronous=False)
    client.set_terminated(run_id)
    assert [point.step for point in client.get_metric_history(run_id, "loss")] == [0, 1, 2, 3]


@pytest.mark.parametrize("place", ["lake", "memory://compacted-in-a-handler"])
def test_a_handler_that_compacts_what_is_being_compacted_is_refused(
    place: str, tmp_path: Path
) -> None:
    uri = place if "://" in place else str(tmp_path / place)
    client = LakeflowClient(uri)
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "loss", 1)
    refused = []

    def handle(*_: object) -> None:
        with pytest.raises(InvalidStateError, match="signal") as caught:
            lakeflow.compact(uri)
        refused.append(caught.value)
        client.log_metric(run_id, "loss", 2, step=1)

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        report = lakeflow.compact(uri, progress=lambda _: signal.raise_signal(signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert refused
    assert report.folds
    assert lakeflow.compact(uri).folds, "it is free again"
    assert len(client.get_metric_history(run_id, "loss")) == 1 + len(refused)
