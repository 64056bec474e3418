"""The part of the log that a fold reads, put where the engine can read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.exceptions import StorageError
from lakeflow.storage.positions import complete_lines
from lakeflow.tracking import records

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lakeflow.storage.lake import Lake

REJECTED = "rejected"
"""Folder of log lines that did not parse, one file a fold."""


def stage_spans(lake: Lake, spans: Mapping[str, tuple[int, int]], folder: Path) -> list[str]:
    """Put the folded part of each segment where the engine can read it whole.

    A complete local segment that nobody appends to is read where it is.

    Returns:
        Files, each in a folder with the name of its writer.
    """
    staged, others = [], {}
    for path, (start, end) in spans.items():
        local = lake.fs.local_path(path)
        is_whole = start == 0 and lake.fs.size(path) == end if local else False
        if local and is_whole and _is_complete(lake, path, end):
            staged.append(local)
        else:
            others[path] = start, end
    for path, data in lake.fs.read_many(others):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.write_bytes(complete_lines(data))
        except OSError as error:
            raise StorageError(f"cannot stage {path}: {error}", "RESOURCE_EXHAUSTED") from error
        staged.append(str(target))
    return staged


def _is_complete(lake: Lake, path: str, size: int) -> bool:
    """Return whether nobody appends to a segment, and no torn line is at its end."""
    return not lake.fs.is_held(path) and lake.fs.read(path, size - 1, size) == b"\n"


def set_aside(lake: Lake, epoch: int, spans: Mapping[str, tuple[int, int]]) -> int:
    """Keep the lines that are no records, and return how many there are."""
    lines = []
    for path, (start, end) in spans.items():
        offset = start
        for line in lake.fs.read(path, start, end).split(b"\n")[:-1]:
            if line.strip() and not _is_record(line):
                lines.append(records.rejected(path, offset, line))
            offset += len(line) + 1
    try:
        content = "".join(f"{line}\n" for line in lines).encode()
        lake.fs.create(f"{REJECTED}/{epoch:010d}.jsonl", content)
    except FileExistsError:
        pass
    return len(lines)


def _is_record(line: bytes) -> bool:
    record = records.parse(line)
    wanted = ("clock", "run_id", "experiment_id")
    return record is not None and all(record.get(name) is not None for name in wanted)
