"""Attributes of messages as values of Python, of all spans of a request at once.

To ask protobuf's objects for each key and each value takes six times as long as to parse all of
them. So here messages are read with their attributes as the bytes that they are; those of many
spans, one after the other, are the bytes of one message whose fields repeat, and such a field
is a list of Python's in one step.
"""

from __future__ import annotations

import functools
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from google.protobuf.message import Message

# In this order: a file can be added after those that it names.
_FILES = (common_pb2, resource_pb2, trace_pb2, logs_pb2, trace_service_pb2, logs_service_pb2)

_MANY = 16
"""Attributes from which on it is worth while to read them together."""

_AS_BYTES = {"attributes", "status"}
"""Fields that are left as bytes, in whichever message."""


def _leave_as_bytes(messages: Iterable[DescriptorProto], names: Container[str]) -> None:
    for message in messages:
        for field in message.field:
            if field.name in names:
                field.type = FieldDescriptorProto.TYPE_BYTES
                field.ClearField("type_name")
        _leave_as_bytes(message.nested_type, names)


def _repeated(message: DescriptorProto) -> DescriptorProto:
    """Return what several messages in a row are: one of which each field repeats."""
    several = DescriptorProto(name=f"{message.name}s", field=message.field)
    for field in several.field:
        field.label = FieldDescriptorProto.LABEL_REPEATED
        # A field of a oneof cannot be repeated.
        field.ClearField("oneof_index")
    return several


@functools.cache
def _pool() -> DescriptorPool:
    """Return the protocol's own description, changed in how attributes are read."""
    # In the default pool the names are taken by the descriptions as they are.
    pool = DescriptorPool()
    for each in _FILES:
        file = FileDescriptorProto.FromString(each.DESCRIPTOR.serialized_pb)
        _leave_as_bytes(file.message_type, _AS_BYTES)
        if each is common_pb2:
            messages = {message.name: message for message in file.message_type}
            pairs, values = _repeated(messages["KeyValue"]), _repeated(messages["AnyValue"])
            _leave_as_bytes([pairs], {"value"})
            file.message_type.extend([pairs, values])
        pool.Add(file)
    return pool


def as_read(message: type[Message]) -> type[Any]:
    """Return the class of a message of the protocol in which attributes are bytes.

    ``status`` is bytes too: that of most spans is the same few.
    """
    return _class(message.DESCRIPTOR.full_name)


def _class(name: str) -> type[Any]:
    found: type[Any] = GetMessageClass(_pool().FindMessageTypeByName(name))
    return found


_COMMON = "opentelemetry.proto.common.v1."
_KeyValue, _KeyValues = _class(f"{_COMMON}KeyValue"), _class(f"{_COMMON}KeyValues")
_AnyValue, _AnyValues = _class(f"{_COMMON}AnyValue"), _class(f"{_COMMON}AnyValues")


def attributes_of(pairs: Sequence[bytes]) -> dict[str, Any]:
    """Return the attributes of one message; else as ``attributes_of_each``."""
    return attributes_of_each([pairs])[0]


def attributes_of_each(several: Iterable[Sequence[bytes]]) -> list[dict[str, Any]]:
    """Return the attributes of several messages; of a key that comes twice the last one.

    Args:
        several: The field ``attributes`` of each.

    Raises:
        DecodeError: The bytes are none.
    """
    lists = [each[:] for each in several]
    keys, values = _taken_apart([*chain.from_iterable(lists)])
    pairs = zip(keys, values, strict=True)
    return [dict(islice(pairs, len(each))) for each in lists]


def _taken_apart(pairs: Sequence[bytes]) -> tuple[Sequence[str], Sequence[Any]]:
    if len(pairs) >= _MANY:
        together = _KeyValues.FromString(b"".join(pairs))
        keys, values = together.key[:], together.value[:]
        # One that is not set may be left out, and then the others are not in their places.
        if len(keys) == len(values) == len(pairs):
            return keys, _values(values)
    read = [(each.key, of_value(each.value)) for each in map(_KeyValue.FromString, pairs)]
    return [key for key, _ in read], [value for _, value in read]


def _values(several: Sequence[bytes]) -> list[Any]:
    """Return values, each of which is a message."""
    together = _AnyValues.FromString(b"".join(several))
    fields = {tag: _of_kind(name, getattr(together, name)[:]) for tag, name in _KINDS.items()}
    tags = [each[0] for each in several if each]
    # Each begins with a field that is known, and there are as many fields as values: so each is
    # one field, and the next one of its kind is its own.
    if len(tags) == len(several) == sum(map(len, fields.values())) and fields.keys() >= {*tags}:
        following = {tag: iter(values) for tag, values in fields.items()}
        return [*map(next, map(following.__getitem__, tags))]
    return [of_value(_AnyValue.FromString(each)) for each in several]


def of_value(value: Any) -> Any:
    """Return a value as one of Python; None where nothing is set."""
    kind = value.WhichOneof("value")
    return None if kind is None else _of_kind(kind, [getattr(value, kind)])[0]


def _of_kind(kind: str, found: list[Any]) -> list[Any]:
    """Return values of one kind: lists and objects are messages themselves."""
    if kind == "array_value":
        return [[of_value(each) for each in value.values] for value in found]
    if kind == "kvlist_value":
        return [{each.key: of_value(each.value) for each in value.values} for value in found]
    return found


_KINDS = {
    0x0A: "string_value",
    0x10: "bool_value",
    0x18: "int_value",
    0x21: "double_value",
    0x2A: "array_value",
    0x32: "kvlist_value",
    0x3A: "bytes_value",
}
"""Kinds of values by the byte that they begin with."""
