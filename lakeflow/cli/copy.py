"""``lakeflow copy``: its arguments, its progress, its report."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import lakeflow
from lakeflow.cli.compact import show_progress

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
    progress = show_progress if sys.stderr.isatty() else None
    report = lakeflow.copy(options.source, options.target, progress=progress)
    if progress is not None:
        print("\r\033[K", end="", file=sys.stderr)
    print(f"copied {report.files:,} files, {report.bytes:,} bytes")
    return 0
