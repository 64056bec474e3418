"""What a process remembers of the runs that it logs to."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from lakeflow import records
from lakeflow.entities import LifecycleStage, validation
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from lakeflow.stores.artifacts.recorded import Recorded
    from lakeflow.stores.reader import Reader

_MOST_HEADS_KEPT = 10_000


class RunHead:
    """What writing to a run needs to know of it."""

    __slots__ = (
        "about", "artifact_uri", "artifacts", "experiment_id", "fold", "is_active", "is_own",
        "looked_at", "params",
    )  # fmt: skip

    def __init__(
        self,
        experiment_id: str,
        run_id: str,
        stage: str,
        artifact_uri: str,
        *,
        is_own: bool,
        fold: int = -1,
    ) -> None:
        self.experiment_id = experiment_id
        self.about = records.about(experiment_id, run_id)
        self.artifact_uri = artifact_uri
        self.is_own = is_own
        self.looked_at = time.monotonic() if is_own else -math.inf
        self.is_active = stage == LifecycleStage.ACTIVE
        self.params: dict[str, str] = {}
        # Who has made the run knows what was logged to it; None for what must be looked up.
        self.artifacts: dict[str, Recorded] | None = {} if is_own else None
        # No fold has the number -1: then the first look finds what the tables have, too.
        self.fold = fold


class RunHeads:
    """The heads of runs by their ids; threads share it.

    A run is looked up once in a process and remembered: after that, logging does not read.

    Args:
        reader: What looks them up.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        # No lock, which each call that logs would take: every step on it is one of Python's.
        self._heads: OrderedDict[str, RunHead] = OrderedDict()

    def active(self, run_id: str) -> RunHead:
        """Return the head of a run that may be logged to.

        Raises:
            InvalidInputError: This is no run id, or the run is deleted.
            NotFoundError: There is no such run.
        """
        # Most calls find it here, and save the call of ``get``.
        head = self._heads.get(run_id) or self.get(run_id)
        if not head.is_active:
            raise InvalidInputError(
                f"The run {run_id} must be in the 'active' state; it is deleted",
                hint="restore it with restore_run",
            )
        return head

    def get(self, run_id: str) -> RunHead:
        """Return the head of a run, deleted or not.

        Raises:
            InvalidInputError: This is no run id.
            NotFoundError: There is no such run.
        """
        head = self._heads.get(run_id)
        if head is None:
            fields = self._reader.run(validation.run_id(run_id)).fields
            head = RunHead(
                fields["experiment_id"],
                run_id,
                fields["lifecycle_stage"],
                fields["artifact_uri"],
                is_own=False,
            )
            self.keep(run_id, head)
        return head

    def keep(self, run_id: str, head: RunHead) -> None:
        """Remember the head of a run."""
        self._heads[run_id] = head
        # The one that was remembered first goes, not the one used longest ago: an order of use
        # would have to be kept by every logging call.
        if len(self._heads) > _MOST_HEADS_KEPT:
            self._heads.popitem(last=False)

    def forget(self) -> None:
        """Forget what was logged: some of it could not be written."""
        self._heads.clear()

    def forget_stages(self, experiment_id: str) -> None:
        """Look again whether runs of an experiment are deleted, before logging to them."""
        # A list, since other threads remember runs meanwhile.
        for run_id, head in list(self._heads.items()):
            if head.experiment_id == experiment_id:
                self._heads.pop(run_id, None)
