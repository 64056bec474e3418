"""What the tables hold of single runs; the last ones asked for are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from lakeflow.query.lookup import Lookup
from lakeflow.tables import RUN_DOCUMENTS
from lakeflow.tracking.state import state_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lakeflow.storage.folds import Epoch
    from lakeflow.storage.lake import Lake
    from lakeflow.tracking.state import RunState

_KEPT_RUNS = 1024


class StoredRuns:
    """Looks runs up in the tables of a lake; threads share it.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._lookup = Lookup(lake.engine_filesystem())
        self.forget()
        lake.on_close(self._lookup.forget)
        lake.on_fork(self.forget)

    def forget(self) -> None:
        """Begin anew, also in a forked child."""
        self._lookup.forget()
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, str], RunState] = OrderedDict()

    def get(self, run_ids: Iterable[str], epoch: Epoch) -> dict[str, RunState]:
        """Return those of some runs that a finished fold holds: a row group each at most."""
        found, missing = {}, []
        with self._lock:
            for run_id in run_ids:
                if (epoch.number, run_id) in self._kept:
                    found[run_id] = self._kept[epoch.number, run_id]
                else:
                    missing.append(run_id)
        if missing:
            ordered = sorted(missing)
            paths = self._lake.paths(RUN_DOCUMENTS.name, epoch, run_id=ordered)
            documents = self._lookup.documents(paths, ordered)
            loaded = {run_id: state_of(text) for run_id, text in documents.items()}
            found |= loaded
            with self._lock:
                for run_id, state in loaded.items():
                    self._kept[epoch.number, run_id] = state
                while len(self._kept) > _KEPT_RUNS:
                    self._kept.popitem(last=False)
        return found
