"""What a fold holds of single things; the last ones asked for are kept."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from lakeflow.exceptions import DamagedLakeError
from lakeflow.stores.documents import thing_of
from lakeflow.tables.block_reader import look_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.stores.things import Thing
    from lakeflow.tables.block_reader import BlockReader
    from lakeflow.tables.folds import Fold

_MOST_THINGS_KEPT = 1024

# In memory a thing takes four bytes for each character of its document, and that of a run with
# a thousand metrics has 130,000.
_MOST_CHARACTERS_KEPT = 8 * 1024 * 1024

# A read that began before the newest fold may still be at the one before it. Of older ones
# nobody asks twice, and what is kept of them grows in a process that reads for days.
_FOLDS_KEPT = 2


class StoredThings:
    """Looks things up in the documents of a lake, without an engine; threads share it.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self.reset()
        lake.on_fork(self.reset)

    def reset(self) -> None:
        """Begin anew, also in a forked child."""
        self._lock = threading.RLock()
        # By the fold's number too: a fold never changes, so what is kept is never out of date.
        self._kept: OrderedDict[tuple[int, str, str], tuple[Thing, int]] = OrderedDict()
        self._characters = 0

    def get(self, kind: Kind, ids: Iterable[str], fold: Fold) -> dict[str, Thing]:
        """Return those of some things that a finished fold holds: a few small reads each."""
        found, missing = {}, []
        with self._lock:
            for identity in ids:
                key = fold.number, kind.name, identity
                kept = self._kept.get(key)
                if kept is None:
                    missing.append(identity)
                else:
                    self._kept.move_to_end(key)
                    found[identity] = kept[0]
        files = self._lake.index(kind.name, fold) if missing else ()
        if files:
            # The lock is free while we read: two threads that lack one thing read it twice,
            # and nobody waits for a remote store on another's account.
            documents = look_up(files, sorted(missing))
            loaded = {
                identity: read_thing(kind, identity, document, files)
                for identity, document in documents.items()
            }
            found |= loaded
            with self._lock:
                for identity, thing in loaded.items():
                    key = fold.number, kind.name, identity
                    # Another thread may have read it meanwhile.
                    self._characters -= self._kept.pop(key, (thing, 0))[1]
                    self._kept[key] = thing, len(documents[identity])
                    self._characters += len(documents[identity])
                self._forget(fold.number - _FOLDS_KEPT)
        return found

    def _forget(self, past: int) -> None:
        """Keep no more than there is room for, and nothing up to a fold that is long past."""
        while (
            len(self._kept) > _MOST_THINGS_KEPT
            or self._characters > _MOST_CHARACTERS_KEPT
            or (self._kept and next(iter(self._kept))[0] <= past)
        ):
            _, (_, characters) = self._kept.popitem(last=False)
            self._characters -= characters

    def ids(self, kind: Kind, fold: Fold) -> Iterator[str]:
        """Yield the ids of all things that a finished fold holds: of some more than once.

        Each file of the index is read.
        """
        for file in self._lake.index(kind.name, fold):
            yield from (identity for identity, document in file.entries() if document)

    def find(self, kind: Kind, column: str, value: str, fold: Fold) -> str | None:
        """Return the id of the thing that had a value in a unique column last; None if none.

        It may have another value by now: whoever asks looks at the thing itself.
        """
        return look_up(self._lake.index(kind.index(column), fold), [value]).get(value)


def read_thing(kind: Kind, identity: str, document: str, files: Sequence[BlockReader]) -> Thing:
    """Return the thing of a document.

    Args:
        kind: Its kind.
        identity: Its id.
        document: The document.
        files: Where it was looked up.

    Raises:
        DamagedLakeError: It is no document of that thing.
    """
    try:
        thing = thing_of(kind, json.loads(document))
        if thing.id != identity:
            raise ValueError(f"it is about {thing.id!r}")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        place = next((each.file.path for each in files if each.get([identity])), "an index")
        raise DamagedLakeError(
            f"{place} is damaged: the document of {kind.name} {identity!r} cannot be read "
            f"({error!r})",
            hint="restore it from a backup",
        ) from error
    return thing
