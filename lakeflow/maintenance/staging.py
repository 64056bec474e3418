"""The part of the log that a fold reads, put where the engine can read it."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from lakeflow import records
from lakeflow.exceptions import StorageError
from lakeflow.kinds.kind import GONE
from lakeflow.log.positions import CONTROL, LOG, complete_lines, events_apart
from lakeflow.query.folding.fold_runner import Documents
from lakeflow.stores.lines import fields_of, is_record
from lakeflow.tables.block_files import look_up

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.tables.folds import Fold

_DOCUMENTS_AT_ONCE = 10_000
"""Documents that are looked up together: what bounds the memory that they take."""

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
    try:
        target.write_bytes(data)
    except OSError as error:
        raise StorageError(f"cannot stage {target}: {error}", "RESOURCE_EXHAUSTED") from error
    return str(target)


def set_aside(
    lake: Lake, fold: int, spans: Mapping[str, tuple[int, int]], folder: Path
) -> tuple[list[str], int]:
    """Keep the lines that are no records apart from the others.

    Returns:
        Files with the others, each in a folder with the name of its writer; and how many lines
        were set aside in the lake.
    """
    fields = fields_of(lake.kinds)
    staged, misfits = [], []
    for path, (start, end) in spans.items():
        fitting, offset = [], start
        for line in lake.fs.read(path, start, end).split(b"\n")[:-1]:
            if is_record(fields, line):
                fitting.append(line + b"\n")
            elif line.strip():
                misfits.append(records.rejected(path, offset, line))
            offset += len(line) + 1
        staged.append(_put(folder / path, b"".join(fitting)))
    # Whoever carried out this fold before read the same lines, so the file is the same.
    with contextlib.suppress(FileExistsError):
        content = "".join(f"{line}\n" for line in misfits).encode()
        lake.fs.create(f"{REJECTED}/{fold:010d}.jsonl", content)
    return staged, len(misfits)


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
    try:
        with target.open("wb") as file:
            for first in range(0, len(ids), _DOCUMENTS_AT_ONCE):
                found = look_up(files, ids[first : first + _DOCUMENTS_AT_ONCE])
                for document in found.values():
                    line = f"{document}\n".encode()
                    longest = max(longest, len(line))
                    file.write(line)
    except OSError as error:
        raise StorageError(f"cannot stage {target}: {error}", "RESOURCE_EXHAUSTED") from error
    return Documents(str(target), longest) if longest else None


def removed_before(lake: Lake, kind: Kind, fold: Fold, ids: Sequence[str]) -> list[str]:
    """Return those of some things that a fold holds as removed."""
    found = look_up(lake.index(kind.name, fold), ids)
    return [identity for identity in found if GONE in json.loads(found[identity])]
