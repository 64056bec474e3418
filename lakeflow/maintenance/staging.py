"""The part of the log that a fold reads, put where the engine can read it.

The engine is given records alone, as lakeflow writes them itself: what is written otherwise (a
name twice, 1.0 for 1, a text where a number belongs) it reads in ways of its own. So each line
is looked at here, by the declarations that readers of the log go by.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from lakeflow import event_lines, records
from lakeflow.filesystem.threads import in_order
from lakeflow.log.event_files import read_event
from lakeflow.log.line_reader import read_lines
from lakeflow.log.positions import CONTROL, LOG, events_apart, is_complete, number_of
from lakeflow.maintenance.plain_lines import are_plain
from lakeflow.query.folding.fold_runner import Documents
from lakeflow.stores.lines import declarations
from lakeflow.stores.stored_things import read_thing
from lakeflow.tables.block_reader import look_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.log.line_reader import Lines
    from lakeflow.tables.block_reader import BlockReader
    from lakeflow.tables.folds import Fold

    MisfitsIn = Callable[[list[str]], int]

_DOCUMENTS_AT_ONCE = 10_000
"""Documents that are looked up together: what bounds the memory that they take."""

REJECTED = "rejected"
"""Folder of log lines that did not fit, one file a fold."""


class Line(NamedTuple):
    """A line that is a record.

    Attributes:
        offset: Where in its segment it begins.
        raw: As it is there, without its end.
        written: As lakeflow would have written it, with its end.
    """

    offset: int
    raw: bytes
    written: bytes


@dataclass(slots=True)
class StagedLog:
    """What a fold reads.

    Attributes:
        files: Files for the engine, each in a folder with the name of its writer.
        rejected: Lines that are no records, as they are kept.
    """

    files: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)


class _Stage:
    """Stages the lines of one fold.

    Args:
        lake: The lake.
        folder: A folder on this machine to write files in.
        misfits_in: Returns how many lines of some files the engine takes for none: then it is
            asked about every line, and else about none.
    """

    def __init__(self, lake: Lake, folder: Path, misfits_in: MisfitsIn | None) -> None:
        self._fs = lake.fs
        self._folder = folder
        self._misfits_in = misfits_in
        self._declared = declarations(lake.kinds)
        self.staged = StagedLog()

    def events(self, spans: Mapping[str, tuple[int, int]]) -> None:
        """Stage events in one file: to open each anew takes longer than to read it."""
        joined = []
        # Only all lines together say whether they are an event, also where some are folded.
        whole = {path: (0, end) for path, (_, end) in spans.items()}
        for path, found in self._fs.read_many(whole, fixed=False):
            data = read_event(self._fs, path, event_lines.is_whole, found)
            start, end = spans[path]
            if self._declared.event(number_of(path), data) is not None:
                joined.append(self._fitting(path, start, data[start:end]))
                continue
            for line in event_lines.lines(data[start:end]):
                self._reject(path, start, line)
                start += len(line) + 1
        self._put(f"{LOG}/{CONTROL}/events.jsonl", joined)

    def segments(self, spans: Mapping[str, tuple[int, int]]) -> None:
        """Stage segments, but for those that the engine can read where they are."""
        others = {}
        # Looking at each line takes a quarter of what a fold does with it, on one core.
        most = os.cpu_count() or 1
        with ThreadPoolExecutor(most) as pool:
            places = in_order(pool, self._place, spans.items(), most)
            for path, local in zip(spans, places, strict=True):
                if local is not None:
                    self.staged.files.append(local)
                else:
                    others[path] = spans[path]
        # What is of one segment comes in a row, and becomes one file.
        for path, stretches in groupby(read_lines(self._fs, others), itemgetter(0)):
            self._put(path, (self._stretch(path, lines) for _, lines in stretches))

    def _place(self, segment: tuple[str, tuple[int, int]]) -> str | None:
        """Return where the engine may read a segment as it is; None where it may not."""
        local = self._fs.local_path(segment[0])
        return local if local is not None and self._may_stay(*segment) else None

    def _may_stay(self, path: str, span: tuple[int, int]) -> bool:
        """Return whether the engine may read a segment from its first to its last byte."""
        is_whole = span == (0, self._fs.size(path))
        # While somebody appends to a segment the engine could read more than the fold says,
        # and a torn last line would count as one that does not parse.
        if not is_whole or self._misfits_in is not None or self._fs.is_held(path):
            return False
        end = 0
        for _, lines in read_lines(self._fs, {path: span}):
            if not are_plain(lines.data):
                return False
            end = lines.end
        return end == span[1]

    def _stretch(self, path: str, lines: Lines) -> bytes:
        if lines.is_cut:
            self._reject(path, lines.offset, lines.data)
            return b""
        return self._fitting(path, lines.offset, lines.data)

    def _fitting(self, path: str, offset: int, data: bytes) -> bytes:
        """Return the lines that are records, and keep the others apart."""
        is_event = is_complete(path)
        # A few lines are sooner parsed than the patterns are, which are for many.
        if self._misfits_in is None and not is_event and are_plain(data):
            return data
        found: list[Line] = []
        for line in re.finditer(rb"[^\n]*\n", data):
            raw = line.group()[:-1]
            if not raw.strip():
                continue
            checked = self._declared.fitting(raw, in_event=is_event)
            if checked is None:
                self._reject(path, offset + line.start(), raw)
            else:
                written = records.written(checked[0], self._declared.names)
                found.append(Line(offset + line.start(), raw, written))
        for unfit in self._unfit(path, found):
            self._reject(path, unfit.offset, unfit.raw)
            found.remove(unfit)
        return b"".join(line.written for line in found)

    def _unfit(self, path: str, lines: list[Line]) -> list[Line]:
        """Return the lines that the engine does not take, by halves: there are few of them."""
        if self._misfits_in is None or not lines:
            return []
        file = _write(self._folder / "asked" / path, [b"".join(line.written for line in lines)])
        if not self._misfits_in([file]):
            return []
        if len(lines) == 1:
            return lines
        middle = len(lines) // 2
        return self._unfit(path, lines[:middle]) + self._unfit(path, lines[middle:])

    def _reject(self, path: str, offset: int, line: bytes) -> None:
        self.staged.rejected.append(_rejected(path, offset, line))

    def _put(self, path: str, contents: Iterable[bytes]) -> None:
        self.staged.files.append(_write(self._folder / path, contents))


def _write(target: Path, contents: Iterable[bytes]) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        file.writelines(contents)
    return str(target)


def stage_log(
    lake: Lake,
    spans: Mapping[str, tuple[int, int]],
    folder: Path,
    misfits_in: MisfitsIn | None = None,
) -> StagedLog:
    """Put the folded part of each segment where the engine can read it whole.

    A complete local segment that nobody appends to is read where it is, if all of its lines
    are written as lakeflow writes them.

    Args:
        lake: The lake.
        spans: From where to where a fold reads each segment.
        folder: A folder on this machine to write files in.
        misfits_in: As for ``_Stage``.

    Raises:
        DamagedLakeError: An event is not whole.
    """
    stage = _Stage(lake, folder, misfits_in)
    events, segments = events_apart(spans)
    if events:
        stage.events(events)
    stage.segments(segments)
    return stage.staged


def _rejected(segment: str, offset: int, line: bytes) -> str:
    """Return what is kept of a line that is no record: where it was, and its bytes."""
    # The bytes that are no UTF-8 can be read as escapes, and none is lost.
    text = line.rstrip(b"\n").decode("utf-8", "backslashreplace")
    return json.dumps({"segment": segment, "offset": offset, "line": text}, ensure_ascii=False)


def keep_rejected(lake: Lake, fold: int, lines: Sequence[str]) -> None:
    """Keep the lines of a fold that are no records in the lake."""
    path = f"{REJECTED}/{fold:010d}.jsonl"
    # Whoever carried out this fold before read the same lines, so the file is the same.
    with contextlib.suppress(FileExistsError):
        lake.fs.create(path, "".join(f"{line}\n" for line in lines).encode())
    lake.fs.sync(path)


def stage_documents(
    lake: Lake, kind: Kind, fold: Fold, ids: Sequence[str], target: Path
) -> Documents | None:
    """Put the documents that a fold holds of some things where the engine can read them.

    Args:
        lake: The lake.
        kind: The kind of the things.
        fold: The fold.
        ids: The things, in order.
        target: The file to write, a line a document.

    Returns:
        The documents; None if there are none.
    """
    files = lake.index(kind.name, fold)
    if not files or not ids:
        return None
    longest = 0
    with target.open("wb") as file:
        for _, document in _documents(files, ids):
            line = f"{document}\n".encode()
            longest = max(longest, len(line))
            file.write(line)
    return Documents(str(target), longest) if longest else None


def removed_before(lake: Lake, kind: Kind, fold: Fold, ids: Sequence[str]) -> list[str]:
    """Return those of some things that a fold holds as removed."""
    files = lake.index(kind.name, fold)
    found = look_up(files, ids)
    return [each for each in found if read_thing(kind, each, found[each], files).is_gone]


def require_documents(lake: Lake, kind: Kind, fold: Fold, ids: Sequence[str]) -> None:
    """Read the documents that a fold holds of some things, once the engine could not.

    Raises:
        DamagedLakeError: One cannot be read; its file is named.
    """
    files = lake.index(kind.name, fold)
    for identity, document in _documents(files, ids):
        read_thing(kind, identity, document, files)


def _documents(files: Sequence[BlockReader], ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the documents of those things that have one, in bounded memory."""
    for first in range(0, len(ids), _DOCUMENTS_AT_ONCE):
        yield from look_up(files, ids[first : first + _DOCUMENTS_AT_ONCE]).items()
