"""Points that come in any order, on this machine's disk, read metric by metric."""

from __future__ import annotations

import json
import os
import struct
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.importing.sources.spilling import spilling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

_HELD_POINTS = 500_000
"""12 MB; then all are written."""

_POINTS_AT_ONCE = 5_000

_NUMBER = struct.Struct("<q")


class Points(NamedTuple):
    """Some points of a metric: values, times in milliseconds, steps."""

    values: array[float]
    timestamps: array[int]
    steps: array[int]


class PointWriter:
    """Writes the points of one run.

    Args:
        path: The file to make.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        with spilling(path):
            self._file: BinaryIO = open(path, "wb")  # noqa: SIM115 - until close
        self._held: dict[str, Points] = {}
        self._count = 0
        self._stretches: dict[str, list[tuple[int, int]]] = {}

    def add(self, key: str, value: float, timestamp: int, step: int) -> None:
        """Write a point, sooner or later."""
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = Points(array("d"), array("q"), array("q"))
        held.values.append(value)
        held.timestamps.append(timestamp)
        held.steps.append(step)
        self._count += 1
        if self._count >= _HELD_POINTS:
            self._write()

    def _write(self) -> None:
        with spilling(self._path):
            for key, held in self._held.items():
                self._write_points(self._stretches.setdefault(key, []), held)
        self._held = {}
        self._count = 0

    def _write_points(self, stretches: list[tuple[int, int]], held: Points) -> None:
        for first in range(0, len(held.values), _POINTS_AT_ONCE):
            parts = [part[first : first + _POINTS_AT_ONCE] for part in held]
            stretches.append((self._file.tell(), len(parts[0])))
            for part in parts:
                part.tofile(self._file)

    def close(self, other: Any = None) -> None:
        """Write what is left, and whatever JSON can hold beside it."""
        with spilling(self._path), self._file as file:
            self._write()
            data = json.dumps([self._stretches, other]).encode()
            file.write(data + _NUMBER.pack(len(data)))


def other(path: str) -> Any:
    """Return what ``close`` has written beside the points."""
    return _end(path)[1]


def counts(path: str) -> dict[str, int]:
    """Return how many points each metric has."""
    stretches = _end(path)[0]
    return {key: sum(count for _, count in parts) for key, parts in stretches.items()}


def points(path: str) -> Iterator[tuple[str, Points]]:
    """Yield the points metric by metric, in the order in which they were written."""
    stretches: Mapping[str, list[tuple[int, int]]] = _end(path)[0]
    with open(path, "rb") as file:
        for key, parts in stretches.items():
            for offset, count in parts:
                file.seek(offset)
                found = Points(array("d"), array("q"), array("q"))
                for part in found:
                    part.fromfile(file, count)
                yield key, found


def _end(path: str) -> Any:
    with open(path, "rb") as file:
        file.seek(-_NUMBER.size, os.SEEK_END)
        (length,) = _NUMBER.unpack(file.read())
        file.seek(-_NUMBER.size - length, os.SEEK_END)
        return json.loads(file.read(length))
