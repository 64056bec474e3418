"""Folds by number: what each one reads from the log, and the tables it left behind.

``folds/<number>.json`` says up to where the log is folded, and on which finished fold that
stands; whoever creates it owns the number, and whoever finds it unfinished may finish it.
``folds/<number>.done.json`` says which version of each table holds exactly that, and names its
files. A reader takes the newest finished fold: its files, and the log beyond its positions. It
replays no Delta log.

A number alone does not identify a fold: where files of a lake were lost or copied, another one
may get it. So each has a mark, which the commits to its tables carry.
"""

from __future__ import annotations

import contextlib
import json
import os
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.exceptions import DamagedLakeError
from lakeflow.filesystem.bounded import read_json
from lakeflow.filesystem.names import number_in, plain
from lakeflow.log.positions import CONTROL, hot_spans
from lakeflow.tables import checked
from lakeflow.tables.checked import INDEXES
from lakeflow.values import field, fields, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lakeflow.filesystem.interface import Entry, Filesystem
    from lakeflow.log.positions import Position
    from lakeflow.tables.blocks import BlockFile
    from lakeflow.tables.data_file import DataFile

FOLDS = "folds"
"""Folder of the folds within a lake."""

REMEMBERED_S = 60.0
"""On remote lakes vacuum keeps the file of a finished fold for so long. Until then, a look for
the file of the next number tells whether there is a newer fold, without a listing."""

# A reader that is a few folds behind reads them one after another. A listing of all folds on
# record may be several requests.
_FOLDS_TRIED = 4

# A listing that leaves a writer out once must not make its log look new. So the position of
# a writer without segments is kept for this many folds.
FOLDS_A_POSITION_IS_KEPT = 100


@frozen
class FoldPlan:
    """A fold that was begun.

    Attributes:
        mark: What the commits to its tables carry.
        base: Number of the finished fold that it stands on.
        positions: For each writer the position up to which its log is folded.
        latest_clock: The latest clock that it takes from a record, in microseconds.
    """

    mark: int
    base: int
    positions: Mapping[str, Position]
    latest_clock: int

    @property
    def number(self) -> int:
        """Its number, counting from 1."""
        return number_of(self.mark)


@frozen
class Fold:
    """The state of a lake after a fold: what a reader stands on.

    Attributes:
        number: Number of the fold; 0 before the first one.
        base: Number of the fold that it stands on.
        positions: For each writer the position up to which its log is folded.
        versions: Version of each table that holds the log up to these positions.
        files: The files of each table in that version.
        marks: For each table the mark of the fold that it carries in that version.
        indexes: The files of each index, the newest one first.
        numbers: For each kind with numbers for ids the largest that was given.
        removed: Names of the files that the fold replaced, by folder.
    """

    number: int
    base: int = 0
    positions: Mapping[str, Position] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, tuple[DataFile, ...]] = field(default_factory=dict)
    marks: Mapping[str, int] = field(default_factory=dict)
    indexes: Mapping[str, tuple[BlockFile, ...]] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    removed: Mapping[str, list[str]] = field(default_factory=dict)


BEGINNING = Fold(0)
"""Before the first fold: empty tables, and all of the log."""


@frozen
class LogListing:
    """A finished fold, and the segments of the log as they were listed after it.

    Attributes:
        fold: The finished fold; its tables hold the log up to its positions.
        segments: Size of every segment by path.
    """

    __slots__ = ("__dict__",)  # for what is cached

    fold: Fold
    segments: Mapping[str, int]

    @cached_property
    def unfolded(self) -> dict[str, tuple[int, int]]:
        """From where to where each segment is not folded yet."""
        return hot_spans(self.segments, self.fold.positions)

    @property
    def unfolded_bytes(self) -> int:
        """Bytes of log that are not folded yet."""
        return sum(end - start for start, end in self.unfolded.values())


_LARGEST = 2**31 - 1
"""No lake gets to so many folds, one a second for 68 years; and a mark has 63 bits."""

# A mark has the number of its fold above these bits, and below them what was drawn for it.
_DRAWN_BITS = 32


def new_mark(number: int) -> int:
    """Return a mark for a fold, unlike any other; DamagedLakeError if none is left."""
    if number > _LARGEST:
        raise DamagedLakeError(
            f"{done_path(number - 1)} has the largest number that a fold may have",
            hint="it cannot be one of a compaction: delete it, with the file of its plan",
        )
    # Programs seed `random`, and `secrets` loads what signs.
    drawn = int.from_bytes(os.urandom(_DRAWN_BITS // 8), "big")
    return number << _DRAWN_BITS | drawn


def number_of(mark: int) -> int:
    """Return the number of the fold that has a mark."""
    return mark >> _DRAWN_BITS


def index_folder(name: str) -> str:
    """Return the folder of an index."""
    return f"{INDEXES}/{name}"


def plan_path(fold: int) -> str:
    """Return the path of the file that begins a fold."""
    return f"{FOLDS}/{fold:010d}.json"


def done_path(fold: int) -> str:
    """Return the path of the file that finishes a fold."""
    return f"{FOLDS}/{fold:010d}.done.json"


class Newest(NamedTuple):
    """What a listing of the folds says.

    Attributes:
        done: Number of the newest finished fold; 0 if there is none.
        begun: Number of the newest one begun; 0 if there is none.
        written_s: When the last file was written, by the store's clock; 0 if there is none.
    """

    done: int
    begun: int
    written_s: float


def newest(fs: Filesystem) -> Newest:
    """Return which folds are the newest ones. One listing."""
    entries = fs.list(FOLDS)
    done = [number for each in entries if (number := _number(each.name, ".done.json"))]
    begun = [number for each in entries if (number := _number(each.name, ".json"))]
    written_s = max((each.modified_s for each in entries), default=0.0)
    # The copy of a lake has the end of a fold without its plan.
    return Newest(max(done, default=0), max(begun + done, default=0), written_s)


def finished(on_record: Iterable[Entry]) -> dict[int, float]:
    """Return when each fold was finished, in seconds, by number.

    Args:
        on_record: The entries of the folder of folds.
    """
    return {
        number: entry.modified_s
        for entry in on_record
        if (number := _number(entry.name, ".done.json"))
    }


def fold_of(name: str) -> int | None:
    """Return the number of the fold that a file of its folder is of; None if of none."""
    return _number(name, ".json") or _number(name, ".done.json")


def _number(name: str, ending: str) -> int | None:
    number = number_in(name[:10])
    is_one = name[10:] == ending and number is not None and 0 < number <= _LARGEST
    return number if is_one else None


def begin(fs: Filesystem, plan: FoldPlan) -> None:
    """Claim the number of a fold.

    Raises:
        FileExistsError: Somebody else has claimed it; theirs is the one to finish.
    """
    content = {name: getattr(plan, name) for name in fields(FoldPlan)}
    fs.create(plan_path(plan.number), _dump(content))
    # Whatever the durability: after a power cut no table may carry a fold that nobody knows.
    fs.sync(plan_path(plan.number))


def read_plan(fs: Filesystem, fold: int) -> FoldPlan:
    """Read a fold that was begun.

    Raises:
        DamagedLakeError: Its file does not parse.
    """
    path = plan_path(fold)
    with _damage(fs, path):
        content = read_json(fs, path)
        plan = FoldPlan(
            checked.whole(content["mark"]),
            checked.base(content, fold),
            checked.positions(content),
            checked.whole(content["latest_clock"]),
        )
        if plan.number != fold:
            raise ValueError(f"mark {plan.mark} is that of another fold")
        return plan


def kept_positions(fold: Fold, writers: Iterable[str]) -> dict[str, Position]:
    """Return the positions to go on from; those of writers long gone are left out.

    The control log is never gone: its numbers go on where they ended, however long ago.

    Args:
        fold: The fold before.
        writers: Those whose segments were listed.
    """
    listed = {CONTROL, *writers}
    return {
        writer: position
        for writer, position in fold.positions.items()
        if writer in listed or position.fold > fold.number - FOLDS_A_POSITION_IS_KEPT
    }


def last_event(fold: Fold) -> int:
    """Return the number of the last event that a fold holds."""
    position = fold.positions.get(CONTROL)
    # A position names the segment to go on with, and each event is a segment of its own.
    return 0 if position is None else position.segment - 1


def finish(fs: Filesystem, fold: Fold) -> bool:
    """Publish what a fold left behind; return whether nobody else had done so already."""
    content = {
        "base": fold.base,
        "positions": fold.positions,
        "versions": fold.versions,
        "marks": fold.marks,
        "files": {
            table: [(each.path, each.size, each.rows, each.bounds) for each in files]
            for table, files in fold.files.items()
        },
        "indexes": {
            name: [
                (each.path.rpartition("/")[2], each.size, each.entries, each.least, each.most)
                for each in files
            ]
            for name, files in fold.indexes.items()
        },
        "numbers": fold.numbers,
        "removed": fold.removed,
    }
    try:
        fs.create(done_path(fold.number), _dump(content))
    # Whoever finishes the same plan publishes the same rows.
    except FileExistsError:
        return False
    fs.sync(done_path(fold.number))
    return True


def read_fold(fs: Filesystem, number: int) -> Fold:
    """Read the state after a finished fold.

    Raises:
        FileNotFoundError: It is not finished, or long past and deleted.
        DamagedLakeError: Its file does not parse.
    """
    if number == 0:
        return BEGINNING
    path = done_path(number)
    with _damage(fs, path):
        content = read_json(fs, path)
        return Fold(
            number,
            base=checked.base(content, number),
            positions=checked.positions(content),
            versions=checked.numbers(content["versions"]),
            files={  # a later version may say more of each
                plain(table): tuple(checked.data_file(*each[:4]) for each in listed)
                for table, listed in content["files"].items()
            },
            marks=checked.numbers(content["marks"]),
            indexes={
                plain(name): tuple(
                    checked.block_file(index_folder(name), *each[:5]) for each in listed
                )
                for name, listed in content["indexes"].items()
            },
            numbers=checked.numbers(content["numbers"], least=-1),
            removed={
                checked.folder(folder): list(map(plain, names))
                for folder, names in content["removed"].items()
            },
        )


def newest_fold(fs: Filesystem) -> Fold:
    """Return the state after the newest finished fold: one listing, one read."""
    return read_fold(fs, newest(fs).done)


def following(fs: Filesystem, number: int) -> Fold | None:
    """Return the newest of a few folds after one, which a reader has just missed; else None.

    One read for each of them, and one that finds nothing.
    """
    found = None
    for later in range(number + 1, number + 1 + _FOLDS_TRIED):
        try:
            found = read_fold(fs, later)
        except FileNotFoundError:
            return found
    # There may be many more: a listing is sooner done.
    return None


def _dump(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


@contextlib.contextmanager
def _damage(fs: Filesystem, path: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise DamagedLakeError(
            f"{path} in {fs.uri} is damaged: {error!r}",
            hint="restore this file from a backup; nothing else of the lake was touched",
        ) from error
