"""Lines of one lake's log as copies in the log of another one. Pure.

A line of lakeflow's own is taken apart by its bytes; whatever else is a record is parsed. The
copy says which record it is, so that it may come again: by another sync, or by another way.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow import records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.stores.lines import Declarations

_SEQ = b'{"seq":'
_CLOCK = b'"clock":'
_ORIGIN = b'"origin":['
_EXPERIMENT = b'"experiment_id":'

# A name that stands in a text has a backslash before its last quote.
_FILES = (b'"artifacts":{', b'"logged_models":{', b'"artifact_uri":[')
"""What stands in lines about files, and about where they are."""


class Copied(NamedTuple):
    """Lines as copies.

    Attributes:
        data: The copies.
        lines: How many there are.
        left: Lines that are no records, or are about experiments that are not there.
        with_files: Records among them that say something of files.
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
        """Return complete lines of a writer as copies.

        Args:
            data: The lines, each with its end.
            writer: Whose they are.
            clock: Clock of the copies; that of the records stays in what they are copies of.
        """
        now, name = b"%b%d" % (_CLOCK, clock), b"%b%b" % (_ORIGIN, json.dumps(writer).encode())
        lines = data.split(b"\n")
        lines.pop()  # what is behind the last newline, which is nothing
        copies = []
        for line in lines:
            copy = self._quickly(line, now, name) or self._parsed(line, writer, clock)
            if copy:
                copies.append(copy)
        left = sum(map(bool, map(bytes.strip, lines))) - len(copies)
        copies.append(b"")
        copied = b"\n".join(copies)
        return Copied(copied, len(copies) - 1, left, self._with_files(copied))

    def _quickly(self, line: bytes, clock: bytes, writer: bytes) -> bytes | None:
        """Return the copy of a line that is about a run; None for others."""
        try:
            seq, when, about, rest = line.split(b",", 3)
            number, first = seq[len(_SEQ) :], when[len(_CLOCK) :]
            if about.startswith(_ORIGIN):
                # A copy stays one of the first record.
                of_writer = about
                numbers, _, rest = rest.partition(b"],")
                about, rest = rest.split(b",", 1)
            else:
                of_writer, numbers = writer, b"%b,%b" % (number, first)
            mine = self._abouts[about]
        except (ValueError, KeyError):
            return None
        if (
            line.startswith(_SEQ)
            and when.startswith(_CLOCK)
            and number.isdigit()
            and first.isdigit()
            and (of_writer is writer or numbers.replace(b",", b"").isdigit())
            and _EXPERIMENT not in rest
        ):
            return b"%b,%b,%b,%b],%b,%b" % (seq, clock, of_writer, numbers, mine, rest)
        return None

    def _with_files(self, copies: bytes) -> list[Mapping[str, Any]]:
        """Return the records among some lines that say something of files."""
        spans: dict[int, int] = {}
        for field in _FILES:
            at = copies.find(field)
            while at >= 0:
                end = copies.find(b"\n", at)
                spans[copies.rfind(b"\n", 0, at) + 1] = end
                at = copies.find(field, end)
        checked = (
            self._declared.fitting(copies[start:end], in_event=False)
            for start, end in sorted(spans.items())
        )
        return [each[0] for each in checked if each is not None]

    def _parsed(self, line: bytes, writer: str, clock: int) -> bytes | None:
        """Return the copy of any line; None if it is no record, or of an unknown experiment."""
        checked = self._declared.fitting(line, in_event=False)
        if checked is None:
            return None
        record = checked[0]
        try:
            mine = {name: self._mapped(name, each) for name, each in record.items()}
        except KeyError:
            return None
        if record.get(records.ORIGIN) is None:
            mine[records.ORIGIN] = [writer, record["seq"], record["clock"]]
        mine["clock"] = clock
        return records.written(mine, self._declared.names)[:-1]

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


def line(origin: records.Origin, body: str, clock: int) -> bytes:
    """Return the line of a copy.

    Args:
        origin: Which record it is.
        body: Its fields.
        clock: Clock of the copy.
    """
    return f'{{"seq":0,"clock":{clock},{records.copied(origin, body)}}}\n'.encode()


def has_files(line: bytes) -> bool:
    """Return whether a line says something of files."""
    return any(field in line for field in _FILES)


def _about(experiment_id: str) -> bytes:
    return _EXPERIMENT + json.dumps(experiment_id).encode()
