"""Tables beside runs, lakeflow beside MLflow 2.19 in one run: python benchmarks/tables.py."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import report
from peers import add_arguments, lakeflow_peer, mlflow_peers, say

TARGETS = {"load_table": 10}
"""How many times as long MLflow is to take."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow", "mlflow2")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rows", type=int, default=20, help="rows of a run's table")
    parser.add_argument("--long", type=int, default=100_000, help="rows of the long table")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="tables-", dir=options.folder.resolve()))
    shape = {"runs": options.runs, "rows": options.rows, "long": options.long}
    peers = [lakeflow_peer(options), *mlflow_peers(options, "mlflow2", "sqlite")]
    try:
        print(report.machine(work, *(peer.python for peer in peers)), flush=True)
        found = []
        for peer in peers:
            say(peer.name)
            found.append(peer.run("log_tables.py", work, **shape))
    finally:
        shutil.rmtree(work)
    ours, theirs = found
    rows = []
    for name, took in ours.items():
        ratio, target = theirs[name] / took, TARGETS.get(name)
        verdict = report.met(ratio >= target) if target else ""
        rows.append(
            (
                name,
                report.seconds(took),
                report.seconds(theirs[name]),
                report.ratio(ratio),
                verdict,
            )
        )
    print(report.table(("", *(peer.name for peer in peers), "ratio", "target"), rows))


if __name__ == "__main__":
    main()
