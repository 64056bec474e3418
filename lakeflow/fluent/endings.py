"""How this process ends, as the status of the runs that nobody has ended.

An exception that nobody catches is left by Python in ``sys.last_value``. The status of
``sys.exit`` it leaves nowhere, so ``sys.exit`` is wrapped; and a thread that dies is only told
to ``threading.excepthook``, which is chained. By SIGTERM and SIGHUP a process dies without a
word: where their default is in place while a run is open, a handler of ours ends the runs,
then lets the signal do what it would have done. No handler of the application is replaced.
"""

from __future__ import annotations

import contextlib
import functools
import opcode
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

# A store that does not answer must not keep a process that is told to end.
_MOST_SECONDS_TO_END_RUNS = 10

_exit_asked_for: tuple[FrameType, object] | None = None
_end_runs: Callable[[str], None] = lambda _: None  # noqa: E731


def status_of(kind: type[BaseException]) -> str:
    """Return the status of a run that an exception has ended."""
    # Ctrl-C is somebody's wish, and no fault of the run.
    return "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"


def status() -> str:
    """Return the status for runs that are still open while the process ends."""
    error = getattr(sys, "last_value", None)
    trace = getattr(error, "__traceback__", None)
    if error is not None and trace is not None and _was_left_by_an_exception(trace.tb_frame):
        return status_of(type(error))
    if _exit_asked_for is not None:
        outermost, code = _exit_asked_for
        is_success = code is None or (isinstance(code, int) and code == 0)
        if not is_success and _was_left_by_an_exception(outermost):
            return "FAILED"
    return "FINISHED"


def _was_left_by_an_exception(frame: FrameType) -> bool:
    """Return whether nobody up to a frame has caught an exception.

    A notebook and a prompt report an exception to ``sys.last_value`` too, and go on. There the
    outermost frame ends by returning.
    """
    if hasattr(sys, "ps1") or frame.f_lasti < 0:
        return False
    instruction = opcode.opname[frame.f_code.co_code[frame.f_lasti]]
    return not instruction.startswith("RETURN")


@functools.cache
def watch(end_runs: Callable[[str], None], end_runs_of_thread: Callable[[str], None]) -> None:
    """Learn how the process and its threads end, from the first call on.

    Args:
        end_runs: Ends all runs that are open with a status; called before a signal kills.
        end_runs_of_thread: Ends those of this thread; called when it dies by an exception.
    """
    global _end_runs
    _end_runs = end_runs
    _wrap_exit()
    _chain_excepthook(end_runs_of_thread)


def _wrap_exit() -> None:
    original = sys.exit

    @functools.wraps(original)
    def exit_noted(*args: Any) -> None:
        global _exit_asked_for
        # In another thread it ends the thread alone.
        if threading.current_thread() is threading.main_thread():
            frame = sys._getframe()
            while frame.f_back is not None:
                frame = frame.f_back
            _exit_asked_for = frame, args[0] if args else None
        original(*args)

    sys.exit = exit_noted  # type: ignore[assignment]


def _chain_excepthook(end_runs_of_thread: Callable[[str], None]) -> None:
    original = threading.excepthook

    @functools.wraps(original)
    def runs_ended(args: threading.ExceptHookArgs) -> None:
        try:
            end_runs_of_thread(status_of(args.exc_type))
        finally:
            original(args)

    threading.excepthook = runs_ended


def guard() -> None:
    """Let no signal kill the process without a word; does nothing outside the main thread."""
    _replace(signal.SIG_DFL, _end_and_die)


def unguard() -> None:
    """Put back what ``guard`` has replaced."""
    _replace(_end_and_die, signal.SIG_DFL)


def _replace(old: Any, new: Any) -> None:
    # Python lets no other thread set handlers.
    if threading.current_thread() is not threading.main_thread():
        return
    for each in _SIGNALS:
        if signal.getsignal(each) == old:
            # Nor does it let the main thread of a second interpreter.
            with contextlib.suppress(ValueError):
                signal.signal(each, new)


def _end_and_die(number: int, _: FrameType | None) -> None:
    # An application's handler that calls the one before it ends as it likes.
    if signal.getsignal(number) != _end_and_die:
        return
    # From here on a second signal kills at once, and so does the timer.
    signal.signal(number, signal.SIG_DFL)
    limit = threading.Timer(_MOST_SECONDS_TO_END_RUNS, os.kill, (os.getpid(), number))
    limit.daemon = True
    try:
        limit.start()
        _end_runs("KILLED")
    finally:
        os.kill(os.getpid(), number)


# A child has no run of its own yet. Put back in the child alone, a signal that comes before
# that is lost: Python has noted it for a handler which is gone.
os.register_at_fork(before=unguard, after_in_child=unguard)
