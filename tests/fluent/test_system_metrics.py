"""Samples of the machine beside a run: when there are some, what they are, and what ends them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import lakeflow
from lakeflow import LakeflowClient, context, system_metrics
from lakeflow.exceptions import InvalidInputError, LakeflowException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CPU = "system/cpu_utilization_percentage"
NAMES = {
    CPU,
    "system/system_memory_usage_megabytes",
    "system/system_memory_usage_percentage",
    "system/disk_usage_percentage",
    "system/disk_usage_megabytes",
    "system/disk_available_megabytes",
    "system/network_receive_megabytes",
    "system/network_transmit_megabytes",
}
SETTINGS = (
    "ENABLE_SYSTEM_METRICS_LOGGING",
    "SYSTEM_METRICS_SAMPLING_INTERVAL",
    "SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING",
    "SYSTEM_METRICS_NODE_ID",
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let samples follow each other quickly, in a lake of the test's own."""
    for name in SETTINGS:
        monkeypatch.delenv(f"LAKEFLOW_{name}", raising=False)
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
    lakeflow.set_tracking_uri(tmp_path / "lake")
    lakeflow.set_system_metrics_sampling_interval(0.01)
    yield
    for name in SETTINGS:
        context.choose(name, None)


def until(condition: Callable[[], Any]) -> None:
    """Wait for something that comes in a moment, and on a busy machine later."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "lakeflow-sample"]


def steps(run_id: str, key: str = CPU) -> list[int]:
    return [each.step for each in LakeflowClient().get_metric_history(run_id, key)]


def sampled(count: int, **options: Any) -> str:
    """Return a run that has at least so many new samples and is over."""
    with lakeflow.start_run(**options) as run:
        before = len(steps(run.info.run_id))
        until(lambda: len(steps(run.info.run_id)) >= before + count)
    return run.info.run_id


def test_a_run_is_sampled_until_it_ends() -> None:
    run_id = sampled(2, log_system_metrics=True)
    found = lakeflow.get_run(run_id)
    assert found.data.metrics.keys() >= NAMES
    assert all(name.startswith("system/") for name in found.data.metrics)
    assert all(isinstance(value, float) for value in found.data.metrics.values())
    assert 0 < found.data.metrics["system/system_memory_usage_percentage"] <= 100
    seen = steps(run_id)
    assert seen == list(range(len(seen)))
    until(lambda: not threads())
    assert steps(run_id) == seen
    assert max(each.timestamp for each in found.data.latest_metrics) <= found.info.end_time


def test_a_sample_is_one_record(tmp_path: Path) -> None:
    run_id = sampled(1, log_system_metrics=True)
    files = [each for each in (tmp_path / "lake" / "log").rglob("*") if each.is_file()]
    text = b"".join(each.read_bytes() for each in files)
    records = [line for line in text.splitlines() if CPU.encode() in line]
    assert len(records) == len(steps(run_id))
    assert all(name.encode() in records[0] for name in NAMES)


def test_steps_go_on_where_a_run_is_resumed() -> None:
    run_id = sampled(2, log_system_metrics=True)
    seen = steps(run_id)
    lakeflow.set_system_metrics_node_id("a.b-1")
    with lakeflow.start_run(run_id=run_id, log_system_metrics=True):
        until(lambda: steps(run_id, "system/a.b-1/disk_usage_megabytes"))
    lakeflow.set_system_metrics_node_id(None)
    sampled(2, run_id=run_id, log_system_metrics=True)
    all_steps = steps(run_id)
    assert all_steps == list(range(len(all_steps))) > seen
    assert steps(run_id, "system/a.b-1/disk_usage_megabytes")[0] == 0


def test_who_asks_decides_over_the_process_and_that_over_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def is_sampled(log_system_metrics: bool | None = None) -> bool:
        until(lambda: not threads())
        with lakeflow.start_run(log_system_metrics=log_system_metrics):
            return bool(threads())

    assert not is_sampled()
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    assert is_sampled()
    assert not is_sampled(False)
    monkeypatch.setenv("LAKEFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "0")
    assert not is_sampled()
    lakeflow.enable_system_metrics_logging()
    assert is_sampled()
    assert not is_sampled(False)
    system_metrics.disable_system_metrics_logging()
    assert not is_sampled()
    assert is_sampled(True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENABLE_SYSTEM_METRICS_LOGGING", "yes"),
        ("SYSTEM_METRICS_SAMPLING_INTERVAL", "-1"),
        ("SYSTEM_METRICS_SAMPLING_INTERVAL", "nan"),
        ("SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", "1.5"),
        ("SYSTEM_METRICS_NODE_ID", "../x"),
    ],
)
def test_a_setting_that_is_none_is_named_before_there_is_a_run(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    context.choose("SYSTEM_METRICS_SAMPLING_INTERVAL", None)
    monkeypatch.setenv(f"LAKEFLOW_{name}", value)
    asked = None if name.startswith("ENABLE") else True
    with pytest.raises(InvalidInputError, match=name):
        lakeflow.start_run(log_system_metrics=asked)
    assert lakeflow.search_runs(output_format="list") == []


def test_setters_refuse_what_is_none() -> None:
    for interval in (-1, "soon", float("inf"), float("nan"), 10**6):
        with pytest.raises(InvalidInputError, match="interval"):
            lakeflow.set_system_metrics_sampling_interval(interval)
    for samples in (-1, 1.5, "many", "9" * 5000, 10**9):
        with pytest.raises(InvalidInputError, match="samples"):
            lakeflow.set_system_metrics_samples_before_logging(samples)
    for node_id in ("a/../b", "a/", "ä\n", "n" * 250):
        with pytest.raises(InvalidInputError, match="node_id"):
            lakeflow.set_system_metrics_node_id(node_id)


def test_children_find_the_settings(tmp_path: Path) -> None:
    lakeflow.enable_system_metrics_logging()
    lakeflow.set_system_metrics_samples_before_logging(2)
    lakeflow.set_system_metrics_node_id(7)
    code = """
import json, lakeflow
from lakeflow.sampling.plan import plan
found = plan(None)
print(json.dumps([found.interval_s, found.samples, found.node_id]))
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert json.loads(shown.stdout) == [0.01, 2, "7"]


def test_without_psutil_who_asks_is_told_and_a_setting_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(LakeflowException, match=r"lakeflow\[system-metrics\]") as caught:
        lakeflow.start_run(log_system_metrics=True)
    assert caught.value.error_code == "FEATURE_DISABLED"
    assert lakeflow.active_run() is None
    assert lakeflow.search_runs(output_format="list") == []
    lakeflow.enable_system_metrics_logging()
    with lakeflow.start_run():
        lakeflow.log_metric("m", 1)
        assert not threads()
    assert "lakeflow[system-metrics]" in caplog.text


def test_what_ends_a_run_ends_its_samples_and_leaves_no_thread() -> None:
    client = LakeflowClient()
    lakeflow.enable_system_metrics_logging()
    with pytest.raises(ZeroDivisionError), lakeflow.start_run():
        1 / 0  # noqa: B018
    run = lakeflow.start_run()
    with pytest.raises(InvalidInputError):
        client.set_terminated(run.info.run_id, "OVER")
    before = len(steps(run.info.run_id))
    until(lambda: len(steps(run.info.run_id)) > before)
    client.set_terminated(run.info.run_id)
    until(lambda: not threads())
    lakeflow.end_run()
    lakeflow.set_system_metrics_sampling_interval(3600)
    for _ in range(50):
        lakeflow.start_run()
        lakeflow.end_run()
    until(lambda: not threads())


def test_samples_that_cannot_be_logged_are_one_warning_and_come_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with lakeflow.start_run(log_system_metrics=True) as run:
        run_id = run.info.run_id
        until(lambda: steps(run_id))
        lakeflow.delete_run(run_id)
        until(lambda: caplog.records)
        seen = len(steps(run_id))
        LakeflowClient().restore_run(run_id)
        until(lambda: len(steps(run_id)) > seen)
        all_steps = steps(run_id)
    assert all_steps == list(range(len(all_steps)))
    warnings = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert run_id in warnings[0].getMessage()


def test_a_forked_child_has_no_sampler_and_its_parent_goes_on() -> None:
    # The child begins while the first sampler of the process does.
    program = """
import os, threading, time, lakeflow

def wait_for_samples(run, count=1):
    client = lakeflow.LakeflowClient()
    key = "system/disk_usage_megabytes"
    while len(client.get_metric_history(run.info.run_id, key)) < count:
        time.sleep(0.01)

with lakeflow.start_run(log_system_metrics=True) as run:
    child = os.fork()
    if child == 0:
        assert threading.active_count() == 1
        with lakeflow.start_run(nested=True, log_system_metrics=True) as own:
            wait_for_samples(own)
        lakeflow.log_metric("child", 1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    seen = len(lakeflow.LakeflowClient().get_metric_history(run.info.run_id, "system/disk_usage_megabytes"))
    wait_for_samples(run, seen + 1)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    found = lakeflow.search_runs(output_format="list")
    assert [run.info.status for run in found] == ["FINISHED", "FINISHED"]


ENDS = {
    "returns": ("pass", "FINISHED", 0),
    "raises": ("1 / 0", "FAILED", 1),
    "terminated": ("os.kill(os.getpid(), signal.SIGTERM)", "KILLED", -15),
    "interrupted": ("signal.raise_signal(signal.SIGINT)", "KILLED", -2),
}


@pytest.mark.parametrize("way", ENDS)
def test_no_process_stays_alive_for_its_samples(tmp_path: Path, way: str) -> None:
    does, status, code = ENDS[way]
    program = f"""
import os, signal, time, lakeflow
run = lakeflow.start_run(log_system_metrics=True)
client = lakeflow.LakeflowClient()
while not client.get_run(run.info.run_id).data.metrics:
    time.sleep(0.01)
{does}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ, capture_output=True, timeout=60
    )
    assert done.returncode == code, done.stderr
    (found,) = lakeflow.search_runs(output_format="list")
    assert found.info.status == status
    assert found.data.metrics.keys() >= NAMES
    assert b"sample" not in done.stderr
