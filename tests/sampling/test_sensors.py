"""What sensors say of this machine, and of one whose GPUs are made up."""

from __future__ import annotations

import logging
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest

from lakeflow.sampling import sensors as module
from lakeflow.sampling.sampler import mean
from lakeflow.sampling.sensors import Gpus, Sensors


class NVMLError(Exception):
    """What NVML raises."""


def nvml(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> list[str]:
    """Let there be two GPUs, of which the second cannot measure its power; return the calls."""
    calls: list[str] = []

    def power(device: int) -> int:
        if device == 1:
            raise NVMLError("Not Supported")
        return 50_000

    functions: dict[str, Any] = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(used=2e9, total=8e9),
        "nvmlDeviceGetUtilizationRates": lambda device: SimpleNamespace(gpu=30 + device),
        "nvmlDeviceGetPowerUsage": power,
        "nvmlDeviceGetEnforcedPowerLimit": lambda _: 200_000,
    } | changed
    library = ModuleType("pynvml")
    library.NVMLError = NVMLError  # type: ignore[attr-defined]
    for name, function in functions.items():

        def called(*args: Any, name: str = name, function: Any = function) -> Any:
            calls.append(name)
            return function(*args)

        setattr(library, name, called)
    monkeypatch.setattr(module, "pynvml", library)
    return calls


def test_each_gpu_says_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = nvml(monkeypatch)
    gpus = Gpus()
    assert gpus() == {
        "gpu_0_memory_usage_percentage": 25,
        "gpu_0_memory_usage_megabytes": 2000,
        "gpu_0_utilization_percentage": 30,
        "gpu_0_power_usage_watts": 50,
        "gpu_0_power_usage_percentage": 25,
        "gpu_1_memory_usage_percentage": 25,
        "gpu_1_memory_usage_megabytes": 2000,
        "gpu_1_utilization_percentage": 31,
    }
    gpus.close()
    assert (calls.count("nvmlInit"), calls.count("nvmlShutdown")) == (1, 1)


@pytest.mark.parametrize("failing", ["nvmlInit", "nvmlDeviceGetCount"])
def test_a_machine_without_a_driver_has_no_gpus_and_no_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failing: str
) -> None:
    def fail() -> None:
        raise NVMLError("Driver Not Loaded")

    nvml(monkeypatch, **{failing: fail})
    sensors = Sensors()
    assert not [name for name in sensors() if "gpu" in name]
    sensors.close()
    monkeypatch.setattr(module, "pynvml", None)
    sensors = Sensors()
    assert not [name for name in sensors() if "gpu" in name]
    sensors.close()
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_a_sensor_that_fails_is_left_out_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def hidden(_: str) -> None:
        raise PermissionError("/proc is hidden")

    monkeypatch.setattr(psutil, "disk_usage", hidden)
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_: None)
    sensors = Sensors()
    assert sensors().keys() == sensors().keys() == {
        "cpu_utilization_percentage",
        "system_memory_usage_megabytes",
        "system_memory_usage_percentage",
    }  # fmt: skip
    assert [each.getMessage() for each in caplog.records] == [
        "system metrics lack disk: PermissionError('/proc is hidden')"
    ]


def test_the_network_is_counted_from_the_beginning_and_never_backwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = iter([(5e6, 7e6), (8e6, 1e6)])

    def counters(**_: bool) -> SimpleNamespace:
        received, sent = next(counts)
        return SimpleNamespace(bytes_recv=received, bytes_sent=sent)

    monkeypatch.setattr(psutil, "net_io_counters", counters)
    values = Sensors()()
    assert values["network_receive_megabytes"] == 3
    assert values["network_transmit_megabytes"] == 0


def test_a_value_that_is_missing_now_and_then_has_the_mean_of_the_others() -> None:
    assert mean([]) == {}
    assert mean([{"a": 1}, {"a": 2, "b": 3}, {"a": 6}]) == {"a": 3, "b": 3}
