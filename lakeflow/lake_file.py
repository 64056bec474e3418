"""``lake.json``: what says that a folder is a lake, which one, and of which format."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from typing import TYPE_CHECKING

from lakeflow.exceptions import DamagedLakeError, InvalidInputError, InvalidStateError
from lakeflow.filesystem.interface import STAGING
from lakeflow.filesystem.probe import PROBES
from lakeflow.ids import new_id
from lakeflow.kinds import first_event
from lakeflow.log.positions import LOG, event_path
from lakeflow.printable import without_password
from lakeflow.schema import FORMAT_VERSION
from lakeflow.tables import checked
from lakeflow.tables.checked import INDEXES
from lakeflow.tables.data_file import TABLES
from lakeflow.tables.folds import FOLDS

if TYPE_CHECKING:
    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.log.clock import Clock

LAKE_FILE = "lake.json"
"""Its path in the lake."""

_OWN_NAMES = {LAKE_FILE, TABLES, LOG, FOLDS, INDEXES, STAGING, PROBES}

_logger = logging.getLogger(__name__)

_TRUSTED_S = 60.0
"""Seconds for which a look at the file is good enough where it is a request."""


_LARGEST_BYTES = 1024 * 1024
"""What is read of the file: what goes on is none of ours, and does not parse."""


class LakeFile:
    """What one lake says of itself, as this process has read it.

    Args:
        fs: The lake's filesystem.

    Attributes:
        lake_id: What it is and no other lake, wherever it is moved; empty where it says none.
        format_version: Format of the lake; None if there is no lake.
        event_grace_s: Seconds for which a vacuum keeps events after a fold holds them. The lake
            says it, and no process: whoever changes experiments relies on it.
    """

    def __init__(self, fs: Filesystem) -> None:
        self._fs = fs
        self.format_version: int | None = None
        self.event_grace_s = 0
        self.lake_id = ""
        self._seen: object = None
        self._looked_at = 0.0

    def read(self) -> None:
        """Learn what the file says; one read.

        Raises:
            DamagedLakeError: It does not parse.
        """
        try:
            # Before the content: should the file be replaced in between, the next look differs.
            seen = self._fs.identity(LAKE_FILE)
            data = self._fs.read(LAKE_FILE, 0, _LARGEST_BYTES)
        except FileNotFoundError:
            self.format_version = None
            return
        try:
            content = json.loads(data)
            self.event_grace_s = checked.whole(content.get("event_grace_s", 0))
            self.lake_id = str(content.get("lake_id", ""))
            self.format_version = checked.whole(content["format_version"])
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
        ) as error:
            raise DamagedLakeError(
                f"{LAKE_FILE} in {self._fs.uri} is damaged: {error!r}",
                hint=f'it must hold {{"format_version": {FORMAT_VERSION}}}',
            ) from error
        self._seen, self._looked_at = seen, time.monotonic()

    def create(self, event_grace_s: int) -> None:
        """Make the file; fine if somebody else has done so already."""
        content = {
            "format_version": FORMAT_VERSION,
            "lake_id": new_id(),
            "created": time.time_ns() // 1_000_000,
            "event_grace_s": event_grace_s,
        }
        with contextlib.suppress(FileExistsError):
            self._fs.create(LAKE_FILE, json.dumps(content).encode())
            _logger.info(
                "made the lake %s %s", without_password(self._fs.uri), self._fs.users()
            )

    def is_in_place(self) -> bool:
        """Return whether the lake is still where it was opened, and no other one.

        One system call on a disk; elsewhere a request a minute.
        """
        try:
            seen = self._fs.identity(LAKE_FILE)
        except FileNotFoundError:
            return False
        if seen is None:
            is_known = time.monotonic() - self._looked_at < _TRUSTED_S
        else:
            is_known = seen == self._seen
        return is_known or self._is_same()

    def _is_same(self) -> bool:
        # Touched, or restored from a backup: another file may be of the same lake.
        found = LakeFile(self._fs)
        found.read()
        if found.format_version is None or found.lake_id != self.lake_id:
            return False
        self._seen, self._looked_at = found._seen, found._looked_at
        return True

    def require_in_place(self) -> None:
        """Make sure of that.

        Raises:
            InvalidStateError: The lake was moved, deleted, or another one is there now.
        """
        if not self.is_in_place():
            raise InvalidStateError(
                f"the lake that was opened at {self._fs.uri} was moved or deleted",
                # To clients of a server that has it open it is out of order for now.
                "TEMPORARILY_UNAVAILABLE",
                hint="put it back, or open it where it is now: what was logged went with it; "
                "set_tracking_uri with this very location begins anew here",
            )


def make_lake(fs: Filesystem, file: LakeFile, clock: Clock, event_grace_s: int) -> None:
    """Make an empty lake; every step may be repeated, by us or by somebody racing us.

    Args:
        fs: Its filesystem.
        file: What says that it is one.
        clock: Of this process.
        event_grace_s: As ``LakeFile`` has it.

    Raises:
        InvalidInputError: Something else is there.
    """
    strangers = [
        entry.name
        for entry in fs.list("")
        # On a disk a file has such a name until it is whole; a killed process leaves it.
        if entry.name not in _OWN_NAMES and not entry.name.startswith(f".{LAKE_FILE}")
    ]
    if strangers:
        raise InvalidInputError(
            f"{fs.uri} is not a lake and not empty: it holds {strangers[0]!r}",
            hint="choose an empty or new folder",
        )
    with contextlib.suppress(FileExistsError):
        fs.create(event_path(1), first_event(clock.next()))
    # Last: who finds this file takes the lake for complete.
    file.create(event_grace_s)
