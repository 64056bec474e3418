"""Traces with spans and assessments, from the lake to MLflow 3; their ids stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.mlflow.exporting.target import IS_2, STATE_TAG, digest, pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow.entities import Experiment, Trace, TraceInfo

    from lakeflow.mlflow.exporting.target import Export

_TRACES_AT_ONCE = 100

_RUN = "mlflow.sourceRun"
_MODEL = "mlflow.modelId"

_OF_THE_STORE = {"mlflow.artifactLocation", "mlflow.trace.spansLocation"}
"""Tags that each store sets itself."""

_LINKS = """
    SELECT run_id, trace_id FROM trace_runs WHERE list_contains($ids, trace_id) ORDER BY ALL
"""


def export_traces(
    export: Export, experiment: Experiment, place: Any, known: Mapping[str, Any]
) -> None:
    """Write the traces of an experiment; arguments as for ``logged_models.export_models``."""
    if IS_2:
        return
    since = export.wanted.since
    condition = None if since is None else f"attributes.timestamp_ms >= {since:d}"
    for page in pages(
        lambda token: export.source.search_traces(
            locations=[experiment.experiment_id],
            filter_string=condition,
            max_results=_TRACES_AT_ONCE,
            page_token=token,
            order_by=["attributes.timestamp_ms ASC"],
            include_spans=True,
        )
    ):
        export.report.lake["traces"] += len(page)
        export.report.lake["spans"] += sum(len(each.data.spans) for each in page)
        if page and place.experiment_id is not None:
            _write(export, place, page, known)


def _write(export: Export, place: Any, page: Sequence[Trace], known: Mapping[str, Any]) -> None:
    from mlflow.tracing.client import TracingClient

    client = TracingClient(export.target.tracking_uri)
    ids = [each.info.trace_id for each in page]
    there = {each.trace_id: each for each in client.store.batch_get_trace_infos(ids)}
    written = []
    for trace in page:
        info = _info(export, trace, place.experiment_id, known)
        found = there.get(info.trace_id)
        is_there = found is not None and found.tags.get(STATE_TAG) == info.tags[STATE_TAG]
        if not is_there and not export.wanted.dry_run:
            place.open()
            is_there = _write_one(export, client, info, trace)
            written.append(info.trace_id)
        export.report.there["traces"] += is_there
        export.report.there["spans"] += is_there * len(trace.data.spans)
    _link(export, written, known)


def _write_one(export: Export, client: Any, info: TraceInfo, trace: Trace) -> bool:
    """Write a trace; returns whether MLflow took it."""

    def write() -> bool:
        # What begins a trace comes last: it has the tag that says that all of it is there.
        if trace.data.spans:
            client.log_spans(info.experiment_id, trace.data.spans)
        client.start_trace(info)
        return True

    done = export.refusable(f"trace {info.trace_id}", write) or False
    export.report.written["traces"] += done
    return done


def _info(
    export: Export, trace: Trace, experiment_id: str, known: Mapping[str, Any]
) -> TraceInfo:
    """Return what is known of a trace as MLflow there is to have it."""
    from mlflow.entities import TraceInfo, TraceLocation

    info = trace.info
    metadata = dict(info.trace_metadata)
    run = known.get(metadata.get(_RUN, ""))
    if run is not None:
        metadata[_RUN] = run.run_id
    if metadata.get(_MODEL) in export.models:
        metadata[_MODEL] = export.models[metadata[_MODEL]]
    tags = {key: value for key, value in info.tags.items() if key not in _OF_THE_STORE}
    said = [each.to_dictionary() for each in info.assessments]
    tags[STATE_TAG] = digest(tags, metadata, str(info.state), said, len(trace.data.spans))
    return TraceInfo(
        trace_id=info.trace_id,
        trace_location=TraceLocation.from_experiment_id(experiment_id),
        request_time=info.request_time,
        state=info.state,
        request_preview=info.request_preview,
        response_preview=info.response_preview,
        client_request_id=info.client_request_id,
        execution_duration=info.execution_duration,
        trace_metadata=metadata,
        tags=tags,
        assessments=info.assessments,
    )


def _link(export: Export, trace_ids: Sequence[str], known: Mapping[str, Any]) -> None:
    """Link traces to the runs that they are linked to in the lake."""
    if not trace_ids:
        return
    by_run: dict[str, list[str]] = {}
    with export.store.columns.snapshot() as cursor:
        for run_id, trace_id in cursor.run(_LINKS, {"ids": list(trace_ids)}):
            if run_id in known:
                by_run.setdefault(known[run_id].run_id, []).append(trace_id)
    for run_id, linked in by_run.items():
        export.target.link_traces_to_run(linked, run_id)
