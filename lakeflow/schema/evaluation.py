"""Tables of evaluation datasets and of scorers."""

from __future__ import annotations

from lakeflow.schema.spec import Column, TableSpec

_DATASET_ID = Column("dataset_id", "string", "d- and 32 hexadecimal digits")
_CREATED = Column("created_time", "long", "milliseconds since the Unix epoch, UTC")
_UPDATED = Column("last_update_time", "long", "milliseconds since the Unix epoch, UTC")


def _text(name: str, comment: str) -> Column:
    return Column(name, "string", comment, nullable=True)


EVALUATION_DATASETS = TableSpec(
    "evaluation_datasets",
    "one row per evaluation dataset",
    (
        _DATASET_ID,
        Column("name", "string", "need not be unique"),
        _CREATED,
        _UPDATED,
        _text("created_by", "who made it"),
        _text("last_updated_by", "who merged records into it last"),
        Column("digest", "string", "changes whenever records are merged into it"),
    ),
    key=("dataset_id",),
    sort=("created_time", "dataset_id"),
)

EVALUATION_DATASET_TAGS = TableSpec(
    "evaluation_dataset_tags",
    "one row per tag of an evaluation dataset",
    (_DATASET_ID, Column("key", "string", "name"), Column("value", "string", "text")),
    key=("dataset_id", "key"),
    sort=("key", "dataset_id"),
)

EVALUATION_DATASET_EXPERIMENTS = TableSpec(
    "evaluation_dataset_experiments",
    "one row per experiment that an evaluation dataset is linked to",
    (
        _DATASET_ID,
        Column("experiment_id", "string", "the experiment"),
        Column("linked_time", "long", "milliseconds since the Unix epoch, UTC"),
    ),
    key=("dataset_id", "experiment_id"),
    # Those of a dataset are in its document; a search asks for the datasets of an experiment.
    sort=("experiment_id", "dataset_id"),
)

EVALUATION_DATASET_FIELDS = TableSpec(
    "evaluation_dataset_fields",
    "one row per field that the records of an evaluation dataset have",
    (
        _DATASET_ID,
        Column("section", "string", "inputs, outputs, expectations, or version"),
        Column("field", "string", "its name; empty for outputs that are no object"),
        Column("type", "string", "of the first value, as JSON calls it"),
    ),
    key=("dataset_id", "section", "field"),
    sort=("dataset_id", "section", "field"),
)

EVALUATION_DATASET_RECORDS = TableSpec(
    "evaluation_dataset_records",
    "one row per record and call that said something of it; together they are the record",
    (
        _DATASET_ID,
        Column("given_at", "long", "microseconds since the Unix epoch: what is later wins"),
        Column(
            "number",
            "long",
            "place among the records of the call; null in a row that was removed",
            nullable=True,
        ),
        Column("record_id", "string", "dr- and 32 hexadecimal digits: follows from the inputs"),
        Column("entry", "string", "the call"),
        _text("inputs", "what identifies the record, a JSON object"),
        _text("outputs", "what came out, as JSON; null if the call did not say"),
        _text("expectations", "what should come out, a JSON object, merged by key"),
        _text("tags", "a JSON object, merged by key"),
        _text(
            "source_type", "HUMAN, CODE, TRACE, DOCUMENT or UNSPECIFIED; the first one counts"
        ),
        _text("source_id", "id of the trace or document"),
        _text("source", "more about it, a JSON object"),
        _text("user_id", "who said it"),
        Column("clock", "long", "microseconds since the Unix epoch, UTC, of its record"),
    ),
    # A row is removed by its key alone, and files are told apart by the time.
    key=("dataset_id", "given_at", "record_id", "entry"),
    # As pages go, in the order of merging: a page reads few row groups.
    sort=("dataset_id", "given_at", "number", "record_id"),
    row_group_rows=8_192,
    file_rows=1_048_576,
)

_SCORER_SCOPE = (
    Column("experiment_id", "string", "experiment it belongs to"),
    Column("scorer_id", "string", "a number that is never given again"),
)

SCORERS = TableSpec(
    "scorers",
    "one row per scorer of an experiment",
    (
        *_SCORER_SCOPE,
        Column("name", "string", "unique in the experiment"),
        Column("full_name", "string", "experiment and name, unique"),
        Column("creation_time", "long", "milliseconds since the Unix epoch, UTC"),
        _text("online_config_id", "id of what is set of scoring new traces"),
        Column("sample_rate", "double", "share of new traces that it scores", nullable=True),
        _text("filter_string", "which traces it scores; empty for all"),
    ),
    key=("scorer_id",),
    sort=("experiment_id", "name"),
)

SCORER_VERSIONS = TableSpec(
    "scorer_versions",
    "one row per version of a scorer",
    (
        *_SCORER_SCOPE,
        Column("version", "long", "from 1 on"),
        Column("serialized_scorer", "string", "the scorer, as JSON"),
        Column("creation_time", "long", "milliseconds since the Unix epoch, UTC"),
    ),
    key=("scorer_id", "version"),
    sort=("experiment_id", "scorer_id", "version"),
)
