"""What the verbs about evaluation datasets mean: each write is one append."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from lakeflow import records as lines
from lakeflow.config import environment, user_name
from lakeflow.entities import PagedList, tag_names, validation
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.ids import new_id
from lakeflow.kinds import EVALUATION_DATASET
from lakeflow.query.language.conditions import Comparison, Field
from lakeflow.schema import (
    EVALUATION_DATASET_EXPERIMENTS,
    EVALUATION_DATASET_FIELDS,
    EVALUATION_DATASET_RECORDS,
    EVALUATION_DATASET_TAGS,
    EVALUATION_DATASETS,
)
from lakeflow.stores import searching
from lakeflow.stores.arguments import listed
from lakeflow.stores.evaluation import records, rows
from lakeflow.stores.evaluation.given import check_fields, records_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lakeflow.entities import DatasetRecord, EvaluationDataset
    from lakeflow.lake import Lake
    from lakeflow.stores.evaluation.given import Given
    from lakeflow.stores.experiments import ExperimentStore
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.snapshots import SnapshotId
    from lakeflow.stores.things import Thing

_logger = logging.getLogger(__name__)

_RECORDS_AT_ONCE = 100_000
"""Records that are read at once where all are asked for."""


class EvaluationDatasetStore:
    """Evaluation datasets of a lake; threads share it.

    Args:
        lake: The lake.
        experiments: Its experiments.
        reader: What reads it.
    """

    def __init__(self, lake: Lake, experiments: ExperimentStore, reader: Reader) -> None:
        self._lake = lake
        self._experiments = experiments
        self._reader = reader

    # Datasets

    def create(
        self,
        name: object,
        tags: Mapping[str, Any] | None = None,
        experiment_ids: Sequence[object] | None = None,
    ) -> EvaluationDataset:
        """Make a dataset; see ``LakeflowClient.create_dataset``."""
        if not isinstance(name, str) or not name:
            raise InvalidInputError(f"name is {name!r}; a dataset has a name")
        dataset_id, now = f"d-{new_id()}", self._now_ms()
        pairs = {
            validation.text(key, "key"): validation.text(value)
            for key, value in (tags or {}).items()
        }
        user = pairs.get(tag_names.USER)
        row = {
            "dataset_id": dataset_id,
            "name": validation.text(name, "name"),
            "created_time": now,
            "last_update_time": now,
            "created_by": user,
            "last_updated_by": user,
            "digest": rows.digest_of(name, now),
        }
        linked = validation.experiment_ids(experiment_ids or ())
        self._append(
            lines.table(EVALUATION_DATASETS.name, [row]),
            _tags(dataset_id, pairs),
            _links(dataset_id, dict.fromkeys(linked, now)),
        )
        # Not read back: where a handler has interrupted a write, it is written after that one.
        return rows.new_dataset(row, pairs, linked)

    def make(
        self, name: object, experiment_id: object, tags: Mapping[str, Any] | None
    ) -> EvaluationDataset:
        """Make a dataset of whoever is logged in; see ``LakeflowClient.create_dataset``."""
        user = _user()
        signed = {} if user is None else {tag_names.USER: user}
        return self.create(
            name, signed | dict(tags or {}), listed("experiment_id", experiment_id)
        )

    def get(self, dataset_id: str) -> EvaluationDataset:
        """Return a dataset.

        Raises:
            NotFoundError: There is none with this id.
        """
        thing = self._thing(dataset_id)
        (found,) = self._entities([thing], self._reader.seen)
        return found

    def search(
        self,
        experiment_ids: Iterable[object] | None = None,
        filter_string: str | None = None,
        max_results: int = 1_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[EvaluationDataset]:
        """Return one page of datasets; see ``LakeflowClient.search_datasets``."""
        page = searching.page_of(
            self._lake,
            self._reader,
            EVALUATION_DATASET,
            filter_string,
            max_results,
            order_by,
            page_token,
            also=_linked_to(listed("experiment_ids", experiment_ids)),
        )
        things = self._reader.things(EVALUATION_DATASET, page.ids, page.snapshot_id)
        return PagedList(self._entities(things, page.snapshot_id), page.token)

    def _entities(
        self, things: Sequence[Thing], snapshot_id: SnapshotId | None
    ) -> list[EvaluationDataset]:
        # Of what never had records none are counted, for which an engine would be loaded.
        filled = [thing.id for thing in things if rows.has_data(thing)]
        counts = records.counts(self._reader, filled, snapshot_id)
        found = [rows.dataset_of(thing, counts.get(thing.id, 0)) for thing in things]
        return [each for each in found if each is not None]

    def delete(self, dataset_id: str) -> None:
        """Delete a dataset with its records; one that is not there is warned of."""
        if self._find(dataset_id) is None:
            _logger.warning("Evaluation dataset with id '%s' not found.", dataset_id)
            return
        self._append([lines.removed([(EVALUATION_DATASET.name, dataset_id)])])

    def _find(self, dataset_id: object) -> Thing | None:
        wanted = validation.text(dataset_id, "dataset_id")
        found = self._reader.things(EVALUATION_DATASET, [wanted], look=True)
        return found[0] if found and found[0].row(EVALUATION_DATASET) is not None else None

    def _thing(self, dataset_id: object) -> Thing:
        found = self._find(dataset_id)
        if found is None:
            raise NotFoundError(
                f"Evaluation dataset with id '{dataset_id}' not found in {self._lake.fs.uri}"
            )
        return found

    # Tags and experiments

    def set_tags(self, dataset_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags; see ``LakeflowClient.set_dataset_tags``."""
        pairs = {
            validation.text(key, "key"): validation.text(value)
            for key, value in tags.items()
            if value is not None
        }
        self._append(_tags(self._thing(dataset_id).id, pairs))

    def delete_tag(self, dataset_id: str, key: str) -> None:
        """Remove a tag; of a dataset that is not there, or has none such, that is nothing."""
        thing = self._find(dataset_id)
        if thing is not None and key in thing.values(EVALUATION_DATASET_TAGS.name):
            self._append(_tags(thing.id, {key: None}))

    def experiment_ids(self, dataset_id: str) -> list[str]:
        """Return the experiments that a dataset is linked to; none if it is not there."""
        thing = self._find(dataset_id)
        return [] if thing is None else rows.experiment_ids(thing)

    def add_experiments(
        self, dataset_id: str, experiment_ids: Sequence[object]
    ) -> EvaluationDataset:
        """Link experiments; see ``LakeflowClient.add_dataset_to_experiments``."""
        thing = self._thing(dataset_id)
        wanted = validation.experiment_ids(experiment_ids)
        # For its error: there has to be such an experiment.
        for each in wanted:
            self._experiments.get(each)
        known = dict(thing.rows(EVALUATION_DATASET_EXPERIMENTS.name))
        now = self._now_ms()
        added = {each: now for each in wanted if each not in known}
        self._append(self._changed(thing, now), _links(thing.id, added))
        return self.get(dataset_id)

    def remove_experiments(
        self, dataset_id: str, experiment_ids: Sequence[object]
    ) -> EvaluationDataset:
        """Unlink experiments; see ``LakeflowClient.remove_dataset_from_experiments``."""
        thing = self._thing(dataset_id)
        known = dict(thing.rows(EVALUATION_DATASET_EXPERIMENTS.name))
        wanted = validation.experiment_ids(experiment_ids)
        for each in wanted:
            if each not in known:
                _logger.warning(
                    "Dataset '%s' was not associated with experiment '%s'", dataset_id, each
                )
        removed = dict.fromkeys(each for each in wanted if each in known)
        if removed:
            self._append(self._changed(thing, self._now_ms()), _links(thing.id, removed))
        return self.get(dataset_id)

    # Records

    def upsert(self, dataset_id: str, given: Sequence[Given]) -> dict[str, int]:
        """Merge records into those that are there: how many are new, and how many were there.

        Cost: a look at the log and one append; where there were records before, a query for
        which of these are among them.

        Args:
            dataset_id: The dataset.
            given: Dictionaries with ``inputs``, and what else is known of them.

        Raises:
            NotFoundError: There is no such dataset.
            InvalidInputError: A record holds what JSON cannot, or is longer than a line.
        """
        thing = self._thing(dataset_id)
        given_at = self._lake.clock.next()
        merged = rows.merged_rows(dataset_id, given, given_at, new_id())
        known: set[str] = set()
        if rows.has_data(thing):
            # Only to tell how many are new: what is merged does not depend on it.
            known = records.known_ids(self._reader, dataset_id, merged.rows, self._reader.seen)
        self._append(
            self._changed(thing, given_at // 1000, user=merged.user, has_records=True),
            lines.table(EVALUATION_DATASET_FIELDS.name, rows.new_fields(thing, given)),
            _record_lines(list(merged.rows.values())),
        )
        updated = len(known) + merged.repeated
        return {"inserted": len(merged.rows) - len(known), "updated": updated}

    def merge(self, dataset_id: str, given: Any) -> dict[str, int]:
        """Merge what users give; see ``LakeflowClient.merge_dataset_records``."""
        known = rows.input_names(self._thing(dataset_id))
        found = records_of(given, _user())
        check_fields(found, known)
        return self.upsert(dataset_id, found)

    def load(
        self, dataset_id: str, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[DatasetRecord]:
        """Return records; see ``LakeflowClient.load_dataset_records``."""
        after = records.Place.of_token(page_token) if page_token else None
        most = None if max_results is None else validation.integer(max_results)
        if max_results is not None and (most is None or most <= 0):
            raise InvalidInputError(f"max_results is {max_results!r}, not a positive integer")
        thing = self._thing(dataset_id)
        seen = self._reader.seen
        found: list[DatasetRecord] = []
        # Without records no engine is loaded only to find none.
        while rows.has_data(thing):
            left = _RECORDS_AT_ONCE if most is None else most - len(found)
            size = min(left, _RECORDS_AT_ONCE)
            some, after = records.page(self._reader, thing.id, size, after, seen)
            found += rows.records_of_rows(some)
            if after is None or len(found) == most:
                break
        return PagedList(found, None if after is None else after.token())

    def delete_records(self, dataset_id: str, record_ids: Sequence[str]) -> int:
        """Delete records; return how many of them there were.

        Raises:
            NotFoundError: There is no such dataset.
        """
        thing = self._thing(dataset_id)
        ids = [validation.text(each, "dataset_record_id") for each in record_ids]
        keys = records.keys(self._reader, thing.id, ids, self._reader.seen) if ids else []
        if not keys:
            _logger.warning("No records found to delete for dataset %s.", dataset_id)
            return 0
        # Its rows go: merged again it has nothing of before.
        self._append(_record_lines(rows.without(thing.id, keys)))
        return len({each["record_id"] for each in keys})

    # Writing

    def _changed(
        self,
        thing: Thing,
        now_ms: int,
        *,
        user: str | None = None,
        has_records: bool = False,
    ) -> lines.Pieces:
        """Return what is set of a dataset when something of it changes."""
        row = thing.row(EVALUATION_DATASET)
        assert row is not None
        changed: rows.Row = {"dataset_id": thing.id, "last_update_time": now_ms}
        if has_records:
            digest = rows.digest_of(row["name"], now_ms)
            changed |= {"last_updated_by": user, "digest": digest}
        return lines.table(EVALUATION_DATASETS.name, [changed])

    def _now_ms(self) -> int:
        return self._lake.clock.next() // 1000

    def _append(self, *fields: lines.Pieces) -> None:
        written = [pieces for pieces in fields if pieces]
        if written:
            self._lake.append(lines.bodies("", *written))


def _user() -> str | None:
    """Return who is logged in."""
    # On machines where everybody is one user.
    return environment("TRACKING_USERNAME") or user_name()


def _tags(dataset_id: str, pairs: Mapping[str, str | None]) -> lines.Pieces:
    named = [
        {"dataset_id": dataset_id, "key": key, "value": value} for key, value in pairs.items()
    ]
    return lines.table(EVALUATION_DATASET_TAGS.name, named)


def _links(dataset_id: str, experiments: Mapping[str, int | None]) -> lines.Pieces:
    linked = [
        {"dataset_id": dataset_id, "experiment_id": each, "linked_time": time}
        for each, time in experiments.items()
    ]
    return lines.table(EVALUATION_DATASET_EXPERIMENTS.name, linked)


def _record_lines(some: Sequence[rows.Row]) -> lines.Pieces:
    if not some:
        return []
    # In the order of the table, as all lines are: a fold knows them by it.
    names = [name for name in EVALUATION_DATASET_RECORDS.column_names if name in some[0]]
    columns = {name: [row[name] for row in some] for name in names}
    return lines.columns(EVALUATION_DATASET_RECORDS.name, columns)


def _linked_to(experiment_ids: Iterable[object] | None) -> Comparison | None:
    if experiment_ids is None:
        return None
    field = Field(
        EVALUATION_DATASET_EXPERIMENTS.name,
        "experiment_id",
        is_number=False,
        by=(EVALUATION_DATASET.id,),
    )
    # Of an empty list there is none, and nothing has an id without a character.
    return Comparison(field, "IN", tuple(validation.experiment_ids(experiment_ids)) or ("",))
