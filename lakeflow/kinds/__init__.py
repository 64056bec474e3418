"""What each kind of thing is; everything that stores or reads things follows from it."""

from lakeflow.kinds.experiment import EVENT, EXPERIMENT, first_event
from lakeflow.kinds.kind import Keep, Kind, Part, Summary, tables_of
from lakeflow.kinds.run import RUN

KINDS = (EVENT, EXPERIMENT, RUN)
"""The kinds of a lake, owners first."""

TABLES = {spec.name: spec for spec in tables_of(KINDS)}
"""Every table of a lake by name."""

__all__ = [
    "EVENT",
    "EXPERIMENT",
    "KINDS",
    "RUN",
    "TABLES",
    "Keep",
    "Kind",
    "Part",
    "Summary",
    "first_event",
    "tables_of",
]
