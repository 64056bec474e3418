"""MLflow's calls about review queues, by the stores of the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.store.entities.paged_list import PagedList

from lakeflow.exceptions import AlreadyExistsError, InvalidInputError, NotFoundError
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods

if TYPE_CHECKING:
    from mlflow.genai.review_queues import ReviewQueue, ReviewQueueItem

    from lakeflow.entities import ReviewQueue as LakeQueue
    from lakeflow.entities import ReviewQueueItem as LakeItem

_MOST = 1_000


@raises_mlflow
class ReviewQueueMethods(LakeMethods):
    """Calls about review queues."""

    def create_review_queue(
        self,
        experiment_id: str,
        *,
        name: str,
        queue_type: str,
        created_by: str | None = None,
        users: list[str] | None = None,
        schema_ids: list[str] | None = None,
        **_: Any,
    ) -> ReviewQueue:
        """Make a queue."""
        from mlflow.genai.review_queues.validation import validate_queue_for_create

        found = validate_queue_for_create(
            name=name, queue_type=queue_type, users=users, schema_ids=schema_ids
        )
        made = self.lake.review_queues.create(
            experiment_id,
            found.name,
            str(found.queue_type),
            created_by,
            found.users,
            found.schema_ids,
        )
        return _queue_of(made)

    def get_or_create_user_queue(self, experiment_id: str, *, user: str) -> ReviewQueue:
        """Return the queue of a user, which is made if there is none."""
        from mlflow.genai.review_queues.validation import normalize_user

        name = normalize_user(user)
        try:
            # Not looked for first: another process could make it in between.
            made = self.lake.review_queues.create(experiment_id, name, "user", name, [name])
            return _queue_of(made)
        except AlreadyExistsError as error:
            found = self.lake.review_queues.find(experiment_id, name)
            if found is None or found.queue_type != "user":
                raise AlreadyExistsError(
                    f"A non-user queue named '{name}' already exists; cannot get-or-create a "
                    "user queue with that name."
                ) from error
            return _queue_of(found)

    def get_review_queue(self, queue_id: str) -> ReviewQueue:
        """Return a queue."""
        return _queue_of(self.lake.review_queues.get(queue_id))

    def get_review_queue_by_name(self, experiment_id: str, *, name: str) -> ReviewQueue:
        """Return the queue of this name, in whichever case."""
        found = self.lake.review_queues.find(experiment_id, name)
        if found is None:
            raise NotFoundError(
                f"Review queue with name '{name}' not found for experiment '{experiment_id}'."
            )
        return _queue_of(found)

    def list_review_queues(
        self,
        experiment_id: str,
        *,
        user: str | None = None,
        item_id: str | None = None,
        max_results: int | None = None,
        page_token: str | None = None,
        **_: Any,
    ) -> PagedList[ReviewQueue]:
        """Return one page of queues, the newest first."""
        from mlflow.genai.review_queues.validation import normalize_user

        asked = None if user is None else normalize_user(user)
        most = _MOST if max_results is None else max_results
        page = self.lake.review_queues.search(experiment_id, asked, item_id, most, page_token)
        return PagedList(list(map(_queue_of, page)), page.token)

    def update_review_queue(
        self,
        queue_id: str,
        *,
        users: list[str] | None = None,
        schema_ids: list[str] | None = None,
        name: str | None = None,
        new_owner: str | None = None,
        **_: Any,
    ) -> ReviewQueue:
        """Change a queue."""
        from mlflow.genai.review_queues import validation

        queues = self.lake.review_queues
        if queues.get(queue_id).queue_type == "custom":
            if all(each is None for each in (users, schema_ids, name, new_owner)):
                return self.get_review_queue(queue_id)
            name = None if name is None else validation.validate_custom_queue_name(name)
            users = None if users is None else validation.normalize_users(users)
            owner = None if new_owner is None else validation.validate_queue_owner(new_owner)
            if schema_ids is not None:
                schema_ids = validation.normalize_schema_ids(schema_ids)
            return _queue_of(queues.update(queue_id, users, schema_ids, name, owner))
        # A user's own, which the store refuses to change.
        return _queue_of(queues.update(queue_id))

    def delete_review_queue(self, queue_id: str) -> None:
        """Delete a queue, if it is there."""
        self.lake.review_queues.delete(queue_id)

    def add_items_to_review_queue(
        self, queue_id: str, *, item_ids: list[str], item_type: str = "trace", **_: Any
    ) -> list[ReviewQueueItem]:
        """Put items into a queue."""
        from mlflow.genai.review_queues import validation

        kind, ids = validation.coerce_item_type(item_type), _item_ids(item_ids)
        return list(map(_item_of, self.lake.review_queues.items.add(queue_id, ids, str(kind))))

    def remove_items_from_review_queue(self, queue_id: str, *, item_ids: list[str]) -> None:
        """Take items out of a queue."""
        self.lake.review_queues.items.remove(queue_id, _item_ids(item_ids))

    def list_review_queue_items(
        self,
        queue_id: str,
        *,
        status: str | None = None,
        max_results: int | None = None,
        page_token: str | None = None,
        **_: Any,
    ) -> PagedList[ReviewQueueItem]:
        """Return one page of the items of a queue, the newest first."""
        from mlflow.genai.review_queues.validation import coerce_status

        asked = None if status is None else str(coerce_status(status))
        most = _MOST if max_results is None else max_results
        if not isinstance(most, int) or not 0 < most <= 50_000:
            raise InvalidInputError(
                f"Invalid value {most} for parameter 'max_results' supplied. It must be a "
                "positive integer, at most 50000"
            )
        page = self.lake.review_queues.items.page(queue_id, asked, most, page_token)
        return PagedList(list(map(_item_of, page)), page.token)

    def set_review_queue_item_status(
        self,
        queue_id: str,
        *,
        item_id: str,
        status: str,
        completed_by: str | None = None,
        **_: Any,
    ) -> ReviewQueueItem:
        """Say that an item is reviewed, or is to be reviewed again."""
        from mlflow.genai.review_queues.validation import (
            USER_MAX_LENGTH,
            coerce_status,
            normalize_item_id,
            normalize_user,
        )

        word = str(coerce_status(status))
        user = None if completed_by is None else normalize_user(completed_by)
        if (word == "pending") != (not user):
            raise InvalidInputError(
                f"`completed_by` is {user!r}: it is required for 'complete' and 'declined', "
                "and must not be set for 'pending'"
            )
        if user is not None and len(user) > USER_MAX_LENGTH:
            raise InvalidInputError(
                f"`completed_by` must be at most {USER_MAX_LENGTH} characters; got {len(user)}."
            )
        identity = normalize_item_id(item_id)
        return _item_of(
            self.lake.review_queues.items.set_status(queue_id, identity, word, user)
        )


def _item_ids(given: list[str]) -> list[str]:
    from mlflow.genai.review_queues.validation import validate_item_ids_for_attach

    found: list[str] = validate_item_ids_for_attach(given)
    return found


def _queue_of(found: LakeQueue) -> ReviewQueue:
    from mlflow.genai.review_queues import ReviewQueue, ReviewQueueType

    return ReviewQueue(
        queue_id=found.queue_id,
        experiment_id=found.experiment_id,
        name=found.name,
        queue_type=ReviewQueueType(found.queue_type),
        created_by=found.created_by,
        creation_time_ms=found.created_time,
        last_update_time_ms=found.last_update_time,
        users=list(found.users),
        schema_ids=list(found.schema_ids),
    )


def _item_of(found: LakeItem) -> ReviewQueueItem:
    from mlflow.genai.review_queues import ReviewItemType, ReviewQueueItem, ReviewStatus

    return ReviewQueueItem(
        queue_id=found.queue_id,
        item_type=ReviewItemType(found.item_type),
        item_id=found.item_id,
        status=ReviewStatus(found.status),
        creation_time_ms=found.created_time,
        last_update_time_ms=found.last_update_time,
        completed_by=found.completed_by,
        completed_time_ms=found.completed_time,
    )
