"""How traces and spans are logged: each call is one append."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import validation
from lakeflow.schema import TRACE_METADATA, TRACE_TAGS, TRACES
from lakeflow.stores.traces import rows
from lakeflow.stores.traces.spans import pieces_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeflow.entities import TraceInfo
    from lakeflow.lake import Lake
    from lakeflow.stores.experiments import ExperimentStore


class TraceLog:
    """Logs traces and spans to one lake; threads share it.

    Args:
        lake: The lake.
        experiments: Its experiments.
    """

    def __init__(self, lake: Lake, experiments: ExperimentStore) -> None:
        self._lake = lake
        self._experiments = experiments

    def log_spans(
        self,
        experiment_id: str,
        columns: Mapping[str, list[Any]],
        tags: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        """Log spans of any traces: one append.

        Args:
            experiment_id: Their experiment.
            columns: A list for each column of the table ``spans``, without the experiment and
                the day.
            tags: Tags of these traces, by trace.

        Raises:
            NotFoundError: There is no such experiment.
            InvalidInputError: It is deleted.
        """
        experiment_id = validation.experiment_id(experiment_id)
        self._experiments.require_active(experiment_id)
        if columns["trace_id"]:
            made = [
                {
                    "experiment_id": experiment_id,
                    "trace_id": trace_id,
                    "key": key,
                    "value": each,
                }
                for trace_id, pairs in tags.items()
                for key, each in pairs.items()
            ]
            within = [experiment_id] * len(columns["trace_id"])
            self._append(records.table(TRACE_TAGS.name, made), self._spans(within, columns))

    def log_part(self, info: TraceInfo, columns: Mapping[str, list[Any]]) -> None:
        """Log spans, tags and metadata of a trace whose root is logged elsewhere: one append.

        Errors as for ``log_spans``.
        """
        self._experiments.require_active(info.experiment_id)
        self._append(*self._pairs(info), self._spans(_within(info, columns), columns))

    def start(self, info: TraceInfo) -> None:
        """Make a trace that goes on; errors as for ``log_spans``."""
        self._experiments.require_active(info.experiment_id)
        self._append(self._row(info, rows.begun(info)), *self._pairs(info))

    def end(self, info: TraceInfo, columns: Mapping[str, list[Any]]) -> None:
        """End a trace that was started, with its spans."""
        self._append(
            self._row(info, rows.ended(info)),
            *self._pairs(info),
            self._spans(_within(info, columns), columns),
        )

    def log_trace(self, info: TraceInfo, columns: Mapping[str, list[Any]]) -> None:
        """Log a whole trace that has ended; errors as for ``log_spans``."""
        self.log_traces([info], columns)

    def log_traces(self, infos: Sequence[TraceInfo], columns: Mapping[str, list[Any]]) -> None:
        """Log whole traces that have ended: one append for all of them.

        Errors as for ``log_spans``; with one of them nothing is logged.

        Args:
            infos: What is known of them.
            columns: The spans of all of them, as for ``log_spans``.
        """
        experiments = {info.trace_id: info.experiment_id for info in infos}
        for experiment_id in {*experiments.values()}:
            self._experiments.require_active(experiment_id)
        # Fields are in the order of the tables, here and below: a line in another order is
        # parsed in Python by a fold, to be judged.
        made = [rows.of_trace(info, rows.begun(info) | rows.ended(info)) for info in infos]
        within = [experiments[each] for each in columns["trace_id"]]
        self._append(
            records.table(TRACES.name, made),
            *self._pairs(*infos),
            self._spans(within, columns),
        )

    def _row(self, info: TraceInfo, row: Mapping[str, Any]) -> records.Pieces:
        return records.table(TRACES.name, [rows.of_trace(info, row)])

    def _pairs(self, *infos: TraceInfo) -> list[records.Pieces]:
        tags = [(_scope(info), info.tags) for info in infos]
        metadata = [(_scope(info), info.trace_metadata) for info in infos]
        return [
            records.table(
                name,
                [
                    scope | {"key": key, "value": each}
                    for scope, pairs in of_traces
                    for key, each in pairs.items()
                ],
            )
            for name, of_traces in ((TRACE_TAGS.name, tags), (TRACE_METADATA.name, metadata))
        ]

    def _spans(
        self, experiment_ids: list[str], columns: Mapping[str, list[Any]]
    ) -> records.Pieces:
        """Return spans as one field; with the experiment of each."""
        if not columns["trace_id"]:
            return []
        return pieces_of(rows.of_experiments(experiment_ids, columns))

    def _append(self, *fields: records.Pieces) -> None:
        # Nobody ends a trace long after it was begun, as runs are ended: so at each write.
        self._lake.require_in_place()
        self._lake.append(records.bodies("", *fields))


def _scope(info: TraceInfo) -> dict[str, str]:
    return {"experiment_id": info.experiment_id, "trace_id": info.trace_id}


def _within(info: TraceInfo, columns: Mapping[str, list[Any]]) -> list[str]:
    return [info.experiment_id] * len(columns["trace_id"])
