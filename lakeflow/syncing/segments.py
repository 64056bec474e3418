"""Segments of copies in the log of a lake: each is written whole, by a writer of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.ids import new_id
from lakeflow.log.positions import LOG

if TYPE_CHECKING:
    from lakeflow.lake import Lake


class CopyWriter:
    """Writes lines that are copies: should it stop anywhere, what is there counts once.

    Args:
        lake: Where to.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._id = new_id()
        self._segments: list[str] = []
        self._gathered: list[bytes] = []
        self._size = 0

    def clock(self) -> int:
        """Return the clock for the next lines: folds cut where it grows."""
        return self._lake.clock.next()

    def add(self, lines: bytes) -> None:
        """Take in lines whose clock was just asked for."""
        if not lines:
            return
        self._gathered.append(lines)
        self._size += len(lines)
        if self._size >= self._lake.settings.segment_bytes:
            self.write()

    def write(self) -> None:
        """Write what was taken in, if anything was.

        Raises:
            StorageError: The lake cannot be written.
        """
        if not self._gathered:
            return
        self._lake.require_in_place()
        path = f"{LOG}/{self._id}/{len(self._segments) + 1:08d}.jsonl"
        self._lake.fs.create(path, b"".join(self._gathered))
        self._segments.append(path)
        self._gathered, self._size = [], 0

    def sync(self) -> None:
        """Return once all that was written survives a power cut, where settings ask for it."""
        self._lake.sync_if_durable(*self._segments)
