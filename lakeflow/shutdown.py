"""What is done when the interpreter ends."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
from concurrent.futures import thread as executors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger(__name__)


def at_shutdown(function: Callable[[], None]) -> None:
    """Call a function when the interpreter ends, the last one registered first.

    It is called while threads can still be started, unless the program has threads of its own
    that go on; then it is called after them.

    Args:
        function: May be called twice.
    """
    # For programs with threads that go on, for which the call below does nothing.
    atexit.register(_called, function)
    # atexit is too late for what needs threads, as calls of a remote filesystem do: none can be
    # started any more. This private function of Python's is the one way to be called before.
    with contextlib.suppress(RuntimeError):  # it is ending already
        # Executors use it as well; imported above, theirs is called after this one.
        threading._register_atexit(_early, function)  # type: ignore[attr-defined]


def _early(function: Callable[[], None]) -> None:
    # Such threads may still log, and what they log must be closed after them.
    if not any(map(_goes_on, threading.enumerate())):
        _called(function)


def _called(function: Callable[[], None]) -> None:
    try:
        function()
    except Exception:
        # Raised, it would keep what others have registered from being called.
        _logger.exception("failed while the interpreter ended")


def _goes_on(thread: threading.Thread) -> bool:
    """Return whether the interpreter will wait for a thread that may do anything."""
    # Threads of executors do not count: they are told to end right after this.
    is_waited_for = not thread.daemon and thread is not threading.main_thread()
    return is_waited_for and thread not in executors._threads_queues
