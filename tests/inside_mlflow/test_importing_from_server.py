"""Moving in from MLflow's server, with the files that it serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
    assert client.get_model_version_by_alias("other", "champion").version == 2
    (trace,) = client.search_traces(experiment_ids=[client.get_run(run_id).info.experiment_id])
    assert [span.name for span in trace.data.spans] == ["root", "child"]
