"""``lakeflow export``: to Parquet, to CSV, to MLflow; its progress, its reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow import exporting
from lakeflow.cli.terminal import shown_as, write

if TYPE_CHECKING:
    import argparse

    from lakeflow.exporting.report import TableProgress

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

_WRITERS = {"parquet": exporting.to_parquet, "csv": exporting.to_csv}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    verbs = parser.add_subparsers(required=True, metavar="FORMAT")
    for name, words in {"parquet": "Parquet", "csv": "CSV"}.items():
        _add_tables(verbs, name, words)


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
        metavar="LAKE",
        help="location of the lake (default: LAKEFLOW_TRACKING_URI, ./lake)",
    )
    parser.add_argument(
        "--experiment",
        action="append",
        default=[],
        metavar="NAME",
        help="only what belongs to this experiment; may be given several times",
    )


def _export_tables(options: argparse.Namespace) -> int:
    with shown_as(_table_line) as progress:
        report = _WRITERS[options.format](
            options.folder,
            tracking_uri=options.lake,
            experiments=options.experiment,
            progress=progress,
        )
    tables = report.tables.values()
    rows, size = sum(each.rows for each in tables), sum(each.bytes for each in tables)
    lines = [f"{name:32} {each.rows:>14,}\n" for name, each in report.tables.items()]
    write([*lines, f"wrote {rows:,} rows, {size:,} bytes to {report.folder}\n"])
    return 0


def _table_line(progress: TableProgress) -> str:
    return (
        f"{progress.table} ({progress.place} of {progress.tables} tables)  "
        f"{progress.rows:,} rows"
    )
