"""Samples of the machine beside the runs of one lake: a thread for each run that wants them.

1. ``Samplers.start`` notes the run and starts its thread.
2. The thread waits an interval, reads the sensors, and after so many samples logs their mean:
   all values in one call, which is one record.
3. ``Samplers.stop``, called by whatever ends a run, lets no more samples be logged.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import LakeflowException

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lakeflow.sampling.plan import Plan
    from lakeflow.sampling.sensors import Sensors

    Log = Callable[[str, Mapping[str, float], int], Any]

# Who ends a run waits for a sample that is being logged, but not for ever: it may be the
# handler of a signal that has interrupted the very write for which the sample waits.
_MOST_SECONDS_TO_WAIT = 2.0

_logger = logging.getLogger(__name__)


class Samplers:
    """The samplers of one lake in this process.

    Args:
        log: Logs values by name to a run, at a step.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self.reset()

    def reset(self) -> None:
        """Begin anew in a forked child: it has none of the threads."""
        self._samplers: dict[str, _Sampler] = {}

    def start(self, run_id: str, plan: Plan, step: int) -> None:
        """Begin to sample for a run, unless it is sampled already; never raises.

        Args:
            run_id: The run.
            plan: How.
            step: Step of the first sample.
        """
        sampler = _Sampler(self._log, run_id, plan, step)
        # One step of Python's: of two threads that start a run, one samples it.
        if self._samplers.setdefault(run_id, sampler) is not sampler:
            return
        # psutil may be missing where nobody samples. Not left to the thread: a child that is
        # forked in the middle of an import has half a module for ever.
        from lakeflow.sampling.sensors import Sensors

        # One for each run: psutil measures processors since the last call of the same thread.
        # A daemon: a process does not go on for it.
        thread = threading.Thread(
            target=sampler.work, args=(Sensors,), name="lakeflow-sample", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            _logger.warning("system metrics of run %s are not logged: %s", run_id, error)

    def stop(self, run_id: str) -> None:
        """Let no more samples of a run be logged; nothing happens if it has none."""
        sampler = self._samplers.pop(run_id, None)
        if sampler is not None:
            sampler.stop()

    def stop_all(self) -> None:
        """Let no more samples be logged."""
        for run_id in list(self._samplers):
            self.stop(run_id)


class _Sampler:
    """What is sampled for one run."""

    def __init__(self, log: Log, run_id: str, plan: Plan, step: int) -> None:
        self._log = log
        self._run_id = run_id
        self._plan = plan
        self._step = step
        self._is_over = threading.Event()
        self._logging = threading.Lock()
        self._has_failed = False

    def stop(self) -> None:
        """Let no sample be logged any more."""
        self._is_over.set()
        if self._logging.acquire(timeout=_MOST_SECONDS_TO_WAIT):
            self._logging.release()

    def work(self, make_sensors: Callable[[], Sensors]) -> None:
        """Sample until it is stopped; samples that are not logged by then are dropped."""
        sensors = make_sensors()
        readings: list[dict[str, float]] = []
        try:
            # Nobody asks, as MLflow does, whether the run goes on: that would read what all
            # writers have logged since.
            while not self._is_over.wait(self._plan.interval_s):
                readings.append(sensors())
                if len(readings) >= self._plan.samples:
                    self._write(mean(readings))
                    readings.clear()
        finally:
            sensors.close()

    def _write(self, values: Mapping[str, float]) -> None:
        named = {f"{self._plan.prefix}{name}": value for name, value in values.items()}
        with self._logging:
            # Looked at with the lock for which ``stop`` waits: after it no write begins.
            if self._is_over.is_set() or not named:
                return
            try:
                self._log(self._run_id, named, self._step)
            except (LakeflowException, OSError) as error:
                # A disk that is full today has room tomorrow: the next sample is tried again.
                if not self._has_failed:
                    _logger.warning(
                        "a sample of system metrics is lost to run %s: %s", self._run_id, error
                    )
                self._has_failed = True
            else:
                # Counted once it is there, so that a lost sample leaves no gap in the steps.
                self._step += 1
                self._has_failed = False


def mean(readings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each value, to one decimal as in MLflow; of sums the last one.

    Examples:
        >>> mean([{"cpu": 1.0, "network_receive_megabytes": 0.5}, {"cpu": 2.5}])
        {'cpu': 1.8, 'network_receive_megabytes': 0.5}
    """
    values: dict[str, list[float]] = {}
    for reading in readings:
        for name, value in reading.items():
            values.setdefault(name, []).append(value)
    return {
        name: each[-1] if name.startswith("network_") else round(sum(each) / len(each), 1)
        for name, each in values.items()
    }
