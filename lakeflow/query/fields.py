"""What filters and orders may name, for each kind of thing that is searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeflow.tables import (
    EXPERIMENT_TAGS,
    EXPERIMENTS,
    LATEST_METRICS,
    PARAMS,
    RUNS,
    TAGS,
    TableSpec,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Attribute:
    """A column of the table that is searched.

    Attributes:
        column: Its name.
        is_number: Whether it is a number rather than text.
    """

    column: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that can be named in the search of one kind of thing.

    Attributes:
        noun: What is searched, as errors call it.
        table: Its table.
        attributes: Columns by every name they go by.
        keyed: Tables of keys and values by every prefix they go by.
        datasets: What may be asked of datasets.
        order: Columns that sort what is equal otherwise, and whether they descend.
        first: The order where none is given.
    """

    noun: str
    table: TableSpec
    attributes: Mapping[str, Attribute]
    keyed: Mapping[str, TableSpec]
    datasets: frozenset[str]
    order: tuple[tuple[str, bool], ...]
    first: tuple[tuple[str, bool], ...] = ()

    @property
    def prefixes(self) -> list[str]:
        """Every word that may stand before the first dot."""
        return sorted({*self.keyed, *ATTRIBUTE_PREFIXES, *(DATASETS if self.datasets else ())})


ATTRIBUTE_PREFIXES = frozenset({"attribute", "attributes", "attr", "run"})
DATASETS = frozenset({"dataset", "datasets"})

_START = Attribute("start_time", is_number=True)
_NAME = Attribute("run_name")

RUN_FIELDS = Catalogue(
    "run",
    RUNS,
    {
        "run_id": Attribute("run_id"),
        "run_name": _NAME,
        "run name": _NAME,
        "Run name": _NAME,
        "Run Name": _NAME,
        "status": Attribute("status"),
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
    frozenset({"name", "digest", "context"}),
    order=(("start_time", True), ("run_id", False)),
)

EXPERIMENT_FIELDS = Catalogue(
    "experiment",
    EXPERIMENTS,
    {
        "name": Attribute("name"),
        "experiment_id": Attribute("experiment_id"),
        "creation_time": Attribute("creation_time", is_number=True),
        "last_update_time": Attribute("last_update_time", is_number=True),
    },
    dict.fromkeys(("tag", "tags"), EXPERIMENT_TAGS),
    frozenset(),
    order=(("experiment_id", True),),
    first=(("creation_time", True), ("experiment_id", False)),
)
