"""Prints what ``fleet.py`` has measured, from its JSON, and what follows for larger fleets."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import report

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROLES = ("writers", "reader", "compactor")
PAGE = 1000
LOG_LISTINGS = 2
"""Times that a compaction of one fold lists the log: see lakeflow/maintenance/."""

AT_ONCE = 16
"""Requests that one process of lakeflow makes at once: see lakeflow/filesystem/remote.py."""

MACHINES = (1_000, 10_000)
SETTINGS = ((10.0, 60, 60),)
"""Seconds of flush interval, between compactions, and of grace that a large fleet may set."""

NEW_SEGMENTS = 10
OPERATION_TARGETS = {
    "create_run": (1, 1),
    "log_metric": (1, 1),
    "a flush of 100 asynchronous log_metric": (1, 1),
    "get_run, nothing new": (0, 3),
    "get_run, 1 new segment": (0, 3),
    "search_runs, nothing new": (0, 2),
    f"search_runs, {NEW_SEGMENTS} new segments": (0, 2 + NEW_SEGMENTS),
    "search_runs in a compacted lake": (0, 2),
    "get_run of a compacted run": (0, 3),
}
"""Least and most requests of an operation."""


def main() -> None:
    given = json.load(sys.stdin)
    if "operations" in given:
        print_operations(given["operations"], given["delay_ms"])
        return
    found = Found(**given | {"options": argparse.Namespace(**given["options"])})
    print_fleet(found)
    print_requests(found)
    print_backlog(found)
    print_targets(found)
    print_model(found)


@dataclass(frozen=True)
class Found:
    """What a fleet has done.

    Attributes:
        options: The arguments.
        writers: What each writer reports.
        reader: What the reader reports.
        compactor: What the compactor reports.
        samples: Seconds, hot segments, hot bytes, listed segments.
        counts: What the proxy of each role has counted.
        check: What a fresh process has found.
        load: Load of the machine each few seconds.
    """

    options: argparse.Namespace
    writers: list[dict[str, Any]]
    reader: dict[str, Any]
    compactor: dict[str, Any]
    samples: list[list[float]]
    counts: dict[str, dict[str, Any]]
    check: dict[str, int]
    load: list[float]

    def requests(self, role: str) -> int:
        """Return how many requests the processes of a role have made."""
        return sum(self.counts[role]["operations"].values())

    def made(self, role: str, operation: str) -> int:
        """Return how many requests of one kind they have made."""
        return int(self.counts[role]["operations"].get(operation, 0))

    @property
    def values(self) -> int:
        """Values that were acknowledged."""
        return sum(each["acknowledged"] for each in self.writers)

    @property
    def flush_s(self) -> float:
        """Seconds for which a writer gathers at least."""
        return float(self.options.flush_interval_ms / 1000)


def print_operations(found: Sequence[dict[str, Any]], delay_ms: int) -> None:
    """Print a row for each operation, with its target where it has one."""
    rows = []
    for each in found:
        total = sum(each["operations"].values())
        least, most = OPERATION_TARGETS.get(each["name"], (0, math.inf))
        verdict = "" if most == math.inf else report.met(least <= total <= most)
        target = "" if most == math.inf else f"{'' if least == most else 'at most '}{most}"
        kinds = ", ".join(f"{n} {name}" for name, n in sorted(each["operations"].items()))
        size = f"{each['sent_bytes']:,}", f"{each['received_bytes']:,}"
        taken = report.seconds(each["seconds"])
        rows.append([each["name"], str(total), target, verdict, kinds, *size, taken])
    header = [f"{delay_ms} ms added to each request", "requests", "target", "", "kinds"]
    header += ["bytes sent", "bytes received", "time"]
    print("\n" + report.table(header, rows), flush=True)


def print_fleet(found: Found) -> None:
    """Print what was logged, and how soon it was read."""
    options = found.options
    taken = max(w["end"] for w in found.writers) - min(w["start"] for w in found.writers)
    errors = [sum(w["errors"] for w in found.writers)]
    errors += [found.reader["errors"], found.compactor["errors"]]
    wrong = ("lost", "doubled", "altered", "unfinished")
    wanted = options.writers * options.rate * options.seconds
    cpu_s = sum(writer["cpu_s"] for writer in found.writers)
    memory = max(writer["memory"] for writer in found.writers)
    times = found.reader["times"]
    most = [memory, found.reader["memory"], found.compactor["memory"]]
    rows = [
        ["values acknowledged", f"{found.values:,}"],
        ["of those wanted", f"{found.values / wanted:.1%}"],
        [", ".join(wrong), ", ".join(str(found.check[name]) for name in wrong)],
        ["errors of writers, reader, compactor", ", ".join(map(str, errors))],
        ["values/s", f"{found.values / taken:,.0f}"],
        ["CPU of writers, per value", report.seconds(cpu_s / max(1, found.values))],
        ["age of the newest value read: median, p95, most", spread(found.reader["ages"])],
        ["reading it: median, p95, most", spread(times)],
        ["the same in the last tenth of the time", spread(times[-len(times) // 10 :])],
        ["most segments listed", f"{max(sample[3] for sample in found.samples):,}"],
        ["CPU of the reader, of its time", f"{found.reader['cpu_s'] / options.seconds:.0%}"],
        ["most memory of a writer, the reader, the compactor, MiB", mib(most)],
        ["load of the machine: mean, most", f"{mean(found.load):.1f}, {max(found.load):.1f}"],
    ]
    kind = "synchronous" if options.synchronous else f"flushed each {found.flush_s:g} s"
    title = (
        f"{options.writers} writers, {options.rate} values/s each for {options.seconds} s, "
        f"{kind}; {options.delay_ms} ms added to requests"
    )
    print("\n" + report.table([title, "found"], rows))


def print_requests(found: Found) -> None:
    """Print how many requests each role has made, by kind."""
    kinds = Counter[str]()
    for role in ROLES:
        kinds.update(found.counts[role]["operations"])
    names = [name for name, _ in kinds.most_common()]
    rows = []
    for role in ROLES:
        counts = found.counts[role]
        total = found.requests(role)
        rows.append(
            [
                role,
                *[f"{found.made(role, name):,}" for name in names],
                f"{total:,}",
                f"{total / found.options.seconds:.1f}",
                f"{total / max(1, found.values):.3f}",
                mib([counts["sent_bytes"]]),
                mib([counts["received_bytes"]]),
            ]
        )
    after = ["all", "a second", "a value", "MiB sent", "MiB received"]
    print("\n" + report.table(["requests", *names, *after], rows))
    statuses = Counter[str]()
    for role in ROLES:
        statuses.update(found.counts[role]["statuses"])
    said = ", ".join(f"{number:,} of {status}" for status, number in sorted(statuses.items()))
    print(f"\nAnswers by status: {said}")


def print_backlog(found: Found) -> None:
    """Print how long the log was, and what each compaction did."""
    every = max(1, len(found.samples) // 12)
    rows = [
        [f"{at:.0f} s", f"{hot:,}", f"{size / 1e3:,.0f}", f"{listed:,}", f"{pages(listed)}"]
        for at, hot, size, listed in found.samples[::every]
    ]
    header = ["after", "segments not folded", "kB of them", "segments listed", "pages"]
    print("\n" + report.table(header, rows))
    rows = [
        [
            f"{fold['at']:.0f} s",
            report.seconds(fold["seconds"]),
            report.seconds(fold["cpu_s"]),
            f"{fold['segments']:,}",
            f"{fold['records']:,}",
            f"{fold['bytes'] / 1e3:,.0f}",
            f"{sum(fold['requests'].values()):,}",
            f"{listings(fold)}",
            f"{fold['deleted']:,}",
        ]
        for fold in found.compactor["folds"]
    ]
    header = ["compaction after", "took", "CPU", "segments", "records", "kB of log", "requests"]
    print("\n" + report.table([*header, "listings", "segments deleted"], rows))


def print_targets(found: Found) -> None:
    """Print what was promised, and whether it was kept."""
    wrong = sum(found.check[name] for name in ("lost", "doubled", "altered"))
    errors = sum(writer["errors"] for writer in found.writers)
    options = found.options
    # Ending a run is one more.
    puts = found.made("writers", "PutObject") - options.writers
    intervals = options.writers * options.seconds / found.flush_s
    share = puts / max(1, found.values if options.synchronous else intervals)
    age = percentile(found.reader["ages"], 0.95)
    limit = 2.0 if options.synchronous else found.flush_s + 2.0
    unit = "value" if options.synchronous else "writer and flush interval"
    rows = [
        ["values lost, doubled, altered", "0", str(wrong), report.met(wrong == 0)],
        ["errors seen by writers", "0", str(errors), report.met(errors == 0)],
        [f"PUTs a {unit}", "at most 1", f"{share:.2f}", report.met(share <= 1)],
        [
            "age of the newest value read, p95",
            f"{limit:g} s",
            f"{age:.2f} s",
            report.met(age <= limit),
        ],
    ]
    print("\n" + report.table(["", "target", "found", ""], rows))


@dataclass(frozen=True)
class Model:
    """What one machine costs, as it was measured.

    Attributes:
        segments: Segments that a writer makes a second.
        others: Its other requests a second.
        reading: Requests of a reading but for the listing and new segments.
        reading_cpu_s: CPU time of a reader for each of its requests.
        compaction: Requests of a compaction but for listings and segments.
        compaction_cpu_s: CPU time of a compaction for each of its requests.
        record_bytes: Bytes of log a value.
    """

    segments: float
    others: float
    reading: float
    reading_cpu_s: float
    compaction: float
    compaction_cpu_s: float
    record_bytes: float

    @classmethod
    def of(cls, found: Found) -> Model | None:
        """Take it from what was found; None if nothing was compacted or read."""
        options = found.options
        folds = [fold for fold in found.compactor["folds"] if fold["segments"]]
        polls = len(found.reader["times"])
        if not folds or not polls:
            return None
        writing_s = options.writers * options.seconds
        made = found.made("writers", "PutObject")
        listed = mean(pages(listed) for _, _, _, listed in found.samples)
        return cls(
            made / writing_s,
            (found.requests("writers") - made) / writing_s,
            # It looks once at least whether there is a new fold.
            max(1.0, (found.requests("reader") - made) / polls - listed),
            found.reader["cpu_s"] / found.requests("reader"),
            median(
                sum(fold["requests"].values())
                - fold["segments"]
                - LOG_LISTINGS * pages_at(found, fold)
                for fold in folds
            ),
            sum(fold["cpu_s"] for fold in folds)
            / sum(sum(fold["requests"].values()) for fold in folds),
            sum(fold["bytes"] for fold in folds) / sum(fold["records"] for fold in folds),
        )


def print_model(found: Found) -> None:
    """Print what follows for larger fleets; README.md has the formulas."""
    model = Model.of(found)
    if model is None:
        print("\nNothing was compacted or read: no model")
        return
    rows = [
        ["segments of a writer a second", f"{model.segments:.3f}"],
        ["its other requests a second", f"{model.others:.3f}"],
        ["requests of a reading, without listing and segments", f"{model.reading:.2f}"],
        ["CPU of a reader, per request", report.seconds(model.reading_cpu_s)],
        ["requests of a compaction, without those", f"{model.compaction:.0f}"],
        ["CPU of a compaction, per request", report.seconds(model.compaction_cpu_s)],
        ["bytes of log a value", f"{model.record_bytes:.0f}"],
    ]
    print("\n" + report.table(["measured", ""], rows))
    options = found.options
    settings = (found.flush_s, options.compact_every, options.grace_s)
    rows = [
        computed(model, found, machines, *each)
        for machines in (options.writers, *MACHINES)
        for each in (settings, *SETTINGS)
    ]
    header = [
        "machines",
        "seconds of flush, compaction, grace",
        "requests/s of writers",
        "pages of a listing",
        "requests of a reading a second",
        "it waits at least",
        "its CPU",
        "requests of a compaction",
        "it waits at least",
        "its CPU",
        "MB of log in it",
    ]
    print("\nComputed from these\n\n" + report.table(header, rows), flush=True)


def computed(
    model: Model,
    found: Found,
    machines: int,
    flush_s: float,
    every_s: float,
    grace_s: float,
) -> list[str]:
    """Return a row of the model: what so many machines ask for with such settings."""
    options = found.options
    delay_s = options.delay_ms / 1000
    segments = machines * model.segments
    if not options.synchronous:
        segments *= found.flush_s / flush_s
    # One is listed until it is folded, the grace is over and a vacuum comes by.
    listing = pages(segments * (grace_s + 1.5 * every_s))
    reading = model.reading + listing
    compaction = model.compaction + LOG_LISTINGS * listing
    folded = segments * every_s
    return [
        f"{machines:,}",
        f"{flush_s:g}, {every_s:g}, {grace_s:g}",
        f"{segments + machines * model.others:,.0f}",
        f"{listing:,}",
        f"{reading + segments:,.0f}",
        f"{delay_s * (reading + segments / AT_ONCE):,.1f} s",
        f"{model.reading_cpu_s * (reading + segments):,.1f} s",
        f"{compaction + folded:,.0f}",
        f"{delay_s * (compaction + folded / AT_ONCE):,.1f} s",
        f"{model.compaction_cpu_s * (compaction + folded):,.1f} s",
        f"{machines * options.rate * model.record_bytes * every_s / 1e6:,.0f}",
    ]


def pages_at(found: Found, fold: dict[str, Any]) -> int:
    """Return how many requests a listing of the log took when a compaction began."""
    return pages(min(found.samples, key=lambda sample: abs(sample[0] - fold["at"]))[3])


def listings(fold: dict[str, Any]) -> int:
    """Return how many pages a compaction has listed."""
    return sum(n for name, n in fold["requests"].items() if name.startswith("ListObjects"))


def pages(segments: float) -> int:
    """Return how many requests a listing takes."""
    return max(1, math.ceil(segments / PAGE))


def percentile(samples: Iterable[float], share: float) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else math.nan


def spread(samples: Sequence[float]) -> str:
    """Return median, 95th percentile and largest as a cell."""
    shares = (0.5, 0.95, 1.0)
    return ", ".join(report.seconds(percentile(samples, share)) for share in shares)


def mib(sizes: Iterable[float]) -> str:
    return ", ".join(f"{size / 2**20:,.1f}" for size in sizes)


if __name__ == "__main__":
    main()
