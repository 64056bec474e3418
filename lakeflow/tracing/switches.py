"""Settings of tracing for this process: on or off, where to, and what changes spans before."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from lakeflow.config import environment, flag
from lakeflow.entities.trace_info import SESSION, USER
from lakeflow.exceptions import InvalidInputError
from lakeflow.tracing import active

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from lakeflow.entities import LiveSpan
    from lakeflow.entities.trace_location import MlflowExperimentLocation

_is_enabled = True
_destination: str | None = None
_processors: tuple[Callable[[LiveSpan], object], ...] = ()


def is_enabled() -> bool:
    """Return whether spans that begin here are recorded."""
    scope = active.SCOPE.get()
    return _is_enabled and (scope is None or scope.is_enabled)


def enable() -> None:
    """Record spans again after ``disable``; by default they are.

    Examples:
        >>> import lakeflow
        >>> lakeflow.tracing.disable()
        >>> with lakeflow.start_span("unseen") as span:
        ...     print(span.trace_id)
        MLFLOW_NO_OP_SPAN_REQUEST_ID
        >>> lakeflow.tracing.enable()
    """
    global _is_enabled
    _is_enabled = True


def disable() -> None:
    """Record no spans that begin from now on in this process; those that go on are.

    Functions and blocks that are traced run as if they were not.
    """
    global _is_enabled
    _is_enabled = False


def reset() -> None:
    """Go back to what holds at the start: tracing is on, and goes to the active experiment.

    Settings of the environment are read anew.
    """
    global _is_enabled, _destination, _processors
    _is_enabled, _destination, _processors = True, None, ()
    active.DESTINATION.set(None)
    # Loads OpenTelemetry.
    from lakeflow.tracing import provider

    # A tracer keeps the ratio that the environment said when it was made.
    provider.tracer.cache_clear()
    is_asynchronous.cache_clear()


def set_destination(
    destination: MlflowExperimentLocation | str, *, context_local: bool = False
) -> None:
    """Let traces that begin from now on go to an experiment, whichever is active.

    Args:
        destination: The experiment: its id, or an ``MlflowExperimentLocation``.
        context_local: Whether it holds for this task or thread alone.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is neither.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-destination")
        >>> other = lakeflow.create_experiment("other")
        >>> lakeflow.tracing.set_destination(other)
        >>> with lakeflow.start_span("ask") as span:
        ...     pass
        >>> lakeflow.get_trace(span.trace_id).info.experiment_id == other
        True
        >>> lakeflow.tracing.reset()
    """
    global _destination
    experiment_id = getattr(destination, "experiment_id", destination)
    if not isinstance(experiment_id, str):
        raise InvalidInputError(
            f"{destination!r} is no destination of traces",
            hint="give the id of an experiment, or an MlflowExperimentLocation with it",
        )
    if context_local:
        active.DESTINATION.set(experiment_id)
    else:
        _destination = experiment_id


def destination() -> str | None:
    """Return the id of the experiment that was set for traces; None if none was."""
    return active.DESTINATION.get() or _destination


def processors() -> tuple[Callable[[LiveSpan], object], ...]:
    """Return what is called with each span when it ends."""
    return _processors


class _Configured:
    """What ``configure`` returns: as a context manager it takes the change back."""

    def __init__(self, before: tuple[Callable[[LiveSpan], object], ...]) -> None:
        self._before = before

    def __enter__(self) -> _Configured:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _processors
        _processors = self._before


def configure(
    span_processors: Sequence[Callable[[LiveSpan], object]] | None = None,
) -> _Configured:
    """Have functions called with each span before it is stored, to change or mask what it has.

    Args:
        span_processors: Functions of a ``LiveSpan``, called one after the other when it ends;
            None changes nothing. One that raises is left out for that span, with a warning.

    Returns:
        A context manager; left, what was configured before holds again. Without ``with`` the
        change stays.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, one cannot be called.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-configure")
        >>> def mask(span):
        ...     span.set_inputs({"password": "***"})
        >>> with lakeflow.tracing.configure(span_processors=[mask]):
        ...     with lakeflow.start_span("log in") as span:
        ...         span.set_inputs({"password": "secret"})
        >>> lakeflow.get_trace(span.trace_id).data.spans[0].inputs
        {'password': '***'}
    """
    global _processors
    before = _processors
    if span_processors is not None:
        given: Sequence[object] = span_processors
        strange = [each for each in given if not callable(each)]
        if strange:
            raise InvalidInputError(f"a processor of spans is a function, not {strange[0]!r}")
        # Another tuple: threads in which spans end go on over the one before.
        _processors = tuple(span_processors)
    return _Configured(before)


@contextlib.contextmanager
def context(
    metadata: dict[str, Any] | None = None,
    tags: dict[str, Any] | None = None,
    enabled: bool | None = None,
    session_id: str | None = None,
    user: str | None = None,
) -> Iterator[None]:
    """Add to all traces that begin within a block, or record none there.

    Args:
        metadata: Added to their metadata; of one key the innermost block counts.
        tags: Added to their tags; likewise.
        enabled: Whether spans are recorded; None for what holds around the block.
        session_id: The conversation that they are part of.
        user: Who asks.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-trace-context")
        >>> with lakeflow.tracing.context(session_id="s-1", user="kim"):
        ...     with lakeflow.start_span("ask") as span:
        ...         pass
        >>> info = lakeflow.get_trace(span.trace_id).info
        >>> info.session_id, info.user_id
        ('s-1', 'kim')
    """
    around = active.SCOPE.get() or active.Scope()
    named = {SESSION: session_id, USER: user}
    inner = active.Scope(
        around.metadata
        | (metadata or {})
        | {key: value for key, value in named.items() if value is not None},
        around.tags | (tags or {}),
        around.is_enabled if enabled is None else enabled,
    )
    token = active.SCOPE.set(inner)
    try:
        yield
    finally:
        active.SCOPE.reset(token)


# Asked at the end of each trace, and a variable that is not set costs exceptions of Python's.
@functools.cache
def is_asynchronous() -> bool:
    """Return whether traces are stored in the background: ``ENABLE_ASYNC_TRACE_LOGGING``."""
    name = "ENABLE_ASYNC_TRACE_LOGGING"
    return flag(name, environment(name) or "true")
