"""Moving in from MLflow's server, with the files that it serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from importing.killing import imported_whole, killed_on_the_way, rows
from inside_mlflow.test_importing import fill

from lakeflow import LakeflowClient
from lakeflow.mlflow.importing import from_tracking

if TYPE_CHECKING:
    from inside_mlflow.served import Server


def test_a_server_is_read_with_its_files(sqlite_server: Server, tmp_path: Path) -> None:
    url = sqlite_server.url
    run_id = fill(url)
    lake = str(tmp_path / "lake")
    report = from_tracking(url, lake, experiments="it's ünïcode")
    assert report.is_complete, report.problems
    client = LakeflowClient(lake)
    assert len(client.get_metric_history(run_id, "loss/ä")) == 1_504
    there = client.download_artifacts(run_id, "a/ü.txt", str(tmp_path))
    assert Path(there).read_text() == "hello"
    assert client.get_model_version_by_alias("other of it's ünïcode", "champion").version == 2
    (trace,) = client.search_traces(experiment_ids=[client.get_run(run_id).info.experiment_id])
    assert [span.name for span in trace.data.spans] == ["root", "child"]
    for table, count in (("label_schemas", 3), ("review_queue_items", 1), ("issues", 1)):
        totals = report.tables[table]
        assert (totals.source.count, totals.lake.count) == (count, count)


def test_imports_that_are_killed_on_the_way_bring_all_of_it_once(
    sqlite_server: Server, tmp_path: Path
) -> None:
    fill(sqlite_server.url, "killed")
    words = ["mlflow", sqlite_server.url, "--experiment", "killed"]
    whole = imported_whole(words, tmp_path / "whole")
    assert whole.status == 0
    assert len(killed_on_the_way(whole, tmp_path / "lake", more=4)) > 2
    assert rows(tmp_path / "lake", whole.asked) == whole.rows
