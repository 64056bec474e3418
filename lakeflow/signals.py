"""What the handler of a signal has raised, told from what it has interrupted.

Python calls a handler in the middle of whatever the main thread does. One that ends what takes
too long raises ``TimeoutError`` as a rule, and that is an answer of a disk or a store to
whoever has asked it.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType


def let_through(error: BaseException) -> None:
    """Raise what a handler has raised, if an error is that or was made of it.

    To be called before an error is taken for one of a library, made another one, or put aside.
    It looks where the error comes from; that takes some microseconds.
    """
    handlers = set(_codes())
    found: BaseException | None = error
    while found is not None:
        trace = found.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code in handlers:
                raise found
            trace = trace.tb_next
        found = found.__cause__


def _codes() -> Iterator[CodeType]:
    """Yield the code of each handler that is written in Python."""
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if callable(handler):
            # A function or method, a partial one, or an object of a class of its own.
            for each in (handler, getattr(handler, "func", None), type(handler).__call__):
                code = getattr(each, "__code__", None)
                if code is not None:
                    yield code
