"""``lakeflow registry``: what was done to registered models, versions compared and approved."""

from __future__ import annotations

import argparse
import datetime
import re

from lakeflow.cli.sql import lines
from lakeflow.cli.terminal import write
from lakeflow.printable import printable
from lakeflow.registry import approve_model_version, diff, history

_FORMATS = ("table", "csv", "json", "jsonl")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    told = verbs.add_parser(
        "history",
        help="list every change of a model",
        description="List every change of a registered model and of its versions: when, who, "
        "what, and what was there before. Also by a name that it had, and when it is deleted.",
    )
    told.add_argument("name", metavar="NAME", help="a name that the model has or had")
    told.add_argument(
        "--as-of",
        type=_time,
        metavar="TIME",
        help="only until then: a time such as 2026-11-24T12:00, local unless it says "
        "otherwise, or milliseconds since the Unix epoch",
    )
    _add_format(told)
    told.set_defaults(run=_history)

    compared = verbs.add_parser(
        "diff",
        help="show two versions side by side",
        description="Show in what two versions of a model and the runs that made them differ: "
        "fields, tags, params, metrics, datasets, source commit.",
    )
    compared.add_argument("name", metavar="NAME", help="name of the model")
    for letter in "ab":
        compared.add_argument(
            f"version_{letter}", metavar=letter.upper(), help="a version, or @ and an alias"
        )
    compared.add_argument("--all", action="store_true", help="what is the same in both, too")
    _add_format(compared)
    compared.set_defaults(run=_diff)

    decided = verbs.add_parser(
        "approve",
        help="record a decision on a version",
        description="Record in the history that a version is approved, or rejected, and why.",
    )
    decided.add_argument("name", metavar="NAME", help="name of the model")
    decided.add_argument("version", metavar="VERSION", help="number of the version")
    decided.add_argument("--note", metavar="TEXT", help="why")
    decided.add_argument("--evidence", metavar="URI", help="where the evidence is")
    decided.add_argument("--reject", action="store_true", help="it is rejected")
    decided.set_defaults(run=_approve)

    for each in (told, compared, decided):
        each.add_argument(
            "--uri",
            help="location of the registry (default: LAKEFLOW_REGISTRY_URI, "
            "LAKEFLOW_TRACKING_URI, ./lake)",
        )


def _add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=_FORMATS, default="table", help="default: table")


def _time(text: str) -> int | datetime.datetime:
    if re.fullmatch("[0-9]+", text):
        return int(text)
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time such as 2026-11-24T12:00 and no number of milliseconds"
        ) from error


def _history(options: argparse.Namespace) -> int:
    found = history(options.name, as_of=options.as_of, registry_uri=options.uri)
    write(lines(found, options.format))
    return 0


def _diff(options: argparse.Namespace) -> int:
    found = diff(
        options.name,
        options.version_a,
        options.version_b,
        everything=options.all,
        registry_uri=options.uri,
        tracking_uri=options.uri,
    )
    write(lines(found, options.format))
    return 0


def _approve(options: argparse.Namespace) -> int:
    found = approve_model_version(
        options.name,
        options.version,
        decision="rejected" if options.reject else "approved",
        note=options.note,
        evidence=options.evidence,
        registry_uri=options.uri,
    )
    write([f"version {found.version} of {printable(found.name)} is {found.approval}\n"])
    return 0
