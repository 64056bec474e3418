"""Traces as they are read."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lakeflow.entities._base import Entity, short
from lakeflow.entities.span import INPUTS, OUTPUTS, Span, as_mlflow
from lakeflow.entities.trace_info import TraceInfo
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    import rich.tree

    from lakeflow.entities.assessment import Assessment

_INTERMEDIATE_OUTPUTS = "mlflow.trace.intermediate_outputs"


@dataclass(frozen=True, slots=True, repr=False)
class TraceData(Entity):
    """The spans of a trace.

    Attributes:
        spans: By the time at which they began.
    """

    spans: list[Span] = field(default_factory=list)

    @property
    def request(self) -> str | None:
        """What went into the root span, as JSON; None if nothing was said."""
        return self._of_root(INPUTS)

    @property
    def response(self) -> str | None:
        """What came out of the root span, as JSON; None if nothing was said."""
        return self._of_root(OUTPUTS)

    @property
    def intermediate_outputs(self) -> dict[str, Any] | None:
        """What came out of the spans within the root, by name; None if there are none.

        Of spans with one name the first is ``name_1``, the next ``name_2``.
        """
        root = self._root()
        given = root and root.get_attribute(_INTERMEDIATE_OUTPUTS)
        if given:
            return given  # type: ignore[no-any-return]
        if len(self.spans) < 2:
            return None
        names = distinct([span.name for span in self.spans])
        return {
            name: span.outputs
            for name, span in zip(names, self.spans, strict=True)
            if span.parent_id and span.outputs is not None
        }

    def to_dict(self) -> dict[str, Any]:
        """Return what MLflow 2 writes of it."""
        return {
            "spans": [span.to_dict() for span in self.spans],
            "request": self.request,
            "response": self.response,
        }

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> TraceData:
        """Return the spans of what ``to_dict`` gives, here, in MLflow 2 or in MLflow 3.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE: they are none.
        """
        return cls([Span.from_dict(each) for each in d.get("spans") or ()])

    def _root(self) -> Span | None:
        return next((span for span in self.spans if span.parent_id is None), None)

    def _of_root(self, key: str) -> str | None:
        root = self._root()
        attributes = {} if root is None else root.attributes
        return as_mlflow(attributes[key]) if key in attributes else None


@dataclass(frozen=True, slots=True, repr=False)
class Trace(Entity):
    """A trace as it was when it was read; later writes do not show in it.

    Attributes:
        info: Id, state, times, metadata, tags, assessments.
        data: Its spans.
    """

    info: TraceInfo
    data: TraceData = field(default_factory=TraceData)

    @property
    def trace_id(self) -> str:
        """Its id."""
        return self.info.trace_id

    def to_dict(self) -> dict[str, Any]:
        """Return what MLflow 2 writes of it.

        Examples:
            >>> from lakeflow.entities import TraceState
            >>> trace = Trace(TraceInfo("tr-1", "0", 5, TraceState.OK, 1))
            >>> sorted(trace.to_dict())
            ['data', 'info']
            >>> Trace.from_dict(trace.to_dict()) == trace
            True
        """
        return {"info": self.info.to_dict(), "data": self.data.to_dict()}

    def to_json(self, pretty: bool = False) -> str:
        """Return what MLflow 2 writes of it, as JSON.

        Args:
            pretty: Whether it is to be on many lines.
        """
        return json.dumps(self.to_dict(), indent=2 if pretty else None, default=str)

    @classmethod
    def from_dict(cls, trace_dict: Mapping[str, Any]) -> Trace:
        """Return the trace of what ``to_dict`` gives, here, in MLflow 2 or in MLflow 3.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE: it is none.
        """
        is_mapping = isinstance(trace_dict, Mapping)
        info, data = (trace_dict.get(name) if is_mapping else None for name in ("info", "data"))
        if not isinstance(info, Mapping) or not isinstance(data, Mapping):
            raise InvalidInputError(
                f"a trace has 'info' and 'data', and this is {short(trace_dict)}"
            )
        return cls(TraceInfo.from_dict(info), TraceData.from_dict(data))

    @classmethod
    def from_json(cls, trace_json: str) -> Trace:
        """Return the trace of what ``to_json`` gives, here, in MLflow 2 or in MLflow 3.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE: it is none.
        """
        try:
            found = json.loads(trace_json)
        except ValueError as error:
            raise InvalidInputError(f"a text is no trace: {error}") from error
        return cls.from_dict(found)

    def search_spans(
        self,
        span_type: str | None = None,
        name: str | re.Pattern[str] | None = None,
        span_id: str | None = None,
    ) -> list[Span]:
        """Return its spans that meet each of the conditions, by the time at which they began.

        Args:
            span_type: The type, as it is.
            name: The name as it is, or a pattern that is found in it.
            span_id: The id.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE: a type or a name is something else.
        """
        if not isinstance(span_type, str | None):
            raise InvalidInputError(f"`span_type` must be a text, not {span_type!r}")
        if not isinstance(name, str | re.Pattern | None):
            raise InvalidInputError(f"`name` must be a text or a pattern, not {name!r}")
        return [
            span
            for span in self.data.spans
            if (span_type is None or span.span_type == span_type)
            and (span_id is None or span.span_id == span_id)
            and _is_named(span, name)
        ]

    def search_assessments(
        self,
        name: str | None = None,
        *,
        span_id: str | None = None,
        all: bool = False,
        type: Literal["expectation", "feedback"] | None = None,
    ) -> list[Assessment]:
        """Return its assessments that meet each of the conditions.

        Args:
            name: What is assessed.
            span_id: The span that they are about.
            all: Whether those whose place was taken are wanted too.
            type: ``"feedback"`` or ``"expectation"``.
        """
        return [
            each
            for each in self.info.assessments
            if name in {None, each.name}
            and span_id in {None, each.span_id}
            # None is as good as True, as in MLflow: nobody says that of expectations.
            and (all or each.valid is not False)
            and type in {None, each.kind}
        ]

    def to_pandas_dataframe_row(self) -> dict[str, Any]:
        """Return what ``search_traces`` has of it in a DataFrame, by name of the column."""
        info, data = self.info, self.data
        return {
            "request_id": info.trace_id,
            "trace": self,
            "timestamp_ms": info.request_time,
            "status": info.status,
            "execution_time_ms": info.execution_duration,
            "request": _read(data.request),
            "response": _read(data.response),
            "request_metadata": info.trace_metadata,
            "spans": [span.to_dict() for span in data.spans],
            "tags": info.tags,
            "trace_id": info.trace_id,
            "client_request_id": info.client_request_id,
            "state": info.state,
            "request_time": info.request_time,
            "execution_duration": info.execution_duration,
            "trace_metadata": info.trace_metadata,
            "assessments": [each.to_dictionary() for each in info.assessments],
        }

    @staticmethod
    def pandas_dataframe_columns() -> list[str]:
        """Return the names of the columns: those of MLflow 2, then what else MLflow 3 has."""
        return [
            "request_id",
            "trace",
            "timestamp_ms",
            "status",
            "execution_time_ms",
            "request",
            "response",
            "request_metadata",
            "spans",
            "tags",
            "trace_id",
            "client_request_id",
            "state",
            "request_time",
            "execution_duration",
            "trace_metadata",
            "assessments",
        ]

    def __repr__(self) -> str:
        return f"Trace(trace_id={self.info.trace_id})"

    def __str__(self) -> str:
        """Return a tree with durations, a line for each span; of at most 1,000."""
        # Which a job that only logs does not need; nor what follows.
        from lakeflow.entities.trace_lines import lines

        return "\n".join(lines(self))

    def __rich__(self) -> rich.tree.Tree:
        """Return the same for rich, coloured; where rich is, it calls it."""
        from lakeflow.entities.trace_lines import coloured

        return coloured(self)

    def _repr_html_(self) -> str:
        """Return the same for notebooks, with all that is known of each span.

        What others have logged is text in it. It has no script, needs no network, and at most
        1,000 spans and a million characters of values are in it.
        """
        from lakeflow.entities.trace_page import page

        return page(self)

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, str]:
        """Return what notebooks choose from: a page, and a tree of lines."""
        # By itself IPython takes ``repr`` for the text, and that is nothing but the id.
        return {"text/plain": str(self), "text/html": self._repr_html_()}


def distinct(names: list[str]) -> list[str]:
    """Return names with a number behind each of those that are there more than once.

    Examples:
        >>> distinct(["ask", "read", "ask"])
        ['ask_1', 'read', 'ask_2']
    """
    counts = Counter(names)
    if len(counts) == len(names):
        return names
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name}_{seen[name]}" if counts[name] > 1 else name)
    return found


def _is_named(span: Span, name: str | re.Pattern[str] | None) -> bool:
    if isinstance(name, re.Pattern):
        return name.search(span.name) is not None
    return name is None or span.name == name


def _read(text: str | None) -> Any:
    return None if text is None else json.loads(text)
