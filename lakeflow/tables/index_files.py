"""Files of the indexes of a lake: opened once, and their upper levels kept."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from lakeflow.tables.block_reader import BlockReader

if TYPE_CHECKING:
    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.tables.blocks import BlockFile

# A reader keeps the end of its file and up to 256 index blocks in memory, so few are kept.
_MOST_READERS = 256


class IndexFiles:
    """Readers of block files, those opened last kept; threads share it.

    Args:
        fs: The lake's filesystem.
    """

    def __init__(self, fs: Filesystem) -> None:
        self._fs = fs
        self._readers: dict[str, BlockReader] = {}

    def reader(self, file: BlockFile) -> BlockReader:
        """Return what reads a file; nothing is read yet."""
        # Without a lock: two threads may make two readers of one file, which is only slower.
        reader = self._readers.get(file.path)
        if reader is None:
            reader = self._readers[file.path] = BlockReader(
                file,
                partial(self._fs.read_fixed, file.path, file.size),
                partial(self._fs.prefetch, file.path, file.size),
            )
            while len(self._readers) > _MOST_READERS:
                # Another thread may delete the same one, or add one while we look for it.
                with contextlib.suppress(KeyError, StopIteration):
                    del self._readers[next(iter(self._readers))]
        return reader
