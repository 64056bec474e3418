"""What lakeflow writes itself is told to be plain: a fold need not parse it in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import pytest
from measured import measure

import lakeflow
from lakeflow.data import from_numpy
from lakeflow.entities import Metric, Param, RunTag
from lakeflow.importing import from_mlflow
from lakeflow.maintenance.plain_lines import are_plain

if TYPE_CHECKING:
    from pathlib import Path


def written_to(lake: Path) -> bytes:
    """Return the log of the only writer of a lake."""
    (folder,) = (each for each in (lake / "log").iterdir() if each.name != "control")
    return b"".join(each.read_bytes() for each in sorted(folder.iterdir()))


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
        lakeflow.log_text("a text", "texts/a.txt")
        lakeflow.log_image(numpy.zeros((2, 2, 3), "uint8"), key="i", step=1)
        lakeflow.log_input(from_numpy(numpy.zeros(2)), context="training")
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
    return written_to(tmp_path)


def test_all_that_is_logged_is_plain(logged: bytes) -> None:
    assert [line for line in logged.splitlines(keepends=True) if not are_plain(line)] == []
    assert logged.count(b'"spans"') == 2
    assert are_plain(logged)


def test_all_that_is_imported_is_plain(tmp_path: Path) -> None:
    run = tmp_path / "mlruns" / "1" / ("a" * 32)
    for folder in ("metrics", "params", "tags", "artifacts"):
        (run / folder).mkdir(parents=True)
    (run / "meta.yaml").write_text(
        f"run_id: {run.name}\nexperiment_id: '1'\nrun_name: r\nuser_id: u\nstatus: 3\n"
        f"start_time: 1\nend_time: 2\nlifecycle_stage: active\nartifact_uri: {run}/artifacts\n"
    )
    (run.parent / "meta.yaml").write_text(
        "experiment_id: '1'\nname: e\nlifecycle_stage: active\nartifact_location: x\n"
    )
    (run / "metrics" / "loss").write_text("1 0.5 0\n2 nan 1\n")
    (run / "params" / "p").write_text("v")
    (run / "tags" / "t").write_text("w")
    (run / "artifacts" / "a.txt").write_text("a")
    lake = tmp_path / "lake"
    assert from_mlflow(tmp_path / "mlruns", lake).is_complete
    brought = written_to(lake)
    assert [line for line in brought.splitlines(keepends=True) if not are_plain(line)] == []
    assert brought.count(b"\n") >= 3


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b'"seq":1,', b'"seq":1.0,'),
        (b'"seq":1,', b'"seq":1,"seq":1,'),
        (b'"trace_id":["', b'"trace_id":[1,"'),
        (b'"day":[', b'"day":["1",'),
        (b'"span_id":[', b'"span_id":["x"],"span_id":['),
        (b'"dataset_name":["', b'"dataset_name":[1,"'),
        (b'"sha256":["', b'"sha256":[1,"'),
        (b'"tags":["{\\"', b'"tags":["{\\"b\\":1,\\"'),
        (b'"tags":["{\\"', b'"tags":["{\\"b\\":\\"c\\",\\"'),
        (b'"logged_models":{', b'"logged_models":{"model_id":["x"],'),
        (b'"name":["question', b'"name":["\\u0000question'),
    ],
)
def test_what_parsers_may_read_in_two_ways_is_not(
    logged: bytes, written: bytes, instead: bytes
) -> None:
    assert written in logged
    assert not are_plain(logged.replace(written, instead, 1))
