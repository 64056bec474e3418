"""Lines of one lake's log as copies in the log of another one. Pure.

Lines of lakeflow's own about runs begin alike, so that thousands of them become copies at once,
by bytes; whatever else is a record is parsed. The copy says which record it is, so that it may
come again: by another sync, or by another way.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow import parsed_records, records
from lakeflow.log.line_reader import array_of_lines
from lakeflow.records import COPIED_AT, COPIED_FROM, COPIED_PLACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow

    from lakeflow.stores.lines import Declarations

_HEAD = re.compile(
    rb'\{(?:"copied_at":(?:0|[1-9][0-9]{0,17}),'
    rb'("copied_from":"[^"\\]*",(?:"copied_place":[0-9]+,)?))?'
    rb'("experiment_id":"[^"\\]*"),'
)
"""What a line about a run begins with: of a copy who wrote it, and the experiment."""

_IN_HEAD = (b'"experiment_id"', b'"copied_')
"""What has to be in the head alone: of a name that is there twice the last counts."""

_ESCAPE = b"\\u"
"""What a name may be written with so that nobody sees it."""

_MOST_LOOKS = 1_000_000
"""Looks at how a line begins, of some lines: where all begin otherwise, each is parsed."""

_FILES, _MODEL_FILES = b'"artifact', b'"logged_model_files"'
"""What stands in records about files of runs and where they are, and about files of models."""

_SHORT = 4
"""Bytes of a name that are looked for first: that takes two thirds of the time."""


class Copied(NamedTuple):
    """Lines as copies.

    Attributes:
        data: The copies.
        lines: How many there are.
        left: Lines that are no records, or are about experiments that are not there.
        with_files: Records among them, with all that say something of files.
    """

    data: bytes
    lines: int
    left: int
    with_files: list[Mapping[str, Any]]


class Lines:
    """Turns lines of one lake into copies for another one.

    Args:
        declared: What a line may say.
        experiments: For the id of each experiment the one that it has in the other lake.
    """

    def __init__(self, declared: Declarations, experiments: Mapping[str, str]) -> None:
        self._declared = declared
        self._experiments = experiments
        self._abouts = {_about(each): _about(other) for each, other in experiments.items()}

    def copied(self, data: bytes, writer: str, clock: int) -> Copied:
        """Return complete lines of a writer as copies, in any order.

        Args:
            data: The lines, each with its end.
            writer: Whose they are.
            clock: When the copies enter the other log.
        """
        begin = f'{{"{COPIED_AT}":{clock},'.encode()
        mine = f'"{COPIED_FROM}":{json.dumps(writer)},'.encode()
        copies: list[bytes] = []
        with_files: list[Mapping[str, Any]] = []
        count = left = 0
        for head, lines in _alike(data):
            about = head and self._abouts.get(head[2])
            if head and about:
                new = b"%b%b%b," % (begin, head[1] or mine, about)
                copies.append(_with_head(lines, len(head[0]), new))
                with_files += self._with_files(copies[-1])
                count += len(lines)
                continue
            # Odd lines, and those of experiments that are not there: each is judged by itself.
            for line in lines.to_pylist():
                copy = self._parsed(line[:-1], writer, clock)
                if copy is None:
                    left += bool(line.strip())
                    continue
                copies.append(records.written(copy, self._declared.names))
                with_files += [copy] if has_files(copies[-1]) else []
                count += 1
        return Copied(b"".join(copies), count, left, with_files)

    def _with_files(self, copies: bytes) -> Iterator[Mapping[str, Any]]:
        """Yield the records about runs that say something of files."""
        begin, end = _FILES[:_SHORT], 0
        while (at := copies.find(begin, end)) >= 0:
            if not copies.startswith(_FILES, at):
                end = at + _SHORT
                continue
            start, end = copies.rfind(b"\n", 0, at) + 1, copies.find(b"\n", at)
            checked = self._declared.fitting(copies[start:end], in_event=False)
            if checked is not None:
                yield checked[0]

    def _parsed(self, line: bytes, writer: str, clock: int) -> dict[str, Any] | None:
        """Return the copy of any line; None if it is no record, or its experiment unknown."""
        checked = self._declared.fitting(line, in_event=False)
        if checked is None:
            return None
        record = checked[0]
        try:
            mine = {name: self._mapped(name, each) for name, each in record.items()}
        except KeyError:
            return None
        if parsed_records.copied_in(record) is None:
            # Whatever place the line names: of one that is no copy it says nothing.
            mine |= {COPIED_FROM: writer, COPIED_PLACE: None}
        mine[COPIED_AT] = clock
        return mine

    def _mapped(self, name: str, value: Any) -> Any:
        """Return a field with the other lake's ids of experiments.

        Raises:
            KeyError: One is of no experiment that is there.
        """
        if name == "experiment_id":
            return self._experiments[value]
        if type(value) is dict and "experiment_id" in value:
            ids = [self._experiments[each] for each in value["experiment_id"]]
            return {**value, "experiment_id": ids}
        return value


def _alike(data: bytes) -> Iterator[tuple[re.Match[bytes] | None, pyarrow.Array]]:
    """Yield lines that begin alike together, with their head: nothing of it is in their rest.

    Lines without such a head come with none.
    """
    import pyarrow.compute as pc

    lines, looks = array_of_lines(data), _MOST_LOOKS
    count = len(lines)
    while len(lines):
        head = _HEAD.match(lines[0].as_py())
        if head is None or looks < 0:
            yield None, lines[:1]
            lines = lines[1:]
            continue
        looks -= len(lines)
        begin_so = pc.starts_with(lines, head[0])
        # As a rule all of them do, and none is copied.
        alike, lines = (
            (lines, lines[:0])
            if pc.all(begin_so).as_py()
            else (lines.filter(begin_so), lines.filter(pc.invert(begin_so)))
        )
        text = data if len(alike) == count else _text(alike)
        odd = _odd(alike, text, head[0])
        if odd is not None:
            yield None, alike.filter(odd)
            alike = alike.filter(pc.invert(odd))
        if len(alike):
            yield head, alike


def _odd(lines: pyarrow.Array, text: bytes, head: bytes) -> pyarrow.Array | None:
    """Return which lines may have something of their head in their rest; None if none has."""
    import pyarrow.compute as pc

    # Most have no backslash at all, which is found out in a tenth of the time.
    is_escaped = _ESCAPE[:1] in text and _ESCAPE in text
    if not is_escaped and all(_is_in_head(each, text, len(lines), head) for each in _IN_HEAD):
        return None
    odd = pc.match_substring(lines, _ESCAPE)
    for each in _IN_HEAD:
        found = pc.count_substring(lines, each)
        odd = pc.or_(odd, pc.not_equal(found, head.count(each)))
    return odd


def _is_in_head(name: bytes, text: bytes, count: int, head: bytes) -> bool:
    """Return whether lines that begin alike have a name in their head alone."""
    begin = name[:_SHORT]
    return text.count(begin) == count * head.count(begin) or (
        text.count(name) == count * head.count(name)
    )


def _with_head(lines: pyarrow.Array, size: int, head: bytes) -> bytes:
    """Return lines with another head in the place of that of a size."""
    import pyarrow.compute as pc

    return _text(pc.binary_replace_slice(lines, 0, size, head))


def _text(lines: pyarrow.Array) -> bytes:
    """Return lines one after another."""
    import numpy

    _, offsets, text = lines.buffers()
    # The buffers of a slice are those of all lines.
    ends = numpy.frombuffer(offsets, numpy.int64)[lines.offset :]
    found: bytes = text[int(ends[0]) : int(ends[len(lines)])].to_pybytes()
    return found


def line(origin: records.Origin, body: str, clock: int) -> bytes:
    """Return the line of a copy.

    Args:
        origin: Which record it is.
        body: Its fields.
        clock: When the copy enters the other log.
    """
    return records.line(records.copied(origin, body), 0, clock).encode()


def has_files(line: bytes) -> bool:
    """Return whether a line says something of files."""
    return _FILES in line or _MODEL_FILES in line


def _about(experiment_id: str) -> bytes:
    return b'"experiment_id":%b' % json.dumps(experiment_id).encode()
