"""The part of the log that a fold reads, put where the engine can read it."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING

from lakeflow import records
from lakeflow.kinds.kind import GONE
from lakeflow.log.positions import CONTROL, LOG, complete_lines, events_apart
from lakeflow.query.folding.fold_runner import Documents
from lakeflow.stores.lines import fields_of, is_record
from lakeflow.tables.block_files import look_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.tables.folds import Fold

_DOCUMENTS_AT_ONCE = 10_000
"""Documents that are looked up together: what bounds the memory that they take."""

Line = tuple[int, bytes]
"""Where in its segment a line begins, and the line with its end."""

REJECTED = "rejected"
"""Folder of log lines that did not parse, one file a fold."""


def stage_spans(lake: Lake, spans: Mapping[str, tuple[int, int]], folder: Path) -> list[str]:
    """Put the folded part of each segment where the engine can read it whole.

    A complete local segment that nobody appends to is read where it is.

    Returns:
        Files, each in a folder with the name of its writer.
    """
    events, segments = events_apart(spans)
    staged, others = [], {}
    if events:
        # The engine opens each file anew, which takes longer than to read an event.
        found = lake.fs.read_many(events, fixed=False)
        joined = b"".join(data for _, data in found)
        staged.append(_put(folder / LOG / CONTROL / "events.jsonl", joined))
    for path, (start, end) in segments.items():
        local = lake.fs.local_path(path)
        is_whole = start == 0 and lake.fs.size(path) == end if local else False
        # While somebody appends to a segment the engine could read more than the fold says,
        # and a torn last line would count as one that does not parse.
        is_still = is_whole and not lake.fs.is_held(path)
        if local and is_still and lake.fs.read(path, end - 1, end) == b"\n":
            staged.append(local)
        else:
            others[path] = start, end
    for path, data in lake.fs.read_many(others):
        staged.append(_put(folder / path, complete_lines(data)))
    return staged


def _put(target: Path, data: bytes) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return str(target)


def set_aside(
    lake: Lake,
    fold: int,
    spans: Mapping[str, tuple[int, int]],
    folder: Path,
    misfits_in: Callable[[list[str]], int],
) -> tuple[list[str], int]:
    """Keep the lines that are no records apart from the others.

    Args:
        lake: The lake.
        fold: Number of the fold.
        spans: From where to where it reads each segment.
        folder: A folder on this machine to write files in.
        misfits_in: Returns how many lines of some files the engine takes for none.

    Returns:
        Files with the others, each in a folder with the name of its writer; and how many lines
        were set aside in the lake.
    """
    fields = fields_of(lake.kinds)
    staged, misfits = [], []
    for path, (start, end) in spans.items():
        lines = [
            (start + found.start(), found.group())
            for found in re.finditer(rb"[^\n]*\n", lake.fs.read(path, start, end))
            if found.group().strip()
        ]

        def is_misfit(some: Sequence[Line], path: str = path) -> bool:
            return misfits_in([_put(folder / path, b"".join(line for _, line in some))]) > 0

        fitting = [each for each in lines if is_record(fields, each[1])]
        # What is left over is what both take for a record: not one line may be in neither.
        unfit = {*lines} - {*fitting} | {*_unfit(fitting, is_misfit)}
        misfits += [records.rejected(path, *each) for each in sorted(unfit)]
        kept = b"".join(line for offset, line in fitting if (offset, line) not in unfit)
        staged.append(_put(folder / path, kept))
    # Whoever carried out this fold before read the same lines, so the file is the same.
    with contextlib.suppress(FileExistsError):
        content = "".join(f"{line}\n" for line in misfits).encode()
        lake.fs.create(f"{REJECTED}/{fold:010d}.jsonl", content)
    lake.fs.sync(f"{REJECTED}/{fold:010d}.jsonl")
    return staged, len(misfits)


def _unfit(lines: Sequence[Line], is_misfit: Callable[[Sequence[Line]], bool]) -> list[Line]:
    """Return the lines that do not fit, by halves: there are few of them."""
    if not lines or not is_misfit(lines):
        return []
    if len(lines) == 1:
        return [*lines]
    middle = len(lines) // 2
    return _unfit(lines[:middle], is_misfit) + _unfit(lines[middle:], is_misfit)


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
        for first in range(0, len(ids), _DOCUMENTS_AT_ONCE):
            found = look_up(files, ids[first : first + _DOCUMENTS_AT_ONCE])
            for document in found.values():
                line = f"{document}\n".encode()
                longest = max(longest, len(line))
                file.write(line)
    return Documents(str(target), longest) if longest else None


def removed_before(lake: Lake, kind: Kind, fold: Fold, ids: Sequence[str]) -> list[str]:
    """Return those of some things that a fold holds as removed."""
    found = look_up(lake.index(kind.name, fold), ids)
    return [identity for identity in found if GONE in json.loads(found[identity])]
