"""What MLflow's stores hold is in a lake after an import: all of it, once, as MLflow reads it."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from importing.ways import check_ways

import lakeflow
from lakeflow.client import LakeflowClient
from lakeflow.entities import ViewType
from lakeflow.exceptions import InvalidInputError, InvalidStateError, StorageError
from lakeflow.importing import from_mlflow
from lakeflow.importing.sources.mlflow import sqlite as mlflow_sqlite
from lakeflow.importing.sources.mlflow.opening import open_mlflow
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from importing.conftest import Made

LARGEST = "1.7976931348623157e+308"

STORES = [("2", "files"), ("3", "files"), ("2", "sqlite"), ("3", "sqlite")]


def told(uri: str) -> list[dict[str, Any]]:
    """Return what a lake holds, as ``make_mlflow_store`` tells it of MLflow."""
    client = LakeflowClient(uri)
    return [
        {
            "id": experiment.experiment_id,
            "name": experiment.name,
            "stage": experiment.lifecycle_stage,
            "tags": experiment.tags,
            "times": [experiment.creation_time, experiment.last_update_time],
            "runs": [
                _run(client, run)
                for run in client.search_runs(
                    [experiment.experiment_id], run_view_type=ViewType.ALL
                )
            ],
        }
        for experiment in client.search_experiments(ViewType.ALL)
    ]


def fields_of(dataset: Any) -> list[str]:
    """Return the fields of a dataset."""
    names = ("name", "digest", "source_type", "source", "schema", "profile")
    return [getattr(dataset, name) for name in names]


def _run(client: LakeflowClient, run: Any) -> dict[str, Any]:
    info = run.info
    histories = {
        key: [
            [each.timestamp, each.step, repr(each.value)]
            for each in client.get_metric_history(info.run_id, key)
        ]
        for key in sorted(run.data.metrics)
    }
    return {
        "id": info.run_id,
        "name": info.run_name,
        "status": info.status,
        "stage": info.lifecycle_stage,
        "times": [info.start_time, info.end_time],
        "user": info.user_id,
        "params": run.data.params,
        "tags": run.data.tags,
        "latest": {key: repr(value) for key, value in sorted(run.data.metrics.items())},
        "histories": {key: sorted(points) for key, points in histories.items()},
        "models": [
            [each.model_id for each in run.inputs.model_inputs],
            [[each.model_id, each.step] for each in run.outputs.model_outputs],
        ],
        "datasets": [
            [*fields_of(each.dataset), {tag.key: tag.value for tag in each.tags}]
            for each in run.inputs.dataset_inputs
        ],
    }


def comparable(experiments: list[dict[str, Any]]) -> Any:
    """Return experiments by name and runs by id; the default one has the times of its store."""
    found = {}
    # As a database has infinities: MLflow's client reads these very numbers of it.
    experiments = json.loads(json.dumps(experiments).replace(LARGEST, "inf"))
    for experiment in experiments:
        runs = {run["id"]: run for run in experiment["runs"]}
        found[experiment["name"]] = {**experiment, "runs": runs}
    del found["Default"]["times"]
    return found


def rows(uri: str) -> list[dict[str, Any]]:
    """Return how much a lake holds."""
    tables = ("experiments", "runs", "params", "tags", "metrics", "inputs", "artifacts")
    counts = ", ".join(f"(SELECT count(*) FROM {each}) AS {each}" for each in tables)
    return lakeflow.sql(f"SELECT {counts}", tracking_uri=uri, output_format="list")


@pytest.mark.parametrize(
    ("version", "kind"), STORES, ids=["2-files", "3-files", "2-sqlite", "3-sqlite"]
)
def test_a_lake_tells_what_mlflow_tells(
    stores: Any, tmp_path: Path, version: str, kind: str
) -> None:
    made: Made = stores(version, kind)
    lake = str(tmp_path / "lake")
    report = from_mlflow(made.location, lake)
    assert report.is_complete, report.problems
    assert comparable(told(lake)) == comparable(made.told)
    client = LakeflowClient(lake)
    (run_id,) = lakeflow.sql(
        "SELECT DISTINCT run_id FROM artifacts", tracking_uri=lake, output_format="list"
    )[0].values()
    # One by itself, and one with its experiment.
    assert len(open_store(lake, create=False).removals.deleted_runs(2**50)) == 2
    folder = client.download_artifacts(run_id, "", str(tmp_path))
    assert Path(folder, "notes/a b.txt").read_text() == "hällo"
    assert report.tables["metrics"].source.count > 10_000
    before = rows(lake)
    again = from_mlflow(made.location, lake)
    assert again.is_complete
    assert rows(lake) == before


def test_files_may_stay_where_they_are(stores: Any, tmp_path: Path) -> None:
    made: Made = stores("2", "sqlite")
    lake = str(tmp_path / "lake")
    assert from_mlflow(made.location, lake, artifacts="leave").is_complete
    client = LakeflowClient(lake)
    (experiment,) = [each for each in told(lake) if each["name"] == "Größe 大"]
    run = next(run for run in experiment["runs"] if run["name"] == "run 0")
    uri = client.get_run(run["id"]).info.artifact_uri
    assert uri.startswith(str(Path(made.location).parent))
    found = client.download_artifacts(run["id"], "config.json", str(tmp_path))
    assert json.loads(Path(found).read_text()) == {"a": [1, 2]}


def test_a_dry_run_counts_and_makes_no_lake(stores: Any, tmp_path: Path) -> None:
    made: Made = stores("3", "sqlite")
    lake = tmp_path / "lake"
    report = from_mlflow(made.location, str(lake), dry_run=True)
    assert not lake.exists()
    real = from_mlflow(made.location, str(lake))
    counts = {name: totals.source.count for name, totals in real.tables.items()}
    assert {name: each.source.count for name, each in report.tables.items()} == counts


def test_what_is_wanted(stores: Any, tmp_path: Path) -> None:
    made: Made = stores("2", "files")
    lake = str(tmp_path / "lake")
    report = from_mlflow(made.location, lake, experiments=["gone", "no such"])
    assert [each.where for each in report.problems] == ["experiment no such"]
    assert not report.is_complete
    assert {each["name"] for each in told(lake)} == {"Default", "gone"}
    times = sorted(run["times"][0] for each in made.told for run in each["runs"])
    later = from_mlflow(made.location, lake, since=times[2])
    assert later.tables["runs"].source.count == sum(time >= times[2] for time in times)


def test_a_store_goes_on_after_an_import_and_so_does_the_lake(
    files_of_2: Made, tmp_path: Path
) -> None:
    lake = str(tmp_path / "lake")
    from_mlflow(files_of_2.location, lake)
    experiment = next(each for each in files_of_2.told if each["name"] == "Größe 大")
    run = next(run for run in experiment["runs"] if run["name"] == "run 1")
    folder = Path(files_of_2.location, experiment["id"], run["id"])
    client = LakeflowClient(lake)
    client.set_tag(run["id"], "note", "changed in the lake")
    client.log_metric(run["id"], "of the lake", 1.0)
    with (folder / "metrics/odd values").open("a") as file:
        file.write("99 7.5 99\n99 7.5 99\n")
    (folder / "metrics/late").write_text("1 0.5 0\n")
    (folder / "params/late").write_text("1")
    (folder / "tags/late").write_text("2")
    (folder / "artifacts/late.txt").write_text("3")
    assert from_mlflow(files_of_2.location, lake).is_complete
    found = client.get_run(run["id"])
    assert found.data.params["late"] == "1"
    assert found.data.tags["late"] == "2"
    assert found.data.tags["note"] == "changed in the lake"
    assert found.data.metrics["late"] == 0.5
    assert found.data.metrics["of the lake"] == 1.0
    history = client.get_metric_history(run["id"], "odd values")
    assert [each.value for each in history if each.step == 99] == [7.5, 7.5]
    assert len(history) == len(run["histories"]["odd values"]) + 2
    assert [each.path for each in client.list_artifacts(run["id"])] == ["late.txt"]
    before = rows(lake)
    assert from_mlflow(files_of_2.location, lake).is_complete
    assert rows(lake) == before


def test_what_is_broken_is_reported_and_the_rest_arrives(
    files_of_2: Made, tmp_path: Path
) -> None:
    root = Path(files_of_2.location)
    experiment = next(each for each in files_of_2.told if each["name"] == "Größe 大")
    folder = root / experiment["id"]
    first, second, third, fourth, _ = (folder / run["id"] for run in experiment["runs"])
    (first / "meta.yaml").unlink()
    (second / "meta.yaml").write_text("a: [1\n")
    (third / "meta.yaml").write_text("")
    (fourth / "metrics/cut").write_text("1 0.5 0\n2 0.25 1\n3 0.1")
    (fourth / "metrics/bad").write_text("1 0.5 0\ngarbage\n2 x 1\n\n3 0.25 2\n-4 1 1\n")
    (fourth / "metrics/old").write_text("1 0.5\n2 0.25\n")
    (fourth / "metrics/of data").write_text("1 0.5 7 a name digest\n")
    (fourth / "metrics/empty").write_text("")
    (fourth / "metrics/val%2Floss").write_text("1 0.5 0\n")
    (fourth / "params/no,key").write_text("1")
    (fourth / "params/no text").write_bytes(b"\xff\xfe")
    (fourth / "params/empty").write_text("")
    (fourth / "tags/long").write_text("x" * 2_000_000)
    (fourth / "artifacts").mkdir(exist_ok=True)
    (fourth / "artifacts/outside").symlink_to("/etc/passwd")
    (fourth / "artifacts/fine").write_text("fine")
    os.mkfifo(fourth / "artifacts/pipe")
    lake = str(tmp_path / "lake")
    report = from_mlflow(files_of_2.location, lake)
    assert not report.is_complete
    text = "\n".join(f"{where}: {why}" for where, why, _ in report.problems)
    for wanted in (
        f"{first}: ", f"{second}/meta.yaml: ", f"{third}/meta.yaml: ", "metrics/cut: its last",
        "metrics/bad:2: 'garbage'", "metrics/bad:3: ", "metrics/bad:4: ", "metric 'bad': ",
        "param 'no,key'", "params/no text: ", "tags/long: it is longer", "artifacts/outside: it is a link",
        "artifacts/pipe: it is no file",
    ):  # fmt: skip
        assert wanted in text, f"{wanted} is not in\n{text}"
    client = LakeflowClient(lake)
    run = client.get_run(fourth.name)
    assert run.data.params["empty"] == ""
    assert {key: run.data.metrics[key] for key in ("cut", "bad", "old", "val/loss")} == {
        "cut": 0.25, "bad": 0.25, "old": 0.25, "val/loss": 0.5
    }  # fmt: skip
    assert client.get_metric_history(fourth.name, "of data")[0].step == 7
    assert [each.path for each in client.list_artifacts(fourth.name)] == ["fine"]
    before = rows(lake)
    assert not from_mlflow(files_of_2.location, lake).is_complete
    assert rows(lake) == before


def test_a_newer_schema_is_refused_before_anything_is_written(
    stores: Any, tmp_path: Path
) -> None:
    path = tmp_path / "newer.db"
    _copy(stores("3", "sqlite").location, path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(InvalidStateError, match=r"ffffffffffff.*newer"):
        from_mlflow(f"sqlite:///{path}", tmp_path / "lake")
    assert not (tmp_path / "lake").exists()


def test_a_database_that_is_written_to(
    stores: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lake = tmp_path / "busy.db", str(tmp_path / "lake")
    _copy(stores("3", "sqlite").location, path)
    monkeypatch.setattr(mlflow_sqlite, "_WAIT_S", 0.2)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match="stays locked"):
        from_mlflow(str(path), lake)
    writer.execute("ROLLBACK")
    # In WAL mode a writer hinders nobody, and the snapshot has nothing of what it writes.
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM params")
    assert from_mlflow(str(path), lake).is_complete
    assert rows(lake)[0]["params"] == 6
    writer.execute("ROLLBACK")
    writer.close()


def test_no_store_of_mlflow(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("SQLite, but not")
    with sqlite3.connect(tmp_path / "other.db") as database:
        database.execute("CREATE TABLE runs (id)")
    database.close()
    for location in ("text", "other.db", "."):
        with pytest.raises(InvalidInputError):
            from_mlflow(tmp_path / location, tmp_path / "lake")
    assert not (tmp_path / "lake").exists()


def _copy(source: str, path: Path) -> None:
    with sqlite3.connect(f"file:{source}?mode=ro", uri=True) as database:
        database.backup(sqlite3.connect(path))


@pytest.mark.parametrize("kind", ["files", "sqlite"])
def test_it_may_be_tried_chosen_of_stopped_and_made_again(stores: Any, kind: str) -> None:
    check_ways(lambda: open_mlflow(stores("3", kind).location))
