"""The ``lakeflow`` command: parse arguments, call, print."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import lakeflow
from lakeflow.cli import artifacts, compact, compat, copy, otlp, registry, server, sql, traces
from lakeflow.cli.terminal import complain, ready
from lakeflow.exceptions import LakeflowException

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, or 1 where something went wrong."""
    ready()
    words, passed_on = server.divided(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(words)
    options.passed_on = passed_on
    try:
        return int(options.run(options))
    except LakeflowException as error:
        complain(f"lakeflow: {error.error_code}: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # Nobody who runs a command reads a traceback, and who develops it asks for one.
        if sys.flags.dev_mode:
            raise
        complain(
            f"lakeflow: INTERNAL_ERROR: {type(error).__name__}: {error}\n"
            "Hint: python -X dev -m lakeflow.cli shows where it came from"
        )
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lakeflow", description="A tracking lakehouse for machine learning."
    )
    parser.add_argument("--version", action="version", version=lakeflow.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    artifacts.add_arguments(
        commands.add_parser(
            "artifacts",
            help="list, fetch, log and check the files beside runs",
            description="The files beside runs.",
        )
    )
    compact.add_arguments(
        commands.add_parser(
            "compact",
            help="fold the log into the Delta tables",
            description="Fold a lake's log into its Delta tables, merge small files, and "
            "delete what nothing needs any more. Safe to stop and to run twice at once.",
        )
    )
    compat.add_arguments(
        commands.add_parser(
            "compat",
            help="say which scripts run on lakeflow instead of MLflow",
            description="Read scripts that use MLflow, without running them, and list what "
            "lakeflow does not have. The status is 0 where a changed import is enough for all "
            "of them, else 1.",
        )
    )
    copy.add_arguments(
        commands.add_parser(
            "copy",
            help="copy a lake that is in use",
            description="Copy a lake as it is now to another folder or store, while others "
            "log to it. Made again it goes on where it was stopped, and brings what is new.",
        )
    )
    otlp.add_arguments(
        commands.add_parser(
            "otlp",
            help="receive traces of OpenTelemetry over HTTP",
            description="Receive spans, and logs of GenAI events, that applications send by "
            "OpenTelemetry's protocol over HTTP, until it is interrupted. What is answered "
            "with 200 is in the lake.",
        )
    )
    registry.add_arguments(
        commands.add_parser(
            "registry",
            help="compare and approve model versions, and list what was done to them",
            description="Registered models and their versions.",
        )
    )
    server.add_arguments(
        commands.add_parser(
            "server",
            help="run MLflow's server over the lake",
            description="Run MLflow's server, with its UI, over a lake, and compact the lake "
            "beside it, until it is interrupted. What follows -- is passed on to `mlflow "
            "server`.",
        ),
        workers=4,
        create=True,
    )
    sql.add_arguments(
        commands.add_parser(
            "sql",
            help="ask the lake in SQL",
            description="Answer a SELECT over the whole lake, what is not compacted yet "
            "included. It only reads.",
        )
    )
    traces.add_arguments(
        commands.add_parser(
            "traces",
            help="list, show, count and follow traces",
            description="Traces and their spans.",
        )
    )
    server.add_arguments(
        commands.add_parser(
            "ui",
            help="look at the lake in MLflow's UI",
            description="Run MLflow's server and UI over a lake that is there, for one who "
            "looks at it, until it is interrupted. What follows -- is passed on to `mlflow "
            "server`.",
        ),
        workers=1,
        create=False,
    )
    return parser
