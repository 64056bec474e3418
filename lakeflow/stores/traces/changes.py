"""What is said of traces after they were logged: tags, links, assessments; each an append."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import validation
from lakeflow.entities.trace_info import TRACE_NAME
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.ids import new_id
from lakeflow.kinds import TRACE
from lakeflow.schema import ASSESSMENTS, TRACE_PROMPTS, TRACE_RUNS, TRACE_TAGS, TRACES
from lakeflow.stores.arguments import listed
from lakeflow.stores.experiments import now_ms
from lakeflow.stores.traces import rows
from lakeflow.stores.traces.log import TraceLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.entities import Assessment
    from lakeflow.lake import Lake
    from lakeflow.stores.experiments import ExperimentStore
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.things import Thing

MOST_LINKED_AT_ONCE = 100
"""Traces that one call links to a run, as in MLflow."""

MOST_TAG_CHARACTERS = 8_000
"""A longer value of a tag is cut, as in MLflow."""


class TraceChanges(TraceLog):
    """Changes what is said of the traces of one lake; threads share it.

    Args:
        lake: The lake.
        experiments: Its experiments.
        reader: What reads it.
    """

    def __init__(self, lake: Lake, experiments: ExperimentStore, reader: Reader) -> None:
        super().__init__(lake, experiments)
        self._reader = reader

    def _thing(self, trace_id: str) -> Thing:
        wanted = validation.text(trace_id, "trace_id")
        found = self._reader.things(TRACE, [wanted], look=True)
        if not found or found[0].row(TRACE) is None:
            raise NotFoundError(f"Trace with ID '{trace_id}' not found in {self._lake.fs.uri}")
        return found[0]

    def set_tag(self, trace_id: str, key: str, value: Any) -> None:
        """Set a tag; see ``LakeflowClient.set_trace_tag``."""
        name = validation.key(key)
        text = validation.text(value)[:MOST_TAG_CHARACTERS]
        scope = self._thing(trace_id).scope
        # This tag is the name of the trace, by which it is searched.
        named = [{"trace_id": trace_id, "experiment_id": scope[0], "name": text}]
        named *= name == TRACE_NAME
        self._append(records.table(TRACES.name, named), _tag(scope, name, text))

    def delete_tag(self, trace_id: str, key: str) -> None:
        """Remove a tag; see ``LakeflowClient.delete_trace_tag``."""
        thing = self._thing(trace_id)
        if key not in thing.values(TRACE_TAGS.name):
            raise NotFoundError(f"No trace tag with key '{key}' for trace '{trace_id}'")
        self._append(_tag(thing.scope, key, None))

    # Links

    def link_to_run(self, trace_ids: Sequence[str], run_id: str) -> None:
        """Link traces to a run; see ``LakeflowClient.link_traces_to_run``."""
        trace_ids = listed("trace_ids", trace_ids) or []
        if not trace_ids:
            return
        if len(trace_ids) > MOST_LINKED_AT_ONCE:
            raise InvalidInputError(
                f"{len(trace_ids)} traces are to be linked to a run at once; there may be "
                f"{MOST_LINKED_AT_ONCE}"
            )
        run = self._reader.run(run_id)
        now = now_ms()
        found = self._reader.things(TRACE, list(dict.fromkeys(trace_ids)), look=True)
        experiments = {each.id: each.scope[0] for each in found}
        self._append(
            records.table(
                TRACE_RUNS.name,
                [
                    {
                        # One that has not come yet is expected where the run is.
                        "experiment_id": experiments.get(each, run.fields["experiment_id"]),
                        "trace_id": each,
                        "run_id": run_id,
                        "linked_time": now,
                    }
                    for each in dict.fromkeys(trace_ids)
                ],
            )
        )

    def unlink_from_run(self, trace_ids: Sequence[str], run_id: str) -> None:
        """Remove links; see ``LakeflowClient.unlink_traces_from_run``."""
        found = self._reader.things(TRACE, list(dict.fromkeys(trace_ids)), look=True)
        gone: list[dict[str, Any]] = [
            _named(each.scope) | {"run_id": run_id, "linked_time": None}
            for each in found
            if any(key == run_id for key, _ in each.rows(TRACE_RUNS.name))
        ]
        if gone:
            self._append(records.table(TRACE_RUNS.name, gone))

    def link_prompts(self, trace_id: str, prompts: Sequence[str]) -> None:
        """Note which versions of prompts a trace has used; again is fine.

        Args:
            trace_id: The trace.
            prompts: Of each the name, a slash, and the version.

        Raises:
            NotFoundError: There is no such trace.
        """
        named = _named(self._thing(trace_id).scope)
        now = now_ms()
        rows_of = [
            named | {"prompt": each, "linked_time": now} for each in dict.fromkeys(prompts)
        ]
        self._append(records.table(TRACE_PROMPTS.name, rows_of))

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
        made = _with_id(assessment)
        self._put(thing, made)
        return made

    def log_assessments(self, experiment_id: str, assessments: Sequence[Assessment]) -> None:
        """Log assessments of any traces, which may come later: one append.

        Args:
            experiment_id: The experiment of the traces.
            assessments: Those; one that is logged again takes its own place.
        """
        self._experiments.require_active(experiment_id)
        named = [
            {"experiment_id": experiment_id, "trace_id": each.trace_id}
            | rows.assessment_row(each)
            for each in map(_with_id, assessments)
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


def _with_id(assessment: Assessment) -> Assessment:
    """Return an assessment as it is stored: with an id, and valid."""
    known = assessment.assessment_id or f"a-{new_id()}"
    return dataclasses.replace(assessment, assessment_id=known, valid=True)  # type: ignore[type-var]


def _named(scope: Sequence[str]) -> dict[str, str]:
    return dict(zip(TRACE.scope, scope, strict=True))


def _tag(scope: Sequence[str], key: str, value: str | None) -> records.Pieces:
    return records.table(TRACE_TAGS.name, [_named(scope) | {"key": key, "value": value}])
