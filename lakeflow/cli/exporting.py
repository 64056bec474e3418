"""``lakeflow export``: to MLflow, to Parquet, to CSV; its progress, its reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow import exporting, formats
from lakeflow.cli import moving
from lakeflow.cli.terminal import shown_lines, write

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lakeflow.exporting.report import TableProgress
    from lakeflow.mlflow.exporting.report import ExportProgress, MlflowReport

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

_WRITERS = {"parquet": exporting.to_parquet, "csv": exporting.to_csv}


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
    moving.add_selection(parser)
    moving.add_ways(parser, "runs and traces", "to where MLflow keeps them")
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
    moving.add_selection(parser)
    parser.set_defaults(run=_export_tables, format=name)


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
            experiments=options.experiment or None,
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
            experiments=options.experiment or None,
            since=options.since,
            artifacts=options.artifacts,
            dry_run=options.dry_run,
            progress=tell,
        )
    write(_lines(report))
    return moving.status(report)


def _lines(report: MlflowReport) -> Iterator[str]:
    """Yield the report: a line for each sort of things, then what could not be kept."""
    there = "there already" if report.is_dry_run else "in MLflow"
    yield f"{report.uri}\n"
    yield f"{'':14}{'in the lake':>16}{there:>16}{'written':>16}\n"
    for name in dict.fromkeys([*report.lake, *report.written]):
        counts = (report.lake[name], report.there[name], report.written[name])
        yield f"{name:14}{''.join(f'{each or 0:>16,}' for each in counts)}\n"
    yield from moving.end(report)
