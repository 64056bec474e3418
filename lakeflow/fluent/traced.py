"""Functions that are traced: each call of them is a span."""

from __future__ import annotations

import functools
import inspect
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from lakeflow.entities import LiveSpan, SpanEvent, SpanType
from lakeflow.entities.json_text import json_text
from lakeflow.entities.span import OUTPUTS
from lakeflow.exceptions import InvalidInputError
from lakeflow.fluent.spans import SpanBlock, end, leave, recorder
from lakeflow.tracing import active, switches

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping
    from contextvars import Token

    from opentelemetry.trace import NonRecordingSpan

    from lakeflow.entities.trace_location import MlflowExperimentLocation

_F = TypeVar("_F")

FUNCTION_NAME = "mlflow.spanFunctionName"
_CHUNK_VALUE = "mlflow.chunk.value"

_logger = logging.getLogger(__name__)


@overload
def trace(func: _F) -> _F: ...


@overload
def trace(
    func: None = None,
    name: str | None = None,
    span_type: str = SpanType.UNKNOWN,
    attributes: Mapping[str, Any] | None = None,
    output_reducer: Callable[[list[Any]], Any] | None = None,
    trace_destination: MlflowExperimentLocation | None = None,
    sampling_ratio_override: float | None = None,
) -> Callable[[_F], _F]: ...


@overload
def trace(
    func: _F,
    name: str | None = None,
    span_type: str = SpanType.UNKNOWN,
    attributes: Mapping[str, Any] | None = None,
    output_reducer: Callable[[list[Any]], Any] | None = None,
    trace_destination: MlflowExperimentLocation | None = None,
    sampling_ratio_override: float | None = None,
) -> _F: ...


def trace(
    func: Any = None,
    name: str | None = None,
    span_type: str = SpanType.UNKNOWN,
    attributes: Mapping[str, Any] | None = None,
    output_reducer: Callable[[list[Any]], Any] | None = None,
    trace_destination: MlflowExperimentLocation | None = None,
    sampling_ratio_override: float | None = None,
) -> Any:
    """Trace a function: each call is a span with its arguments and what it returns.

    It takes functions, methods, class and static methods, generators, and each of them with
    ``async``, with or without arguments of its own. ``self`` and ``cls`` are not recorded. An
    exception is recorded and goes on; tracing itself never raises in the function. The span of
    a generator lasts until it is exhausted or closed; each value is an event of it, and
    ``outputs`` is the list of them.

    Cost: as for ``start_span``; arguments that can change are written as JSON at once.

    Args:
        func: The function.
        name: Name of the span; that of the function by default.
        span_type: What it does, a ``SpanType`` or any text.
        attributes: Attributes of the span; any values.
        output_reducer: Of a generator, makes one value of the list of its values; where it
            fails the list is recorded.
        trace_destination: As for ``start_span``.
        sampling_ratio_override: The share of calls that are recorded, from 0 to 1, where they
            begin a trace; by default ``LAKEFLOW_TRACE_SAMPLING_RATIO``.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, a ratio that is none, or a reducer for what
            is no generator.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-trace")
        >>> @lakeflow.trace(span_type="TOOL")
        ... def add(x, y=1):
        ...     return x + y
        >>> add(2)
        3
        >>> span = lakeflow.get_last_active_trace().data.spans[0]
        >>> span.name, span.inputs, span.outputs
        ('add', {'x': 2, 'y': 1}, 3)
    """
    ratio = sampling_ratio_override
    if ratio is not None and not 0 <= ratio <= 1:
        raise InvalidInputError(f"sampling_ratio_override is from 0 to 1, not {ratio!r}")
    experiment_id = getattr(trace_destination, "experiment_id", None)
    options = _Options(name, span_type, attributes, output_reducer, experiment_id, ratio)
    if func is None:
        return functools.partial(_decorated, options)
    return _decorated(options, func)


@dataclass(frozen=True, slots=True)
class _Options:
    """What a decorator was given; see ``trace``."""

    name: str | None
    span_type: str
    attributes: Mapping[str, Any] | None
    reduce: Callable[[list[Any]], Any] | None
    experiment_id: str | None
    ratio: float | None


def _decorated(options: _Options, func: Any) -> Any:
    if isinstance(func, classmethod | staticmethod):
        return type(func)(_decorated(options, func.__func__))
    is_generator = inspect.isgeneratorfunction(func)
    if options.reduce is not None and not (is_generator or inspect.isasyncgenfunction(func)):
        raise InvalidInputError(
            f"{func!r} is no generator, so there is nothing for output_reducer to reduce"
        )
    # What is called without being a function, such as a partial, has no name of its own.
    name = getattr(func, "__name__", type(func).__name__)
    made = _Traced(options, func, name, options.name or name, arguments_of(func))
    if is_generator:
        wrapper = made.generator()
    elif inspect.isasyncgenfunction(func):
        wrapper = made.async_generator()
    elif inspect.iscoroutinefunction(func):
        wrapper = made.coroutine()
    else:
        wrapper = made.function()
    return functools.wraps(func)(wrapper)


@dataclass(frozen=True, slots=True)
class _Traced:
    """A function that is traced.

    Attributes:
        options: How.
        func: The function.
        func_name: Its name.
        name: Name of its spans.
        arguments: Returns the arguments of a call by name.
    """

    options: _Options
    func: Callable[..., Any]
    func_name: str
    name: str
    arguments: Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any] | None]

    def function(self) -> Callable[..., Any]:
        """Return what calls it."""
        func = self.func

        def call(*args: Any, **kwargs: Any) -> Any:
            with _Call(self, args, kwargs) as done:
                return done(func(*args, **kwargs))

        return call

    def coroutine(self) -> Callable[..., Any]:
        """Return what calls it with ``await``."""
        func = self.func

        async def call(*args: Any, **kwargs: Any) -> Any:
            with _Call(self, args, kwargs) as done:
                return done(await func(*args, **kwargs))

        return call

    def generator(self) -> Callable[..., Any]:
        """Return what iterates over it."""

        def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            # Step by step, not by ``yield from``: between steps the span must not be active.
            stream = _Stream(self, args, kwargs)
            inner = self.func(*args, **kwargs)
            step = functools.partial(inner.send, None)
            try:
                while True:
                    with stream:
                        value = step()
                    stream.add(value)
                    try:
                        step = functools.partial(inner.send, (yield value))
                    except GeneratorExit:
                        # Its ``finally`` runs now: spans that begin there lie within this one.
                        with stream:
                            inner.close()
                        raise
                    except BaseException as error:  # noqa: BLE001 - it is thrown in there
                        step = functools.partial(inner.throw, error)
            # Caught, since a StopIteration that leaves a generator becomes a RuntimeError.
            except StopIteration as stop:
                stream.end(None)
                return stop.value
            except BaseException as error:
                stream.end(error)
                raise

        return call

    def async_generator(self) -> Callable[..., Any]:
        """Return what iterates over it with ``async for``."""

        async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            stream = _Stream(self, args, kwargs)
            inner = self.func(*args, **kwargs)
            step = functools.partial(inner.asend, None)
            try:
                while True:
                    with stream:
                        value = await step()
                    stream.add(value)
                    try:
                        step = functools.partial(inner.asend, (yield value))
                    except GeneratorExit:
                        with stream:
                            await inner.aclose()
                        raise
                    except BaseException as error:  # noqa: BLE001 - it is thrown in there
                        step = functools.partial(inner.athrow, error)
            except StopAsyncIteration:
                stream.end(None)
            except BaseException as error:
                stream.end(error)
                raise

        return call


class _Call(SpanBlock):
    """One call of a function."""

    __slots__ = ("_args", "_kwargs", "_traced")

    def __init__(self, traced: _Traced, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        options = traced.options
        super().__init__(
            traced.name,
            options.span_type,
            options.attributes,
            options.experiment_id,
            ratio=options.ratio,
        )
        self._traced = traced
        self._args = args
        self._kwargs = kwargs

    def __enter__(self) -> Callable[[Any], Any]:  # type: ignore[override]
        super().__enter__()
        if self._span is not None:
            self._span.set_attribute(FUNCTION_NAME, self._traced.func_name)
            _fill(self._span, self._traced, self._args, self._kwargs)
        return self._done

    def _done(self, result: Any) -> Any:
        """Note what the function returns, unless it has said itself what came out."""
        span = self._span
        if span is not None and OUTPUTS not in span._values:
            span.set_outputs(result)
        return result


class _Stream:
    """One iteration over a generator; as a context manager it is active within each step."""

    def __init__(self, traced: _Traced, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._traced = traced
        self._values: list[Any] = []
        self._tokens: list[Token[Any]] = []
        self._span: LiveSpan | NonRecordingSpan | None = None
        try:
            if switches.is_enabled():
                self._begin(args, kwargs)
        except Exception as error:  # noqa: BLE001
            _logger.warning("span %r is not recorded: %s", traced.name, error)

    def _begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        options = self._traced.options
        span = recorder().begin(
            self._traced.name,
            options.span_type,
            active.SPAN.get(),
            experiment_id=options.experiment_id,
            ratio=options.ratio,
        )
        self._span = span
        if isinstance(span, LiveSpan):
            if options.attributes:
                span.set_attributes(options.attributes)
            _fill(span, self._traced, args, kwargs)

    def __enter__(self) -> None:
        if self._span is not None:
            self._tokens.append(active.SPAN.set(self._span))

    def __exit__(self, *_: object) -> None:
        if self._tokens:
            leave(self._tokens.pop())

    def add(self, value: Any) -> None:
        """Note a value."""
        if isinstance(self._span, LiveSpan):
            name = f"mlflow.chunk.item.{len(self._values)}"
            self._span.add_event(SpanEvent(name, attributes={_CHUNK_VALUE: json_text(value)}))
            self._values.append(value)

    def end(self, error: BaseException | None) -> None:
        """End the span."""
        if not isinstance(self._span, LiveSpan):
            return
        outputs: Any = self._values
        reduce = self._traced.options.reduce
        if reduce is not None:
            try:
                outputs = reduce(self._values)
            # It is the user's function, and may raise anything.
            except Exception as failure:  # noqa: BLE001
                _logger.warning("output_reducer failed: %s", failure)
        is_said = OUTPUTS in self._span._values or not _is_over(error)
        end(self._span, error, None if is_said else outputs)


def _is_over(error: BaseException | None) -> bool:
    """Return whether a generator has given what was wanted of it."""
    return error is None or isinstance(error, GeneratorExit)


def _fill(
    span: LiveSpan, traced: _Traced, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    arguments = traced.arguments(args, kwargs)
    if arguments is not None:
        span.set_inputs(arguments)


def arguments_of(
    func: Callable[..., Any],
) -> Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any] | None]:
    """Return a function that returns the arguments of a call by name, defaults among them.

    None for a call that the function would refuse. ``self`` and ``cls`` are left out.

    Examples:
        >>> arguments = arguments_of(lambda x, *rest, y=1: None)
        >>> arguments((1, 2), {})
        {'x': 1, 'rest': (2,), 'y': 1}
    """
    try:
        signature = inspect.signature(func)
    except (TypeError, ValueError):
        # Some functions in C have none.
        return lambda args, kwargs: None
    names = list(signature.parameters)
    own = names[0] if names and names[0] in {"self", "cls"} else None
    kinds = {each.kind for each in signature.parameters.values()}
    if kinds <= {inspect.Parameter.POSITIONAL_OR_KEYWORD}:
        defaults = {
            name: each.default
            for name, each in signature.parameters.items()
            if each.default is not each.empty
        }
        return functools.partial(_by_position, names, defaults, own)
    return functools.partial(_bound, signature, own)


def _by_position(
    names: list[str],
    defaults: dict[str, Any],
    own: str | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> dict[str, Any] | None:
    # As ``Signature.bind`` does, in a tenth of the time.
    found = dict(zip(names, args, strict=False))
    rest = names[len(args) :]
    if len(args) > len(names) or not {*rest} - defaults.keys() <= kwargs.keys() <= {*rest}:
        return None
    for name in rest:
        found[name] = kwargs[name] if name in kwargs else defaults[name]
    if own is not None:
        found.pop(own, None)
    return found


def _bound(
    signature: inspect.Signature,
    own: str | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> dict[str, Any] | None:
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return None
    bound.apply_defaults()
    if own is not None:
        bound.arguments.pop(own, None)
    return bound.arguments
