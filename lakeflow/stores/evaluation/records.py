"""How the records of evaluation datasets are read: by pages, in the order of merging."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.exceptions import InvalidInputError
from lakeflow.query.engine.columns import column as arrow_column
from lakeflow.query.engine.columns import table as arrow_table
from lakeflow.query.engine.comparisons import among, binding
from lakeflow.query.engine.statement import Statement
from lakeflow.schema import EVALUATION_DATASET_RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lakeflow.stores.reader import Reader
    from lakeflow.stores.snapshots import SnapshotId

_TABLE = EVALUATION_DATASET_RECORDS.name

# Structures are compared field by field.
_ORDER = "{'at': given_at, 'entry': entry}"
"""Which of the rows of a record was said first."""


class Place(NamedTuple):
    """Where a record stands among those of its dataset.

    Attributes:
        given_at: When it was merged in first, microseconds since the Unix epoch.
        number: Its place among the records of that call.
        record_id: Its id.
    """

    given_at: int
    number: int
    record_id: str

    def token(self) -> str:
        """Return the token of the page that begins after it."""
        text = f"{self.given_at}:{self.number}:{self.record_id}"
        return base64.urlsafe_b64encode(text.encode()).decode()

    @classmethod
    def of_token(cls, token: str) -> Place:
        """Return the place that a token names.

        Raises:
            InvalidInputError: It is no such token.
        """
        try:
            text = base64.b64decode(token, altchars=b"-_", validate=True).decode()
            given_at, number, identity = text.split(":", 2)
            place = cls(int(given_at), int(number), identity)
        except (binascii.Error, ValueError, TypeError, AttributeError):
            raise InvalidInputError(f"Invalid page token {token!r}") from None
        # The engine would refuse them in its own words.
        if not all(-(2**63) <= each < 2**63 for each in place[:2]):
            raise InvalidInputError(f"Invalid page token {token!r}")
        return place


def counts(
    reader: Reader, dataset_ids: Sequence[str], snapshot_id: SnapshotId | None
) -> dict[str, int]:
    """Return how many records some datasets have; those without any are left out."""
    if not dataset_ids:
        return {}
    values: dict[str, Any] = {}
    where = among("dataset_id", dataset_ids, binding(values))
    sql = (
        f"SELECT dataset_id, count(DISTINCT record_id) AS records FROM {_TABLE} "  # noqa: S608
        f"WHERE {where} GROUP BY dataset_id"
    )
    (found,) = reader.tables([_statement(sql, values, dataset_ids)], [], snapshot_id)
    return {row["dataset_id"]: row["records"] for row in found.to_pylist()}


def known_ids(
    reader: Reader, dataset_id: str, ids: Iterable[str], snapshot_id: SnapshotId | None
) -> set[str]:
    """Return those ids of records that are there."""
    return {row["record_id"] for row in keys(reader, dataset_id, ids, snapshot_id)}


def keys(
    reader: Reader, dataset_id: str, ids: Iterable[str], snapshot_id: SnapshotId | None
) -> list[dict[str, Any]]:
    """Return the keys of all rows of some records that are there."""
    sql = (
        f"SELECT given_at, record_id, entry FROM {_TABLE} "  # noqa: S608
        "SEMI JOIN asked USING (record_id) WHERE dataset_id = $dataset_id"
    )
    statement = _statement(sql, {"dataset_id": dataset_id}, [dataset_id])
    asked = arrow_table({"record_id": arrow_column("string", list(ids))})
    (found,) = reader.tables([statement], [], snapshot_id, asked=asked)
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def of_call(
    reader: Reader,
    dataset_id: str,
    entry: str,
    rows: Sequence[Mapping[str, Any]],
    snapshot_id: SnapshotId | None,
) -> dict[tuple[str, int], int | None]:
    """Return which rows of a call are there, removed ones too.

    Args:
        reader: What reads the lake.
        dataset_id: Their dataset.
        entry: The call.
        rows: The rows that are looked for.
        snapshot_id: To read them as they were then; None for now.

    Returns:
        By record and time when a row was removed, in microseconds since the Unix epoch; None
        of those that were not.
    """
    times = [row["given_at"] for row in rows]
    least, most = min(times), max(times)
    sql = f"""
        SELECT record_id, given_at, CASE WHEN number IS NULL THEN clock END AS removed_at
        FROM {_TABLE} SEMI JOIN asked USING (record_id, given_at)
        WHERE dataset_id = $dataset_id AND entry = $entry AND given_at BETWEEN $least AND $most
    """  # noqa: S608
    values = {"dataset_id": dataset_id, "entry": entry, "least": least, "most": most}
    within = {_TABLE: {"given_at": [(least, most)]}}
    statement = _statement(sql, values, [dataset_id], within, with_removed=(_TABLE,))
    ids = arrow_column("string", [row["record_id"] for row in rows])
    asked = arrow_table({"record_id": ids, "given_at": arrow_column("long", times)})
    (found,) = reader.tables([statement], [], snapshot_id, asked=asked)
    return {(row["record_id"], row["given_at"]): row["removed_at"] for row in found.to_pylist()}


def page(
    reader: Reader,
    dataset_id: str,
    size: int,
    after: Place | None,
    snapshot_id: SnapshotId | None,
) -> tuple[list[dict[str, Any]], Place | None]:
    """Return the rows of the records of one page, and after which place the next one begins.

    Args:
        reader: What reads the lake.
        dataset_id: The dataset.
        size: Records of the page.
        after: The place of the last record of the page before; None for the first page.
        snapshot_id: To read them as they were then; None for now.
    """
    # One more than the page has tells whether there is a next one.
    values: dict[str, Any] = {"dataset_id": dataset_id, "size": size + 1}
    beyond = ""
    if after is not None:
        beyond = "WHERE (first_at, first_number, record_id) > ($at, $number, $record_id)"
        values |= {"at": after.given_at, "number": after.number, "record_id": after.record_id}
    # Of all rows of the dataset only ids and times are read here; their texts for one page.
    sql = f"""
        SELECT * FROM (
            SELECT record_id, min(given_at) AS first_at, max(given_at) AS last_at,
                coalesce(arg_min("number", {_ORDER}), 0) AS first_number
            FROM {_TABLE} WHERE dataset_id = $dataset_id GROUP BY record_id
        ) {beyond} ORDER BY first_at, first_number, record_id LIMIT $size
    """  # noqa: S608
    (found,) = reader.tables([_statement(sql, values, [dataset_id])], [], snapshot_id)
    places = found.to_pylist()
    last = places[size - 1] if len(places) > size else None
    places = places[:size]
    if not places:
        return [], None
    rows = _rows(reader, dataset_id, places, snapshot_id)
    if last is None:
        return rows, None
    return rows, Place(last["first_at"], last["first_number"], last["record_id"])


def _rows(
    reader: Reader,
    dataset_id: str,
    places: Sequence[Mapping[str, Any]],
    snapshot_id: SnapshotId | None,
) -> list[dict[str, Any]]:
    """Return the rows of some records in the order of their places, each from its first on."""
    least = min(each["first_at"] for each in places)
    most = max(each["last_at"] for each in places)
    # Rows are sorted by their time: where a page was merged in at once, few of them are read.
    sql = f"""
        SELECT * FROM {_TABLE} SEMI JOIN asked USING (record_id)
        WHERE dataset_id = $dataset_id AND given_at BETWEEN $least AND $most
    """  # noqa: S608
    values = {"dataset_id": dataset_id, "least": least, "most": most}
    within = {_TABLE: {"given_at": [(least, most)]}}
    statement = _statement(sql, values, [dataset_id], within)
    asked = arrow_table({"record_id": arrow_column("string", [p["record_id"] for p in places])})
    (found,) = reader.tables([statement], [], snapshot_id, asked=asked)
    rank = {each["record_id"]: number for number, each in enumerate(places)}
    return sorted(
        found.to_pylist(),
        key=lambda row: (rank[row["record_id"]], row["given_at"], row["entry"]),
    )


def _statement(
    sql: str,
    values: Mapping[str, Any],
    dataset_ids: Sequence[str],
    within: Mapping[str, Any] | None = None,
    with_removed: tuple[str, ...] = (),
) -> Statement:
    named = {_TABLE: ("dataset_id", list(dataset_ids))}
    return Statement(
        sql,
        dict(values),
        (_TABLE,),
        named=named,
        within=dict(within or {}),
        with_removed=with_removed,
    )
