"""Segments of copies in the log of a lake: each is written whole, by a writer of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from lakeflow.filesystem.threads import submitted
from lakeflow.ids import new_id
from lakeflow.log.positions import LOG

if TYPE_CHECKING:
    from concurrent.futures import Future

    from lakeflow.lake import Lake

_SEGMENT_BYTES = 8 * 1024 * 1024
"""Size of a segment: what is read at once has it as a rule, and is written as it is."""


class CopyWriter:
    """Writes lines that are copies: should it stop anywhere, what is there counts once.

    A thread writes a segment while the lines of the next one are made.

    Args:
        lake: Where to.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._id = new_id()
        self._segments = 0
        self._unsynced: list[str] = []
        self._gathered: list[bytes] = []
        self._size = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lakeflow-sync")
        self._under_way: Future[object] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def clock(self) -> int:
        """Return the clock for the next lines: folds cut where it grows."""
        return self._lake.clock.next()

    def add(self, lines: bytes) -> None:
        """Take in lines whose clock was just asked for.

        Raises:
            StorageError: The lake cannot be written.
        """
        if not lines:
            return
        self._gathered.append(lines)
        self._size += len(lines)
        if self._size >= _SEGMENT_BYTES:
            self._write()

    def _write(self) -> None:
        """Begin to write what was taken in, once the segment before it is written."""
        # One at a time: a reader takes no segment of a writer behind one that is missing.
        self._wait()
        if not self._gathered:
            return
        # Else the folder of a lake that was moved away would be made anew.
        self._lake.require_in_place()
        self._segments += 1
        path = f"{LOG}/{self._id}/{self._segments:08d}.jsonl"
        data = b"".join(self._gathered)
        # Not created once, for which the disk is waited for: nobody else has the name, and
        # ``finish`` waits for the disk.
        self._under_way = submitted(self._thread, self._lake.fs.put, path, data)
        self._unsynced.append(path)
        self._gathered, self._size = [], 0

    def _wait(self) -> None:
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None

    def finish(self) -> None:
        """Return once all that was taken in is written, and survives a power cut.

        Raises:
            StorageError: The lake cannot be written.
        """
        self._write()
        self._wait()
        self._lake.fs.sync(*self._unsynced)
        self._unsynced.clear()
