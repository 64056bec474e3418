"""``lakeflow compact``: its arguments, its progress, its report."""

from __future__ import annotations

import argparse
import re
import time
from typing import TYPE_CHECKING

import lakeflow
from lakeflow.cli.terminal import complain, shown_progress, write
from lakeflow.exceptions import ConflictError, StorageError

if TYPE_CHECKING:
    from lakeflow.maintenance.report import CompactionReport

_PASSING = {
    "TEMPORARILY_UNAVAILABLE",
    "RESOURCE_EXHAUSTED",
    "DEADLINE_EXCEEDED",
    "REQUEST_LIMIT_EXCEEDED",
    "RESOURCE_CONFLICT",
}
"""Codes of errors after which the same may succeed later."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "uri",
        nargs="?",
        help="location of the lake (default: LAKEFLOW_TRACKING_URI, ./lake)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what there is to do")
    parser.add_argument(
        "--every",
        type=_duration,
        metavar="TIME",
        help="go on for ever, once each 30s, 5m, 1h",
    )
    parser.set_defaults(run=run)


def _duration(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if match is None or float(match[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 30s, 5m or 1h")
    return float(match[1]) * _UNITS[match[2] or "s"]


def run(options: argparse.Namespace) -> int:
    """Run the command, once or again and again.

    Raises:
        LakeflowException: The lake cannot be compacted; with ``--every`` only where trying
            again is of no use.
    """
    while True:
        began = time.monotonic()
        try:
            _compact(options)
        except (StorageError, ConflictError) as error:
            if options.every is None or error.error_code not in _PASSING:
                raise
            message = " ".join(str(error).split())
            complain(f"lakeflow: {error.error_code}: {message}; trying again")
        if options.every is None:
            return 0
        time.sleep(max(0.0, options.every - (time.monotonic() - began)))


def _compact(options: argparse.Namespace) -> None:
    with shown_progress() as progress:
        report = lakeflow.compact(options.uri, dry_run=options.dry_run, progress=progress)
    write([f"{format_report(report)}\n"])
    for refusal in report.vacuum.refusals:
        complain(f"lakeflow: not deleted: {refusal}")


def format_report(report: CompactionReport) -> str:
    """Return a report as the lines that the command prints."""
    freed = report.vacuum
    deleted = (
        f"{freed.segments} log segments ({freed.bytes_freed:,} bytes) and "
        f"{freed.table_files} table files"
    )
    if report.is_dry_run:
        return (
            f"would fold {report.log_bytes:,} bytes of log in {report.log_segments} segments\n"
            f"would delete {deleted}"
        )
    lines = [
        f"folded {report.records:,} records, {report.log_bytes:,} bytes of log, "
        f"in {report.seconds:.2f} s"
    ]
    if report.tables:
        lines.append(
            f"{'table':<16}{'rows':>12}{'files':>8}{'replaced':>10}{'bytes':>14}{'seconds':>9}"
        )
    lines += [
        f"{name:<16}{table.rows:>12,}{table.files_added:>8}{table.files_removed:>10}"
        f"{table.bytes_written:>14,}{table.seconds:>9.2f}"
        for name, table in report.tables.items()
    ]
    if report.rejected:
        lines.append(f"{report.rejected} lines are no records; they are kept in rejected/")
    if report.orphans:
        lines.append(f"{report.orphans} changes are of runs whose creation is lost")
    lines.append(f"deleted {deleted}")
    return "\n".join(lines)
