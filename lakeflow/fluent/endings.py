"""How this process ends, as the status of the runs that nobody has ended.

An exception that nobody catches is left by Python in ``sys.last_value``. The status of
``sys.exit`` it leaves nowhere, so ``sys.exit`` is wrapped, as are ``exit`` and ``quit``. A
child of ``multiprocessing`` leaves neither: there a hook of its own is called while the
exception is under way. Of a ``SystemExit`` that a program raises itself nothing is left but the
place where the program stopped: there a status is read that is written out, and any other is
taken for success. A thread that dies is only told to ``threading.excepthook``, which is
chained. By SIGTERM and SIGHUP a process dies without a word: where their default is in place
while a run is open or begun, a handler of ours has the runs ended, then lets the signal do what
it would have done. No handler of the application is replaced. Python lets the main thread alone
set handlers, so runs of other threads are ended only where it has a run too, or has chosen an
experiment: from then on the handler stays.

A handler runs in the middle of whatever the main thread does, and that may be a call of ours
with a lock in hand, or half a record written. So the runs are ended by another thread, and a
call that was interrupted goes on meanwhile.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import os
import signal
import sys
import threading
import time
from opcode import opname
from typing import TYPE_CHECKING, Any

from lakeflow.stores.interrupted import is_ours, stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

# A store that does not answer must not keep a process that is told to end.
_MOST_SECONDS_TO_END_RUNS = 10.0

_SECONDS_BETWEEN_LOOKS = 0.01

# What ``sys.exit`` was given last, and the outermost frame at that time.
_exit_asked_for: tuple[FrameType, object] | None = None

# Of the main thread the outermost frame, and that of the program, as the first run began.
_begun_in: tuple[FrameType, FrameType] | None = None
_end_runs: Callable[[str], None] = lambda _: None  # noqa: E731

# What a child of ``multiprocessing`` ends by, None if by nothing; empty while it has not ended.
_child_ended_by: list[BaseException | None] = []

# Whether the handlers stay while no run is open.
_is_standing = False

# Whether they were in place before a fork.
_was_guarded = False

# A signal has come, and the runs are being ended.
_is_dying = False

# One for each run that is being begun: nobody can end it yet.
_beginnings: dict[object, None] = {}


def status_of(kind: type[BaseException]) -> str:
    """Return the status of a run that an exception has ended."""
    # Ctrl-C is somebody's wish, and no fault of the run.
    return "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"


def status() -> str:
    """Return the status for runs that are still open while the process ends."""
    if _child_ended_by:
        ended_by = _child_ended_by[0]
        if isinstance(ended_by, SystemExit):
            return _status_of_exit(ended_by.code)
        return "FINISHED" if ended_by is None else status_of(type(ended_by))
    error = getattr(sys, "last_value", None)
    trace = getattr(error, "__traceback__", None)
    if error is not None and trace is not None and _was_left_by_an_exception(trace.tb_frame):
        return status_of(type(error))
    if _exit_asked_for is not None and _was_left_by_an_exception(_exit_asked_for[0]):
        return _status_of_exit(_exit_asked_for[1])
    if _begun_in is not None and _was_left_by_an_exception(_begun_in[0]):
        return _status_of_exit(_exit_written_out(_begun_in[1]))
    return "FINISHED"


def _status_of_exit(code: object) -> str:
    is_success = code is None or (isinstance(code, int) and code == 0)
    return "FINISHED" if is_success else "FAILED"


def _was_left_by_an_exception(frame: FrameType) -> bool:
    """Return whether nobody up to a frame has caught an exception.

    A notebook and a prompt report an exception to ``sys.last_value`` too, and go on. There the
    outermost frame ends by returning.
    """
    if hasattr(sys, "ps1") or frame.f_lasti < 0:
        return False
    instruction = opname[frame.f_code.co_code[frame.f_lasti]]
    return not instruction.startswith("RETURN")


def _exit_written_out(frame: FrameType) -> object:
    """Return the 3 of a ``raise SystemExit(3)`` where a frame stopped; None if it did not."""
    # Which few programs need. After Ctrl-C, which does not come here, Python would forget what
    # the process died of: the module evaluates text while it is loaded.
    import dis

    # Which of them stand between a class and its argument depends on the version of Python.
    calls = {"PUSH_NULL", "PRECALL", "CALL"}
    steps = [
        (each.opname, each.argval)
        for each in dis.get_instructions(frame.f_code)
        if each.offset <= frame.f_lasti and each.opname not in calls
    ]
    match steps[-3:]:
        case [(_, "SystemExit"), ("LOAD_CONST" | "LOAD_SMALL_INT", code), ("RAISE_VARARGS", 1)]:
            return code
    return None


@functools.cache
def watch(end_runs: Callable[[str], None], end_runs_of_thread: Callable[[str], None]) -> None:
    """Learn how the process and its threads end, from the first call on.

    Args:
        end_runs: Ends all runs that are open with a status; called before a signal kills.
        end_runs_of_thread: Ends those of this thread; called when it dies by an exception.
    """
    global _begun_in, _end_runs
    _end_runs = end_runs
    # A run may begin in any thread, and the process ends in this one.
    frames = stack(sys._current_frames().get(threading.main_thread().ident or 0))
    program = [each for each in frames if _is_program(each)]
    if program:
        _begun_in = frames[-1], program[-1]
    _chain_excepthook(end_runs_of_thread)


@functools.cache
def _watch_child(_process_id: int) -> None:
    """Learn what a child of ``multiprocessing`` ends by, if this process is one."""
    module = sys.modules.get("multiprocessing.process")
    if module is not None and module.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, lambda: _child_ended_by.append(sys.exc_info()[1]), exitpriority=0)


def _is_program(frame: FrameType) -> bool:
    return frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == "__main__"


def _noted(original: Callable[..., Any], place: int = 0) -> Callable[..., Any]:
    """Return a function that ends the program, and notes the status at a place before."""

    @functools.wraps(original)
    def noted(*args: Any, **named: Any) -> None:
        global _exit_asked_for
        # In another thread it ends the thread alone.
        if _is_main_thread():
            code = args[place] if len(args) > place else named.get("code")
            _exit_asked_for = stack(sys._getframe())[-1], code
        original(*args, **named)

    return noted


def _chain_excepthook(end_runs_of_thread: Callable[[str], None]) -> None:
    original = threading.excepthook

    @functools.wraps(original)
    def runs_ended(args: threading.ExceptHookArgs) -> None:
        try:
            end_runs_of_thread(status_of(args.exc_type))
        finally:
            # Whatever becomes of the runs, the error is shown.
            original(args)

    threading.excepthook = runs_ended


@contextlib.contextmanager
def beginning() -> Iterator[None]:
    """Begin a run: a signal that comes meanwhile ends it too, once it can be ended.

    Where one has come already, this waits for the end of the process.
    """
    mine = object()
    _beginnings[mine] = None
    try:
        # Looked at after the note above: either this sees the signal, or the signal the note.
        if _is_dying:
            del _beginnings[mine]
            threading.Event().wait()
        guard()
        _watch_child(os.getpid())
        yield
    finally:
        _beginnings.pop(mine, None)


def guard() -> None:
    """Let no signal kill the process without a word; does nothing outside the main thread."""
    _replace(signal.SIG_DFL, _end_and_die)


def stand_guard() -> None:
    """The same for good: other threads may begin runs."""
    global _is_standing
    _is_standing = _is_standing or _is_main_thread()
    guard()


def unguard() -> None:
    """Put back what ``guard`` has replaced; after ``stand_guard`` it stays."""
    if not _is_standing:
        _replace(_end_and_die, signal.SIG_DFL)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _replace(old: Any, new: Any) -> None:
    # Python lets no other thread set handlers. And while the process dies they stay.
    if not _is_main_thread() or _is_dying:
        return
    for each in _SIGNALS:
        if signal.getsignal(each) == old:
            # Nor does it let the main thread of a second interpreter.
            with contextlib.suppress(ValueError):
                signal.signal(each, new)


def _end_and_die(number: int, frame: FrameType | None) -> None:
    global _is_dying
    # An application's handler that calls the one before it ends as it likes. And a second
    # signal changes nothing: ``timeout`` and shells send each twice.
    if signal.getsignal(number) != _end_and_die or _is_dying:
        return
    _is_dying = True
    # A daemon: a store that does not answer keeps nobody alive.
    ending = threading.Thread(target=_end_all_runs, name="lakeflow-end", daemon=True)
    # Not a daemon: the interpreter must not end before it, in another way.
    dying = threading.Thread(
        target=_die_after, args=(ending, number, _default_setter(number)), name="lakeflow-die"
    )
    try:
        ending.start()
        dying.start()
    except RuntimeError:  # no thread can be started, or none any more
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    # Else what was interrupted goes on: the thread may wait for its locks.
    if not any(map(is_ours, stack(frame))):
        dying.join()


def _end_all_runs() -> None:
    while _beginnings:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    _end_runs("KILLED")


def _default_setter(number: int) -> Callable[[], object]:
    """Return what sets the default of a signal, in any thread."""
    # Loaded here, by the main thread: it may have been interrupted in loading it, and then
    # another thread would wait for it.
    try:
        from ctypes import pythonapi
    except ImportError:  # just that, or a Python without it: a second signal kills at once
        signal.signal(number, signal.SIG_DFL)
        return lambda: None
    # To ``signal.signal`` the main thread would have to come, and it may hang.
    return lambda: pythonapi.PyOS_setsig(number, None)


def _die_after(
    ending: threading.Thread, number: int, set_default: Callable[[], object]
) -> None:
    ending.join(_MOST_SECONDS_TO_END_RUNS)
    set_default()
    os.kill(os.getpid(), number)


def _before_fork() -> None:
    global _was_guarded
    # Two threads may fork at once, and one of them alone takes the handlers away.
    if _is_main_thread():
        _was_guarded = any(signal.getsignal(each) == _end_and_die for each in _SIGNALS)
        _replace(_end_and_die, signal.SIG_DFL)


def _after_fork_in_parent() -> None:
    if _was_guarded:
        guard()


def _after_fork_in_child() -> None:
    global _is_dying, _is_standing
    # The threads that would end it are the parent's.
    _is_dying = _is_standing = False
    _beginnings.clear()
    unguard()


# Before the program looks it up: it does so before it calls ``main`` in ``sys.exit(main())``.
_exit = sys.exit
sys.exit = _noted(_exit)
# What says ``from sys import exit`` before it imports lakeflow has it by name.
_program = vars(sys.modules["__main__"])
_program |= {name: sys.exit for name, value in [*_program.items()] if value is _exit}
# Both are objects of one class; without ``site`` there are none.
_quitter: Any = type(getattr(builtins, "exit", None))
if _quitter.__name__ == "Quitter":
    _quitter.__call__ = _noted(_quitter.__call__, 1)

# A child has no run of its own yet. Put back in the child alone, a signal that comes before
# that is lost: Python has noted it for a handler which is gone.
os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
