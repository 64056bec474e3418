"""Every call that a lake makes of its filesystem, with ``a`` and ``b`` there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeflow.filesystem.interface import Filesystem


def upload(fs: Filesystem, folder: Path) -> None:
    part = folder / "part"
    part.write_bytes(b"x" * 100)
    fs.upload(str(part), "tables/part")


def lock(fs: Filesystem, _: Path) -> None:
    with fs.exclusive("folds/lock"):
        pass


OPERATIONS: dict[str, Callable[[Any, Any], object]] = {
    "read": lambda fs, _: fs.read("a"),
    "read a block": lambda fs, _: fs.read_fixed("a", 7, 0, 7),
    "read many": lambda fs, _: list(fs.read_many({"a": (0, 7), "b": (0, 7)})),
    "list": lambda fs, _: fs.list(""),
    "list below": lambda fs, _: fs.sizes(""),
    "exists": lambda fs, _: fs.exists("a"),
    "size": lambda fs, _: fs.size("a"),
    "create": lambda fs, _: fs.create("c", b"x"),
    "upload": upload,
    "delete": lambda fs, _: fs.delete("a"),
    "delete many": lambda fs, _: fs.delete_many(["a", "b"]),
    "lock": lock,
}
