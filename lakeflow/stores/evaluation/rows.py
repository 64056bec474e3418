"""Records of evaluation datasets as rows, and back. Pure.

A row is what one call said of one record. The rows of a record in the order of time are the
record: the first one says its source, later ones lay outputs, expectations and tags over what
was there. So writers that merge into one record at the same time take nothing from one another,
and none has to read what is there.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.entities import (
    DatasetRecord,
    DatasetRecordSource,
    DatasetRecordSourceType,
    EvaluationDataset,
    tag_names,
)
from lakeflow.entities.json_text import decoded_if_json
from lakeflow.exceptions import InvalidInputError
from lakeflow.kinds import EVALUATION_DATASET
from lakeflow.printable import readable
from lakeflow.schema import (
    EVALUATION_DATASET_EXPERIMENTS,
    EVALUATION_DATASET_FIELDS,
    EVALUATION_DATASET_RECORDS,
    EVALUATION_DATASET_TAGS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lakeflow.stores.evaluation.given import Given
    from lakeflow.stores.things import Thing

Row = dict[str, Any]

SCHEMA_VERSION = "1.0"

_VERSION = ("version", "")
"""Place in the fields of a dataset of their version; it is there once records were merged."""

_VALUES = EVALUATION_DATASET.values(EVALUATION_DATASET_RECORDS)


class Merged(NamedTuple):
    """What a call says of the records of a dataset.

    Attributes:
        rows: A row for each record, by its id.
        repeated: Of how many records it says something again.
        user: Who says so, by the last tag that tells.
    """

    rows: dict[str, Row]
    repeated: int
    user: str | None


def merged_rows(dataset_id: str, records: Iterable[Given], given_at: int, call: str) -> Merged:
    """Return the rows of a call.

    Args:
        dataset_id: The dataset.
        records: The records.
        given_at: Microseconds since the Unix epoch.
        call: Id of the call.

    Raises:
        InvalidInputError: A record holds what JSON cannot.
    """
    rows: dict[str, Row] = {}
    repeated, user = 0, None
    for record in records:
        row = _row(dataset_id, record)
        user = row["user_id"] or user
        known = rows.get(row["record_id"])
        if known is None:
            number = len(rows)
            key = {"dataset_id": dataset_id, "given_at": given_at, "number": number}
            rows[row["record_id"]] = {**key, **row, "entry": call}
        else:
            repeated += 1
            _lay_over(known, row)
    return Merged(rows, repeated, user)


def _row(dataset_id: str, record: Given) -> Row:
    inputs, tags = record.get("inputs", {}), record.get("tags")
    source = DatasetRecordSource.of(record.get("source"))
    row: Row = {
        "record_id": record_id(dataset_id, inputs),
        "inputs": _json("inputs", inputs),
        # No outputs are something else than None for outputs.
        "outputs": _json("outputs", record["outputs"]) if "outputs" in record else None,
        "expectations": _object("expectations", record.get("expectations")),
        "tags": _object("tags", tags),
        "source_type": None if source is None else source.source_type,
        "source_id": None if source is None else source.source_id,
        "source": None if source is None else _json("source", source.source_data),
        "user_id": _user(tags),
    }
    return row


def _user(tags: Mapping[str, Any] | None) -> str | None:
    user = (tags or {}).get(tag_names.USER)
    return None if user is None else readable(str(user))


def record_id(dataset_id: str, inputs: Any) -> str:
    """Return the id of a record: writers that merge the same inputs agree on it.

    Raises:
        InvalidInputError: The inputs hold what JSON cannot.
    """
    try:
        # In ASCII, so that half of a surrogate pair has bytes as well.
        # Sorted: dictionaries that are equal are one record, whatever their order.
        text = json.dumps(inputs, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise _misfit("inputs", error) from None
    return f"dr-{hashlib.sha256(f'{dataset_id} {text}'.encode()).hexdigest()[:32]}"


def _json(name: str, value: Any) -> str:
    try:
        return readable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    except (TypeError, ValueError, RecursionError) as error:
        raise _misfit(name, error) from None


def _misfit(name: str, error: Exception) -> InvalidInputError:
    return InvalidInputError(
        f"'{name}' of a record cannot be stored as JSON: {error}",
        hint="give texts, numbers, booleans, None, and lists and dictionaries of them",
    )


def _object(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidInputError(f"'{name}' is {value!r:.100}, not a dictionary")
    return _json(name, value)


def _lay_over(known: Row, row: Row) -> None:
    """Lay what is said of a record later in a call over what was said before."""
    if row["outputs"] is not None:
        known["outputs"] = row["outputs"]
    for name in ("expectations", "tags"):
        before, after = known[name], row[name]
        if before is not None and after is not None:
            known[name] = _json(name, json.loads(before) | json.loads(after))
        else:
            known[name] = before if after is None else after
    known["user_id"] = row["user_id"] or known["user_id"]


def without(dataset_id: str, rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return the rows that remove others, by their keys."""
    nothing = dict.fromkeys(_VALUES)
    keys = EVALUATION_DATASET_RECORDS.key[1:]
    return [{"dataset_id": dataset_id, **{k: row[k] for k in keys}, **nothing} for row in rows]


# Fields


def new_fields(thing: Thing, records: Sequence[Given]) -> list[Row]:
    """Return the rows of fields that records have, and that are not known of their dataset."""
    known = dict(thing.rows(EVALUATION_DATASET_FIELDS.name))
    found: dict[tuple[str, str], str] = {_VERSION: SCHEMA_VERSION} if records else {}
    for record in records:
        for section in ("inputs", "outputs", "expectations"):
            for name, value in _fields(section, record.get(section)):
                found.setdefault((section, name), _type(value))
    return [
        {"dataset_id": thing.id, "section": section, "field": name, "type": kind}
        for (section, name), kind in found.items()
        if (section, name) not in known
    ]


def _fields(section: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(readable(str(name)), each) for name, each in value.items()]
    return [("", value)] if section == "outputs" and value is not None else []


_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    # Before the numbers: for Python a bool is an int.
    (bool, "boolean"),
    (int, "integer"),
    (float, "float"),
    (str, "string"),
    ((list, tuple), "array"),
    (dict, "object"),
)


def _type(value: Any) -> str:
    if value is None:
        return "null"
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "unknown")


def input_names(thing: Thing) -> list[str]:
    """Return the names of the inputs that records of a dataset have."""
    fields = thing.rows(EVALUATION_DATASET_FIELDS.name)
    return [name for (section, name), _ in fields if section == "inputs"]


def has_data(thing: Thing) -> bool:
    """Return whether records were ever merged into a dataset."""
    return _VERSION in dict(thing.rows(EVALUATION_DATASET_FIELDS.name))


def _schema(thing: Thing) -> str | None:
    if not has_data(thing):
        return None
    sections: dict[str, Any] = {"inputs": {}, "outputs": {}, "expectations": {}}
    for (section, name), (kind,) in thing.rows(EVALUATION_DATASET_FIELDS.name):
        if (section, name) != _VERSION and section in sections:
            sections[section][name] = kind
    # Outputs that are no object have one type and no fields.
    alone = sections["outputs"].pop("", None)
    if alone is not None and not sections["outputs"]:
        sections["outputs"] = alone
    return json.dumps(sections | {"version": SCHEMA_VERSION})


# Entities


def digest_of(name: str, time_ms: int) -> str:
    """Return the digest of a dataset whose records change now."""
    return hashlib.sha256(f"{name}:{time_ms}".encode()).hexdigest()[:8]


def new_dataset(
    row: Mapping[str, Any], tags: Mapping[str, str], experiment_ids: Iterable[str]
) -> EvaluationDataset:
    """Return a dataset that has just been made.

    Args:
        row: What is known of it.
        tags: Its tags.
        experiment_ids: The experiments that it is linked to.
    """
    return EvaluationDataset(
        tags=dict(sorted(tags.items())),
        schema=None,
        profile=None,
        experiment_ids=_by_number({*experiment_ids}),
        **row,
    )


def dataset_of(thing: Thing, records: int) -> EvaluationDataset | None:
    """Return a dataset as users see it; None as long as nothing has made it.

    Args:
        thing: What is known of it.
        records: How many records it has.
    """
    row = thing.row(EVALUATION_DATASET)
    if row is None:
        return None
    return EvaluationDataset(
        tags=thing.values(EVALUATION_DATASET_TAGS.name),
        schema=_schema(thing),
        profile=json.dumps({"num_records": records}) if records else None,
        experiment_ids=experiment_ids(thing),
        **row,
    )


def experiment_ids(thing: Thing) -> list[str]:
    """Return the experiments that a dataset is linked to: numbers in their order."""
    return _by_number(each for each, _ in thing.rows(EVALUATION_DATASET_EXPERIMENTS.name))


def _by_number(experiment_ids: Iterable[str]) -> list[str]:
    return sorted(experiment_ids, key=lambda each: (len(each), each))


def records_of_rows(rows: Iterable[Mapping[str, Any]]) -> list[DatasetRecord]:
    """Return records out of their rows, which stand together, in the order of the rows."""
    by_record = itertools.groupby(rows, key=lambda row: row["record_id"])
    return [_record_of(list(each)) for _, each in by_record]


def _record_of(rows: Sequence[Mapping[str, Any]]) -> DatasetRecord:
    """Return a record out of its rows, the earliest first."""
    first, last = rows[0], rows[-1]
    outputs = [row["outputs"] for row in rows if row["outputs"] is not None]
    users = [row["user_id"] for row in rows if row["user_id"] is not None]
    kind, source = first["source_type"], None
    if kind is not None:
        # Types that a later version has are no error here.
        kind = kind if kind in DatasetRecordSourceType.ALL else _UNSPECIFIED
        source = DatasetRecordSource(kind, _dictionary(first["source"]) or {})
    return DatasetRecord(
        dataset_record_id=first["record_id"],
        dataset_id=first["dataset_id"],
        inputs=_dictionary(first["inputs"]) or {},
        outputs=decoded_if_json(outputs[-1]) if outputs else {},
        expectations=_laid_over(row["expectations"] for row in rows),
        tags=_laid_over(row["tags"] for row in rows) or {},
        source=source,
        source_type=kind,
        source_id=first["source_id"],
        created_time=first["given_at"] // 1000,
        last_update_time=last["given_at"] // 1000,
        created_by=first["user_id"],
        last_updated_by=users[-1] if users else None,
    )


_UNSPECIFIED = DatasetRecordSourceType.UNSPECIFIED


def _laid_over(texts: Iterable[str | None]) -> dict[str, Any] | None:
    said = [each for each in map(_dictionary, texts) if each is not None]
    return {key: value for each in said for key, value in each.items()} if said else None


def _dictionary(text: str | None) -> dict[str, Any] | None:
    """Return a JSON object; None for what is none: a lake's files are made by anybody."""
    found = decoded_if_json(text)
    return found if isinstance(found, dict) else None
