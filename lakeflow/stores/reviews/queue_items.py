"""What is in review queues: changed in the control log, so that who reviews first is known."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import PagedList, ReviewQueueItem, validation
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.kinds import REVIEW_QUEUE
from lakeflow.schema import REVIEW_QUEUE_ITEMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.stores.control import ControlStore, Draft, Known
    from lakeflow.stores.things import Thing

PENDING = "pending"
"""Status of an item that nobody has reviewed."""

Row = dict[str, Any]


class QueueItemStore:
    """Items of the review queues of a lake; threads share it.

    Args:
        control: What looks them up and changes them.
    """

    def __init__(self, control: ControlStore) -> None:
        self._control = control

    def add(
        self, queue_id: str, item_ids: Sequence[str], item_type: str = "trace"
    ) -> list[ReviewQueueItem]:
        """Put items into a queue; those that are in it stay as they are.

        Returns:
            All of them, in the order in which they are given.

        Raises:
            NotFoundError: There is no such queue.
        """

        def decide(known: Draft) -> tuple[list[str], None]:
            thing = require_queue(known, queue_id)
            there = {each.item_id for each in items_of(thing)}
            rows: list[Row] = [
                {
                    **scope_of(thing),
                    "item_id": validation.text(each, "item_id"),
                    "item_type": item_type,
                    "status": PENDING,
                    "created_time": known.now_ms,
                    "last_update_time": known.now_ms,
                    "completed_by": None,
                    "completed_time": None,
                }
                for each in dict.fromkeys(item_ids)
                if each not in there
            ]
            return records.table(REVIEW_QUEUE_ITEMS.name, rows), None

        self._control.change(decide)
        thing = self._control.known().thing(REVIEW_QUEUE, queue_id)
        found = {each.item_id: each for each in items_of(thing)} if thing is not None else {}
        # Somebody may have taken one out again by now.
        return [found[each] for each in dict.fromkeys(item_ids) if each in found]

    def remove(self, queue_id: str, item_ids: Sequence[str]) -> None:
        """Take items out of a queue; those that are not in it are no error.

        Raises:
            NotFoundError: There is no such queue.
        """

        def decide(known: Draft) -> tuple[list[str], None]:
            thing = require_queue(known, queue_id)
            there = {each.item_id for each in items_of(thing)}
            nothing = dict.fromkeys(REVIEW_QUEUE.values(REVIEW_QUEUE_ITEMS))
            rows: list[Row] = [
                {**scope_of(thing), "item_id": each, **nothing}
                for each in dict.fromkeys(item_ids)
                if each in there
            ]
            return records.table(REVIEW_QUEUE_ITEMS.name, rows), None

        self._control.change(decide)

    def page(
        self,
        queue_id: str,
        status: str | None = None,
        max_results: int = 1_000,
        page_token: str | None = None,
    ) -> PagedList[ReviewQueueItem]:
        """Return one page of the items of a queue, the newest first.

        Raises:
            NotFoundError: There is no such queue.
            InvalidInputError: The token is none.
        """
        # All of them are in the document of the queue, so that no engine is asked for a page.
        found = items_of(require_queue(self._control.known(), queue_id))
        # By the place alone: the item of the token may be gone by now, or have another status.
        if page_token:
            created, identity = _place(page_token)
            found = [
                each
                for each in found
                if (-each.created_time, each.item_id) > (-created, identity)
            ]
        found = [each for each in found if status in {None, each.status}]
        page = found[:max_results]
        return PagedList(page, _token(page[-1]) if len(found) > len(page) else None)

    def set_status(
        self, queue_id: str, item_id: str, status: str, completed_by: str | None = None
    ) -> ReviewQueueItem:
        """Say that an item is reviewed, or is to be reviewed again.

        Who says first what it is already stays.

        Raises:
            NotFoundError: There is no such queue, or no such item in it.
        """

        def decide(known: Draft) -> tuple[list[str], ReviewQueueItem]:
            thing = require_queue(known, queue_id)
            before = next((each for each in items_of(thing) if each.item_id == item_id), None)
            if before is None:
                raise NotFoundError(
                    f"Item '{item_id}' is not attached to review queue '{queue_id}'."
                )
            if before.status == status:
                return [], before
            is_open = status == PENDING
            after = dataclasses.replace(
                before,
                status=status,
                last_update_time=known.now_ms,
                completed_by=None if is_open else completed_by,
                completed_time=None if is_open else known.now_ms,
            )
            row = scope_of(thing) | dict(after)
            return records.table(REVIEW_QUEUE_ITEMS.name, [row]), after

        changed: ReviewQueueItem = self._control.change(decide)
        return changed


def require_queue(known: Known, queue_id: str) -> Thing:
    """Return a queue.

    Raises:
        NotFoundError: There is none with this id.
    """
    thing = known.thing(REVIEW_QUEUE, validation.text(queue_id, "queue_id"))
    if thing is None:
        raise NotFoundError(f"Review queue with id '{queue_id}' not found.")
    return thing


def scope_of(thing: Thing) -> dict[str, str]:
    """Return the ids that are in every row about a queue."""
    return dict(zip(REVIEW_QUEUE.scope, thing.scope, strict=True))


def items_of(thing: Thing) -> list[ReviewQueueItem]:
    """Return the items of a queue, the newest first."""
    names = REVIEW_QUEUE.values(REVIEW_QUEUE_ITEMS)
    found = [
        ReviewQueueItem(thing.id, identity, **dict(zip(names, values, strict=True)))
        for identity, values in thing.rows(REVIEW_QUEUE_ITEMS.name)
    ]
    return sorted(found, key=lambda each: (-each.created_time, each.item_id))


def _token(item: ReviewQueueItem) -> str:
    return base64.urlsafe_b64encode(f"{item.created_time}:{item.item_id}".encode()).decode()


def _place(token: str) -> tuple[int, str]:
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode()
        created, identity = text.split(":", 1)
        return int(created), identity
    except (binascii.Error, ValueError, TypeError):
        raise InvalidInputError(f"Invalid page token {token!r}") from None
