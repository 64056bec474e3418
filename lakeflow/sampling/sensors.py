"""What this machine is busy with, under MLflow's names: each sensor returns a few values.

They are read in the threads of samplers alone. NVML holds a lock while it begins, and a child
that is forked meanwhile finds it taken: then it is not the program that waits.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any

import psutil

try:
    import pynvml
except ImportError:
    pynvml = None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# As MLflow counts them.
_MEGABYTE = 1e6

_logger = logging.getLogger(__name__)


def cpu() -> dict[str, float]:
    """Return how busy all processors were since the last call of this thread."""
    return {"cpu_utilization_percentage": psutil.cpu_percent()}


def memory() -> dict[str, float]:
    """Return how much of the machine's memory is in use."""
    found = psutil.virtual_memory()
    return {
        "system_memory_usage_megabytes": found.used / _MEGABYTE,
        "system_memory_usage_percentage": found.used / found.total * 100,
    }


def disk() -> dict[str, float]:
    """Return how full the filesystem of the root folder is."""
    found = psutil.disk_usage(os.sep)
    return {
        "disk_usage_percentage": found.percent,
        "disk_usage_megabytes": found.used / _MEGABYTE,
        "disk_available_megabytes": found.free / _MEGABYTE,
    }


class Network:
    """What the machine has received and sent since this was made."""

    def __init__(self) -> None:
        self._before = _network_bytes()

    def __call__(self) -> dict[str, float]:
        """Return the sums, which a mean would make no sense of."""
        before, now = self._before, _network_bytes()
        if before is None or now is None:
            return {}
        # A card that was taken out takes its counts along.
        received, sent = (max(0, b - a) / _MEGABYTE for a, b in zip(before, now, strict=True))
        return {"network_receive_megabytes": received, "network_transmit_megabytes": sent}


def _network_bytes() -> tuple[int, int] | None:
    """Return bytes received and sent since the machine began; None where it has no network."""
    # Else psutil notes under a lock what it has seen, for systems whose counts are short.
    found = psutil.net_io_counters(nowrap=False)
    return None if found is None else (found.bytes_recv, found.bytes_sent)


class Gpus:
    """The GPUs of NVIDIA's driver, none where there is no driver or no ``nvidia-ml-py``.

    Closed after use: the driver counts who has opened it.
    """

    def __init__(self) -> None:
        self._devices: list[Any] = []
        if pynvml is None:
            return
        try:
            pynvml.nvmlInit()
            count = pynvml.nvmlDeviceGetCount()
            # One by one: those that come before one which fails are kept.
            self._devices += map(pynvml.nvmlDeviceGetHandleByIndex, range(count))
        except pynvml.NVMLError as error:
            # As a rule this machine has none.
            _logger.info("no GPUs are sampled: %s", error)

    def __call__(self) -> dict[str, float]:
        """Return how busy each one is, as far as it says."""
        values: dict[str, float] = {}
        for number, device in enumerate(self._devices):
            for part in (_gpu_memory, _gpu_utilization, _gpu_power):
                # Not every one measures its power, and none its use that is in slices.
                with contextlib.suppress(pynvml.NVMLError):
                    found = part(device)
                    values |= {f"gpu_{number}_{name}": each for name, each in found.items()}
        return values

    def close(self) -> None:
        """Let go of the driver."""
        self._devices = []
        if pynvml is not None:
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()


def _gpu_memory(device: Any) -> dict[str, float]:
    found = pynvml.nvmlDeviceGetMemoryInfo(device)
    return {
        "memory_usage_percentage": found.used / found.total * 100,
        "memory_usage_megabytes": found.used / _MEGABYTE,
    }


def _gpu_utilization(device: Any) -> dict[str, float]:
    return {"utilization_percentage": pynvml.nvmlDeviceGetUtilizationRates(device).gpu}


def _gpu_power(device: Any) -> dict[str, float]:
    milliwatts = pynvml.nvmlDeviceGetPowerUsage(device)
    limit = pynvml.nvmlDeviceGetEnforcedPowerLimit(device)
    return {
        "power_usage_watts": milliwatts / 1000,
        "power_usage_percentage": milliwatts / limit * 100,
    }


class Sensors:
    """All sensors of this machine; one that fails is left out, with one warning."""

    def __init__(self) -> None:
        self._failed: set[str] = set()
        self._read: dict[str, Callable[[], dict[str, float]]] = {
            "cpu": cpu,
            "memory": memory,
            "disk": disk,
        }
        self._gpus: Gpus | None = None
        with self._warned("network"):
            self._read["network"] = Network()
        # From here on the processors are measured.
        with self._warned("cpu"):
            cpu()

    def __call__(self) -> dict[str, float]:
        """Return what all of them say."""
        # Only now: runs that are over before their first sample are not to open the driver.
        if self._gpus is None:
            self._gpus = Gpus()
            self._read["gpu"] = self._gpus
        values: dict[str, float] = {}
        for name, read in self._read.items():
            with self._warned(name):
                values |= read()
        return values

    def close(self) -> None:
        """Let go of what they hold."""
        if self._gpus is not None:
            self._gpus.close()

    @contextlib.contextmanager
    def _warned(self, name: str) -> Iterator[None]:
        try:
            yield
        # Containers hide this or that of the machine, and the libraries fail in many ways.
        except Exception as error:  # noqa: BLE001
            if name not in self._failed:
                self._failed.add(name)
                _logger.warning("system metrics lack %s: %r", name, error)
