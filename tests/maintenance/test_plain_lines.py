"""What lakeflow writes itself is told to be plain: a fold need not parse it in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from measured import measure

import lakeflow
from lakeflow.entities import Metric, Param, RunTag
from lakeflow.maintenance.plain_lines import are_plain

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def logged(tmp_path: Path) -> bytes:
    lakeflow.set_tracking_uri(tmp_path)
    client = lakeflow.MlflowClient()
    with lakeflow.start_run() as run:
        lakeflow.log_metric("loss", 0.5)
        client.log_batch(
            run.info.run_id,
            [Metric("a", float("nan"), 1, 1)],
            [Param("p", '"quoted" \\ \n')],
            [RunTag("t", "\N{SNOWMAN}")],
        )
        with lakeflow.start_span("question") as span:
            span.set_inputs({"q": "why?"})
            with lakeflow.start_span("answer"):
                pass
    lakeflow.flush_trace_async_logging()
    lakeflow.log_feedback(trace_id=span.trace_id, name="good", value=True)
    client.set_trace_tag(span.trace_id, "k", "v")
    begun = client.start_trace("by the client", inputs=[1])
    client.end_trace(begun.request_id, {"a": 1})
    dataset = client.create_dataset("d", "0", {"k": "v"})
    dataset.merge_records([{"inputs": {"q": '"\n'}, "expectations": {"a": 1.5}}])
    client.delete_dataset_tag(dataset.dataset_id, "k")
    dataset.delete_records([each.dataset_record_id for each in dataset.records])
    model_id = measure(str(tmp_path), run.info.run_id)
    client.finalize_logged_model(model_id, "READY")
    client.delete_logged_model_tag(model_id, "team")
    (folder,) = (each for each in (tmp_path / "log").iterdir() if each.name != "control")
    return b"".join(each.read_bytes() for each in sorted(folder.iterdir()))


def test_all_that_is_logged_is_plain(logged: bytes) -> None:
    assert [line for line in logged.splitlines(keepends=True) if not are_plain(line)] == []
    assert logged.count(b'"spans"') == 2
    assert are_plain(logged)


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b'"seq":1,', b'"seq":1.0,'),
        (b'"seq":1,', b'"seq":1,"seq":1,'),
        (b'"trace_id":["', b'"trace_id":[1,"'),
        (b'"day":[', b'"day":["1",'),
        (b'"span_id":[', b'"span_id":["x"],"span_id":['),
        (b'"dataset_name":["', b'"dataset_name":[1,"'),
        (b'"logged_models":{', b'"logged_models":{"model_id":["x"],'),
        (b'"name":["question', b'"name":["\\u0000question'),
    ],
)
def test_what_parsers_may_read_in_two_ways_is_not(
    logged: bytes, written: bytes, instead: bytes
) -> None:
    assert written in logged
    assert not are_plain(logged.replace(written, instead, 1))
