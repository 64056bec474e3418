"""Lines become the same copies many at once, by their bytes, as one by one when parsed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow.kinds import KINDS
from lakeflow.records import Origin, copied, line
from lakeflow.stores.lines import Declarations
from lakeflow.syncing import lines as syncing
from lakeflow.syncing.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPERIMENTS = {"0": "0", "5": "12", "12": "5"}
DECLARED = Declarations(KINDS)
WRITER, CLOCK = 'w"☃', 99

texts = st.sampled_from(
    [
        "",
        "x",
        "experiment_id",
        '"experiment_id":"5"',
        '","experiment_id":"5',
        '"artifacts":{',
        '],"',
        "☃\\",
        "a\nb",
        "\x1b[0m",
    ]
)
ids = st.sampled_from(["0", "5", "12", "77"])
numbers = st.integers(1, 2**40)
origins = st.none() | st.builds(Origin, texts, numbers, numbers, st.integers(0, 3))


def by_column(count: int, **columns: Any) -> Any:
    return st.fixed_dictionaries(
        {name: st.lists(each, min_size=count, max_size=count) for name, each in columns.items()}
    )


of_runs = st.fixed_dictionaries(
    {"experiment_id": ids, "run_id": texts},
    optional={
        "tags": by_column(2, key=texts, value=texts),
        "artifacts": by_column(
            1, path=texts, size=numbers, sha256=texts, log_time=numbers, kind=texts,
            key=st.none(), step=st.none(), timestamp=st.none(),
        ),
    },
)  # fmt: skip
of_traces = st.fixed_dictionaries(
    {"trace_tags": by_column(2, experiment_id=ids, trace_id=texts, key=texts, value=texts)}
)
records = of_runs | of_traces


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """Return the line of a record or a copy, as lakeflow writes it or in another way."""
    plainly = draw(st.booleans())
    separators = (",", ":") if plainly else (", ", ": ")
    body = json.dumps(draw(records), ensure_ascii=not plainly, separators=separators)[1:-1]
    origin = draw(origins)
    return line(body if origin is None else copied(origin, body), 7, 8).encode()


HOSTILE = (
    b'"experiment_id":"12"',
    b'"experiment_id" :"12"',
    b'"experiment\\u005fid":"12"',
    b'"trace_tags":{"experiment_id":["12"],"trace_id":["t"],"key":["k"],"value":["v"]}',
    b'"trace_tags":{"experiment\\u005fid":["7"],"trace_id":["t"],"key":["k"],"value":["v"]}',
    b'"copied_at":5',
    b'"copied_at":00',
    b'"copied_at":10000000000000000000',
    b'"copied_from":null',
    b'"copied_from":"y"',
    b'"copied\\u005ffrom":"y"',
    b'"copied_place":3',
    b'"copied_place":03',
    b'"copied_place":null',
    b'"seq":null',
    b'"clock":1.0',
    b'"x":{',
    b'"x":"',
    b'"x":"\xff"',
    b'"x":"\r"',
)
"""What nobody would put into a line who means well."""


def hostile_lines() -> Iterator[bytes]:
    """Yield lines of records and copies with one such thing in each, anywhere."""
    tags = '"experiment_id":"5","run_id":"r","tags":{"key":["k"],"value":["v"]}'
    for origin in (None, Origin("w", 1, 2), Origin("w", 1, 2, 3)):
        good = line(tags if origin is None else copied(origin, tags), 7, 8).encode()
        places = [1, *(at.end() for at in re.finditer(b'(?<=[0-9"}]),', good)), len(good) - 2]
        for name in HOSTILE:
            for at in places[:-1]:
                yield good[:at] + name + b"," + good[at:]
            yield good[:-2] + b"," + name + good[-2:]
        for digits in (b"09", b"9" * 20):
            yield good.replace(b'"copied_at":8', b'"copied_at":' + digits)


noise = st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"") + b"\n")


def one_by_one(lines: list[bytes]) -> list[bytes]:
    """Return the copies of lines that are parsed, in some order."""
    parsed = (Lines(DECLARED, EXPERIMENTS)._parsed(each[:-1], WRITER, CLOCK) for each in lines)
    return sorted(as_text(each) for each in parsed if each is not None)


def as_text(record: dict[str, Any]) -> bytes:
    return json.dumps(
        {name: each for name, each in record.items() if each is not None and name in DECLARED.names},
        sort_keys=True,
    ).encode()  # fmt: skip


def records_in(data: bytes) -> list[bytes]:
    """Return those of some lines that a lake takes for records."""
    found = (DECLARED.fitting(each, in_event=False) for each in data.split(b"\n"))
    return sorted(as_text(each[0]) for each in found if each is not None)


@settings(deadline=None)
@given(st.lists(written() | noise, max_size=8), st.sampled_from([0, 8, 10**6]))
def test_lines_become_the_copies_that_they_are_one_by_one(
    lines: list[bytes], looks: int
) -> None:
    before, syncing._MOST_LOOKS = syncing._MOST_LOOKS, looks
    try:
        found = Lines(DECLARED, EXPERIMENTS).copied(b"".join(lines), WRITER, CLOCK)
    finally:
        syncing._MOST_LOOKS = before
    assert records_in(found.data) == one_by_one(lines)
    assert found.data.count(b"\n") == found.lines
    assert found.lines + found.left == sum(bool(each.strip()) for each in lines)


def test_hostile_lines_become_no_other_records_than_one_by_one() -> None:
    lines = [*hostile_lines()]
    for some in (*([each] for each in lines), lines):
        found = Lines(DECLARED, EXPERIMENTS).copied(b"".join(some), WRITER, CLOCK)
        assert records_in(found.data) == one_by_one(some)
    assert 0 < len(one_by_one(lines)) < len(lines)


@settings(deadline=None)
@given(records, origins, numbers, numbers)
def test_a_copy_says_what_its_record_said(
    record: dict[str, Any], origin: Origin | None, seq: int, clock: int
) -> None:
    body = json.dumps(record, ensure_ascii=False, separators=(",", ":"))[1:-1]
    given = line(body if origin is None else copied(origin, body), seq, clock).encode()
    used = {record["experiment_id"]} if "experiment_id" in record else set()
    used |= {*record.get("trace_tags", {}).get("experiment_id", ())}
    made = Lines(DECLARED, EXPERIMENTS).copied(given, WRITER, CLOCK)
    if not used <= {*EXPERIMENTS}:
        assert (made.data, made.lines, made.left) == (b"", 0, 1)
        return
    assert (made.lines, made.left) == (1, 0)
    found = json.loads(made.data)
    writer, number, at, place = origin or Origin(WRITER, seq, clock)
    assert (found.pop("copied_at"), found.pop("copied_from")) == (CLOCK, writer)
    assert (found.pop("seq"), found.pop("clock")) == (number, at)
    assert found.pop("copied_place", 0) == place
    mine = json.loads(json.dumps(record))
    for fields in (mine, *(each for each in mine.values() if type(each) is dict)):
        if "experiment_id" in fields:
            here = fields["experiment_id"]
            fields["experiment_id"] = (
                EXPERIMENTS[here] if type(here) is str else [EXPERIMENTS[each] for each in here]
            )
    assert found == mine
    of_files = [each["artifacts"] for each in made.with_files if "artifacts" in each]
    assert of_files == ([record["artifacts"]] if "artifacts" in record else [])


def test_lines_of_lakeflow_are_not_parsed() -> None:
    """Also where they are of several experiments, and beside others."""
    body = '"experiment_id":"{}","run_id":"r","tags":{{"key":["{}"],"value":["v"]}}'
    plain = [line(body.format(each, "k"), 1, 2) for each in ("5", "12") * 50]
    other = line(body.format("0", "\\u001b"), 1, 2)
    asked = []

    class Counting(Declarations):
        def fitting(self, line: bytes, *, in_event: bool) -> Any:
            asked.append(line)
            return super().fitting(line, in_event=in_event)

    data = "".join([*plain, other, *plain]).encode()
    found = Lines(Counting(KINDS), EXPERIMENTS).copied(data, WRITER, CLOCK)
    assert (found.lines, found.left, len(asked)) == (201, 0, 1)
