"""What is deleted, and goes for good: runs, and experiments with all that is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow import records
from lakeflow.entities import ViewType
from lakeflow.kinds import EXPERIMENT, RUN
from lakeflow.query.engine.statement import Statement
from lakeflow.stores import searching

if TYPE_CHECKING:
    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.stores.experiments import ExperimentStore
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.run_heads import RunHeads
    from lakeflow.stores.things import Thing


_AT_ONCE = 10_000
"""Things of one line of the log: they have to fit into it."""


class Removals:
    """Removes runs and experiments; threads share it.

    Args:
        lake: The lake.
        experiments: Its experiments.
        heads: What is remembered of its runs.
        reader: What searches them.
    """

    def __init__(
        self, lake: Lake, experiments: ExperimentStore, heads: RunHeads, reader: Reader
    ) -> None:
        self._lake = lake
        self._experiments = experiments
        self._heads = heads
        self._reader = reader

    def run(self, run_id: str) -> None:
        """Remove a run with all that was logged to it: one write. Nothing brings it back.

        Its artifacts stay where they are. What another process logs to it, which knows it
        still, nobody will see.

        Raises:
            InvalidInputError: This is no run id.
            NotFoundError: There is no such run.
        """
        # For its error: there has to be such a run.
        self._heads.get(run_id)
        self._lake.append((records.removed([(RUN.name, run_id)]),))
        # Else this process would go on logging to it, which nobody would see.
        self._heads.forget()

    def experiment(self, experiment_id: str) -> None:
        """Remove a deleted experiment with all that belongs to it. Nothing brings that back.

        The name is free, for this lake and for others, which may have runs of their own in it.
        So what is in the experiment goes by its ids, and does so in all lakes that are synced
        with this one. Artifacts stay where they are.

        Raises:
            NotFoundError: There is none with this id that is deleted.
        """
        # First of all: the change at the end checks it as well, but then all in it is gone.
        self._experiments.require_deleted(experiment_id)
        for kind in self._lake.kinds:
            if kind.owner is not EXPERIMENT or kind.is_controlled:
                continue
            ids = self._ids_in(kind, experiment_id)
            for start in range(0, len(ids), _AT_ONCE):
                some = ids[start : start + _AT_ONCE]
                self._lake.append((records.removed([(kind.name, each) for each in some]),))
        # Last: who is stopped before does all of it again.
        self._experiments.remove(experiment_id)
        self._heads.forget()

    def _ids_in(self, kind: Kind, experiment_id: str) -> list[str]:
        table = kind.row.name
        statement = Statement(
            f"SELECT {kind.id} FROM {table} WHERE {EXPERIMENT.id} = $owner",  # noqa: S608
            {"owner": experiment_id},
            (table,),
            named={table: (EXPERIMENT.id, [experiment_id])},
        )
        (found,) = self._reader.tables([statement], [], None)
        ids: list[str] = found.column(kind.id).to_pylist()
        return ids

    def deleted_runs(self, until_ms: int) -> list[str]:
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
    found = [each.fields.get("lifecycle_stage") for each in (run, experiment) if each]
    # A run that was imported as deleted has it from the record that made it.
    found.append(run.made)
    return max(order[0] for order, _ in filter(None, found))
