"""How far files are on their way, in a line of the terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS_BEFORE_IT_IS_SHOWN = 1.0
_SECONDS_BETWEEN_LINES = 0.2


def shown(
    what: str, files: int, *, is_wanted: bool
) -> contextlib.AbstractContextManager[Callable[[int], None]]:
    """Return what gives a call for the bytes of each file that has arrived.

    Nothing is shown in the first second, nor where standard error is no terminal.

    Args:
        what: What is being done, such as ``uploaded``.
        files: How many files there are.
        is_wanted: Whether to show anything.
    """
    stream = sys.stderr
    return _shown(stream, what, files) if is_wanted and _is_terminal(stream) else _NOWHERE


_NOWHERE = contextlib.nullcontext[Callable[[int], None]](lambda size: None)


@contextlib.contextmanager
def _shown(stream: TextIO, what: str, files: int) -> Iterator[Callable[[int], None]]:
    begun = time.monotonic()
    lock = threading.Lock()
    # As if a line had been shown shortly before the first one may be.
    done, sent, shown_at = 0, 0, begun + _SECONDS_BEFORE_IT_IS_SHOWN - _SECONDS_BETWEEN_LINES

    def advance(size: int) -> None:
        nonlocal done, sent, shown_at
        with lock:
            done, sent, now = done + 1, sent + size, time.monotonic()
            if now - shown_at < _SECONDS_BETWEEN_LINES:
                return
            shown_at = now
            rate = sent / 1e6 / (now - begun)
            line = f"{what} {done:,} of {files:,} files, {sent / 1e6:,.1f} MB, {rate:,.1f} MB/s"
            _put(f"\r\033[K{line}")

    def _put(text: str) -> None:
        # A terminal that is gone is no reason to stop a transfer.
        with contextlib.suppress(OSError, ValueError):
            stream.write(text)
            stream.flush()

    try:
        yield advance
    finally:
        if shown_at > begun + _SECONDS_BEFORE_IT_IS_SHOWN - _SECONDS_BETWEEN_LINES:
            _put("\r\033[K")


def _is_terminal(stream: TextIO | None) -> bool:
    # Where Python is embedded there may be no stream, and others close it.
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False
