"""Settings: one frozen value, and the only place that reads environment variables."""

from __future__ import annotations

import contextlib
import getpass
import os
import threading
from typing import TYPE_CHECKING, Literal

from lakeflow.exceptions import InvalidInputError
from lakeflow.printable import readable
from lakeflow.values import fields, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024

# os.environ looks a variable up in Python code that raises where there is none. For two
# variables that takes as long as writing a metric. Behind it is a plain dictionary.
_VARIABLES = getattr(os.environ, "_data", None) if os.name == "posix" else None

_passed_on: dict[str, tuple[str, str | None]] = {}
_changing = threading.RLock()


def bare(text: str) -> str:
    """Return the text of a variable without blanks and one pair of quotes around it.

    Files of variables bring them along, as docker's ``--env-file`` does; nobody means them.

    Examples:
        >>> bare(" 'my lake' ")
        'my lake'
    """
    text = text.strip()
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if is_quoted else text


def quoted(value: str) -> str:
    """Return the text of a variable that keeps the blanks and quotes of a value."""
    return value if bare(value) == value else f'"{value}"'


def variable(name: str) -> str | None:
    """Return the bare text of a variable of the environment; None where it is not set."""
    text = _text_of(name)
    return None if text is None else bare(text)


def _text_of(name: str) -> str | None:
    if _VARIABLES is not None and name.encode() not in _VARIABLES:
        return None
    return os.environ.get(name)


def environment(name: str) -> str | None:
    """Return ``LAKEFLOW_<name>``, or else MLflow's variable of the same setting.

    What this process passes on to its children does not count: it is not told to itself.

    Args:
        name: The setting without its prefix, such as ``TRACKING_URI``.
    """
    value = _text_of(f"LAKEFLOW_{name}")
    passed_on, before = _passed_on.get(name, (None, None))
    if passed_on is not None and value == passed_on:
        value = before
    return bare(value or "") or variable(f"MLFLOW_{name}") or None


def pass_on(name: str, value: str | None) -> None:
    """Let processes that this one starts find a setting in their environment.

    Only ``LAKEFLOW_<name>`` is set: another program's MLflow is not to follow to a lake.

    Args:
        name: The setting without its prefix.
        value: Its value; None for what the variable was before it was first passed on.
    """
    variable = f"LAKEFLOW_{name}"
    # Threads begin runs at once.
    with _changing:
        found = os.environ.get(variable)
        passed_on, before = _passed_on.pop(name, (None, None))
        # Whoever has set the variable since then meant it.
        before = before if passed_on is not None and found == passed_on else found
        if value is not None:
            value = quoted(value)
            _passed_on[name] = value, before
            os.environ[variable] = value
        elif before is not None:
            os.environ[variable] = before
        else:
            os.environ.pop(variable, None)


def _after_fork() -> None:
    global _changing
    # Another thread of the parent may have held it.
    _changing = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


@contextlib.contextmanager
def taken_once(name: str) -> Iterator[str | None]:
    """Give a setting to one block of this process alone, and to no child after it.

    A block that fails has not used it, and the next one finds it.

    Args:
        name: The setting without its prefix.
    """
    variables = (f"LAKEFLOW_{name}", f"MLFLOW_{name}")
    # Two threads that begin a run at once must not both find it.
    with _changing:
        found = {each: os.environ.pop(each) for each in variables if each in os.environ}
    try:
        # An empty variable is none.
        yield next(filter(None, map(bare, found.values())), None)
    except BaseException:
        os.environ.update(found)
        raise


def user_name() -> str | None:
    """Return the name of who runs this process; None where the user id has none.

    A container may run under such an id.
    """
    # Which of them it is depends on the version of Python and on the system.
    with contextlib.suppress(OSError, KeyError, ImportError):
        return readable(getpass.getuser())
    return None


def is_logging_async() -> bool:
    """Return whether calls with ``synchronous=None`` are queued; read at every call.

    ``LAKEFLOW_ENABLE_ASYNC_LOGGING``, or MLflow's variable of that name; off by default.
    """
    if _VARIABLES is not None and not (
        b"LAKEFLOW_ENABLE_ASYNC_LOGGING" in _VARIABLES
        or b"MLFLOW_ENABLE_ASYNC_LOGGING" in _VARIABLES
    ):
        return False
    return flag("ENABLE_ASYNC_LOGGING", environment("ENABLE_ASYNC_LOGGING") or "false")


def is_progress_shown() -> bool:
    """Return whether long transfers of files show how far they are; on by default.

    ``LAKEFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR``, or MLflow's variable of that name.
    """
    name = "ENABLE_ARTIFACTS_PROGRESS_BAR"
    return flag(name, environment(name) or "true")


def flag(name: str, text: str) -> bool:
    """Return what the text of a setting says.

    Args:
        name: The setting without its prefix.
        text: ``true``, ``false``, ``1`` or ``0``, in capitals or not.

    Raises:
        InvalidInputError: It is none of them.
    """
    if text.lower() in {"true", "1"}:
        return True
    if text.lower() in {"false", "0"}:
        return False
    raise InvalidInputError(
        f"LAKEFLOW_{name} is {text!r}, which is neither true nor false",
        hint="set it to true, false, 1 or 0",
    )


def _number(name: str, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    # Seconds before now, and a size in bytes, must be numbers that a float or a file can have.
    if not 0 <= value < 2**63:
        raise InvalidInputError(
            f"LAKEFLOW_{name} is {text!r}, which is not a whole number from 0 to {2**63 - 1}"
        )
    return value


@frozen
class Settings:
    """How one process treats a lake; each field has an environment variable.

    The variable is ``LAKEFLOW_`` and the field's name in capitals.

    Attributes:
        durability: ``"process"``: what a call returned from survives the death of the
            process. ``"fsync"``: it survives a power cut as well, at some 100x the time.
        segment_bytes: Size at which a log segment is sealed and the next one begun.
        auto_compact: Whether this process folds the log by itself, in the background and
            when it ends. Off for fleets, where one scheduled job does it.
        auto_compact_bytes: It folds once the log has so many bytes beyond the last fold.
        auto_compact_segments: It also folds once there are so many segments beyond the last
            fold; many short processes leave many small ones.
        fold_bytes: Log folded in one step; with ``fold_memory_bytes`` it bounds the
            memory of a compaction, however long the log is.
        fold_memory_bytes: What the query engine may hold while folding, before it spills
            to disk.
        queue_records: Calls that asynchronous logging holds before it makes the caller wait.
        queue_bytes: What those calls may hold in memory, such as the pixels of images, before
            it makes the caller wait.
        flush_interval_ms: Milliseconds for which asynchronous logging gathers calls before it
            writes them, on a store where every write is an object.
        check_interval_ms: Milliseconds for which a writer there trusts what it has seen of
            experiments, and of the params of runs that it has made itself.
        remote_deadline_s: Seconds after which an operation on a remote store is not tried
            again.
        cache_bytes: Bytes of remote table files and log segments kept on the local disk; 0
            for none.
        cache_folder: Folder of that cache; by default ``lakeflow`` in the user's cache folder.
        exclusive_writer: Whether this process is the only one that writes: then a lake may be
            on a filesystem that cannot create a file exactly once.
        staleness_s: Seconds for which a reader may go without a look at the log, where this
            process has written nothing meanwhile: what dashboards save requests with.
        sql_seconds: Seconds that a user's SQL statement may take; 0 for any.
        sql_memory_bytes: What all of them may hold at once before they spill to disk; 0 for
            DuckDB's default, most of the machine's memory.
        sql_rows: Rows that one may return; 0 for any.
        vacuum_grace_s: Age in seconds from which on folded log segments are deleted. The
            lake keeps the value of the process that makes it for the events of its control
            log, since whoever changes experiments relies on it.
        retention_s: Age in seconds from which on replaced table files are deleted; until
            then older versions of the tables can be read.
    """

    durability: Literal["process", "fsync"] = "process"
    segment_bytes: int = 32 * MIB
    auto_compact: bool = True
    auto_compact_bytes: int = 16 * MIB
    auto_compact_segments: int = 64
    fold_bytes: int = 96 * MIB
    fold_memory_bytes: int = 384 * MIB
    queue_records: int = 10_000
    queue_bytes: int = 256 * MIB
    flush_interval_ms: int = 2000
    check_interval_ms: int = 5000
    remote_deadline_s: int = 60
    cache_bytes: int = 1024 * MIB
    cache_folder: str = ""
    exclusive_writer: bool = False
    staleness_s: int = 0
    sql_seconds: int = 600
    sql_memory_bytes: int = 2048 * MIB
    sql_rows: int = 10_000_000
    # Folded segments are listed until then: those of 50 writers are 4 pages of a listing.
    vacuum_grace_s: int = 120
    retention_s: int = 24 * 3600

    @classmethod
    def from_environment(cls) -> Settings:
        """Read every ``LAKEFLOW_*`` variable; what is not set keeps its default.

        Raises:
            InvalidInputError: A variable does not hold a value of its kind.
        """
        given: dict[str, object] = {}
        defaults = cls()
        for field in fields(cls):
            name = field.upper()
            text = variable(f"LAKEFLOW_{name}")
            if text is None:
                continue
            given[field] = _parse(name, text, getattr(defaults, field))
        return cls(**given)  # type: ignore[arg-type]


def _parse(name: str, text: str, default: object) -> object:
    if isinstance(default, bool):
        return flag(name, text)
    if isinstance(default, int):
        return _number(name, text)
    if name == "DURABILITY" and text not in {"process", "fsync"}:
        raise InvalidInputError(f"LAKEFLOW_{name} is {text!r}; it may be 'process' or 'fsync'")
    return text
