"""Counts in a fresh process what others have logged, to see that nothing was lost."""

from __future__ import annotations

import json
import sys
from typing import Any

from library import client_of, parse, report


def main() -> None:
    client = client_of(parse())
    found = dict.fromkeys(("create_run", "log_metric", "log_param", "set_tag"), 0)
    for process in json.load(sys.stdin):
        run = client.get_run(process["run"])
        found["create_run"] += sum(exists(client, run_id) for run_id in process["made"])
        found["log_metric"] += len(client.get_metric_history(process["run"], "loss"))
        found["log_param"] += len(run.data.params)
        found["set_tag"] += sum(key.startswith("tag-") for key in run.data.tags)
    report(found)


def exists(client: Any, run_id: str) -> bool:
    return bool(client.get_run(run_id).info.run_id == run_id)


if __name__ == "__main__":
    main()
