"""``lakeflow copy``: its arguments, its progress, its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lakeflow
from lakeflow.cli.terminal import shown_progress, write

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("source", help="location of the lake")
    parser.add_argument("target", help="a new folder, or an older copy of the lake")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        LakeflowException: The lake cannot be copied.
    """
    with shown_progress() as progress:
        report = lakeflow.copy(options.source, options.target, progress=progress)
    write([f"copied {report.files:,} files, {report.bytes:,} bytes\n"])
    return 0
