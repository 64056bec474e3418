"""The ``lakeflow`` command: parse arguments, call, print."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

import lakeflow
from lakeflow.cli import (
    artifacts,
    compact,
    compat,
    copy,
    exporting,
    importing,
    otlp,
    registry,
    server,
    sql,
    sync,
    traces,
)
from lakeflow.cli.terminal import complain, ready, write
from lakeflow.exceptions import LakeflowException
from lakeflow.system_errors import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, or 1 where something went wrong."""
    # Before anything can go wrong: errors go to streams that this makes sure of.
    ready()
    try:
        options = _options(sys.argv[1:] if arguments is None else arguments)
        return int(options.run(options))
    except LakeflowException as error:
        complain(f"lakeflow: {error.error_code}: {error}")
        return 1
    except KeyboardInterrupt:
        # As a shell says it of what SIGINT has ended.
        return 130
    except Exception as error:
        # Nobody who runs a command reads a traceback, and who develops it asks for one.
        if sys.flags.dev_mode:
            raise
        refusal = refused("run the command", error)
        if refusal is not None:
            complain(f"lakeflow: {refusal.error_code}: {refusal}")
            return 1
        complain(
            f"lakeflow: INTERNAL_ERROR: {type(error).__name__}: {error}\n"
            "Hint: python -X dev -m lakeflow shows where it came from"
        )
        return 1


_COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str, str]] = {
    "artifacts": (
        artifacts.add_arguments,
        "list, fetch, log and check the files beside runs",
        "The files beside runs.",
    ),
    "compact": (
        compact.add_arguments,
        "fold the log into the Delta tables",
        "Fold a lake's log into its Delta tables, merge small files, and delete what "
        "nothing needs any more. Safe to stop and to run twice at once.",
    ),
    "compat": (
        compat.add_arguments,
        "say which scripts run on lakeflow instead of MLflow",
        "Read scripts that use MLflow, without running them, and list what lakeflow "
        "does not have. The status is 0 where a changed import is enough for all of "
        "them, else 1.",
    ),
    "copy": (
        copy.add_arguments,
        "copy a lake that is in use",
        "Copy a lake as it is now to another folder or store, while others log to it. "
        "Made again it goes on where it was stopped, and brings what is new.",
    ),
    "export": (
        exporting.add_arguments,
        "write the lake to MLflow, or as plain Parquet or CSV",
        "Move out: what the lake holds goes to MLflow's own stores and servers, or into plain "
        "files with a README of their columns.",
    ),
    "import": (
        importing.add_arguments,
        "bring what other trackers hold into a lake",
        "Bring experiments, runs and files of another tracker into a lake.",
    ),
    "otlp": (
        otlp.add_arguments,
        "receive traces of OpenTelemetry over HTTP",
        "Receive spans, and logs of GenAI events, that applications send by "
        "OpenTelemetry's protocol over HTTP, until it is interrupted. What is "
        "answered with 200 is in the lake.",
    ),
    "registry": (
        registry.add_arguments,
        "compare and approve model versions, and list what was done to them",
        "Registered models and their versions.",
    ),
    "server": (
        partial(server.add_arguments, workers=4, create=True),
        "run MLflow's server over the lake",
        "Run MLflow's server, with its UI, over a lake, and compact the lake beside "
        "it, until it is interrupted. What follows -- is passed on to `mlflow "
        "server`.",
    ),
    "sql": (
        sql.add_arguments,
        "ask the lake in SQL",
        "Answer a SELECT over the whole lake, what is not compacted yet included. It "
        "only reads.",
    ),
    "sync": (
        sync.add_arguments,
        "bring what one lake holds into another one",
        "Bring what is new in a lake, such as that of a compute node, into another one. "
        "Each record counts once, however often, in which direction and by how many it is "
        "synced. The status is 0 where all was brought, else 1.",
    ),
    "traces": (
        traces.add_arguments,
        "list, show, count and follow traces",
        "Traces and their spans.",
    ),
    "ui": (
        partial(server.add_arguments, workers=1, create=False),
        "look at the lake in MLflow's UI",
        "Run MLflow's server and UI over a lake that is there, for one who looks at "
        "it, until it is interrupted. What follows -- is passed on to `mlflow "
        "server`.",
    ),
}
"""For each command what adds its arguments, and what it does in a line and in a paragraph."""


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    words, passed_on = server.divided(arguments)
    try:
        options = _parser().parse_args(words)
    except SystemExit:
        # It has printed its help. Python would write it when it ends, and say what it thinks of
        # who does not read it.
        write(())
        raise
    options.passed_on = passed_on
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lakeflow", description="A tracking lakehouse for machine learning."
    )
    parser.add_argument("--version", action="version", version=lakeflow.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (add_arguments, line, paragraph) in _COMMANDS.items():
        add_arguments(commands.add_parser(name, help=line, description=paragraph))
    return parser
