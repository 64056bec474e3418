"""``lakeflow otlp``: its arguments, and where it listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.cli.terminal import write
from lakeflow.cli.values import port
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

# OpenTelemetry's for its protocol over HTTP.
_PORT = 4318


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "uri",
        nargs="?",
        help="location of the lake, which is made if there is none "
        "(default: LAKEFLOW_TRACKING_URI, ./lake)",
    )
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        help="experiment of what names none, made if there is none "
        "(default: LAKEFLOW_EXPERIMENT_NAME, Default)",
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
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command until it is interrupted or asked to end.

    Raises:
        LakeflowException: It cannot listen, or the lake cannot be opened.
    """
    _serve()(
        options.uri,
        experiment=options.experiment,
        host=options.host,
        port=options.port,
        ready=lambda url: write([f"receiving OTLP at {url}\n"]),
    )
    return 0


def _serve() -> Callable[..., None]:
    try:
        from lakeflow.tracing.otlp.serving import serve
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            f"the receiver takes {error.name}, which is not installed",
            hint="pip install 'lakeflow[otlp]'",
        ) from error
    return serve
