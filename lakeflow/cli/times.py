"""Times as people type them."""

from __future__ import annotations

import argparse
import datetime
import re


def time(text: str) -> int | datetime.datetime:
    """Return a time: a ``datetime``, or milliseconds since the Unix epoch.

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    if re.fullmatch("[0-9]+", text):
        return int(text)
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time such as 2026-11-24T12:00 and no number of milliseconds"
        ) from error
