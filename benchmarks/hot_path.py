"""What a training loop pays a step, in writes of one line: python benchmarks/hot_path.py."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import report
from peers import add_arguments, lakeflow_peer, say

FLOOR = "os.write of one line"
CLIENT = "client.log_metric"
FLUENT = "log_metric"
BATCH = "client.log_batch of one metric"
MANY = "log_metrics of 20 metrics"

LIMITS = ((CLIENT, FLOOR, 4.0), (BATCH, FLOOR, 6.0), (FLUENT, CLIENT, 1.3), (MANY, FLOOR, 20.0))
"""How many times as long as what a call may take."""


def main() -> None:
    """Measure, and print a table and whether the limits are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow")
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--calls", default=2_000, **number, help="of each kind in a round")
    parser.add_argument("--rounds", default=25, **number, help="in which the kinds take turns")
    options = parser.parse_args()
    peer = lakeflow_peer(options)
    options.folder.mkdir(parents=True, exist_ok=True)
    print(report.machine(options.folder, peer.python))
    say(f"{options.rounds} rounds of {options.calls:,} calls of each kind")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        sizes = {"calls": options.calls, "rounds": options.rounds}
        took: dict[str, float] = peer.run("hot_calls.py", Path(folder), **sizes)
    header = [f"least mean of {options.calls:,} calls", "time", "in writes"]
    rows = [[name, report.seconds(s), f"{s / took[FLOOR]:.2f}x"] for name, s in took.items()]
    print("\n" + report.table(header, rows), "\n\nTargets\n", sep="")
    kept = []
    for name, base, most in LIMITS:
        found = took[name] / took[base]
        within = report.met(found <= most)
        kept.append([f"{name} / {base}", f"at most {most:g}x", f"{found:.2f}x", within])
    print(report.table(["", "target", "found", ""], kept))


if __name__ == "__main__":
    main()
