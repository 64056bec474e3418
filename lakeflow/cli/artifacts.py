"""``lakeflow artifacts``: files beside runs, listed, fetched and logged; all files, checked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from lakeflow import LakeflowClient
from lakeflow.artifacts import download_artifacts, list_artifacts, verify
from lakeflow.cli.sql import add_format, lines
from lakeflow.cli.terminal import complain, write
from lakeflow.entities import FileInfo
from lakeflow.exceptions import InvalidInputError, LakeflowException, StorageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from lakeflow.maintenance.report import Finding, VerificationReport

_WHERE = "id of a run, or runs:/<id>/<path>, a path of this machine, any URL"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    ls = verbs.add_parser("ls", help="list a folder", description="List a folder of artifacts.")
    ls.add_argument("where", metavar="RUN", help=_WHERE)
    ls.add_argument("path", nargs="?", help="a folder or file there (default: everything)")
    ls.add_argument("-r", "--recursive", action="store_true", help="what is in folders, too")
    add_format(ls)
    ls.set_defaults(run=_list)

    get = verbs.add_parser(
        "get",
        help="fetch a file or folder",
        description="Fetch a file or folder of artifacts, and print where it is. What was "
        "logged is checked by its SHA-256.",
    )
    get.add_argument("where", metavar="RUN", help=_WHERE)
    get.add_argument("path", nargs="?", help="a file or folder there; left out after a URI")
    get.add_argument("target", nargs="?", help="a folder, made if need be (default: .)")
    get.set_defaults(run=_get, parser=get)

    put = verbs.add_parser(
        "put",
        help="log a file or folder",
        description="Log a file, or a folder with its name; with a slash after the name of the "
        "folder, what is in it. What is there already is not sent again.",
    )
    put.add_argument("run_id", help="id of a run")
    put.add_argument("local", help="a file or folder of this machine")
    put.add_argument("path", nargs="?", help="a folder among the artifacts to put it into")
    put.set_defaults(run=_put)

    check = verbs.add_parser(
        "verify",
        help="find what has changed since it was logged",
        description="Compare files with what was recorded when they were logged: those of the "
        "whole lake, or of some runs and logged models. The status is 1 if a file is missing, "
        "changed or unreadable.",
    )
    check.add_argument("run_ids", nargs="*", metavar="RUN_ID", help="only of these runs")
    for option, what in (
        ("--model", "of this logged model"),
        ("--experiment", "of the runs and logged models of this experiment"),
    ):
        check.add_argument(
            option, action="append", metavar="ID", help=f"only {what}; may be repeated"
        )
    check.add_argument("--quick", action="store_true", help="compare sizes, and read no file")
    add_format(check)
    check.set_defaults(run=_verify)

    for each in (ls, get, put, check):
        each.add_argument(
            "--uri", help="location of the lake (default: LAKEFLOW_TRACKING_URI, ./lake)"
        )


def _uri(where: str, path: str | None) -> str:
    """Return the URI of artifacts; a name without any mark of one is the id of a run."""
    is_uri = "/" in where or ":" in where
    whole = where if is_uri else f"runs:/{where}"
    return f"{whole.rstrip('/')}/{path}" if path else whole


def _list(options: argparse.Namespace) -> int:
    import pyarrow

    uri = _uri(options.where, options.path).rstrip("/") or "/"
    found = list_artifacts(uri, tracking_uri=options.uri) or _itself(uri, options.uri)
    refused: list[LakeflowException] = []
    if options.recursive:
        found = list(_with_folders(uri, found, options.uri, refused))
    # With their types, which a column without rows cannot tell.
    rows = pyarrow.table(
        {
            "kind": pyarrow.array(
                ["folder" if each.is_dir else "file" for each in found], pyarrow.string()
            ),
            "size": pyarrow.array([each.file_size for each in found], pyarrow.int64()),
            "path": pyarrow.array([each.path for each in found], pyarrow.string()),
        }
    )
    write(lines(rows, options.format))
    for error in refused:
        complain(f"lakeflow: {error.error_code}: not listed: {error}")
    return 1 if refused else 0


def _itself(uri: str, tracking_uri: str | None) -> list[FileInfo]:
    """Return a file as its folder lists it; nothing for a folder with nothing in it.

    Raises:
        StorageError: There is no such artifact.
    """
    around, _, name = uri.rpartition("/")
    # That is where a run or a store begins.
    if not around or around.endswith((":", "/")):
        return []
    for each in list_artifacts(around, tracking_uri=tracking_uri):
        # In a URL of a file the name is quoted, and in what is listed it is not.
        if each.path.rpartition("/")[2] in {name, unquote(name)}:
            return [] if each.is_dir else [each]
    raise StorageError(f"No such artifact: {uri}", "RESOURCE_DOES_NOT_EXIST")


def _with_folders(
    uri: str,
    found: Iterable[FileInfo],
    tracking_uri: str | None,
    refused: list[LakeflowException],
) -> Iterator[FileInfo]:
    """Yield what is in a folder, and after each folder what is in that."""
    for each in found:
        yield each
        if not each.is_dir:
            continue
        name = each.path.rpartition("/")[2]
        below = f"{uri}/{quote(name) if uri.lower().startswith('file:') else name}"
        try:
            inside = list_artifacts(below, tracking_uri=tracking_uri)
        except (InvalidInputError, StorageError) as error:
            # Another tool may give names that no artifact has.
            refused.append(error)
            continue
        # Paths are below the folder around the one that is listed, unless it is that of a run.
        rows = (
            FileInfo(f"{each.path}/{row.path.rpartition('/')[2]}", row.is_dir, row.file_size)
            for row in inside
        )
        yield from _with_folders(below, rows, tracking_uri, refused)


def _get(options: argparse.Namespace) -> int:
    path, target = options.path, options.target
    if "/" in options.where or ":" in options.where:
        if target is not None:
            options.parser.error("a URI names the file: after it there is but the target")
        # argparse takes the only word after a URI for the path.
        path, target = None, path
    uri = _uri(options.where, path)
    local = download_artifacts(uri, dst_path=target or ".", tracking_uri=options.uri)
    write([f"{os.path.normpath(local)}\n"])
    return 0


def _put(options: argparse.Namespace) -> int:
    client = LakeflowClient(options.uri)
    if options.local.endswith("/"):
        client.log_artifacts(options.run_id, options.local, options.path)
    else:
        client.log_artifact(options.run_id, options.local, options.path)
    return 0


def _verify(options: argparse.Namespace) -> int:
    report = verify(
        options.run_ids or None,
        options.experiment,
        model_ids=options.model,
        quick=options.quick,
        tracking_uri=options.uri,
    )
    write(_report_lines(report, options.format))
    return 0 if report.is_good else 1


def _report_lines(report: VerificationReport, kind: str) -> Iterator[str]:
    columns = ("problem", "run_id", "model_id", "path", "detail")
    yield from findings(report.findings, columns, kind)
    if kind == "table":
        counts = [
            f"{report.count(problem):,} {problem}"
            for problem in ("missing", "changed", "unreadable", "unrecorded")
        ]
        yield (
            f"{_count(report.files, 'file')} of {_count(report.runs, 'run')} and "
            f"{_count(report.models, 'model')}, {_count(report.bytes, 'byte')}: "
            f"{', '.join(counts)}\n"
        )


def findings(found: Sequence[Finding], columns: Sequence[str], kind: str) -> Iterator[str]:
    """Yield findings as lines in a format; nothing for a table without any."""
    import pyarrow

    rows = pyarrow.table(
        {
            name: pyarrow.array([getattr(each, name) for each in found], pyarrow.string())
            for name in columns
        }
    )
    if found or kind != "table":
        yield from lines(rows, kind)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
