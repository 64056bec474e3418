"""The lakes that this process has open: one for each location, whoever asks for it."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from typing import TYPE_CHECKING

from lakeflow import context
from lakeflow.config import Settings
from lakeflow.exceptions import LakeflowException
from lakeflow.filesystem.location import canonical, open_filesystem
from lakeflow.lake import Lake
from lakeflow.shutdown import at_shutdown
from lakeflow.values import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPEN: dict[tuple[str, str], Lake] = {}
# A lock of each one's own: its store may not answer, and who opens another need not wait.
_OPENING: dict[tuple[str, str], threading.RLock] = {}


def open_lake(
    uri: str | os.PathLike[str],
    storage_options: Mapping[str, object] | None = None,
    settings: Settings | None = None,
    *,
    create: bool = True,
) -> Lake:
    """Open a lake, making it if there is nothing at its location yet.

    Args:
        uri: A path, ``file://``, ``memory://`` or another fsspec URL, with or without
            ``lakeflow+`` before it, or ``lakeflow:///absolute/path``.
        storage_options: fsspec's options for the filesystem; by default those that
            ``set_storage_options`` has set for the location.
        settings: How this process treats the lake; from the environment by default.
            Those of the first opening stay.
        create: Whether to make it if there is none.

    Raises:
        NotFoundError: There is none, and it is not to be made.
        InvalidInputError: The location holds something else, is none, or takes no options.
        InvalidStateError: The lake is of a newer format; or this process had one open there
            that was moved or deleted, see ``let_go_if_gone``.
        StorageError: It cannot be read, or not be made.
    """
    location = canonical(uri)
    opening = context.opening(location)
    options = dict(opening.storage_options if storage_options is None else storage_options)
    # By its options too: at another endpoint the same URL is another lake.
    key = (location, json.dumps(options, sort_keys=True, default=repr))
    with _OPENING.setdefault(key, threading.RLock()):
        lake = _OPEN.get(key)
        if lake is not None:
            # Another one has nothing of what this process has logged.
            lake.file.require_in_place()
            return lake
        settings = settings or Settings.from_environment()
        if opening.exclusive_writer is not None:
            settings = replace(settings, exclusive_writer=opening.exclusive_writer)
        made = Lake.on(open_filesystem(location, options, settings), settings, create=create)
        made.let_go = lambda: _let_go(made)
        # The handler of a signal may have opened it in this very thread meanwhile.
        return _OPEN.setdefault(key, made)


def let_go_if_gone(location: str) -> bool:
    """Return whether the lake at a canonical location is gone; open it anew from now on."""
    gone = []
    for lake in [lake for key, lake in list(_OPEN.items()) if key[0] == location]:
        # Where it cannot be told, the next opening says why.
        with contextlib.suppress(LakeflowException):
            gone += [] if lake.file.is_in_place() else [lake]
    for lake in gone:
        _let_go(lake)
    return bool(gone)


def _let_go(lake: Lake) -> None:
    """Let the next opening be a new one."""
    for key in [key for key, each in list(_OPEN.items()) if each is lake]:
        with _OPENING.setdefault(key, threading.RLock()):
            if _OPEN.get(key) is lake:
                del _OPEN[key]


def _close_all() -> None:
    # What one of them raises keeps no other one from being closed.
    with contextlib.ExitStack() as lakes:
        for lake in list(_OPEN.values()):
            lakes.callback(lake.close)


def _after_fork() -> None:
    # Another thread of the parent may have held one.
    _OPENING.clear()
    for lake in list(_OPEN.values()):
        lake.after_fork()


at_shutdown(_close_all)
os.register_at_fork(after_in_child=_after_fork)
