"""Several block files made one: of a key in several the newest value stays."""

from __future__ import annotations

import heapq
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING

from lakeflow.tables.blocks import Block, StoredBlock, entries_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from lakeflow.tables.block_reader import BlockReader
    from lakeflow.tables.block_writer import BlockWriter

    _Step = tuple[str, int, StoredBlock | str | None]


def merge(readers: Sequence[BlockReader], writer: BlockWriter, *, drop_removed: bool) -> None:
    """Write the entries of several files into one; of a key in several, the newest.

    A block between whose keys no other file has one is copied as it is.

    Args:
        readers: Of the files, newest first.
        writer: Takes the entries; it is not finished.
        drop_removed: Whether to leave out removed keys: right if no older file may have them.
    """
    walks = [_walk(reader, age) for age, reader in enumerate(readers)]
    # Where several files have a key, the newest comes first by its age.
    ahead = [step for walk in walks for step in islice(walk, 1)]
    heapq.heapify(ahead)
    written: str | None = None
    while ahead:
        key, age, item = ahead[0]
        is_copied = False
        if isinstance(item, StoredBlock):
            # The least key that the other files have is one of the next two in the heap.
            # And its own first key may just have been written, out of a newer file.
            is_apart = key != written and all(item.below <= other for other, *_ in ahead[1:3])
            is_copied = is_apart and not (drop_removed and item.block.removed)
            if is_copied:
                writer.copy_block(item)
        elif key != written:
            written = key
            if not (drop_removed and item is None):
                writer.add(key, item)
        try:
            heapq.heapreplace(ahead, walks[age].send(is_copied))
        except StopIteration:
            heapq.heappop(ahead)


def _walk(reader: BlockReader, age: int) -> Generator[_Step, bool, None]:
    """Yield each block with its first key and, unless it was copied, its entries."""
    # The text right after the last key is that key and a NUL.
    end = StoredBlock(Block(reader.file.most + "\0", 0, 0, 0, 0), b"", "")
    for stored, following in pairwise(chain(reader.blocks(), [end])):
        whole = stored._replace(below=following.block.first)
        if not (yield stored.block.first, age, whole):
            yield from ((key, age, value) for key, value in entries_of(stored.raw()))
