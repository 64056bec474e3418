"""``lakeflow server`` and ``lakeflow ui``: their arguments, and where they listen."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lakeflow.cli.terminal import write
from lakeflow.cli.values import duration, port

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = ("server", "ui")

_PORT = 5000
"""Where MLflow's server listens unless it is told otherwise."""


def divided(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the command's own words, and those after ``--``, which are MLflow's.

    Args:
        words: The whole command line; that of other commands stays as it is.
    """
    words = list(words)
    # argparse would take what follows -- for positional arguments of ours.
    if words[:1] and words[0] in _COMMANDS and "--" in words:
        at = words.index("--")
        return words[:at], words[at + 1 :]
    return words, []


def add_arguments(parser: argparse.ArgumentParser, *, workers: int, create: bool) -> None:
    """Add what the command takes.

    Args:
        parser: The command's parser.
        workers: How many processes answer by default.
        create: Whether it makes a lake where there is none.
    """
    made = ", which is made if there is none" if create else ""
    parser.add_argument(
        "uri",
        nargs="?",
        help=f"location of the lake{made} (default: LAKEFLOW_TRACKING_URI, ./lake)",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: 127.0.0.1); whoever reaches it may write",
    )
    parser.add_argument(
        "--port",
        type=port,
        default=_PORT,
        help=f"port to listen on, 0 for a free one (default: {_PORT})",
    )
    parser.add_argument(
        "--workers",
        type=_count,
        default=workers,
        help=f"processes that answer (default: {workers})",
    )
    parser.add_argument(
        "--artifacts-destination",
        metavar="URI",
        help="where artifacts of remote clients go (default: artifacts of the lake)",
    )
    parser.add_argument(
        "--compact-every",
        type=_every,
        default=60.0,
        metavar="TIME",
        help="compact the lake each 30s, 5m, 1h, or never (default: 1m)",
    )
    parser.set_defaults(run=run, create=create, passed_on=[])


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes")
    return int(text)


def _every(text: str) -> float | None:
    return None if text == "never" else duration(text)


def run(options: argparse.Namespace) -> int:
    """Run the command until it is interrupted or asked to end.

    Raises:
        LakeflowException: MLflow is not installed, it cannot listen, or the lake cannot be
            opened.
    """
    # Loads what asks servers over HTTP, which no other command needs.
    from lakeflow.mlflow.serving import Serving, serve

    serving = Serving(
        host=options.host,
        port=options.port,
        workers=options.workers,
        artifacts_destination=options.artifacts_destination,
        compact_every_s=options.compact_every,
        options=options.passed_on,
    )
    return serve(
        options.uri,
        serving,
        create=options.create,
        ready=_say,
    )


def _say(url: str) -> None:
    write([f"MLflow is at {url}\n"])
