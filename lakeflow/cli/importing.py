"""``lakeflow import``: a subcommand for each source, one progress, one report."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from lakeflow.cli.terminal import shown_lines, write
from lakeflow.cli.times import time
from lakeflow.importing import import_from
from lakeflow.printable import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from lakeflow.importing.report import ImportProgress, ImportReport
    from lakeflow.importing.source import Source

_MOST_SHOWN = 20
"""Problems that are listed; the first ones say what is wrong with the others."""


def _mlflow(options: argparse.Namespace) -> Source:
    from lakeflow.importing.sources.mlflow import open_mlflow

    return open_mlflow(options.source)


def _add_mlflow(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="the folder of a file store, such as ./mlruns, or sqlite:///mlflow.db",
    )


_SOURCES: dict[
    str,
    tuple[
        Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], Source], str
    ],
] = {
    "mlflow": (_add_mlflow, _mlflow, "an MLflow file store or database"),
}
"""For each source what adds its arguments, what opens it, and what it is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    sources = parser.add_subparsers(required=True, metavar="SOURCE")
    for name, (add, opened, line) in _SOURCES.items():
        each = sources.add_parser(
            name,
            help=line,
            description=f"Bring experiments and runs of {line} into a lake. It may be stopped "
            "anywhere: run again it goes on, nothing is there twice, and what is new comes. "
            "The status is 0 where all is there, 1 where something could not be kept.",
        )
        add(each)
        _add_common(each)
        each.set_defaults(run=run, opened=opened)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lake",
        metavar="URI",
        help="location of the lake (default: LAKEFLOW_TRACKING_URI, ./lake)",
    )
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        action="append",
        default=[],
        help="only the experiment of this name; may be given several times",
    )
    parser.add_argument(
        "--since",
        type=time,
        metavar="TIME",
        help="only runs that began then or later: a date or a time such as 2026-11-24T12:00, "
        "local unless it says otherwise, or milliseconds since the Unix epoch",
    )
    parser.add_argument(
        "--artifacts",
        choices=("copy", "leave"),
        default="copy",
        help="copy files into the lake (default), or leave them where they are",
    )
    parser.add_argument("--dry-run", action="store_true", help="only count, and write nothing")


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        LakeflowException: The source cannot be read, or the lake not be written.
    """
    with _shown() as progress:
        report = import_from(
            options.opened(options),
            options.lake,
            experiments=options.experiment,
            since=options.since,
            artifacts=options.artifacts,
            dry_run=options.dry_run,
            progress=progress,
        )
    write(_lines(report))
    return 0 if not report.loss_count and (report.is_dry_run or report.is_complete) else 1


@contextlib.contextmanager
def _shown() -> Iterator[Callable[[ImportProgress], None] | None]:
    """Give what shows how far an import is, where somebody looks on."""
    with shown_lines() as show:
        if show is None:
            yield None
            return

        def tell(progress: ImportProgress) -> None:
            show(
                f"{progress.runs:,} runs, {progress.points:,} points, "
                f"{progress.files:,} files  {progress.step}"
            )

        yield tell


def _lines(report: ImportReport) -> Iterator[str]:
    """Yield the report: a line a table, then what could not be kept."""
    there = "there already" if report.is_dry_run else "in the lake"
    yield f"{report.source}\n"
    yield f"{'':12}{'source':>16}{there:>16}{'sum':>24}{'sum':>24}\n"
    for name, totals in report.tables.items():
        source, lake = totals.source, totals.lake
        counts = f"{source.count:>16,}{lake.count:>16,}"
        yield f"{name:12}{counts}{source.sum:>24,.15g}{lake.sum:>24,.15g}\n"
    for where, why, is_loss in report.problems[:_MOST_SHOWN]:
        yield f"{'lost' if is_loss else 'note'}: {printable(where)}: {printable(why)}\n"
    if report.problem_count > _MOST_SHOWN:
        yield f"... and {report.problem_count - _MOST_SHOWN:,} more\n"
    if report.is_dry_run:
        yield "nothing was written\n"
    elif report.is_complete:
        yield "complete\n"
    else:
        yield f"not complete: {report.loss_count:,} things could not be kept\n"
