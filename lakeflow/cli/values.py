"""Values as people type them."""

from __future__ import annotations

import argparse
import datetime
import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def time(text: str) -> int | datetime.datetime:
    """Return a time: a ``datetime``, or milliseconds since the Unix epoch.

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    # Before ISO 8601, which has digits alone as well: 20261124 is a day there.
    if re.fullmatch("[0-9]+", text):
        return int(text)
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time such as 2026-11-24T12:00 and no number of milliseconds"
        ) from error


def duration(text: str) -> float:
    """Return the seconds of a text such as ``30s``, ``5m`` or ``1h``.

    Raises:
        argparse.ArgumentTypeError: It is none, or of no length.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if match is None or float(match[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 30s, 5m or 1h")
    return float(match[1]) * _UNITS[match[2] or "s"]


def port(text: str) -> int:
    """Return the number of a port; 0 is for any that is free.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to 65535")
    return int(text)
