"""Traces with spans and assessments, from the lake to MLflow 3; their ids stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.mlflow.exporting.target import IS_2, STATE_TAG, digest, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
        for trace in page:
            _count(export.report.lake, trace)
        if page and place.experiment_id is not None:
            _write(export, place, page, known)


def _write(export: Export, place: Any, page: Sequence[Trace], known: Mapping[str, Any]) -> None:
    from mlflow.tracing.client import TracingClient

    client = TracingClient(export.target.tracking_uri)
    ids = [each.info.trace_id for each in page]
    there = {each.trace_id: each for each in client.store.batch_get_trace_infos(ids)}
    links = _links(export, ids, known)
    stale = []
    for trace in page:
        runs = links.get(trace.info.trace_id, [])
        info = _info(export, trace, place.experiment_id, known, runs)
        found = there.get(info.trace_id)
        if found is not None and found.tags.get(STATE_TAG) == info.tags[STATE_TAG]:
            _count(export.report.there, trace)
        elif not export.wanted.dry_run:
            place.open()
            stale.append((info, trace))
    _write_stale(export, client, stale, links)


def _write_stale(
    export: Export,
    client: Any,
    stale: Sequence[tuple[TraceInfo, Trace]],
    links: Mapping[str, Sequence[str]],
) -> None:
    """Write traces with their spans and their links to runs."""
    stale = [each for each in stale if _is_sent(export, each[0], _spans_sent, client, *each)]
    by_run: dict[str, list[str]] = {}
    for info, _ in stale:
        for run_id in links.get(info.trace_id, []):
            by_run.setdefault(run_id, []).append(info.trace_id)
    for run_id, linked in by_run.items():
        export.target.link_traces_to_run(linked, run_id)
    # What begins a trace comes last: it has the tag that says that all of it is there.
    for info, trace in stale:
        if _is_sent(export, info, client.start_trace, info):
            export.report.written["traces"] += 1
            _count(export.report.there, trace)


def _count(side: dict[str, int], trace: Trace) -> None:
    side["traces"] += 1
    side["spans"] += len(trace.data.spans)


def _spans_sent(client: Any, info: TraceInfo, trace: Trace) -> None:
    if trace.data.spans:
        client.log_spans(info.experiment_id, trace.data.spans)


def _is_sent(
    export: Export, info: TraceInfo, send: Callable[..., object], *args: object
) -> bool:
    """Make a call about a trace; returns whether MLflow took it."""

    def sent() -> bool:
        send(*args)
        return True

    return export.refusable(f"trace {info.trace_id}", sent) or False


def _info(
    export: Export,
    trace: Trace,
    experiment_id: str,
    known: Mapping[str, Any],
    runs: Sequence[str],
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
    spans = [each.to_dict() for each in trace.data.spans]
    tags[STATE_TAG] = digest(tags, metadata, str(info.state), said, spans, runs)
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


def _links(
    export: Export, trace_ids: Sequence[str], known: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Return the runs there that traces are linked to in the lake, by trace."""
    found: dict[str, list[str]] = {}
    if trace_ids:
        with export.store.columns.snapshot() as cursor:
            for run_id, trace_id in cursor.run(_LINKS, {"ids": list(trace_ids)}):
                if run_id in known:
                    found.setdefault(trace_id, []).append(known[run_id].run_id)
    return found
