"""``lakeflow export``: to MLflow, to Parquet, to CSV; its progress, its reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow import exporting, formats
from lakeflow.cli.terminal import shown_lines, write
from lakeflow.cli.times import time
from lakeflow.printable import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lakeflow.exporting.report import TableProgress
    from lakeflow.mlflow.exporting.report import ExportProgress, MlflowReport

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

_WRITERS = {"parquet": exporting.to_parquet, "csv": exporting.to_csv}

_MOST_SHOWN = 20
"""Problems that are listed; the first ones say what is wrong with the others."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    verbs = parser.add_subparsers(required=True, metavar="TARGET")
    _add_mlflow(verbs)
    for name, words in {"parquet": "Parquet", "csv": "CSV"}.items():
        _add_tables(verbs, name, words)


def _add_mlflow(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "mlflow",
        help="write everything to MLflow: a server, a database, or a folder",
        description="Write what a lake holds to MLflow by its own client. It may be stopped "
        "anywhere: run again it goes on, nothing is there twice, and what is new comes. Runs "
        "get new ids; their tag lakeflow.run_id has the old one. The status is 0 where all is "
        "there, 1 where something could not be kept.",
    )
    parser.add_argument("target", metavar="URI", help="MLflow's tracking URI")
    _add_selection(parser)
    parser.add_argument(
        "--since",
        type=time,
        metavar="TIME",
        help="only runs and traces that began then or later: a date or a time such as "
        "2026-11-24T12:00, local unless it says otherwise, or milliseconds since the Unix "
        "epoch",
    )
    parser.add_argument(
        "--artifacts",
        choices=("copy", "leave"),
        default="copy",
        help="copy files to where MLflow keeps them (default), or leave them where they are",
    )
    parser.add_argument("--dry-run", action="store_true", help="only count, and write nothing")
    parser.set_defaults(run=_export_mlflow)


def _add_tables(verbs: Verbs, name: str, words: str) -> None:
    parser = verbs.add_parser(
        name,
        help=f"write all tables as {words} files",
        description=f"Write the tables of a lake as {words} files, a folder each, with a "
        "README of all columns: what the lake holds now, deleted things and what is not "
        "compacted yet included. The folder appears when it is whole; on a store of objects "
        "its README.md is written last.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="an empty or new folder")
    _add_selection(parser)
    parser.set_defaults(run=_export_tables, format=name)


def _add_selection(parser: argparse.ArgumentParser) -> None:
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


def _export_tables(options: argparse.Namespace) -> int:
    with shown_lines() as show:

        def tell(progress: TableProgress) -> None:
            if show is not None:
                show(
                    f"{progress.table} ({progress.place} of {progress.tables} tables)  "
                    f"{progress.rows:,} rows"
                )

        report = _WRITERS[options.format](
            options.folder,
            tracking_uri=options.lake,
            experiments=options.experiment,
            progress=tell,
        )
    tables = report.tables.values()
    rows, size = sum(each.rows for each in tables), sum(each.bytes for each in tables)
    lines = [f"{name:32} {each.rows:>14,}\n" for name, each in report.tables.items()]
    write([*lines, f"wrote {rows:,} rows, {size:,} bytes to {report.folder}\n"])
    return 0


def _export_mlflow(options: argparse.Namespace) -> int:
    formats.require("mlflow", "lakeflow[mlflow]")
    # Loads MLflow, which no other command needs.
    from lakeflow.mlflow.exporting import to_mlflow

    with shown_lines() as show:

        def tell(progress: ExportProgress) -> None:
            if show is not None:
                show(f"{progress.runs:,} runs, {progress.points:,} points  {progress.what}")

        report = to_mlflow(
            options.target,
            tracking_uri=options.lake,
            experiments=options.experiment,
            since=options.since,
            artifacts=options.artifacts,
            dry_run=options.dry_run,
            progress=tell,
        )
    write(_lines(report))
    return 0 if not report.loss_count and (report.is_dry_run or report.is_complete) else 1


def _lines(report: MlflowReport) -> Iterator[str]:
    """Yield the report: a line for each sort of things, then what could not be kept."""
    there = "there already" if report.is_dry_run else "in MLflow"
    yield f"{report.uri}\n"
    yield f"{'':14}{'in the lake':>16}{there:>16}{'written':>16}\n"
    for name in dict.fromkeys([*report.lake, *report.written]):
        counts = (report.lake[name], report.there[name], report.written[name])
        yield f"{name:14}{''.join(f'{each or 0:>16,}' for each in counts)}\n"
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
