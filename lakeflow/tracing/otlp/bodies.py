"""Bodies of requests and answers: compressed or not, in protobuf's two forms."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
import zlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lakeflow.printable import readable
from lakeflow.tracing.otlp.attributes import as_read
from lakeflow.tracing.otlp.json_spans import OddError, quickly_read
from lakeflow.tracing.otlp.limits import (
    MOST_OBJECTS,
    MOST_PARTS,
    has_too_many_objects,
    has_too_many_parts,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

LONGEST_BODY_BYTES = 64 * 1024 * 1024
"""What a body may have, before and after decompression."""

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_IDS = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")
_HALF_OF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


class RefusedError(Exception):
    """A request that is answered with an error.

    Args:
        message: What was wrong, for whoever runs the client.
        status: HTTP status.
        retry_after_s: After how many seconds the same may succeed; None if never.
    """

    def __init__(
        self, message: str, status: HTTPStatus, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after_s = status, message, retry_after_s


def too_long() -> RefusedError:
    """Return the error of a body that has more than it may."""
    return RefusedError(
        f"a request may have {LONGEST_BODY_BYTES:,} bytes, before and after decompression; "
        "send smaller batches",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


def inflated(body: bytes, encoding: str) -> bytes:
    """Return a body as it was before it was compressed.

    No more is decompressed than may be: a bomb costs what a body of that length does.

    Args:
        body: At most ``LONGEST_BODY_BYTES``.
        encoding: The header ``Content-Encoding``: gzip, deflate or none.

    Raises:
        RefusedError: 413, it has more than it may; 415, another encoding; 400, it is damaged.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    try:
        if name in ("gzip", "x-gzip"):
            # zlib's way to say that it is gzip.
            return _decompressed(body, 16 + zlib.MAX_WBITS)
        if name == "deflate":
            # Some clients leave the two bytes out that HTTP asks for around deflate.
            # By RFC 1950 they are a multiple of 31, and 8 in the first one is deflate.
            is_wrapped = (
                len(body) > 1 and int.from_bytes(body[:2]) % 31 == 0 and body[0] & 15 == 8
            )
            return _decompressed(body, zlib.MAX_WBITS if is_wrapped else -zlib.MAX_WBITS)
    except zlib.error as error:
        raise RefusedError(f"the body is no {name}: {error}", HTTPStatus.BAD_REQUEST) from None
    raise RefusedError(
        f"Content-Encoding {encoding[:40]!r} is none of gzip, deflate and identity",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    )


def _decompressed(body: bytes, window_bits: int) -> bytes:
    parts: list[bytes] = []
    left = LONGEST_BODY_BYTES
    # A gzip file may have several members.
    while body:
        stream = zlib.decompressobj(window_bits)
        # One byte more tells that there is too much.
        parts.append(stream.decompress(body, left + 1))
        left -= len(parts[-1])
        if left < 0 or stream.unconsumed_tail:
            raise too_long()
        if not stream.eof:
            raise zlib.error("it ends too early")
        body = stream.unused_data
    return b"".join(parts)


def media_type(header: str) -> str:
    """Return which of the two forms a header ``Content-Type`` names.

    Raises:
        RefusedError: 415, it names neither.
    """
    name = header.partition(";")[0].strip().lower()
    if name in (PROTOBUF, JSON):
        return name
    if name == "application/protobuf":
        return PROTOBUF
    raise RefusedError(
        f"Content-Type {header[:80]!r} is neither {PROTOBUF} nor {JSON}",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    )


def read(body: bytes, form: str, of: type[Message]) -> Any:
    """Read a message.

    Args:
        body: Its bytes.
        form: ``PROTOBUF`` or ``JSON``.
        of: Its class.

    Returns:
        The message as ``attributes.as_read`` has it. Whoever asks for its attributes finds out
        whether they are any.

    Raises:
        RefusedError: 400, the bytes are no such message; 413, it would take too much memory.
    """
    try:
        if has_too_many_parts(body, of, is_json=form == JSON):
            raise _too_many()
        # JSON becomes protobuf's bytes first, so that attributes are read in one way.
        data = _read_json(body.decode(), of()).SerializeToString() if form == JSON else body
        message = as_read(of).FromString(data)
        if has_too_many_objects(message, len(data)):
            raise _too_many()
        return message
    # Its own errors, and what Python raises for text that is none or nests too deeply.
    except (
        DecodeError,
        json_format.ParseError,
        ValueError,
        TypeError,
        RecursionError,
    ) as error:
        raise malformed(error, of) from None


def _too_many() -> RefusedError:
    return RefusedError(
        f"a request may have {MOST_OBJECTS:,} spans and events, and {MOST_PARTS:,} attributes "
        "and values; send smaller batches",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


def malformed(error: Exception, of: type[Message]) -> RefusedError:
    """Return the error of a body that is no message of a class, for this reason."""
    what = " ".join(str(error).split())[:300] or type(error).__name__
    return RefusedError(f"the body is no {of.DESCRIPTOR.name}: {what}", HTTPStatus.BAD_REQUEST)


def _read_json(text: str, into: Message) -> Message:
    if isinstance(into, ExportTraceServiceRequest):
        with contextlib.suppress(OddError):
            return quickly_read(json.loads(text))
    tree = json.loads(text, object_hook=_with_ids)
    if type(tree) is not dict:
        raise ValueError("no object")
    # What a client has cut in the middle of a character, no message can hold.
    if _HALF_OF_A_PAIR.search(text):
        tree = json.loads(readable(json.dumps(tree, ensure_ascii=False)))
    json_format.ParseDict(tree, into, ignore_unknown_fields=True)
    return into


def _with_ids(found: dict[str, Any]) -> dict[str, Any]:
    """Return an object with its ids as protobuf has bytes in JSON: it is OTLP that has hex.

    A key of an attribute is a value in this JSON, so that these keys are of ids alone.
    """
    for name in _IDS:
        if name in found:
            try:
                found[name] = base64.b64encode(binascii.unhexlify(found[name])).decode()
            # What is no id makes one span a bad one, and not the request.
            except (ValueError, TypeError):
                found[name] = ""
    return found


def written(message: Message, form: str) -> bytes:
    """Return a message in one of the two forms."""
    if form == PROTOBUF:
        return bytes(message.SerializeToString())
    return str(json_format.MessageToJson(message, indent=None)).encode()
