"""Spans by the protocol and by the exporter: python benchmarks/tracing_receiver.py."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import report
from peers import add_arguments, lakeflow_peer, say

LEAST_SPANS = 50_000
"""Acknowledged a second and core."""

MOST_EXPORTED_S = 10e-6
MOST_GROWTH = 1.25


def main() -> None:
    """Measure, and print tables and whether the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow")
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--requests", default=1_000, **number, help="of each way")
    parser.add_argument("--spans", default=512, **number, help="in a request")
    parser.add_argument("--attributes", default=10, **number, help="of a span")
    parser.add_argument("--clients", default=50, **number, help="at once")
    options = parser.parse_args()
    peer = lakeflow_peer(options)
    options.folder.mkdir(parents=True, exist_ok=True)
    print(report.machine(options.folder, peer.python))
    sizes = {
        name: getattr(options, name) for name in ("requests", "spans", "attributes", "clients")
    }
    say(f"{options.requests:,} requests of {options.spans} spans")
    with tempfile.TemporaryDirectory(prefix="receiver-", dir=options.folder) as folder:
        found: dict[str, float] = peer.run("receive_spans.py", Path(folder), **sizes)
    floor, exported = found["parse"], found["exported, off"]
    steps = ("parse", "to columns", "to the log", "acknowledged")
    header = [f"seconds of a core, a span of {options.attributes} attributes", "time"]
    rows = [
        [
            name,
            report.seconds(found[name]),
            f"{1 / found[name]:,.0f}",
            f"{found[name] / floor:.1f}x",
        ]
        for name in steps
    ]
    print("\n" + report.table([*header, "spans a second", "in parsings"], rows))
    rows = [
        [
            f"spans acknowledged a second, {options.clients} clients",
            f"{found['a second']:,.0f}",
        ],
        ["memory of the receiver, at a quarter of it", f"{found['early MiB']:,.0f} MiB"],
        ["memory of the receiver, at its end", f"{found['late MiB']:,.0f} MiB"],
        ["a span of the SDK, for nobody", report.seconds(found["sdk"])],
        [
            "with its own processor, for an exporter of nothing",
            report.seconds(found["gathered"]),
        ],
        ["with ours and our exporter", report.seconds(found["exported"])],
        ["our exporter beside it, in its thread", report.seconds(exported)],
    ]
    print("\n" + report.table(["", "found"], rows), "\n\nTargets\n", sep="")
    rate, growth = 1 / found["acknowledged"], found["late MiB"] / found["early MiB"]
    targets = [
        [
            "acknowledged a second and core",
            f"at least {LEAST_SPANS:,}",
            f"{rate:,.0f}",
            report.met(rate >= LEAST_SPANS),
        ],
        [
            "memory, end / quarter",
            f"at most {MOST_GROWTH:g}x",
            f"{growth:.2f}x",
            report.met(growth <= MOST_GROWTH),
        ],
        [
            "the exporter, a span, in its thread",
            f"at most {report.seconds(MOST_EXPORTED_S)}",
            report.seconds(exported),
            report.met(exported <= MOST_EXPORTED_S),
        ],
    ]
    print(report.table(["", "target", "found", ""], targets))


if __name__ == "__main__":
    main()
