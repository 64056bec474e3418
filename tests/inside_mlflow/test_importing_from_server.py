"""Moving in from MLflow's server, with the files that it serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from importing.killing import imported_whole, killed_on_the_way, rows
from inside_mlflow.conftest import IS_2
from inside_mlflow.test_importing import fill
from mlflow import MlflowClient
from mlflow.store.tracking.rest_store import RestStore

import lakeflow
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


@pytest.mark.skipif(IS_2, reason="MLflow 2 has no datasets for evaluation")
def test_of_experiments_that_nobody_wants_no_datasets_are_asked_for(
    sqlite_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(sqlite_server.url, sqlite_server.url)
    ids: dict[str, list[str]] = {}
    for name in ("wanted datasets", "other datasets", "no datasets", "deleted datasets"):
        experiment = client.create_experiment(name)
        if name != "no datasets":
            for number in range(3):
                made = client.create_dataset(f"{name} {number}", experiment)
                ids.setdefault(name, []).append(made.dataset_id)
    client.delete_experiment(experiment)
    asked: list[str] = []
    usual = RestStore._call_endpoint

    def counted(store: Any, api: Any, *given: Any, **named: Any) -> Any:
        asked.append(api.DESCRIPTOR.name)
        return usual(store, api, *given, **named)

    monkeypatch.setattr(RestStore, "_call_endpoint", counted)

    def imported(name: str) -> tuple[list[str], int, int]:
        """Return the datasets that came, how many searches there were, and other requests."""
        del asked[:]
        lake = str(tmp_path / name)
        report = from_tracking(sqlite_server.url, lake, experiments=name)
        assert report.is_complete, report.problems
        rows = lakeflow.sql("SELECT dataset_id FROM evaluation_datasets", tracking_uri=lake)
        searches = asked.count("SearchEvaluationDatasets")
        others = sum("Dataset" in each for each in asked) - searches
        return sorted(rows["dataset_id"].to_pylist()), searches, others

    for name in ("wanted datasets", "deleted datasets"):
        # Of each the experiments and the records.
        assert imported(name) == (sorted(ids[name]), 1, 6)
    assert imported("no datasets") == ([], 1, 0)


def test_imports_that_are_killed_on_the_way_bring_all_of_it_once(
    sqlite_server: Server, tmp_path: Path
) -> None:
    fill(sqlite_server.url, "killed")
    words = ["mlflow", sqlite_server.url, "--experiment", "killed"]
    whole = imported_whole(words, tmp_path / "whole")
    assert whole.status == 0
    assert len(killed_on_the_way(whole, tmp_path / "lake", more=4)) > 2
    assert rows(tmp_path / "lake", whole.asked) == whole.rows
