"""Folds by number: what each one reads from the log, and the tables it left behind.

``folds/<epoch>.json`` says up to where the log is folded; whoever creates it owns the
number, and whoever finds it unfinished may finish it. ``folds/<epoch>.done.json`` says
which version of each table holds exactly that. A reader takes the newest finished fold: its
tables, and the log beyond its offsets.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import DamagedLakeError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.storage.filesystem import Filesystem

FOLDS = "folds"
"""Folder of the folds within a lake."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A fold that was begun.

    Attributes:
        epoch: Its number, counting from 1.
        offsets: For every segment that was there, the offset up to which it is folded.
    """

    epoch: int
    offsets: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Epoch:
    """The state of a lake after a fold: what a reader stands on.

    Attributes:
        number: Number of the fold; 0 before the first one.
        offsets: For every segment that was there, the offset up to which it is folded.
        versions: Version of each table that holds the log up to these offsets.
        removed: Files that the fold replaced, by table.
    """

    number: int
    offsets: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    removed: Mapping[str, list[str]] = field(default_factory=dict)


BEGINNING = Epoch(0)
"""Before the first fold: empty tables, and all of the log."""


def plan_path(epoch: int) -> str:
    """Return the path of the file that begins a fold."""
    return f"{FOLDS}/{epoch:010d}.json"


def done_path(epoch: int) -> str:
    """Return the path of the file that finishes a fold."""
    return f"{FOLDS}/{epoch:010d}.done.json"


def newest(fs: Filesystem) -> tuple[int, int]:
    """Return the number of the newest finished fold, and of the newest one begun.

    0 where there is none. One listing.
    """
    names = [entry.name for entry in fs.list(FOLDS)]
    done = [int(name[:10]) for name in names if _is(name, ".done.json")]
    begun = [int(name[:10]) for name in names if _is(name, ".json")]
    return max(done, default=0), max(begun + done, default=0)


def finished(fs: Filesystem) -> dict[int, float]:
    """Return when each fold that is still on record was finished, in seconds, by number."""
    return {
        int(entry.name[:10]): entry.modified_s
        for entry in fs.list(FOLDS)
        if _is(entry.name, ".done.json")
    }


def _is(name: str, ending: str) -> bool:
    return name[:10].isdigit() and name[10:] == ending


def begin(fs: Filesystem, fold: Fold) -> None:
    """Claim the number of a fold.

    Raises:
        FileExistsError: Somebody else has claimed it; theirs is the one to finish.
    """
    fs.create(plan_path(fold.epoch), _dump({"epoch": fold.epoch, "offsets": fold.offsets}))


def read_fold(fs: Filesystem, epoch: int) -> Fold:
    """Read a fold that was begun.

    Raises:
        DamagedLakeError: Its file does not parse.
    """
    content = _load(fs, plan_path(epoch))
    return Fold(epoch, content["offsets"])


def finish(fs: Filesystem, epoch: Epoch) -> None:
    """Publish what a fold left behind; fine if somebody else has done so already."""
    content = {
        "epoch": epoch.number,
        "offsets": epoch.offsets,
        "versions": epoch.versions,
        "removed": epoch.removed,
    }
    try:
        fs.create(done_path(epoch.number), _dump(content))
    except FileExistsError:
        return


def read_epoch(fs: Filesystem, number: int) -> Epoch:
    """Read the state after a finished fold.

    Raises:
        FileNotFoundError: It is not finished, or long past and deleted.
        DamagedLakeError: Its file does not parse.
    """
    if number == 0:
        return BEGINNING
    content = _load(fs, done_path(number))
    return Epoch(number, content["offsets"], content["versions"], content["removed"])


def epoch_as_of(fs: Filesystem, as_of: int | datetime.datetime) -> Epoch:
    """Return the newest finished fold as of a time, or of a version of the table of runs.

    Args:
        fs: The lake's filesystem.
        as_of: A time, UTC unless it says otherwise; or a Delta version of ``runs``.

    Raises:
        NotFoundError: That far back nothing is kept.
    """
    on_record = finished(fs)
    for number in sorted(on_record, reverse=True):
        epoch = read_epoch(fs, number)
        if isinstance(as_of, datetime.datetime):
            if on_record[number] <= _seconds(as_of):
                return epoch
        elif epoch.versions["runs"] <= as_of:
            return epoch
    if 1 in on_record or not on_record:
        return BEGINNING
    oldest = datetime.datetime.fromtimestamp(on_record[min(on_record)], datetime.UTC)
    raise NotFoundError(
        f"nothing is kept of {fs.uri} as of {as_of}; the oldest compaction on record is of "
        f"{oldest:%Y-%m-%d %H:%M:%S} UTC",
        hint="LAKEFLOW_RETENTION_S says for how long compactions keep what they replace",
    )


def _seconds(moment: datetime.datetime) -> float:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return aware.timestamp()


def _dump(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, indent=1).encode()


def _load(fs: Filesystem, path: str) -> dict[str, Any]:
    data = fs.read(path)
    try:
        content: dict[str, Any] = json.loads(data)
        content["offsets"]
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedLakeError(
            f"{path} in {fs.uri} is damaged: {error!r}",
            hint="restore this file from a backup; nothing else of the lake was touched",
        ) from error
    return content
