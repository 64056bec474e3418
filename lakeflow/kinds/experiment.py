"""Experiments, and the events of the control log that change them."""

from __future__ import annotations

from lakeflow import event_lines, records
from lakeflow.ids import new_id
from lakeflow.kinds.catalogue import Attribute, Catalogue
from lakeflow.kinds.kind import Keep, Kind, Part
from lakeflow.schema import CONTROL_EVENTS, EXPERIMENT_TAGS, EXPERIMENTS

_CATALOGUE = Catalogue(
    {
        "name": Attribute("name"),
        "experiment_id": Attribute("experiment_id"),
        "creation_time": Attribute("creation_time", is_number=True),
        "last_update_time": Attribute("last_update_time", is_number=True),
    },
    dict.fromkeys(("tag", "tags"), EXPERIMENT_TAGS),
    # As in MLflow's SQL store: ids go down behind an order that is given, and up without one.
    order=(("experiment_id", True),),
    first=(("creation_time", True), ("experiment_id", False)),
)

EXPERIMENT = Kind(
    "experiment",
    row=EXPERIMENTS,
    id="experiment_id",
    makes="creation_time",
    settable=dict.fromkeys(("name", "lifecycle_stage", "last_update_time"), Keep.LAST),
    parts=(Part(EXPERIMENT_TAGS, Keep.LAST, removable=True),),
    is_removable=True,
    is_controlled=True,
    unique=("name",),
    is_numbered=True,
    clocks={"lifecycle_clock": "lifecycle_stage"},
    catalogue=_CATALOGUE,
)
"""An experiment."""

EVENT = Kind("event", row=CONTROL_EVENTS, id="number", makes="event_id", is_controlled=True)
"""An event of the control log: kept for ever, so that a paused writer learns whose it was."""


def first_event(clock: int) -> bytes:
    """Return the event that makes the default experiment."""
    row = {
        "experiment_id": "0",
        "name": "Default",
        # Relative to the lake, which may be moved.
        "artifact_location": "artifacts/0",
        "lifecycle_stage": "active",
        "creation_time": clock // 1000,
        "last_update_time": clock // 1000,
    }
    return event_lines.written(1, clock, new_id(), "", records.table(EXPERIMENTS.name, [row]))


def name_within(experiment_id: str, name: str) -> str:
    """Return what no two things of a kind share whose names are unique in an experiment."""
    return f"{experiment_id}/{name}"
