"""Points in the order of logging, gathered metric by metric in bounded memory. Pure."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from lakeflow.importing.items import Curve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Point = tuple[str, float, int, int]
    """Key, value, timestamp in milliseconds, step."""

# A point takes 24 bytes: what is held at once has 24 MB.
_POINTS_AT_ONCE = 1_000_000
_POINTS_OF_A_CHUNK = 5_000


def gathered(
    counts: Mapping[str, int], read: Callable[[frozenset[str]], Iterable[Point]]
) -> Iterator[Curve]:
    """Yield the curves of a run, whose source has them interleaved.

    The source is read once for each million points.

    Args:
        counts: How many points each metric has.
        read: Yields all points of some metrics, each time in the same order.
    """
    for keys in _batches(counts):
        # It may have more points than are held at once, and needs no sorting.
        if len(keys) == 1:
            yield from _streamed(read(keys))
        else:
            yield from _held(read(keys))


def _batches(counts: Mapping[str, int]) -> Iterator[frozenset[str]]:
    keys: list[str] = []
    held = 0
    for key, count in counts.items():
        if keys and held + count > _POINTS_AT_ONCE:
            yield frozenset(keys)
            keys, held = [], 0
        keys.append(key)
        held += count
    if keys:
        yield frozenset(keys)


class _Points:
    """Points of one metric."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.clear()

    def clear(self) -> None:
        self.values, self.timestamps, self.steps = array("d"), array("q"), array("q")

    def add(self, value: float, timestamp: int, step: int) -> None:
        self.values.append(value)
        self.timestamps.append(timestamp)
        self.steps.append(step)

    def chunks(self) -> Iterator[Curve]:
        for begin in range(0, len(self.values), _POINTS_OF_A_CHUNK):
            part = slice(begin, begin + _POINTS_OF_A_CHUNK)
            yield Curve(self.key, self.values[part], self.timestamps[part], self.steps[part])


def _streamed(points: Iterable[Point]) -> Iterator[Curve]:
    held = _Points("")
    for key, value, timestamp, step in points:
        held.key = key
        held.add(value, timestamp, step)
        if len(held.values) == _POINTS_OF_A_CHUNK:
            yield from held.chunks()
            held.clear()
    yield from held.chunks()


def _held(points: Iterable[Point]) -> Iterator[Curve]:
    by_key: dict[str, _Points] = {}
    for key, value, timestamp, step in points:
        held = by_key.get(key)
        if held is None:
            held = by_key[key] = _Points(key)
        held.add(value, timestamp, step)
    for held in by_key.values():
        yield from held.chunks()
