"""What the verbs about traces mean: each write is one append."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import PagedList, Span, Trace, TraceData, validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.kinds import TRACE
from lakeflow.query.language.conditions import Combination, Comparison, Field
from lakeflow.schema import (
    TRACE_METADATA,
    TRACE_RUNS,
    TRACES,
)
from lakeflow.stores import searching
from lakeflow.stores.together import Together
from lakeflow.stores.traces import rows
from lakeflow.stores.traces.changes import TraceChanges
from lakeflow.stores.traces.metrics import Question, measured
from lakeflow.stores.traces.sessions import Session, sessions_that_ended
from lakeflow.stores.traces.spans import spans_of

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

    from lakeflow.entities import TraceInfo
    from lakeflow.lake import Lake
    from lakeflow.query.language.conditions import Condition
    from lakeflow.stores.experiments import ExperimentStore
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.things import Thing

_MOST_TOGETHER = 100
"""Traces of a call that is read with others; with more it would let these wait."""

_REMOVED_AT_ONCE = 10_000
"""Ids in one record, and on one page of what is to be removed."""


class TraceStore(TraceChanges):
    """Traces of one lake; threads share it.

    Args:
        lake: The lake.
        experiments: Its experiments.
        reader: What reads it.
    """

    def __init__(self, lake: Lake, experiments: ExperimentStore, reader: Reader) -> None:
        super().__init__(lake, experiments, reader)
        self._together = Together(self._with_spans)
        lake.on_fork(self._together.reset)

    # Reading

    def info(self, trace_id: str) -> TraceInfo:
        """Return what is known of a trace besides its spans.

        Raises:
            NotFoundError: There is no such trace.
        """
        return rows.info_of(self._thing(trace_id))

    def get(self, trace_id: str) -> Trace:
        """Return a trace with its spans.

        Raises:
            NotFoundError: There is no such trace.
        """
        thing = self._thing(trace_id)
        # As of the look for the trace: no second one is taken, and both are of one moment.
        spans = spans_of(self._reader, [thing], self._reader.seen)[thing.id]
        return _trace(thing, spans)

    def several(self, trace_ids: Sequence[str], *, include_spans: bool = True) -> list[Trace]:
        """Return those of several traces that are there, in the order of their ids' list.

        Args:
            trace_ids: The traces.
            include_spans: Whether with their spans.
        """
        wanted = list(dict.fromkeys(trace_ids))
        if not include_spans:
            return [_trace(each, ()) for each in self._known(wanted).values()]
        is_short = len(wanted) <= _MOST_TOGETHER
        things, spans = (self._together.get if is_short else self._with_spans)(wanted)
        return [_trace(things[each], spans[each]) for each in wanted if each in things]

    def _known(self, trace_ids: list[str]) -> dict[str, Thing]:
        things = self._reader.things(TRACE, trace_ids, look=True)
        return {each.id: each for each in things if each.row(TRACE) is not None}

    def _with_spans(
        self, trace_ids: list[str]
    ) -> tuple[dict[str, Thing], dict[str, list[dict[str, Any]]]]:
        things = self._known(trace_ids)
        return things, spans_of(self._reader, [*things.values()], self._reader.seen)

    def search(
        self,
        experiment_ids: object,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        *,
        run_id: str | None = None,
        metadata: Mapping[str, str] = MappingProxyType({}),
        include_spans: bool = True,
        as_of: int | datetime.datetime | None = None,
    ) -> PagedList[Trace]:
        """Return one page of traces; see ``LakeflowClient.search_traces``.

        ``metadata`` is what they must have besides.
        """
        page = searching.page_of(
            self._lake,
            self._reader,
            TRACE,
            filter_string,
            max_results,
            order_by,
            page_token,
            experiment_ids=experiment_ids,
            also=_besides(run_id, metadata),
            as_of=as_of,
        )
        found = self._reader.things(TRACE, page.ids, page.snapshot_id)
        spans = spans_of(self._reader, found, page.snapshot_id) if include_spans else {}
        return PagedList([_trace(each, spans.get(each.id, [])) for each in found], page.token)

    def count(
        self,
        experiment_ids: object,
        filter_string: str | None = None,
        run_id: str | None = None,
    ) -> int:
        """Return how many traces a search would find; see ``LakeflowClient.count_traces``."""
        return searching.count_of(
            self._lake, self._reader, TRACE, filter_string, experiment_ids, _besides(run_id)
        )

    def sessions_that_ended(
        self, experiment_id: str, from_ms: int, until_ms: int, filter_string: str | None = None
    ) -> list[Session]:
        """Return sessions whose last trace began within bounds, in the order of that.

        Args:
            experiment_id: The experiment.
            from_ms: Milliseconds since the Unix epoch.
            until_ms: The same; this millisecond is within as well.
            filter_string: What the first trace of a session must meet.
        """
        wanted = validation.experiment_id(experiment_id)
        found = sessions_that_ended(self._reader, wanted, from_ms, until_ms)
        if not filter_string or not found:
            return found
        first = [each for session in found for each in session.first_ids]
        met = self._met(wanted, filter_string, first)
        return [each for each in found if not met.isdisjoint(each.first_ids)]

    def _met(self, experiment_id: str, filter_string: str, ids: Sequence[str]) -> set[str]:
        """Return those of some traces that meet a filter."""
        met: set[str] = set()
        # No page has more.
        assert TRACE.catalogue is not None
        most = TRACE.catalogue.most
        for start in range(0, len(ids), most):
            some = tuple(ids[start : start + most])
            among = Comparison(Field(TRACES.name, TRACE.id, False), "IN", some)
            page = searching.page_of(
                self._lake, self._reader, TRACE, filter_string, len(some), None, None,
                experiment_ids=[experiment_id], also=among,
            )  # fmt: skip
            met.update(page.ids)
        return met

    def measured(self, question: Question) -> list[tuple[dict[str, Any], Sequence[Any]]]:
        """Return figures of traces; see ``stores.traces.metrics``."""
        return measured(self._reader, question)

    # Changing

    def delete(
        self,
        experiment_id: str,
        max_timestamp_millis: int | None = None,
        max_traces: int | None = None,
        trace_ids: Sequence[str] | None = None,
    ) -> int:
        """Delete traces; see ``LakeflowClient.delete_traces``."""
        _check_deletion(max_timestamp_millis, max_traces, trace_ids)
        wanted = validation.experiment_id(experiment_id)
        if trace_ids:
            found = self._reader.things(TRACE, list(dict.fromkeys(trace_ids)), look=True)
            ids = [each.id for each in found if each.scope[0] == wanted]
        else:
            assert max_timestamp_millis is not None
            ids = self._oldest(wanted, max_timestamp_millis, max_traces)
        for start in range(0, len(ids), _REMOVED_AT_ONCE):
            some = ids[start : start + _REMOVED_AT_ONCE]
            self._append([records.removed([(TRACE.name, each) for each in some])])
        return len(ids)

    def _oldest(self, experiment_id: str, latest_ms: int, most: int | None) -> list[str]:
        until = f"timestamp_ms <= {int(latest_ms)}"
        pages = searching.pages_of(
            self._lake, self._reader, TRACE, until, ["timestamp_ms ASC"], most,
            experiment_ids=[experiment_id],
        )  # fmt: skip
        return [each for page in pages for each in page.ids]


def _trace(thing: Thing, spans: Sequence[Mapping[str, Any]]) -> Trace:
    return Trace(rows.info_of(thing), TraceData([Span.from_row(each) for each in spans]))


def _besides(
    run_id: str | None, metadata: Mapping[str, str] = MappingProxyType({})
) -> Condition | None:
    """Return what must hold of traces besides a filter; None for nothing."""
    fields = [
        (Field(TRACE_METADATA.name, "value", False, key), value)
        for key, value in metadata.items()
    ]
    if run_id is not None:
        linked = Field(TRACE_RUNS.name, "run_id", False, by=(TRACE.id,))
        fields.append((Field(TRACES.name, "run_id", False, also=linked), run_id))
    parts = tuple(Comparison(field, "=", (value,)) for field, value in fields)
    return Combination("AND", parts) if parts else None


def _check_deletion(
    max_timestamp_millis: object, max_traces: object, trace_ids: object
) -> None:
    """Check what is to be deleted, as MLflow does.

    Raises:
        InvalidInputError: It is not said, or said in two ways.
    """
    if max_timestamp_millis is None and not trace_ids:
        raise InvalidInputError(
            "Either `max_timestamp_millis` or `request_ids` must be specified."
        )
    if max_timestamp_millis and trace_ids:
        raise InvalidInputError(
            "Only one of `max_timestamp_millis` and `request_ids` can be specified."
        )
    if trace_ids and max_traces is not None:
        raise InvalidInputError(
            "`max_traces` can't be specified if `request_ids` is specified."
        )
    if max_timestamp_millis is not None and validation.integer(max_timestamp_millis) is None:
        raise InvalidInputError(
            f"`max_timestamp_millis` is {max_timestamp_millis!r}, not milliseconds since the "
            "Unix epoch"
        )
    if max_traces is not None and (validation.integer(max_traces) or 0) <= 0:
        raise InvalidInputError(
            f"`max_traces` must be a positive integer, received {max_traces}."
        )
