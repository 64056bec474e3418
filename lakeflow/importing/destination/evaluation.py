"""Datasets for evaluation and scorers of a source, written so that each counts once."""

from __future__ import annotations

import itertools
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import ScorerVersion
from lakeflow.exceptions import InvalidInputError
from lakeflow.importing.destination.fitting import Fitting
from lakeflow.importing.items import Problem, reason, writer_of
from lakeflow.kinds import EVALUATION_DATASET, SCORER, name_within
from lakeflow.records import Origin
from lakeflow.schema import (
    EVALUATION_DATASET_EXPERIMENTS,
    EVALUATION_DATASET_FIELDS,
    EVALUATION_DATASET_RECORDS,
    EVALUATION_DATASET_TAGS,
    EVALUATION_DATASETS,
)
from lakeflow.stores.evaluation import rows
from lakeflow.stores.evaluation.records import of_call
from lakeflow.stores.evaluation.scorers import has_version, records_of
from lakeflow.stores.experiments import now_ms
from lakeflow.stores.things import Thing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lakeflow.importing.evaluation_items import (
        DatasetRecordItem,
        EvaluationDatasetItem,
        ScorerVersionItem,
    )
    from lakeflow.stores.control import Draft
    from lakeflow.stores.store import Store

_given_at = itemgetter("given_at")

_CALL = "import"
"""The call of all records that are imported: rows that come again are the same."""


class DatasetCopies:
    """Writes datasets for evaluation to a lake that may hold some of them.

    Args:
        store: The lake.
        append: Takes records for it.
        report: Told of what it cannot hold.
    """

    def __init__(
        self,
        store: Store,
        append: Callable[[Sequence[str]], None],
        report: Callable[[Problem], None],
    ) -> None:
        self._store = store
        self._append = append
        self._report = report
        self._fitting = Fitting(store.lake, report)

    def write(
        self,
        item: EvaluationDatasetItem,
        experiments: Mapping[str, str],
        given: Iterable[Sequence[DatasetRecordItem]],
    ) -> None:
        """Write of a dataset what the lake lacks.

        Args:
            item: The dataset.
            experiments: The ids of experiments in the lake by key.
            given: Its records.
        """
        identity = item.dataset_id
        known = self._store.runs.reader.things(EVALUATION_DATASET, [identity])
        thing = known[0] if known else Thing(EVALUATION_DATASET, (identity,))
        row = thing.row(EVALUATION_DATASET)
        changed = None if row is None else row["last_update_time"]
        # What was deleted in the lake stays deleted. What an import has changed last nobody has
        # merged anything into since, on either side.
        if thing.is_gone or changed == item.last_update_time:
            for _ in given:
                pass  # they are counted as they are read
        else:
            self._write_records(item, given, is_new=row is None)
        is_older = changed is None or changed < item.last_update_time
        # Last: an import that was stopped before it comes to all of it again.
        if not thing.is_gone and (is_older or _lacks_parts(thing, item, experiments)):
            self._write_dataset(item, experiments, is_new=row is None)

    def _write_records(
        self,
        item: EvaluationDatasetItem,
        given: Iterable[Sequence[DatasetRecordItem]],
        *,
        is_new: bool,
    ) -> None:
        identity = item.dataset_id
        number = itertools.count()
        for some in given:
            found = [each for record in some for each in self._rows(identity, record)]
            for each in found:
                # Each record is merged by a call of its own here, which has numbered it 0.
                each["number"] = next(number)
            if not is_new:
                found = self._lacking(identity, found)
            if not found:
                continue
            # As of a dataset without fields: of each the lake keeps the type that came first.
            thing = Thing(EVALUATION_DATASET, (identity,))
            fields = rows.new_fields(thing, [record.given for record in some])
            self._write(
                item,
                item.last_update_time * 1_000,
                records.table(EVALUATION_DATASET_FIELDS.name, fields),
            )
            # Each at the time of its own: what was removed in the lake since stays removed,
            # whatever else of the dataset has changed.
            for time, some_rows in groupby(sorted(found, key=_given_at), _given_at):
                self._write(
                    item, time, records.table(EVALUATION_DATASET_RECORDS.name, [*some_rows])
                )

    def _write_dataset(
        self, item: EvaluationDatasetItem, experiments: Mapping[str, str], *, is_new: bool
    ) -> None:
        scope = {"dataset_id": item.dataset_id}
        made: dict[str, Any] = {
            **scope,
            "last_update_time": item.last_update_time,
            "last_updated_by": item.last_updated_by,
            "digest": item.digest,
        }
        if is_new:
            made |= {
                "name": item.name,
                "created_time": item.created_time,
                "created_by": item.created_by,
            }
        self._write(
            item,
            item.last_update_time * 1_000,
            records.table(EVALUATION_DATASETS.name, [made]),
            records.table(
                EVALUATION_DATASET_TAGS.name,
                [scope | {"key": key, "value": value} for key, value in item.tags.items()],
            ),
            records.table(
                EVALUATION_DATASET_EXPERIMENTS.name,
                [
                    scope | {"experiment_id": experiments[key], "linked_time": time}
                    for key, time in item.experiments.items()
                    if key in experiments
                ],
            ),
        )

    def _lacking(self, identity: str, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return rows that the lake neither has nor has removed since they were given."""
        if not found:
            return []
        reader = self._store.runs.reader
        known = of_call(reader, identity, _CALL, found, reader.seen)
        # A record is removed at once, with all of its rows that the lake has.
        gone = {record_id: at for (record_id, _), at in known.items() if at is not None}
        return [
            each
            for each in found
            if (each["record_id"], each["given_at"]) not in known
            and each["given_at"] > gone.get(each["record_id"], -1)
        ]

    def _rows(self, identity: str, item: DatasetRecordItem) -> list[dict[str, Any]]:
        """Return the row that makes a record, and that of what was merged into it last."""
        times = {item.created_time: item.created_by}
        # A record into which nobody has merged again has one time, and one row.
        times.setdefault(item.last_update_time, item.last_updated_by)
        try:
            return [
                row | {"user_id": user}
                for time, user in times.items()
                for row in rows.merged_rows(
                    identity, [item.given], time * 1_000, _CALL
                ).rows.values()
            ]
        except InvalidInputError as error:
            self._report(Problem(f"a record of evaluation dataset {identity}", reason(error)))
            return []

    def _write(self, item: EvaluationDatasetItem, clock: int, *fields: records.Pieces) -> None:
        pieces = [each for each in fields if each]
        if not pieces:
            return
        origin = Origin(writer_of(item.dataset_id), now_ms(), clock)
        bodies = [records.copied(origin, body) for body in records.bodies("", *pieces)]
        where = f"evaluation dataset {item.dataset_id}"
        self._append(self._fitting.those_of(bodies, where))


def _lacks_parts(
    thing: Thing, item: EvaluationDatasetItem, experiments: Mapping[str, str]
) -> bool:
    """Return whether a dataset of the lake never had some tag or link."""
    linked = {experiments[key] for key in item.experiments if key in experiments}
    return not (
        linked <= thing.parts[EVALUATION_DATASET_EXPERIMENTS.name].keys()
        and item.tags.keys() <= thing.parts[EVALUATION_DATASET_TAGS.name].keys()
    )


def write_scorers(
    store: Store, versions: Iterable[ScorerVersionItem], experiments: Mapping[str, str]
) -> None:
    """Write the versions of scorers whose numbers are free in the lake.

    What was deleted there since it was made stays deleted.

    Args:
        store: The lake.
        versions: The versions, those of a scorer in the order of their numbers.
        experiments: The ids of experiments in the lake by key.
    """
    known = store.control.known()
    for item in versions:
        owner = experiments[item.experiment]
        there = known.find(SCORER, "full_name", name_within(owner, item.name))
        # One look tells of all of them: a change asks the lake each time what others have done.
        if there is None or not has_version(there, item.version, item.creation_time):
            store.control.change(partial(_made, owner=owner, item=item))


def _made(draft: Draft, owner: str, item: ScorerVersionItem) -> tuple[list[str], None]:
    """Return the records of a version, and of its scorer where there is none of its name."""
    there = draft.find(SCORER, "full_name", name_within(owner, item.name))
    if there is not None and has_version(there, item.version, item.creation_time):
        return [], None
    identity = str(draft.next_number(SCORER)) if there is None else there.id
    made = ScorerVersion(
        owner, item.name, item.version, item.serialized, item.creation_time, identity
    )
    return records_of(made, is_first=there is None), None
