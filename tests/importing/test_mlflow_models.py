"""Models and traces of stores that MLflow itself has made: our client says what MLflow's says."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from importing import mlflow_models

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.importing import from_mlflow
from lakeflow.open_store import open_store

STORES = [f"{version}-{kind}" for version in "23" for kind in ("sqlite", "files")]


@pytest.fixture(params=STORES)
def made(request, stores):
    """A store with a bit of everything: its location, and what MLflow's client says of it."""
    found = stores(*request.param.split("-"), "mlflow_models.py")
    return found.location, found.told


def some(*names):
    """Run a test on some of the stores: each import takes its time."""
    return pytest.mark.parametrize("made", names, indirect=True)


@pytest.fixture
def lake(tmp_path):
    return str(tmp_path / "lake")


def said(lake):
    client = LakeflowClient(lake)
    experiment_id = client.get_experiment_by_name(mlflow_models.EXPERIMENT).experiment_id
    scorers = open_store(lake, create=False).scorers
    evaluation = mlflow_models.of_evaluation(
        sorted(client.search_datasets(), key=lambda each: each.name),
        client.load_dataset_records,
        [
            (version.scorer_name, version.scorer_version, version.serialized_scorer)
            for latest in scorers.latest(experiment_id)
            for version in scorers.versions(experiment_id, latest.scorer_name)
        ],
    )
    reviews = {
        table: [
            [*row.values()]
            for row in lakeflow.sql(
                f"SELECT {columns} FROM {table} ORDER BY ALL", tracking_uri=lake
            ).to_pylist()
        ]
        for table, columns in mlflow_models.OF_REVIEWS.items()
    }
    return mlflow_models.said(client, experiment_id) | {
        "evaluation": evaluation,
        "reviews": reviews,
    }


def counted(report):
    return {name: (each.source.count, each.lake.count) for name, each in report.tables.items()}


def test_our_client_says_what_mlflows_says(made, lake):
    uri, expected = made
    report = from_mlflow(uri, lake, artifacts="leave")
    assert [*report.problems] == []
    assert report.is_complete
    for _ in ("hot", "folded"):
        found = said(lake)
        for name, of_kind in expected.items():
            assert found[name] == of_kind
        lakeflow.compact(lake)
    assert len(expected["traces"]) == 3
    assert len(expected["versions"]) == (4 if "logged models" in expected else 3)


@some("2-files", "3-sqlite")
def test_files_of_versions_and_logged_models_are_in_the_lake(made, lake):
    uri, expected = made
    report = from_mlflow(uri, lake)
    assert report.is_complete
    client = LakeflowClient(lake)
    for each in expected["versions"]:
        at = client.get_model_version_download_uri(each["name"], each["version"])
        assert at.startswith(lake) or each["source"] == at == "s3://bucket/model"
        if each["version"] in {2, 3}:
            assert Path(at, "weights").read_text() == "heavy"
    for each in expected.get("logged models", ()):
        folder = client.download_artifacts(each["source_run_id"], "model")
        assert Path(folder, "weights").read_text() == "heavy"
        assert [file.path for file in client.list_logged_model_artifacts(each["model_id"])] == [
            "net.txt"
        ]


@some("3-sqlite", "3-files")
def test_imported_again_nothing_is_written_and_later_changes_of_the_lake_stay(made, lake):
    uri, _ = made
    first = from_mlflow(uri, lake)
    client = LakeflowClient(lake)
    client.set_registered_model_alias("iris", "champion", 3)
    experiment = client.get_experiment_by_name(mlflow_models.EXPERIMENT).experiment_id
    (trace, *_) = client.search_traces([experiment])
    client.set_trace_tag(trace.info.trace_id, "mine", "changed here")
    before = said(lake)
    size = sum(each.stat().st_size for each in Path(lake, "log").rglob("*") if each.is_file())
    again = from_mlflow(uri, lake)
    assert said(lake) == before
    assert again.loss_count == 0
    assert again.is_complete
    assert counted(again) == counted(first)
    log = [each.stat().st_size for each in Path(lake, "log").rglob("*") if each.is_file()]
    assert sum(log) == size


@some("3-files")
def test_an_import_may_be_tried_first(made, lake):
    uri, _ = made
    tried = from_mlflow(uri, lake, dry_run=True)
    assert not Path(lake).exists()
    done = from_mlflow(uri, lake)
    sources = [
        {name: each.source.count for name, each in report.tables.items() if each.source.count}
        for report in (tried, done)
    ]
    assert sources[0] == sources[1]


@some("3-sqlite")
def test_of_an_experiment_the_versions_of_its_runs_come_along(made, lake):
    uri, expected = made
    report = from_mlflow(uri, lake, experiments=mlflow_models.EXPERIMENT)
    assert report.is_complete
    numbers = [each["version"] for each in expected["versions"] if each["run_id"]]
    client = LakeflowClient(lake)
    found = client.search_model_versions("name = 'iris'")
    assert sorted(each.version for each in found) == numbers
    assert [each.name for each in client.search_registered_models()] == ["iris"]
    nothing = from_mlflow(uri, f"{lake} 2", experiments="Default")
    assert "model_versions" not in nothing.tables
    assert "traces" not in nothing.tables


@some("3-sqlite", "3-files")
def test_what_is_broken_is_reported_and_the_rest_arrives(made, lake, tmp_path):
    uri, _ = made
    if uri.endswith(".db"):
        broken = _broken_database(uri, tmp_path)
    else:
        broken = _broken_folder(uri, tmp_path)
    report = from_mlflow(broken, lake)
    assert not report.is_complete
    assert report.loss_count >= 1
    client = LakeflowClient(lake)
    found = client.search_model_versions("name = 'iris'")
    assert 3 in {each.version for each in found}
    assert client.get_registered_model("iris").aliases == {"best": 3}
    assert any("'champion'" in each.why for each in report.problems)
    assert counted(report)["traces"] == (2, 2)
    if uri.endswith(".db"):
        assert "table endpoints" in {each.where for each in report.problems}
        (dataset,) = client.search_datasets(filter_string="name = 'asked'")
        (record,) = client.load_dataset_records(dataset.dataset_id)
        assert record.inputs == {"q": "ä"}
        assert any("record" in each.where for each in report.problems)


def _broken_database(uri, tmp_path):
    shutil.copy(uri, tmp_path / "broken.db")
    with sqlite3.connect(tmp_path / "broken.db") as database:
        database.execute("UPDATE model_versions SET current_stage = '?' WHERE version = 2")
        database.execute(
            "UPDATE trace_info SET execution_time_ms = 'soon' WHERE status = 'ERROR'"
        )
        database.execute(
            "UPDATE spans SET content = substr(content, 1, 40) WHERE name = 'inner'"
        )
        database.execute(
            "INSERT INTO endpoints (endpoint_id, name, created_at, last_updated_at, "
            "usage_tracking, workspace) VALUES ('e', 'e', 1, 1, 0, 'default')"
        )
        database.execute(
            "UPDATE evaluation_dataset_records SET inputs = '{' WHERE inputs LIKE '%\"b\"%'"
        )
        database.execute("UPDATE assessments SET value = '{' WHERE name = 'good'")
    database.close()
    return f"sqlite:///{tmp_path}/broken.db"


def _broken_folder(uri, tmp_path):
    shutil.copytree(uri, tmp_path / "mlruns")
    (tmp_path / "mlruns/models/iris/version-2/meta.yaml").write_text("{")
    infos = sorted((tmp_path / "mlruns").glob("*/traces/*/trace_info.yaml"))
    infos[0].write_text("request_id: 5")
    spans = sorted((tmp_path / "mlruns").glob("*/traces/*/artifacts/traces.json"))
    spans[1].write_text(spans[1].read_text()[:100])
    for points in (tmp_path / "mlruns").glob("*/models/m-*/metrics/acc"):
        points.write_text(points.read_text() + "1 2\n3")
    return str(tmp_path / "mlruns")
