"""``lakeflow registry``: what was done to registered models, and by whom."""

from __future__ import annotations

import argparse
import datetime
import re

from lakeflow.cli.sql import lines
from lakeflow.cli.terminal import write
from lakeflow.registry import history

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

    for each in (told,):
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
