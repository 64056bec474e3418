"""Questions, review queues and issues of MLflow's database, by queries of any SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.importing.review_items import ReviewItem, changed_in
from lakeflow.importing.sources.mlflow.tables import StoreTables
from lakeflow.kinds import ISSUE, LABEL_SCHEMA, REVIEW_QUEUE
from lakeflow.schema import REVIEW_QUEUE_ITEMS, REVIEW_QUEUE_SCHEMAS, REVIEW_QUEUE_USERS
from lakeflow.stores.reviews.issues import severity_columns

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from lakeflow.importing.sources.mlflow.tables import Row
    from lakeflow.kinds import Kind

_AT_ONCE = 500


class SqlReviews(StoreTables):
    """What MLflow's database holds of reviews."""

    def reviews(self, experiments: Container[str]) -> Iterator[ReviewItem]:
        """Yield the questions of experiments, then their queues, then their issues."""
        times: tuple[str, ...] = "created_time", "last_update_time"
        for row in self._reviewed(LABEL_SCHEMA, times, experiments):
            texts: tuple[str, ...] = (
                "schema_id",
                "name",
                "type",
                "input_type",
                "input_config",
                "instruction",
            )
            flags = {name: int(bool(row[name])) for name in ("enable_comment", "is_default")}
            yield _item(LABEL_SCHEMA, row, {name: row[name] for name in texts} | flags)
        for row in self._reviewed(REVIEW_QUEUE, _QUEUE_TIMES, experiments):
            texts = "queue_id", "name", "queue_type", "created_by"
            parts = {
                REVIEW_QUEUE_USERS.name: self._queue_members("users", "user_id", row),
                REVIEW_QUEUE_SCHEMAS.name: self._queue_members(
                    "label_schemas", "schema_id", row
                ),
                REVIEW_QUEUE_ITEMS.name: [*self._queue_items(row["queue_id"])],
            }
            yield _item(REVIEW_QUEUE, row, {name: row[name] for name in texts}, parts)
        times = "created_timestamp", "last_updated_timestamp"
        for row in self._reviewed(ISSUE, times, experiments):
            texts = (
                "issue_id", "name", "description", "status", "root_causes", "source_run_id",
                "categories", "created_by",
            )  # fmt: skip
            severity = severity_columns(row["severity"])
            yield _item(ISSUE, row, {name: row[name] for name in texts} | severity)

    def _reviewed(
        self, kind: Kind, times: tuple[str, ...], experiments: Container[str]
    ) -> Iterator[Row]:
        """Yield the rows of a table of MLflow's, with their times as ``_item`` takes them."""
        table = kind.row.name
        if table not in self.tables:
            return
        created, updated = times
        query = f"SELECT * FROM {table} ORDER BY {created}, {kind.id}"  # noqa: S608 - constants
        for rows in self.batches(query, _AT_ONCE):
            for row in rows:
                where = f"{kind.name} {row[kind.id]}"
                is_wanted = str(row["experiment_id"]) in experiments
                if is_wanted and self.has_numbers(where, row, created, updated):
                    made = row[created] or 0
                    yield row | {_CREATED: made, _UPDATED: row[updated] or made}

    def _queue_members(self, what: str, column: str, queue: Row) -> list[Row]:
        query = f"SELECT {column} FROM review_queue_{what} WHERE queue_id = :queue"  # noqa: S608
        # Since when is not told.
        return [
            {column: row[column], "created_time": queue[_CREATED]}
            for row in self.rows(query, queue=queue["queue_id"])
        ]

    def _queue_items(self, queue_id: str) -> Iterator[Row]:
        for row in self.rows(_ITEMS, queue=queue_id):
            where = f"item {row['item_id']} of review queue {queue_id}"
            if self.has_numbers(where, row, *_QUEUE_TIMES, "completed_time_ms"):
                made = row["creation_time_ms"] or 0
                texts = "item_id", "item_type", "status", "completed_by"
                yield {name: row[name] for name in texts} | {
                    "created_time": made,
                    "last_update_time": row["last_update_time_ms"] or made,
                    "completed_time": row["completed_time_ms"],
                }


def _item(
    kind: Kind, row: Row, fields: Row, parts: dict[str, list[Row]] | None = None
) -> ReviewItem:
    times = {kind.makes: row[_CREATED], changed_in(kind): row[_UPDATED]}
    return ReviewItem(kind, str(row["experiment_id"]), fields | times, parts or {})


_CREATED, _UPDATED = "made at", "changed at"
"""Times of a row, whatever the table calls them."""

_QUEUE_TIMES = ("creation_time_ms", "last_update_time_ms")

_ITEMS = "SELECT * FROM review_queue_items WHERE queue_id = :queue ORDER BY item_id"
