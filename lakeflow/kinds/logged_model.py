"""Logged models: what runs make and measure, each with files of its own."""

from __future__ import annotations

from lakeflow.entities import LoggedModelStatus
from lakeflow.kinds.catalogue import Attribute, Catalogue, Rows
from lakeflow.kinds.experiment import EXPERIMENT
from lakeflow.kinds.kind import LOGGED, Keep, Kind, Part, Summary
from lakeflow.schema import (
    LATEST_LOGGED_MODEL_METRICS,
    LOGGED_MODEL_FILES,
    LOGGED_MODEL_METRICS,
    LOGGED_MODEL_PARAMS,
    LOGGED_MODEL_TAGS,
    LOGGED_MODELS,
)

_CREATED = Attribute("creation_timestamp", is_number=True)
_UPDATED = Attribute("last_updated_timestamp", is_number=True)

_METRICS = Part(
    LOGGED_MODEL_METRICS,
    Keep.EACH,
    summary=Summary(
        LATEST_LOGGED_MODEL_METRICS,
        by=("key", "dataset_name", "dataset_digest", "run_id"),
        # As in MLflow: the last point of a model is the one of the latest time, that of a run
        # the one of the last step.
        order=("timestamp", "step"),
    ),
)

_METRIC = Rows(
    "metric",
    LATEST_LOGGED_MODEL_METRICS,
    by=("model_id",),
    key="key",
    value="value",
    is_number=True,
    # Of many points those two are the ones that an inequality holds for, if it does for any.
    beside=("min", "max"),
    each=LOGGED_MODEL_METRICS,
    last=("timestamp", "step", *LOGGED),
)

LOGGED_MODEL = Kind(
    "logged_model",
    # Not controlled: its id is random, and its name need not be unique.
    row=LOGGED_MODELS,
    id="model_id",
    makes="creation_timestamp",
    settable=dict.fromkeys(
        ("last_updated_timestamp", "status", "status_message", "lifecycle_stage"), Keep.LAST
    ),
    parts=(
        Part(LOGGED_MODEL_PARAMS, Keep.FIRST),
        Part(LOGGED_MODEL_TAGS, Keep.LAST, removable=True),
        # A model may have as many files as a data set that was put beside it.
        Part(LOGGED_MODEL_FILES, Keep.LAST, in_document=False),
        _METRICS,
    ),
    owner=EXPERIMENT,
    is_removable=True,
    catalogue=Catalogue(
        {
            "name": Attribute("name"),
            "model_id": Attribute("model_id"),
            "model_type": Attribute("model_type"),
            "status": Attribute("status", values=tuple(map(str, LoggedModelStatus))),
            "status_message": Attribute("status_message"),
            "source_run_id": Attribute("source_run_id"),
            "experiment_id": Attribute("experiment_id"),
            **dict.fromkeys(
                ("creation_timestamp", "creation_time", "creation_timestamp_ms"), _CREATED
            ),
            **dict.fromkeys(("last_updated_timestamp", "last_updated_timestamp_ms"), _UPDATED),
        },
        {
            **dict.fromkeys(("param", "params"), LOGGED_MODEL_PARAMS),
            **dict.fromkeys(("tag", "tags"), LOGGED_MODEL_TAGS),
        },
        rows=dict.fromkeys(("metric", "metrics"), _METRIC),
        words=frozenset({"attribute", "attributes", "attr"}),
        # Many models may be made in one millisecond; the id makes pages well defined.
        order=(("creation_timestamp", True), ("model_id", False)),
    ),
)
"""A model that was logged to an experiment."""
