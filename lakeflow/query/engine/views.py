"""The views that users' SQL reads, and the relations under them. Pure but for their text.

A view is a file of ``sql/views``; it adds readable columns to relations of the schema
``lakeflow``, one for each table. What these hold is up to whoever sets them up: here the
files of a fold, and the hot rows in the schema ``hot`` beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.kinds import KINDS
from lakeflow.query.engine.connection import literally
from lakeflow.query.engine.narrowing import EVERYTHING
from lakeflow.query.engine.overlay import whole
from lakeflow.query.engine.shipped import shipped
from lakeflow.schema import (
    ARTIFACTS,
    ASSESSMENTS,
    CONTROL_EVENTS,
    EVALUATION_DATASET_EXPERIMENTS,
    EVALUATION_DATASET_RECORDS,
    EVALUATION_DATASET_TAGS,
    EVALUATION_DATASETS,
    EXPERIMENT_TAGS,
    EXPERIMENTS,
    INPUTS,
    LATEST_LOGGED_MODEL_METRICS,
    LATEST_METRICS,
    LOGGED_MODEL_METRICS,
    LOGGED_MODELS,
    METRICS,
    MODEL_VERSION_FILES,
    MODEL_VERSION_TAGS,
    MODEL_VERSIONS,
    PARAMS,
    REGISTERED_MODEL_ALIASES,
    REGISTERED_MODEL_TAGS,
    REGISTERED_MODELS,
    REGISTRY_EVENTS,
    RUNS,
    SCORER_VERSIONS,
    SCORERS,
    SPANS,
    TAGS,
    TRACE_METADATA,
    TRACE_PROMPTS,
    TRACE_RUNS,
    TRACE_TAGS,
    TRACES,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from lakeflow.kinds import Kind
    from lakeflow.query.engine.narrowing import Narrowing
    from lakeflow.schema import TableSpec

_SHIPPED = {
    "experiments": (EXPERIMENTS, EXPERIMENT_TAGS),
    "control_events": (CONTROL_EVENTS,),
    "runs": (RUNS, EXPERIMENTS),
    "params": (PARAMS,),
    "tags": (TAGS,),
    "metrics": (METRICS,),
    "latest_metrics": (LATEST_METRICS,),
    "inputs": (INPUTS,),
    "artifacts": (ARTIFACTS,),
    "registered_models": (
        REGISTERED_MODELS,
        REGISTERED_MODEL_TAGS,
        REGISTERED_MODEL_ALIASES,
    ),
    "model_versions": (
        MODEL_VERSIONS,
        MODEL_VERSION_TAGS,
        REGISTERED_MODELS,
        REGISTERED_MODEL_ALIASES,
    ),
    "model_version_files": (MODEL_VERSION_FILES, MODEL_VERSIONS, REGISTERED_MODELS),
    "registry_events": (REGISTRY_EVENTS,),
    "model_lineage": (
        REGISTERED_MODELS,
        REGISTERED_MODEL_ALIASES,
        MODEL_VERSIONS,
        RUNS,
        INPUTS,
    ),
    "traces": (TRACES,),
    "trace_tags": (TRACE_TAGS,),
    "trace_metadata": (TRACE_METADATA,),
    "trace_runs": (TRACE_RUNS,),
    "trace_prompts": (TRACE_PROMPTS,),
    "spans": (SPANS,),
    "span_events": (SPANS,),
    "span_links": (SPANS,),
    "assessments": (ASSESSMENTS,),
    "evaluation_datasets": (
        EVALUATION_DATASETS,
        EVALUATION_DATASET_TAGS,
        EVALUATION_DATASET_EXPERIMENTS,
    ),
    "evaluation_dataset_records": (EVALUATION_DATASET_RECORDS,),
    "scorers": (SCORERS, SCORER_VERSIONS),
    "scorer_versions": (SCORER_VERSIONS, SCORERS),
    "logged_models": (LOGGED_MODELS,),
    "logged_model_metrics": (LOGGED_MODEL_METRICS,),
    "latest_logged_model_metrics": (LATEST_LOGGED_MODEL_METRICS,),
    "runs_wide": (RUNS, EXPERIMENTS, PARAMS, TAGS, LATEST_METRICS, INPUTS),
}
"""The tables that each view of ``sql/views`` reads."""


_OF_A_RUN = ("experiment_id", "run_id", "key")
_OF_A_TRACE = ("experiment_id", "trace_id")

NARROWED = {
    **dict.fromkeys(("params", "tags", "metrics", "latest_metrics"), _OF_A_RUN),
    "artifacts": _OF_A_RUN[:2],
    **dict.fromkeys(("trace_tags", "trace_metadata"), (*_OF_A_TRACE, "key")),
    "spans": (*_OF_A_TRACE, "day", "start_time_ns"),
    **dict.fromkeys(("span_events", "span_links"), _OF_A_TRACE),
}
"""Of views whose rows each come of one row of one table: columns that are the table's own.

What a statement asks of them tells which files of the table it needs. Two rows with one key,
one stored and one hot, are equal in them.
"""


class Views:
    """The views over the tables of some kinds.

    A table that no view of ``sql/views`` reads is a view as it is.

    Args:
        kinds: The kinds.

    Attributes:
        kind_of: The kind of each table.
        tables: The tables by name.
        reads: The tables that each view reads.
    """

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self.kind_of = {spec.name: kind for kind in kinds for spec in kind.tables}
        self.tables = {
            spec.name: spec for kind in self.kind_of.values() for spec in kind.tables
        }
        self.reads = {
            name: specs
            for name, specs in _SHIPPED.items()
            if all(spec.name in self.tables for spec in specs)
        }
        read = {spec.name for specs in self.reads.values() for spec in specs}
        self.reads |= {name: (spec,) for name, spec in self.tables.items() if name not in read}

    def view(self, name: str) -> str:
        """Return the statement that makes a view."""
        if name not in _SHIPPED:
            return f"CREATE OR REPLACE VIEW {name} AS FROM lakeflow.{name};\n"
        return shipped("views", name)

    def relation(
        self,
        spec: TableSpec,
        files: Sequence[str],
        is_hot: Collection[str] = (),
        narrowing: Narrowing = EVERYTHING,
    ) -> str:
        """Return the statement that makes the relation of one table.

        Args:
            spec: The table.
            files: Its files.
            is_hot: Names of the tables with ids that there are in the schema ``hot``.
            narrowing: Which rows of the files are wanted; more than these are there.
        """
        listed = ",\n    ".join(literal(file) for file in literally(files))
        stored = f"read_parquet([\n    {listed}\n], hive_partitioning = false)" if files else ""
        # Literals: a view has no parameters.
        where = narrowing.where(literal)
        if stored and where:
            stored = f"(FROM {stored} {where})"
        rows = whole(self.kind_of[spec.name], spec, stored, is_hot, "hot.")
        return f"CREATE OR REPLACE VIEW lakeflow.{spec.name} AS\n{rows};\n"

    def setup(self, files: Mapping[str, Sequence[str]]) -> str:
        """Return a script that makes every view in any DuckDB.

        Args:
            files: The files of each table, by the paths under which that DuckDB opens them.
        """
        # DuckDB checks a view when it is made, so that the relations under it come first.
        relations = [self.relation(spec, files[name]) for name, spec in self.tables.items()]
        views = map(self.view, self.reads)
        return "\n".join(["CREATE SCHEMA IF NOT EXISTS lakeflow;\n", *relations, *views])


VIEWS = Views(KINDS)
"""The views of a lake."""


def literal(value: object) -> str:
    """Return a text or a whole number as SQL writes it; for statements without parameters."""
    if isinstance(value, int):
        return str(value)
    quoted = str(value).replace("'", "''")
    return f"'{quoted}'"
