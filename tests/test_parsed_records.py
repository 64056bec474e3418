"""Lines of the log: what is a record, and what is none."""

from __future__ import annotations

import contextlib
import json

import pytest

from lakeflow import parsed_records
from lakeflow.parsed_records import MisfitError


def nested(depth: int) -> bytes:
    """Return a line with so many objects and lists within one another."""
    return b'{"seq":1,"clock":1,"tags":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(("depth", "is_record"), [(2, True), (100, True), (101, False)])
def test_a_line_is_a_record_up_to_some_depth(depth: int, is_record: bool) -> None:
    refused = contextlib.nullcontext() if is_record else pytest.raises(MisfitError)
    with refused:
        assert parsed_records.parse(nested(depth))["seq"] == 1


def test_a_line_of_many_lists_is_not_deep() -> None:
    rows = {f"column {number}": [number] for number in range(1_000)}
    line = json.dumps({"seq": 1, "clock": 1, "tags": rows}).encode()
    assert parsed_records.parse(line)["tags"] == rows
    assert parsed_records.parse(line.replace(b"column", b"[{column"))["seq"] == 1
