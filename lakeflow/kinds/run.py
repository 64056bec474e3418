"""Runs."""

from __future__ import annotations

from lakeflow.entities import RunStatus, tag_names
from lakeflow.kinds.catalogue import Attribute, Catalogue, Rows
from lakeflow.kinds.experiment import EXPERIMENT
from lakeflow.kinds.kind import Keep, Kind, Part, Summary
from lakeflow.schema import (
    ARTIFACTS,
    INPUTS,
    LATEST_METRICS,
    METRICS,
    MODEL_INPUTS,
    MODEL_OUTPUTS,
    PARAMS,
    RUNS,
    TAGS,
)

_START = Attribute("start_time", is_number=True)
_NAME = Attribute("run_name")
_STATUS = Attribute("status", values=tuple(map(RunStatus.to_string, RunStatus.all_status())))

# MLflow takes all of these names, those of its user interface among them.
_CATALOGUE = Catalogue(
    {
        "run_id": Attribute("run_id"),
        "run_name": _NAME,
        "run name": _NAME,
        "Run name": _NAME,
        "Run Name": _NAME,
        "status": _STATUS,
        "user_id": Attribute("user_id"),
        "artifact_uri": Attribute("artifact_uri"),
        "start_time": _START,
        "created": _START,
        "Created": _START,
        "end_time": Attribute("end_time", is_number=True),
    },
    {
        **dict.fromkeys(("metric", "metrics"), LATEST_METRICS),
        **dict.fromkeys(("param", "params", "parameter", "parameters"), PARAMS),
        **dict.fromkeys(("tag", "tags"), TAGS),
    },
    # Many runs may start in one millisecond; the id makes pages well defined.
    order=(("start_time", True), ("run_id", False)),
    rows=dict.fromkeys(
        ("dataset", "datasets"),
        Rows(
            "dataset",
            INPUTS,
            by=("run_id",),
            columns={
                "name": Attribute("name"),
                "digest": Attribute("digest"),
                "context": Attribute(
                    # In quotes, since the dots of the key would lead into objects.
                    f"""json_extract_string(tags, '$."{tag_names.DATASET_CONTEXT}"')"""
                ),
            },
        ),
    ),
)

RUN = Kind(
    "run",
    row=RUNS,
    id="run_id",
    makes="start_time",
    settable=dict.fromkeys(("end_time", "status", "lifecycle_stage", "run_name"), Keep.LAST),
    parts=(
        # A param does not change, so the first value stays; a tag may be set again.
        Part(PARAMS, Keep.FIRST, is_frequent=True),
        Part(TAGS, Keep.LAST, removable=True, is_frequent=True),
        # As in MLflow, a dataset of one name and digest is an input once.
        Part(INPUTS, Keep.FIRST),
        Part(MODEL_INPUTS, Keep.FIRST),
        Part(MODEL_OUTPUTS, Keep.FIRST),
        # A run may have as many images as it has steps.
        Part(ARTIFACTS, Keep.LAST, in_document=False),
        Part(METRICS, Keep.EACH, summary=Summary(LATEST_METRICS), is_frequent=True),
    ),
    owner=EXPERIMENT,
    is_removable=True,
    is_line=True,
    clocks={"lifecycle_clock": "lifecycle_stage"},
    inherited=("lifecycle_stage",),
    catalogue=_CATALOGUE,
)
"""A run of an experiment."""
