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

_EXPERIMENT = "experiment_id"
_HEAD = b'{"seq":'
_CLOCK = b',"clock":'
_ORIGIN = b'"origin":['
_NAMED = b'"experiment_id":'
_ABOUT = b'"experiment_id":"'

_FILES = (b'"artifacts":{', b'"logged_models":{')
"""Fields of things with files beside them."""


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
        self._ids = {each.encode(): other.encode() for each, other in experiments.items()}

    def copied(self, data: bytes, writer: str, clock: int) -> Copied:
        """Return complete lines of a writer as copies.

        Args:
            data: The lines, each with its end.
            writer: Whose they are.
            clock: Clock of the copies; that of the records stays in what they are copies of.
        """
        name, now = json.dumps(writer).encode(), b"%d" % clock
        lines = data.split(b"\n")
        lines.pop()  # what is behind the last newline, which is nothing
        copies: list[bytes] = []
        with_files: list[Mapping[str, Any]] = []
        for line in lines:
            copy = self._quickly(line, name, now)
            if copy is None:
                copy = self._parsed(line, writer, clock)
            if not copy:
                continue
            copies.append(copy)
            if has_files(copy):
                checked = self._declared.fitting(copy, in_event=False)
                with_files += [checked[0]] if checked is not None else []
        copies.append(b"")
        count = len(copies) - 1
        left = sum(bool(line.strip()) for line in lines) - count
        return Copied(b"\n".join(copies), count, left, with_files)

    def _quickly(self, line: bytes, writer: bytes, clock: bytes) -> bytes | None:
        """Return the copy of a line that is about at most one experiment; None for others."""
        if not line.startswith(_HEAD):
            return None
        seq, _, rest = line[len(_HEAD) :].partition(_CLOCK)
        first, _, fields = rest.partition(b",")
        if not (seq.isdigit() and first.isdigit()):
            return None
        if fields.startswith(_ORIGIN):
            origin, _, fields = fields.partition(b"],")
            origin += b"],"
        else:
            origin = b"%b%b,%b,%b]," % (_ORIGIN, writer, seq, first)
        if fields.startswith(_ABOUT):
            identity, _, others = fields[len(_ABOUT) :].partition(b'"')
            mine = self._ids.get(identity)
            if mine is None or _NAMED in others:
                return None
            return b"%b%b%b%b,%b%b%b\"%b" % (
                _HEAD, seq, _CLOCK, clock, origin, _ABOUT, mine, others
            )  # fmt: skip
        if _NAMED in fields:
            return None
        return b"%b%b%b%b,%b%b" % (_HEAD, seq, _CLOCK, clock, origin, fields)

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
        if name == _EXPERIMENT:
            return self._experiments[value]
        if type(value) is dict and _EXPERIMENT in value:
            return {
                **value,
                _EXPERIMENT: [self._experiments[each] for each in value[_EXPERIMENT]],
            }
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
    # A name in a text has a backslash before its last quote.
    return any(field in line for field in _FILES)
