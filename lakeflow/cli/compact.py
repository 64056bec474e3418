"""``lakeflow compact``: its arguments, its progress, its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lakeflow
from lakeflow.cli.repeating import repeat
from lakeflow.cli.terminal import complain, shown_progress, write
from lakeflow.cli.values import duration

if TYPE_CHECKING:
    import argparse

    from lakeflow.maintenance.report import CompactionReport


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
        type=duration,
        metavar="TIME",
        help="go on for ever, once each 30s, 5m, 1h",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command, once or again and again.

    Raises:
        LakeflowException: The lake cannot be compacted; with ``--every`` only where trying
            again is of no use.
    """
    if options.every is None:
        _compact(options)
    else:
        repeat(lambda: _compact(options), options.every)
    return 0


def _compact(options: argparse.Namespace) -> bool:
    with shown_progress() as progress:
        report = lakeflow.compact(options.uri, dry_run=options.dry_run, progress=progress)
    write([f"{format_report(report)}\n"])
    for refusal in report.vacuum.refusals:
        complain(f"lakeflow: not deleted: {refusal}")
    # Its work is the lake: it goes on where nobody reads any more what it says.
    return True


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
