"""Reads remote files that never change, by blocks of which copies are kept on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.filesystem.disk_cache import BLOCK_BYTES
from lakeflow.filesystem.threads import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Executor

    from lakeflow.filesystem.disk_cache import BlockCache

HOLE_BYTES = 512 * 1024
"""Bytes between two blocks that are fetched along: a request costs as much as a megabyte."""

MOST_WHOLE_BYTES = 8 * 1024 * 1024
"""A file up to this size is fetched whole once requests for parts of it have cost as much."""

_FILES_COUNTED = 4_096


class FixedFiles:
    """The files of one lake.

    Args:
        uri: The location of the lake.
        cache: Where copies are kept; None for nowhere.
        fetch: Reads a file from an offset up to another.
        threads: Returns what fetches several stretches at once.
    """

    def __init__(
        self,
        uri: str,
        cache: BlockCache | None,
        fetch: Callable[[str, int, int], bytes],
        threads: Callable[[], Executor],
    ) -> None:
        self._uri = uri
        self._cache = cache
        self._fetch = fetch
        self._threads = threads
        self._requests: dict[str, int] = {}

    def read(self, path: str, size: int, start: int, end: int) -> bytes:
        """Return bytes of a file.

        Args:
            path: The file.
            size: Its size.
            start: Offset from which on, within the file.
            end: Offset up to which, within the file.
        """
        numbers = range(start // BLOCK_BYTES, -(-end // BLOCK_BYTES))  # -(-n) rounds up
        blocks = self._fetched(path, size, numbers)
        data = b"".join(blocks[number] for number in numbers)
        begin = start - numbers.start * BLOCK_BYTES
        return data[begin : begin + end - start]

    def prefetch(self, path: str, size: int, spans: Iterable[tuple[int, int]]) -> None:
        """Fetch stretches of a file that will be read, several at once."""
        numbers = {
            number
            for start, end in spans
            for number in range(start // BLOCK_BYTES, -(-min(end, size) // BLOCK_BYTES))
        }
        # Without a cache there is nowhere to put what comes early.
        if self._cache is not None:
            self._fetched(path, size, sorted(numbers))

    def keep(self, path: str, data: bytes) -> None:
        """Keep a whole file."""
        for number, begin in enumerate(range(0, len(data), BLOCK_BYTES)):
            self._keep_block(path, number, data[begin : begin + BLOCK_BYTES])

    def _fetched(self, path: str, size: int, numbers: Sequence[int]) -> dict[int, bytes]:
        blocks = {}
        if self._cache is not None:
            name = f"{self._uri}/{path}"
            for number in numbers:
                block = self._cache.get(name, number)
                # The last block is shorter. One of another size is of a lake that was here
                # before.
                expected = min(BLOCK_BYTES, size - number * BLOCK_BYTES)
                if block is not None and len(block) == expected:
                    blocks[number] = block
        missing = [number for number in numbers if number not in blocks]
        if missing and self._is_worth_it(path, size):
            missing = list(range(-(-size // BLOCK_BYTES)))
        stretches = _stretches(missing)
        spans = [
            (each.start * BLOCK_BYTES, min(each.stop * BLOCK_BYTES, size)) for each in stretches
        ]
        # Who reads one stretch need not start threads.
        if len(spans) < 2:
            contents: Iterable[bytes] = [self._fetch(path, *span) for span in spans]
        else:
            contents = in_order(
                self._threads(), lambda span: self._fetch(path, *span), spans, len(spans)
            )
        for each, data in zip(stretches, contents, strict=True):
            for number in each:
                begin = (number - each.start) * BLOCK_BYTES
                blocks[number] = data[begin : begin + BLOCK_BYTES]
                self._keep_block(path, number, blocks[number])
        return blocks

    def _is_worth_it(self, path: str, size: int) -> bool:
        """Return whether to fetch a whole file, where another request for a part is due."""
        if self._cache is None or size > MOST_WHOLE_BYTES:
            return False
        # A process may read ever new files. To lose the counts only delays a whole fetch.
        if len(self._requests) >= _FILES_COUNTED:
            self._requests.clear()
        # Threads may lose each other's counts, and then fetch the file a little later.
        requests = self._requests.pop(path, 0) + 1
        # Who buys when the rent has come to the price pays at most twice what was best. It is
        # counted anew then: a full disk keeps nothing.
        if requests * HOLE_BYTES >= size:
            return True
        self._requests[path] = requests
        return False

    def _keep_block(self, path: str, number: int, data: bytes) -> None:
        if self._cache is not None:
            self._cache.put(f"{self._uri}/{path}", number, data)


def _stretches(numbers: Sequence[int]) -> list[range]:
    """Return ranges that cover numbers in order, with holes not worth a request."""
    found: list[range] = []
    for number in numbers:
        if found and (number - found[-1].stop) * BLOCK_BYTES <= HOLE_BYTES:
            found[-1] = range(found[-1].start, number + 1)
        else:
            found.append(range(number, number + 1))
    return found
