"""What each kind of thing is; everything that stores or reads things follows from it."""

from lakeflow.kinds.experiment import EVENT, EXPERIMENT, first_event
from lakeflow.kinds.kind import Keep, Kind, Part, Summary, tables_of
from lakeflow.kinds.registry import MODEL_VERSION, REGISTERED_MODEL, REGISTRY_EVENT, version_id
from lakeflow.kinds.run import RUN
from lakeflow.kinds.trace import TRACE

KINDS = (
    EVENT,
    EXPERIMENT,
    RUN,
    REGISTRY_EVENT,
    REGISTERED_MODEL,
    MODEL_VERSION,
    TRACE,
)
"""The kinds of a lake, owners first."""

TABLES = {spec.name: spec for spec in tables_of(KINDS)}
"""Every table of a lake by name."""

__all__ = [
    "EVENT",
    "EXPERIMENT",
    "KINDS",
    "MODEL_VERSION",
    "REGISTERED_MODEL",
    "REGISTRY_EVENT",
    "RUN",
    "TABLES",
    "TRACE",
    "Keep",
    "Kind",
    "Part",
    "Summary",
    "first_event",
    "tables_of",
    "version_id",
]
