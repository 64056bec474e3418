"""What the verbs about traces mean: each write is one append."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import PagedList, Span, Trace, TraceData, validation
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.ids import new_id
from lakeflow.kinds import TRACE
from lakeflow.query.language.conditions import Combination, Comparison, Field
from lakeflow.schema import ASSESSMENTS, TRACE_METADATA, TRACE_TAGS, TRACES
from lakeflow.stores.experiments import now_ms
from lakeflow.stores.traces import rows
from lakeflow.stores.traces.log import TraceLog
from lakeflow.stores.traces.spans import spans_of

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

    from lakeflow.entities import Assessment, TraceInfo
    from lakeflow.lake import Lake
    from lakeflow.query.language.conditions import Condition
    from lakeflow.stores.experiments import ExperimentStore
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.things import Thing

_REMOVED_AT_ONCE = _FOUND_AT_ONCE = 10_000
"""Ids in one record, and on one page of what is to be removed."""

MOST_TAG_CHARACTERS = 8_000
"""A longer value of a tag is cut, as in MLflow."""


class TraceStore(TraceLog):
    """Traces of one lake; threads share it.

    Args:
        lake: The lake.
        experiments: Its experiments.
        reader: What reads it.
    """

    def __init__(self, lake: Lake, experiments: ExperimentStore, reader: Reader) -> None:
        super().__init__(lake, experiments)
        self._reader = reader

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
        spans = spans_of(self._reader, [thing], self._reader.seen)[thing.id]
        return _trace(thing, spans)

    def several(self, trace_ids: Sequence[str], *, include_spans: bool = True) -> list[Trace]:
        """Return those of several traces that are there, in the order of their ids' list.

        Args:
            trace_ids: The traces.
            include_spans: Whether with their spans.
        """
        things = self._reader.things(TRACE, list(dict.fromkeys(trace_ids)), look=True)
        found = [each for each in things if each.row(TRACE) is not None]
        spans = spans_of(self._reader, found, self._reader.seen) if include_spans else {}
        return [_trace(each, spans.get(each.id, [])) for each in found]

    def _thing(self, trace_id: str) -> Thing:
        wanted = validation.text(trace_id, "trace_id")
        found = self._reader.things(TRACE, [wanted], look=True)
        if not found or found[0].row(TRACE) is None:
            raise NotFoundError(f"Trace with ID '{trace_id}' not found in {self._lake.fs.uri}")
        return found[0]

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
        # Loads sqlglot, which a job that only logs does not need.
        from lakeflow.stores.search import page_of

        page = page_of(
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
        from lakeflow.stores.search import count_of

        return count_of(
            self._lake, self._reader, TRACE, filter_string, experiment_ids, _besides(run_id)
        )

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
        from lakeflow.stores.search import page_of

        ids: list[str] = []
        token = None
        until = f"timestamp_ms <= {int(latest_ms)}"
        while most is None or len(ids) < most:
            size = _FOUND_AT_ONCE if most is None else min(_FOUND_AT_ONCE, most - len(ids))
            page = page_of(
                self._lake, self._reader, TRACE, until, size, ["timestamp_ms ASC"], token,
                experiment_ids=[experiment_id],
            )  # fmt: skip
            ids += page.ids
            token = page.token
            if token is None:
                break
        return ids

    def set_tag(self, trace_id: str, key: str, value: Any) -> None:
        """Set a tag; see ``LakeflowClient.set_trace_tag``."""
        name = validation.key(key)
        text = validation.text(value)[:MOST_TAG_CHARACTERS]
        scope = self._thing(trace_id).scope
        self._append(_tag(scope, name, text))

    def delete_tag(self, trace_id: str, key: str) -> None:
        """Remove a tag; see ``LakeflowClient.delete_trace_tag``."""
        thing = self._thing(trace_id)
        if key not in dict(thing.rows(TRACE_TAGS.name)):
            raise NotFoundError(f"No trace tag with key '{key}' for trace '{trace_id}'")
        self._append(_tag(thing.scope, key, None))

    # Assessments

    def create_assessment(self, assessment: Assessment) -> Assessment:
        """Log an assessment, and return it with its id: a new one, unless it has one.

        Raises:
            NotFoundError: There is no such trace, or none that it overrides.
        """
        assert assessment.trace_id is not None
        thing = self._thing(assessment.trace_id)
        if assessment.overrides is not None:
            self._assessment(thing, assessment.overrides)
        known = assessment.assessment_id or f"a-{new_id()}"
        made = dataclasses.replace(assessment, assessment_id=known)  # type: ignore[type-var]
        self._put(thing, made)
        return made

    def log_assessments(self, experiment_id: str, assessments: Sequence[Assessment]) -> None:
        """Log assessments that have ids, of any traces, which may come later: one append.

        Args:
            experiment_id: The experiment of the traces.
            assessments: Those; one that is logged again takes its own place.
        """
        self._experiments.require_active(experiment_id)
        named = [
            {"experiment_id": experiment_id, "trace_id": each.trace_id}
            | rows.assessment_row(each)
            for each in assessments
        ]
        self._append(records.table(ASSESSMENTS.name, named))

    def get_assessment(self, trace_id: str, assessment_id: str) -> Assessment:
        """Return an assessment.

        Raises:
            NotFoundError: There is none, or no such trace.
        """
        return self._assessment(self._thing(trace_id), assessment_id)

    def update_assessment(
        self, trace_id: str, assessment_id: str, **changes: Any
    ) -> Assessment:
        """Change fields of an assessment; metadata is merged by key.

        Raises:
            NotFoundError: There is none, or no such trace.
        """
        thing = self._thing(trace_id)
        known = self._assessment(thing, assessment_id)
        if changes.get("metadata") is not None:
            changes["metadata"] = (known.metadata or {}) | changes["metadata"]
        made = dataclasses.replace(known, **changes, last_update_time_ms=now_ms())  # type: ignore[type-var]
        self._put(thing, made)
        return made

    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        """Delete an assessment; one that it had overridden is valid again. Twice is fine.

        Raises:
            NotFoundError: There is no such trace.
        """
        thing = self._thing(trace_id)
        nothing = dict.fromkeys(TRACE.values(ASSESSMENTS))
        row = {"assessment_id": assessment_id, **nothing}
        self._append(records.table(ASSESSMENTS.name, [_named(thing.scope) | row]))

    def _assessment(self, thing: Thing, assessment_id: str) -> Assessment:
        for each in rows.assessments_of(thing):
            if each.assessment_id == assessment_id:
                return each
        raise NotFoundError(
            f"Assessment with ID '{assessment_id}' not found for trace '{thing.id}'"
        )

    def _put(self, thing: Thing, assessment: Assessment) -> None:
        row = _named(thing.scope) | rows.assessment_row(assessment)
        self._append(records.table(ASSESSMENTS.name, [row]))


def _named(scope: Sequence[str]) -> dict[str, str]:
    return dict(zip(TRACE.scope, scope, strict=True))


def _tag(scope: Sequence[str], key: str, value: str | None) -> records.Pieces:
    return records.table(TRACE_TAGS.name, [_named(scope) | {"key": key, "value": value}])


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
        fields.append((Field(TRACES.name, "run_id", False), run_id))
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
    if max_traces is not None and (validation.integer(max_traces) or 0) <= 0:
        raise InvalidInputError(
            f"`max_traces` must be a positive integer, received {max_traces}."
        )
