"""One of several processes that log to one store at once, a kind of call at a time.

It says when it is ready, then takes the names of calls from its standard input.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from library import START_MS, client_of, parse, report

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    options = parse(calls=100)
    client = client_of(options)
    run = client.create_run("0").info.run_id
    made: list[str] = []

    def create_run(_: int) -> None:
        made.append(client.create_run("0").info.run_id)

    calls: dict[str, Callable[[int], object]] = {
        "create_run": create_run,
        "log_metric": lambda i: client.log_metric(run, "loss", i, START_MS + i, i),
        "log_param": lambda i: client.log_param(run, f"param-{i}", i),
        "set_tag": lambda i: client.set_tag(run, f"tag-{i}", i),
    }
    acknowledged = dict.fromkeys(calls, 0)
    report("ready")
    for line in sys.stdin:
        name = line.strip()
        began = time.perf_counter()
        for number in range(options.calls):
            try:
                calls[name](number)
            except Exception as error:  # noqa: BLE001 - whatever it is, it was not logged
                print(error, file=sys.stderr)
            else:
                acknowledged[name] += 1
        report(time.perf_counter() - began)
    report({"run": run, "made": made, "acknowledged": acknowledged})


if __name__ == "__main__":
    main()
