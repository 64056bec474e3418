"""Times warm logging calls and the write that all of them end in, taking turns."""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from library import START_MS, entities_of, parse, report

if TYPE_CHECKING:
    from collections.abc import Callable

LINE = (
    b'{"experiment_id":"0","run_id":"'
    + b"0" * 32
    + b'","metrics":{"key":["loss"],"value":[0.12345678901234567],'
    b'"timestamp":[1700000000000],"step":[12345]},"seq":12345,"clock":1700000000000000}\n'
)


def main() -> None:
    options = parse(calls=2_000, rounds=25)
    os.environ["LAKEFLOW_AUTO_COMPACT"] = "false"
    library = importlib.import_module(options.library)
    library.set_tracking_uri(options.uri)
    library.start_run()
    client, run_id = library.MlflowClient(), library.active_run().info.run_id
    metric = entities_of(options).Metric("loss", 0.12345678901234567, START_MS, 12_345)
    many = {f"metric-{number}": 0.12345678901234567 * number for number in range(20)}
    file = os.open(Path(options.uri).parent / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    calls: dict[str, Callable[[], object]] = {
        "os.write of one line": lambda: os.write(file, LINE),
        "client.log_metric": lambda: client.log_metric(
            run_id, "loss", 0.12345678901234567, step=12_345
        ),
        "log_metric": lambda: library.log_metric("loss", 0.12345678901234567, step=12_345),
        "client.log_batch of one metric": lambda: client.log_batch(run_id, metrics=[metric]),
        "log_metrics of 20 metrics": lambda: library.log_metrics(many, step=12_345),
    }
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(options.rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            for _ in range(options.calls):
                call()
            least[name] = min(least[name], (time.perf_counter() - began) / options.calls)
    report(least)


if __name__ == "__main__":
    main()
