"""Runs that are deleted, and go for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow import records
from lakeflow.entities import ViewType
from lakeflow.kinds import EXPERIMENT, RUN
from lakeflow.stores import searching

if TYPE_CHECKING:
    from lakeflow.lake import Lake
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.run_heads import RunHeads
    from lakeflow.stores.things import Thing


class RunRemovals:
    """Removes runs; threads share it.

    Args:
        lake: The lake.
        heads: What is remembered of its runs.
        reader: What searches them.
    """

    def __init__(self, lake: Lake, heads: RunHeads, reader: Reader) -> None:
        self._lake = lake
        self._heads = heads
        self._reader = reader

    def remove(self, run_id: str) -> None:
        """Remove a run with all that was logged to it: one write. Nothing brings it back.

        Its artifacts stay where they are. What another process logs to it, which knows it
        still, nobody will see.

        Raises:
            InvalidInputError: This is no run id.
            NotFoundError: There is no such run.
        """
        self._heads.get(run_id)
        self._lake.append((records.removed([(RUN.name, run_id)]),))
        # Else this process would go on logging to it, which nobody would see.
        self._heads.forget()

    def deleted(self, until_ms: int) -> list[str]:
        """Return the ids of runs that were deleted by then, or their experiments were.

        Args:
            until_ms: Milliseconds since the Unix epoch.
        """
        ids: list[str] = []
        for page in searching.pages_of(
            self._lake, self._reader, RUN, view_type=ViewType.DELETED_ONLY
        ):
            runs = self._reader.things(RUN, page.ids, page.snapshot_id)
            owners = list({each.scope[0] for each in runs})
            experiments = {
                each.id: each
                for each in self._reader.things(EXPERIMENT, owners, page.snapshot_id)
            }
            ids += [
                each.id
                for each in runs
                if _deleted_at(each, experiments.get(each.scope[0])) // 1_000 <= until_ms
            ]
        return ids


def _deleted_at(run: Thing, experiment: Thing | None) -> int:
    """Return when a run that is deleted became so, in microseconds."""
    found = (each.fields.get("lifecycle_stage") for each in (run, experiment) if each)
    return max(order[0] for order, _ in filter(None, found))
