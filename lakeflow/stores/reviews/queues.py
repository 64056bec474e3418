"""Queues of traces to review: names are unique, so they are in the control log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import PagedList, ReviewQueue, validation
from lakeflow.exceptions import AlreadyExistsError, InvalidInputError
from lakeflow.ids import new_id
from lakeflow.kinds import LABEL_SCHEMA, REVIEW_QUEUE, name_within
from lakeflow.query.language.conditions import Combination, Comparison, Field
from lakeflow.schema import (
    REVIEW_QUEUE_ITEMS,
    REVIEW_QUEUE_SCHEMAS,
    REVIEW_QUEUE_USERS,
    REVIEW_QUEUES,
)
from lakeflow.stores import searching
from lakeflow.stores.reviews.queue_items import (
    QueueItemStore,
    items_of,
    require_queue,
    scope_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lakeflow.lake import Lake
    from lakeflow.query.language.conditions import Condition
    from lakeflow.schema import TableSpec
    from lakeflow.stores.control import ControlStore, Draft, Known
    from lakeflow.stores.experiments import ExperimentStore
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.things import Thing

Row = dict[str, Any]


class ReviewQueueStore:
    """Queues of the experiments of a lake; threads share it.

    Args:
        lake: The lake.
        control: What looks them up and changes them.
        reader: What searches them.
        experiments: The experiments.

    Attributes:
        items: What is in the queues.
    """

    def __init__(
        self,
        lake: Lake,
        control: ControlStore,
        reader: Reader,
        experiments: ExperimentStore,
    ) -> None:
        self._lake = lake
        self._control = control
        self._reader = reader
        self._experiments = experiments
        self.items = QueueItemStore(control)

    def create(
        self,
        experiment_id: object,
        name: str,
        queue_type: str,
        created_by: str | None = None,
        users: Sequence[str] = (),
        schema_ids: Sequence[str] = (),
    ) -> ReviewQueue:
        """Make a queue; the arguments are the fields of ``ReviewQueue``.

        Raises:
            NotFoundError: There is no such experiment.
            AlreadyExistsError: There is a queue of this name, in whichever case.
            InvalidInputError: A question is none of the experiment.
        """
        owner = self._experiments.get(validation.experiment_id(experiment_id)).experiment_id
        scope = {"experiment_id": owner, "queue_id": f"rq-{new_id()}"}

        def decide(known: Draft) -> tuple[list[str], None]:
            _require_questions(known, owner, schema_ids)
            row = {
                **_named(known, owner, name),
                "queue_type": queue_type,
                "created_by": created_by,
                "created_time": known.now_ms,
                "last_update_time": known.now_ms,
            }
            fields = [
                records.table(REVIEW_QUEUES.name, [scope | row]),
                _members(REVIEW_QUEUE_USERS, scope, users, (), known.now_ms),
                _members(REVIEW_QUEUE_SCHEMAS, scope, schema_ids, (), known.now_ms),
            ]
            return records.bodies("", *fields), None

        self._control.change(decide)
        return self.get(scope["queue_id"])

    def get(self, queue_id: str) -> ReviewQueue:
        """Return a queue.

        Raises:
            NotFoundError: There is none with this id.
        """
        return _entity(require_queue(self._control.known(), queue_id))

    def find(self, experiment_id: object, name: str) -> ReviewQueue | None:
        """Return the queue of this name, in whichever case; None if there is none.

        Raises:
            NotFoundError: There is no such experiment.
        """
        owner = self._experiments.get(validation.experiment_id(experiment_id)).experiment_id
        full_name = name_within(owner, name.lower())
        found = self._control.known().find(REVIEW_QUEUE, "full_name", full_name)
        return None if found is None else _entity(found)

    def search(
        self,
        experiment_id: object,
        user: str | None = None,
        item_id: str | None = None,
        max_results: object = 1_000,
        page_token: str | None = None,
    ) -> PagedList[ReviewQueue]:
        """Return one page of the queues of an experiment, the newest first.

        Args:
            experiment_id: The experiment.
            user: Only those of this user.
            item_id: Only those that this item is in.
            max_results: Size of the page.
            page_token: Token of the page before.

        Raises:
            NotFoundError: There is no such experiment.
        """
        owner = self._experiments.get(validation.experiment_id(experiment_id)).experiment_id
        page = searching.page_of(
            self._lake,
            self._reader,
            REVIEW_QUEUE,
            None,
            max_results,
            None,
            page_token,
            experiment_ids=[owner],
            also=_with(user, item_id),
        )
        things = self._reader.things(REVIEW_QUEUE, page.ids, page.snapshot_id)
        return PagedList(list(map(_entity, things)), page.token)

    def update(
        self,
        queue_id: str,
        users: Sequence[str] | None = None,
        schema_ids: Sequence[str] | None = None,
        name: str | None = None,
        created_by: str | None = None,
    ) -> ReviewQueue:
        """Change a queue; what is None stays.

        Raises:
            NotFoundError: There is none with this id.
            AlreadyExistsError: Another one has the new name.
            InvalidInputError: It is a user's own; a question is none of the experiment, or
                there are items in it, of which the questions may not change.
        """

        def decide(known: Draft) -> tuple[list[str], None]:
            thing = require_queue(known, queue_id)
            before = _entity(thing)
            _check_change(thing, before, has_questions=schema_ids is not None)
            if schema_ids is not None:
                _require_questions(known, before.experiment_id, schema_ids)
            # It always grows, however the clocks of two machines differ.
            row: Row = {"last_update_time": max(known.now_ms, before.last_update_time + 1)}
            if name is not None and name != before.name:
                # In another case it is the same name, which the queue has itself.
                row |= _named(known, before.experiment_id, name, unless=queue_id)
            if created_by is not None:
                row["created_by"] = created_by
            fields = [records.table(REVIEW_QUEUES.name, [scope_of(thing) | row])]
            for table, members, known_ones in (
                (REVIEW_QUEUE_USERS, users, before.users),
                (REVIEW_QUEUE_SCHEMAS, schema_ids, before.schema_ids),
            ):
                if members is not None:
                    fields.append(
                        _members(table, scope_of(thing), members, known_ones, known.now_ms)
                    )
            return records.bodies("", *fields), None

        self._control.change(decide)
        return self.get(queue_id)

    def delete(self, queue_id: str) -> None:
        """Delete a queue with what is in it; one that is not there is no error."""

        def decide(known: Draft) -> tuple[list[str], None]:
            if known.thing(REVIEW_QUEUE, queue_id) is None:
                return [], None
            return [records.removed([(REVIEW_QUEUE.name, queue_id)])], None

        self._control.change(decide)


def _check_change(thing: Thing, queue: ReviewQueue, *, has_questions: bool) -> None:
    if queue.queue_type == "user":
        raise InvalidInputError(
            "A user queue's name, assigned user, schemas, and owner are fixed and cannot be "
            "updated."
        )
    if has_questions and items_of(thing):
        raise InvalidInputError(
            "A review queue's questions are locked once items are assigned to it. Remove the "
            "items before changing its questions."
        )


def _require_questions(known: Known, experiment_id: str, schema_ids: Sequence[str]) -> None:
    found = known.things(LABEL_SCHEMA, list(schema_ids)).values()
    questions = {each.id for each in found if each.scope[0] == experiment_id}
    missing = [each for each in schema_ids if each not in questions]
    if missing:
        raise InvalidInputError(
            f"Label schema id(s) {missing} not found for experiment '{experiment_id}'."
        )


def _named(known: Known, experiment_id: str, name: str, unless: str | None = None) -> Row:
    """Return the columns of a name that is free, but for the queue that has it."""
    full_name = name_within(experiment_id, validation.text(name, "name").lower())
    found = known.find(REVIEW_QUEUE, "full_name", full_name)
    if found is not None and found.id != unless:
        raise AlreadyExistsError(
            f"Review queue with name '{name}' already exists (names are case-insensitive)."
        )
    return {"name": name, "full_name": full_name}


def _members(
    table: TableSpec, scope: Row, wanted: Iterable[str], before: Iterable[str], now_ms: int
) -> records.Pieces:
    """Return what makes some ids the users or the questions of a queue, and no others."""
    (column,) = REVIEW_QUEUE.key(table)
    kept = dict.fromkeys(wanted, now_ms)
    # A row without a time removes who is not wanted any more.
    times: dict[str, int | None] = {**dict.fromkeys(before), **kept}
    rows = [scope | {column: each, "created_time": time} for each, time in times.items()]
    return records.table(table.name, rows)


def _entity(thing: Thing) -> ReviewQueue:
    row = thing.row(REVIEW_QUEUE)
    assert row is not None
    row.pop("full_name")
    users, schemas = (
        [member for member, _ in thing.rows(table.name)]
        for table in (REVIEW_QUEUE_USERS, REVIEW_QUEUE_SCHEMAS)
    )
    return ReviewQueue(users=users, schema_ids=schemas, **row)


def _with(user: str | None, item_id: str | None) -> Condition | None:
    asked: list[Condition] = [
        Comparison(
            Field(table.name, column, is_number=False, by=(REVIEW_QUEUE.id,)), "=", (value,)
        )
        for table, column, value in (
            (REVIEW_QUEUE_USERS, "user_id", user),
            (REVIEW_QUEUE_ITEMS, "item_id", item_id),
        )
        if value is not None
    ]
    return Combination("AND", tuple(asked)) if len(asked) > 1 else next(iter(asked), None)
