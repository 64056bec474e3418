"""Spans as they are read: finished, or as far as they have come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lakeflow.entities._base import short
from lakeflow.entities.json_text import decoded_if_json, json_text, typed
from lakeflow.entities.span_event import SpanEvent
from lakeflow.entities.span_log_level import SpanLogLevel
from lakeflow.entities.span_status import SpanStatus, SpanStatusCode
from lakeflow.entities.span_type import SpanType
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUEST_ID = "mlflow.traceRequestId"
INPUTS = "mlflow.spanInputs"
OUTPUTS = "mlflow.spanOutputs"
SPAN_TYPE = "mlflow.spanType"
DESCRIPTION = "mlflow.spanDescription"
LOG_LEVEL = "mlflow.spanLogLevel"

NO_OP_SPAN_REQUEST_ID = "MLFLOW_NO_OP_SPAN_REQUEST_ID"
"""The trace id of spans that are not recorded."""


class Span:
    """A span as it was when it was read.

    Args:
        row: Its row of the table ``spans``; of what is missing nothing is known.

    Examples:
        >>> span = Span.from_row({"trace_id": "tr-" + "a" * 32, "name": "ask", "inputs": "[1]"})
        >>> span.name, span.inputs, span.status.status_code.value
        ('ask', [1], 'UNSET')
    """

    __slots__ = ("_attributes", "_row")

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row
        self._attributes: dict[str, Any] | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Span:
        """Return the span of a row of the table ``spans``, its JSON read when asked for."""
        return cls(row)

    @property
    def trace_id(self) -> str:
        """Id of its trace: ``tr-`` and 32 hexadecimal digits."""
        return self._row["trace_id"]  # type: ignore[no-any-return]

    @property
    def request_id(self) -> str:
        """Id of its trace, by MLflow 2's name."""
        return self.trace_id

    @property
    def span_id(self) -> str:
        """Its id, 16 hexadecimal digits, unique within its trace."""
        return self._row["span_id"]  # type: ignore[no-any-return]

    @property
    def parent_id(self) -> str | None:
        """Id of the span within which it ran; None for a root."""
        return self._row.get("parent_span_id")

    @property
    def name(self) -> str:
        """Its name."""
        return self._row["name"]  # type: ignore[no-any-return]

    @property
    def start_time_ns(self) -> int:
        """When it began, nanoseconds since the Unix epoch, UTC."""
        return self._row["start_time_ns"]  # type: ignore[no-any-return]

    @property
    def end_time_ns(self) -> int | None:
        """When it ended, nanoseconds since the Unix epoch, UTC; None if it never did."""
        return self._row.get("end_time_ns")

    @property
    def status(self) -> SpanStatus:
        """How it went."""
        code = self._row.get("status")
        # A file may have any text there, and it is read all the same.
        known = SpanStatusCode.__members__.get(str(code), SpanStatusCode.UNSET)
        return SpanStatus(known, self._row.get("status_message") or "")

    @property
    def span_type(self) -> str:
        """What it does: a ``SpanType``, or any text."""
        return self._row.get("span_type") or SpanType.UNKNOWN

    @property
    def inputs(self) -> Any:
        """What went in; None if nothing was said."""
        return self.get_attribute(INPUTS)

    @property
    def outputs(self) -> Any:
        """What came out; None if nothing was said."""
        return self.get_attribute(OUTPUTS)

    @property
    def description(self) -> str | None:
        """What it is about; None if nothing was said."""
        return self.get_attribute(DESCRIPTION)  # type: ignore[no-any-return]

    @property
    def log_level(self) -> SpanLogLevel | None:
        """How grave it is; None if nothing was said."""
        level = self.get_attribute(LOG_LEVEL)
        # A list, since Python 3.11 looks for no plain number in an enumeration.
        is_known = isinstance(level, int) and level in [*SpanLogLevel]
        return SpanLogLevel(level) if is_known else None

    @property
    def attributes(self) -> dict[str, Any]:
        """Its attributes; type, inputs, outputs and id of the trace by MLflow's names."""
        return dict(self._decoded())

    @property
    def events(self) -> list[SpanEvent]:
        """What happened in it."""
        return [
            SpanEvent(
                str(each.get("name")), each.get("time_ns") or 0, each.get("attributes") or {}
            )
            for each in _objects(self._row.get("events"))
        ]

    @property
    def links(self) -> list[dict[str, Any]]:
        """Other spans that it names: their trace_id, span_id, trace_state and attributes."""
        return _objects(self._row.get("links"))

    def get_attribute(self, key: str) -> Any:
        """Return an attribute; None if there is none."""
        return self._decoded().get(key)

    def to_dict(self) -> dict[str, Any]:
        """Return what MLflow 2 writes of a span: values of attributes are JSON texts in it.

        Examples:
            >>> row = {"trace_id": "tr-" + "a" * 32, "span_id": "b" * 16, "name": "ask",
            ...        "start_time_ns": 1, "inputs": '{"q":1}'}
            >>> found = Span.from_row(row).to_dict()
            >>> found["context"]["span_id"], found["attributes"]["mlflow.spanInputs"]
            ('0xbbbbbbbbbbbbbbbb', '{"q": 1}')
        """
        status = self.status
        parent_id = self.parent_id
        return {
            "name": self.name,
            "context": {
                "span_id": f"0x{self.span_id}",
                "trace_id": f"0x{self.trace_id.removeprefix('tr-')}",
            },
            "parent_id": None if parent_id is None else f"0x{parent_id}",
            "start_time": self.start_time_ns,
            "end_time": self.end_time_ns,
            "status_code": status.status_code.value,
            "status_message": status.description,
            "attributes": {key: as_mlflow(each) for key, each in self.attributes.items()},
            "events": [each.to_dictionary() for each in self.events],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Span:
        """Return the span of what ``to_dict`` gives, here, in MLflow 2 or in MLflow 3.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE: it is none.
        """
        try:
            return cls(row_of(data))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInputError(
                f"a dictionary is no span: {type(error).__name__}: {error}"
            ) from error

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name={short(self.name)}, trace_id={self.trace_id!r}, "
            f"span_id={self.span_id!r}, parent_id={self.parent_id!r})"
        )

    def _decoded(self) -> dict[str, Any]:
        if self._attributes is None:
            self._attributes = self._decode()
        return self._attributes

    def _decode(self) -> dict[str, Any]:
        row = self._row
        found = {REQUEST_ID: self.trace_id, SPAN_TYPE: self.span_type}
        for key, column in ((INPUTS, "inputs"), (OUTPUTS, "outputs")):
            if row.get(column) is not None:
                found[key] = typed(row[column])
        stored = typed(row.get("attributes") or "{}")
        return found | (stored if isinstance(stored, dict) else {})


class NoOpSpan(Span):
    """A span that is not recorded: it has the methods of one that is, and they do nothing."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__({"trace_id": NO_OP_SPAN_REQUEST_ID})

    @property
    def span_id(self) -> None:  # type: ignore[override]
        """None."""

    @property
    def name(self) -> None:  # type: ignore[override]
        """None."""

    @property
    def start_time_ns(self) -> None:  # type: ignore[override]
        """None."""

    @property
    def status(self) -> None:  # type: ignore[override]
        """None."""

    @property
    def span_type(self) -> None:  # type: ignore[override]
        """None."""

    @property
    def attributes(self) -> dict[str, Any]:
        """No attributes."""
        return {}

    def get_attribute(self, key: str) -> None:
        """Return None."""

    def set_inputs(self, inputs: object) -> None:
        """Do nothing."""

    def set_outputs(self, outputs: object) -> None:
        """Do nothing."""

    def set_attributes(self, attributes: dict[str, Any]) -> None:
        """Do nothing."""

    def set_attribute(self, key: str, value: object) -> None:
        """Do nothing."""

    def set_span_type(self, span_type: str) -> None:
        """Do nothing."""

    def set_description(self, description: str) -> None:
        """Do nothing."""

    def set_log_level(self, level: SpanLogLevel | str) -> None:
        """Do nothing."""

    def set_status(self, status: SpanStatus | SpanStatusCode | str) -> None:
        """Do nothing."""

    def add_event(self, event: SpanEvent) -> None:
        """Do nothing."""

    def record_exception(self, exception: BaseException | str) -> None:
        """Do nothing."""

    def end(self, *_arguments: object, **_options: object) -> None:
        """Do nothing."""


def _objects(text: str | None) -> list[dict[str, Any]]:
    """Return the objects of a JSON array; what is none is left out."""
    found = [] if text is None else typed(text)
    items = found if isinstance(found, list) else []
    return [each for each in items if isinstance(each, dict)]


def as_mlflow(value: Any) -> str:
    """Return a value as MLflow writes it: JSON with spaces, and with characters as they are."""
    return _encode(value)


# Made once: ``json.dumps`` with options makes an encoder each time.
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def row_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a span that is a dictionary of MLflow 2 or 3."""
    attributes = {key: decoded_if_json(each) for key, each in data["attributes"].items()}
    trace_id = attributes.pop(REQUEST_ID)
    if not isinstance(trace_id, str):
        raise ValueError(f"{REQUEST_ID} is {trace_id!r}")
    # MLflow 2 has the ids of a span in a context.
    row = _row_of_2(data) if "context" in data else _row_of_3(data)
    lifted = {
        "span_type": attributes.pop(SPAN_TYPE, None) or SpanType.UNKNOWN,
        "inputs": _dumped(attributes, INPUTS),
        "outputs": _dumped(attributes, OUTPUTS),
    }
    return {"trace_id": trace_id, **row, **lifted, "attributes": json_text(attributes)}


def _row_of_2(data: Mapping[str, Any]) -> dict[str, Any]:
    parent_id = data["parent_id"]
    return {
        "span_id": data["context"]["span_id"].removeprefix("0x"),
        "parent_span_id": parent_id and parent_id.removeprefix("0x"),
        "name": data["name"],
        "start_time_ns": data["start_time"],
        "end_time_ns": data["end_time"],
        "status": SpanStatusCode(data["status_code"]).value,
        "status_message": data["status_message"],
        "events": json_text(
            [
                {
                    "name": each["name"],
                    "time_ns": each["timestamp"],
                    "attributes": each["attributes"],
                }
                for each in data["events"]
            ]
        ),
    }


def _row_of_3(data: Mapping[str, Any]) -> dict[str, Any]:
    ended = data["end_time_unix_nano"]
    status = data.get("status") or {}
    return {
        "span_id": _hexadecimal(data["span_id"]),
        "parent_span_id": _hexadecimal(data.get("parent_span_id")),
        "name": data["name"],
        # In JSON, protocol buffers have numbers of 64 bits as texts.
        "start_time_ns": int(data["start_time_unix_nano"]),
        "end_time_ns": int(ended) if ended else None,
        "status": SpanStatusCode(
            status.get("code", "UNSET").removeprefix("STATUS_CODE_")
        ).value,
        "status_message": status.get("message"),
        "events": json_text(
            [
                {
                    "name": each["name"],
                    "time_ns": int(each["time_unix_nano"]),
                    "attributes": each.get("attributes", {}),
                }
                for each in data.get("events") or []
            ]
        ),
    }


def _hexadecimal(base64_id: str | None) -> str | None:
    """Return an id in hexadecimal that MLflow 3 writes as base64; others as they are."""
    import base64

    # The eight bytes of an id are 12 characters as base64, and 16 as hexadecimal digits.
    if not base64_id or len(base64_id) == 16:
        return base64_id or None
    return base64.b64decode(base64_id).hex()


def _dumped(attributes: dict[str, Any], key: str) -> str | None:
    return json_text(attributes.pop(key)) if key in attributes else None
