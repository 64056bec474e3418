"""Evaluation datasets, and the scorers of experiments."""

from __future__ import annotations

from lakeflow.kinds.catalogue import Attribute, Catalogue
from lakeflow.kinds.experiment import EXPERIMENT
from lakeflow.kinds.kind import Keep, Kind, Part
from lakeflow.schema import (
    EVALUATION_DATASET_EXPERIMENTS,
    EVALUATION_DATASET_FIELDS,
    EVALUATION_DATASET_RECORDS,
    EVALUATION_DATASET_TAGS,
    EVALUATION_DATASETS,
    SCORER_VERSIONS,
    SCORERS,
)

EVALUATION_DATASET = Kind(
    "evaluation_dataset",
    # Not controlled: its id is random, and in MLflow too its name need not be unique.
    row=EVALUATION_DATASETS,
    id="dataset_id",
    makes="created_time",
    settable=dict.fromkeys(("last_update_time", "last_updated_by", "digest"), Keep.LAST),
    parts=(
        Part(EVALUATION_DATASET_TAGS, Keep.LAST, removable=True),
        # A dataset may be linked to several experiments, so that none of them owns it.
        Part(EVALUATION_DATASET_EXPERIMENTS, Keep.LAST, removable=True),
        # A field keeps the type that it was first seen with.
        Part(EVALUATION_DATASET_FIELDS, Keep.FIRST),
        Part(
            # A row is what one call said of one record: no writer takes anything from another.
            EVALUATION_DATASET_RECORDS,
            Keep.LAST,
            removable=True,
            in_document=False,
            in_columns=True,
            pruned_by="given_at",
        ),
    ),
    is_removable=True,
    catalogue=Catalogue(
        {
            "name": Attribute("name"),
            "dataset_id": Attribute("dataset_id"),
            "created_time": Attribute("created_time", is_number=True),
            "last_update_time": Attribute("last_update_time", is_number=True),
            "created_by": Attribute("created_by"),
            "last_updated_by": Attribute("last_updated_by"),
            "digest": Attribute("digest"),
            "experiment_id": Attribute(
                "experiment_id", table=EVALUATION_DATASET_EXPERIMENTS, by=("dataset_id",)
            ),
        },
        dict.fromkeys(("tag", "tags"), EVALUATION_DATASET_TAGS),
        order=(("dataset_id", True),),
        first=(("created_time", True), ("dataset_id", True)),
    ),
)
"""A dataset for evaluation: records that are told apart by their inputs."""

SCORER = Kind(
    "scorer",
    row=SCORERS,
    id="scorer_id",
    makes="creation_time",
    settable=dict.fromkeys(("online_config_id", "sample_rate", "filter_string"), Keep.LAST),
    parts=(Part(SCORER_VERSIONS, Keep.LAST, removable=True),),
    owner=EXPERIMENT,
    is_removable=True,
    is_controlled=True,
    # A name is unique in an experiment, and what is unique is one column.
    unique=("full_name",),
    is_numbered=True,
    catalogue=Catalogue(
        {
            "name": Attribute("name"),
            "scorer_id": Attribute("scorer_id"),
            "experiment_id": Attribute("experiment_id"),
            "creation_time": Attribute("creation_time", is_number=True),
            "sample_rate": Attribute("sample_rate", is_number=True),
        },
        {},
        order=(("experiment_id", False), ("name", False)),
    ),
)
"""A scorer of an experiment, with its versions."""
