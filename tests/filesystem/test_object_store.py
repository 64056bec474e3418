"""A lake on an object store does what one in a folder does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import polars
import pytest

import lakeflow
from lakeflow.exceptions import InvalidInputError
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servers.s3 import S3Server


@pytest.fixture(scope="module")
def server(double: S3Server) -> S3Server:
    double.make_bucket("team")
    return double


@pytest.fixture
def lake(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("LAKEFLOW_CACHE_FOLDER", str(tmp_path / "cache"))
    monkeypatch.setenv("LAKEFLOW_FLUSH_INTERVAL_MS", "50")
    uri = f"s3://team/{tmp_path.name}"
    lakeflow.set_storage_options(uri, server.storage_options)
    lakeflow.set_tracking_uri(uri)
    yield uri
    open_store(uri, create=False).lake.close()


@pytest.fixture
def runs(lake: str) -> list[str]:
    """Return the ids of five runs, the first three compacted."""
    ids = []
    for number in range(5):
        with lakeflow.start_run(run_name=f"run {number}") as run:
            lakeflow.log_params({"lr": number / 10, "kind": "a"})
            for step in range(10):
                lakeflow.log_metric("loss", number + step, step=step)
        ids.append(run.info.run_id)
        if number == 2:
            lakeflow.compact(lake)
    return ids


def test_frames_and_sql_read_tables_and_log(runs: list[str]) -> None:
    found = lakeflow.search_runs(
        filter_string="params.lr > 0.05 AND metrics.loss < 13", output_format="polars"
    )
    assert sorted(found["run_id"]) == runs[1:4]
    counted = lakeflow.sql("SELECT count(*), sum(value) FROM metrics", output_format="list")
    assert list(counted[0].values()) == [50, 5 * 45 + 10 * 10]
    points = lakeflow.scan_metrics().filter(polars.col("run_id") == runs[0]).collect()
    assert points["value"].sort().to_list() == list(range(10))
    assert lakeflow.scan_runs().select("run_name").collect().height == 5
    series = lakeflow.metric_series(runs, "loss", 2, output_format="polars")
    assert series.group_by("run_id").len()["len"].to_list() == [2] * 5
    history = lakeflow.metric_history(runs[0], "loss")
    assert history["value"].to_pylist() == list(range(10))


def test_what_is_not_in_the_lake_is_not_read_through_sql(runs: list[str]) -> None:
    for query in (
        "FROM read_parquet('lake://lake.json')",
        "FROM read_text('lake://log/../lake.json')",
        "FROM read_text('/etc/passwd')",
        "FROM read_text('s3://team/other')",
    ):
        with pytest.raises(InvalidInputError):
            lakeflow.sql(query)


def test_asynchronous_calls_are_there_once_the_run_has_ended(lake: str) -> None:
    with lakeflow.start_run() as run:
        for step in range(200):
            lakeflow.log_metric("loss", step, step=step, synchronous=False)
        lakeflow.log_param("lr", 1, synchronous=False)
        promise = lakeflow.set_tag("kind", "b", synchronous=False)
        promise.wait()
        assert lakeflow.get_run(run.info.run_id).data.tags["kind"] == "b"
    ended = lakeflow.get_run(run.info.run_id)
    assert ended.info.status == "FINISHED"
    assert ended.data.params == {"lr": "1"}
    assert len(lakeflow.metric_history(run.info.run_id, "loss")) == 200


def test_images_are_there_once_the_run_has_ended(lake: str, tmp_path: Path) -> None:
    pixels = numpy.random.default_rng(0).integers(0, 256, (40, 30, 3), numpy.uint8)
    with lakeflow.start_run() as run:
        for step in range(3):
            lakeflow.log_image(pixels // (step + 1), key="val/a b", step=step)
    lakeflow.compact(lake)
    found = lakeflow.load_images(run.info.run_id, "val/a b")
    assert [each.step for each in found] == [0, 1, 2]
    assert (numpy.asarray(found[1].image) == pixels // 2).all()
    assert found[2].thumbnail.size == (192, 256)
    client = lakeflow.MlflowClient()
    assert len(client.list_artifacts(run.info.run_id, "images")) == 6
    local = client.download_artifacts(run.info.run_id, found[0].path, str(tmp_path))
    assert (lakeflow.Image(local).to_array() == pixels).all()


def test_a_forked_child_logs_to_the_run_of_its_parent(
    runs: list[str], forked: Callable[..., int]
) -> None:
    assert forked(lambda: lakeflow.MlflowClient().log_metric(runs[-1], "child", 1.0)) == 0
    assert lakeflow.get_run(runs[-1]).data.metrics["child"] == 1.0


def test_a_lake_is_copied_from_a_store_to_a_folder_and_back(
    server: S3Server, lake: str, runs: list[str], tmp_path: Path
) -> None:
    here, there = tmp_path / "here", f"{lake}-copy"
    lakeflow.copy(lake, here)
    assert lakeflow.copy(here, there, target_options=server.storage_options).files > 10
    assert lakeflow.copy(here, there, target_options=server.storage_options).files < 5
    lakeflow.set_storage_options(there, server.storage_options)
    for location in (here, there):
        points = lakeflow.MlflowClient(location).get_metric_history(runs[4], "loss")
        assert [point.step for point in points] == list(range(10))
