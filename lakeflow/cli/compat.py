"""``lakeflow compat``: its arguments, its report."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.cli.terminal import write
from lakeflow.compat.files import read_files
from lakeflow.mlflows_own import OTHER_DOOR
from lakeflow.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lakeflow.compat.files import Report
    from lakeflow.compat.scripts import Finding

_LAKEFLOW = "`import lakeflow as mlflow`"
_MLFLOW = "`import mlflow`, with a lakeflow URI"

_SHOWN_LINES = 8
_SHOWN_NAMES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "paths",
        nargs="+",
        type=_existing,
        metavar="PATH",
        help="a script, a notebook, or a folder of them",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def _existing(text: str) -> Path:
    path = Path(text)
    try:
        path.stat()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise argparse.ArgumentTypeError(f"{text!r}: {why}") from error
    return path


def run(options: argparse.Namespace) -> int:
    """Run the command; returns 0 where a changed import is enough for every file, else 1."""
    reports = list(read_files(options.paths))
    if options.json:
        write([f"{json.dumps(_as_json(reports), indent=1)}\n"])
    else:
        write(_lines(reports))
    return 1 if any(report.script.findings for report in reports) else 0


def _lines(reports: Sequence[Report]) -> Iterator[str]:
    for report in reports:
        path = printable(report.path)
        for finding in report.script.findings:
            place = report.place(finding.lines[0])
            yield f"{path}:{place}: {printable(finding.text)}{_also(report, finding)}\n"
        if report.is_whole:
            yield f"{path}: => {_verdict(report)}\n"
    yield "\n" if reports else ""
    yield from _summary(reports)


def _also(report: Report, finding: Finding) -> str:
    """Return where else it is, in brackets."""
    others = [report.place(line) for line in finding.lines[1:]]
    if not others:
        return ""
    more = f" and {len(others) - _SHOWN_LINES} more" if len(others) > _SHOWN_LINES else ""
    return f" (also {', '.join(others[:_SHOWN_LINES])}{more})"


def _verdict(report: Report) -> str:
    script = report.script
    if script.door == "mlflow":
        return _MLFLOW
    if script.findings:
        return f"{_LAKEFLOW}, and mend the lines above"
    return "runs as it is" if script.packages == {"lakeflow"} else f"{_LAKEFLOW} is enough"


def _summary(reports: Sequence[Report]) -> Iterator[str]:
    if not reports:
        yield "no file has to do with mlflow\n"
        return
    counts = _counts(reports)
    yield f"{counts['files']:>7,}  with mlflow or lakeflow\n"
    for name, what in (
        ("lakeflow", f"{_LAKEFLOW} is enough"),
        ("mend", f"{_LAKEFLOW}, and lines to mend"),
        ("mlflow", _MLFLOW),
        ("unread", "not read to the end"),
    ):
        if counts[name]:
            yield f"{counts[name]:>7,}  {what}\n"
    absent = _absent(reports)
    if absent:
        yield "not in lakeflow, by number of files:\n"
        yield from (
            f"{count:>7,}  {printable(name)}\n" for name, count in absent[:_SHOWN_NAMES]
        )
        if len(absent) > _SHOWN_NAMES:
            yield f"         and {len(absent) - _SHOWN_NAMES:,} more\n"
        yield f"Hint: {OTHER_DOOR}\n"


def _counts(reports: Sequence[Report]) -> Counter[str]:
    return Counter({"files": len(reports)}) + Counter(map(_class, reports))


def _class(report: Report) -> str:
    if not report.is_whole:
        return "unread"
    if report.script.door == "mlflow":
        return "mlflow"
    return "mend" if report.script.findings else "lakeflow"


def _absent(reports: Sequence[Report]) -> list[tuple[str, int]]:
    """Return what is not here with the number of files that use it, the most used first."""
    counts = Counter(
        name
        for report in reports
        for name in {finding.missing for finding in report.script.findings}
        if name
    )
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _as_json(reports: Sequence[Report]) -> dict[str, Any]:
    counts = _counts(reports)
    return {
        "files": [
            {
                "path": report.path,
                # What could not be read may need another one.
                "door": report.script.door if report.is_whole else None,
                "findings": [
                    {
                        "kind": finding.kind,
                        "name": finding.name or None,
                        "places": [report.place(line) for line in finding.lines],
                        "text": finding.text,
                    }
                    for finding in report.script.findings
                ],
            }
            for report in reports
        ],
        "counts": {
            name: counts[name] for name in ("files", "lakeflow", "mend", "mlflow", "unread")
        },
        "absent": dict(_absent(reports)),
    }
