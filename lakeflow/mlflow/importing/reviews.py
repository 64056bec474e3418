"""Questions, review queues and issues of MLflow 3, as its client's store reads them."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import StorageError
from lakeflow.importing.items import Problem
from lakeflow.importing.review_items import ReviewItem
from lakeflow.kinds import ISSUE, LABEL_SCHEMA, REVIEW_QUEUE
from lakeflow.mlflow.importing.asking import Asking
from lakeflow.mlflow.reviews import answers_of
from lakeflow.schema import REVIEW_QUEUE_ITEMS, REVIEW_QUEUE_SCHEMAS, REVIEW_QUEUE_USERS
from lakeflow.stores.reviews.issues import listed_text, severity_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from mlflow.entities import Issue
    from mlflow.genai.label_schemas import LabelSchema
    from mlflow.genai.review_queues import ReviewQueue


class TrackedReviews(Asking):
    """What is behind a tracking URI of reviews."""

    def reviews(self, experiments: Container[str]) -> Iterator[ReviewItem]:
        """Yield questions, then queues, then issues; none of an older MLflow."""
        active, deleted = (
            [key for key in keys if key in experiments]
            for keys in (self.experiment_keys, self.deleted_keys)
        )
        if deleted:
            where = f"{len(deleted):,} deleted experiments"
            why = "MLflow does not tell their scorers, label schemas and review queues"
            self.report(Problem(where, why, is_loss=False))
        if hasattr(self.store, "list_review_queues"):
            yield from self._all_questions(active)
            for key in active:
                yield from map(self._queue, self._queues(key))
        if hasattr(self.store, "search_issues"):
            for key in [*active, *deleted]:
                found = self._pages_of(self.store.search_issues, key)
                yield from map(_issue, self.if_any(found))

    def _all_questions(self, keys: Sequence[str]) -> Iterator[ReviewItem]:
        self._unseen = 0
        for key in keys:
            yield from map(_question, self.if_any(self._questions(key)))
        if self._unseen:
            where = f"label schemas of {self._unseen:,} experiments"
            why = "but for those in review queues, they are not told without a change there"
            self.report(Problem(where, why, is_loss=False))

    def _questions(self, key: str) -> Iterator[LabelSchema]:
        """Yield the questions of an experiment.

        Whoever lists them makes MLflow add its own one where it is not there yet, and a reader
        changes nothing. Then only those are told that queues name: nobody has ever looked at
        them, and most likely there are no others.
        """
        from mlflow.genai.label_schemas.validation import DEFAULT_LABEL_SCHEMA_NAME

        own = self._question_if_there(
            partial(self.store.get_label_schema_by_name, key, DEFAULT_LABEL_SCHEMA_NAME)
        )
        if own is not None and own.is_default:
            yield from self._pages_of(self.store.list_label_schemas, key)
            return
        self._unseen += 1
        named = {each for queue in self._queues(key) for each in queue.schema_ids}
        for schema_id in sorted(named):
            found = self._question_if_there(partial(self.store.get_label_schema, schema_id))
            yield from () if found is None else [found]

    def _question_if_there(self, ask: Any) -> LabelSchema | None:
        try:
            found: LabelSchema = self.asked(ask)
        except StorageError as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return found

    def _queues(self, key: str) -> Iterator[ReviewQueue]:
        return self.if_any(self._pages_of(self.store.list_review_queues, key))

    def _pages_of(self, ask: Callable[..., Any], of: str) -> Iterator[Any]:
        return self.pages(lambda token: ask(of, page_token=token))

    def _queue(self, found: ReviewQueue) -> ReviewItem:
        made = found.creation_time_ms
        row = {
            "queue_id": found.queue_id,
            "name": found.name,
            "queue_type": str(found.queue_type),
            "created_by": found.created_by,
            "created_time": made,
            "last_update_time": found.last_update_time_ms or made,
        }
        items = [
            {
                "item_id": each.item_id,
                "item_type": str(each.item_type),
                "status": str(each.status),
                "created_time": each.creation_time_ms,
                "last_update_time": each.last_update_time_ms,
                "completed_by": each.completed_by,
                "completed_time": each.completed_time_ms,
            }
            for each in self._pages_of(self.store.list_review_queue_items, found.queue_id)
        ]
        parts = {
            # Since when is not told.
            REVIEW_QUEUE_USERS.name: [
                {"user_id": each, "created_time": made} for each in found.users
            ],
            REVIEW_QUEUE_SCHEMAS.name: [
                {"schema_id": each, "created_time": made} for each in found.schema_ids
            ],
            REVIEW_QUEUE_ITEMS.name: items,
        }
        return ReviewItem(REVIEW_QUEUE, str(found.experiment_id), row, parts)


def _question(found: LabelSchema) -> ReviewItem:
    kind, config = answers_of(found.input)
    made = found.created_at or 0
    row = {
        "schema_id": found.schema_id,
        "name": found.name,
        "type": str(found.type),
        "input_type": kind,
        "input_config": json.dumps(config, ensure_ascii=False),
        "instruction": found.instruction,
        "enable_comment": int(found.enable_comment),
        "is_default": int(found.is_default),
        "created_time": made,
        "last_update_time": found.updated_at or made,
    }
    return ReviewItem(LABEL_SCHEMA, str(found.experiment_id), row)


def _issue(found: Issue) -> ReviewItem:
    made = found.created_timestamp
    row = {
        "issue_id": found.issue_id,
        "name": found.name,
        "description": found.description,
        "status": str(found.status.value),
        **severity_columns(found.severity and str(found.severity.value)),
        "root_causes": listed_text(found.root_causes),
        "categories": listed_text(found.categories),
        "source_run_id": found.source_run_id,
        "created_timestamp": made,
        "last_updated_timestamp": found.last_updated_timestamp or made,
        "created_by": found.created_by,
    }
    return ReviewItem(ISSUE, str(found.experiment_id), row)
