"""Models that are logged, registered and loaded through MLflow, wherever the lake is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LinearRegression

import lakeflow
from lakeflow.mlflow.locations import lake_uri
from lakeflow.mlflow.registry_store import RegistryStore

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore")

IS_2 = mlflow.__version__.startswith("2.")

_X = np.array([[1.0], [2.0], [3.0]])


def _log(**options: Any) -> Any:
    """Log a model, whose requirements nobody needs to look for."""
    model = LinearRegression().fit(_X, [2.0, 4.0, 6.0])
    name = {"artifact_path": "model"} if IS_2 else {"name": "model"}
    return mlflow.sklearn.log_model(model, **name, pip_requirements=["x"], **options)


def _predicts(uri: str) -> bool:
    return bool(np.allclose(mlflow.sklearn.load_model(uri).predict(_X), [2, 4, 6]))


def test_a_model_is_logged_registered_and_loaded(lake: str) -> None:
    with mlflow.start_run() as run:
        logged = _log(registered_model_name="at once")
    run_uri = f"runs:/{run.info.run_id}/model"
    assert _predicts(run_uri)
    assert _predicts(logged.model_uri)
    assert _predicts("models:/at once/1")
    made = mlflow.register_model(run_uri, "m", await_registration_for=5)
    again = mlflow.register_model(logged.model_uri, "m", tags={"k": "v"})
    assert [int(each.version) for each in (made, again)] == [1, 2]
    assert [each.run_id for each in (made, again)] == [run.info.run_id] * 2
    MlflowClient().set_registered_model_alias("m", "best", 2)
    copied = MlflowClient().copy_model_version("models:/m@best", "copy")
    assert copied.tags == {"k": "v"}
    for uri in ("models:/m/1", "models:/m@best", "models:/m/latest", "models:/copy/1"):
        assert _predicts(uri)
    assert mlflow.pyfunc.load_model("models:/m/1").metadata.flavors["sklearn"]
    # Our own client finds the same files.
    folder = lakeflow.artifacts.download_artifacts("models:/m/2", tracking_uri=lake)
    assert _predicts(folder)
    # Wherever MLflow puts the files of a model, each version has their digests.
    for version in (1, 2):
        report = lakeflow.registry.verify_model_version(
            "m", version, registry_uri=lake, tracking_uri=lake
        )
        assert report.files > 3
        # On a disk MLflow leaves a note where it loads a model from.
        assert {each.path for each in report.findings} <= {"registered_model_meta"}


if not IS_2:

    def test_a_version_of_a_logged_model_has_its_run_and_its_files(lake: str) -> None:
        with mlflow.start_run() as run:
            logged = _log()
        client = MlflowClient()
        client.create_registered_model("m")
        made = client.create_model_version("m", f"models:/{logged.model_id}")
        assert made.source == f"models:/{logged.model_id}"
        assert made.run_id == run.info.run_id
        found = client.get_model_version_download_uri("m", made.version)
        assert found == client.get_logged_model(logged.model_id).artifact_location
        with pytest.raises(
            MlflowException, match="Unable to fetch model from model URI source"
        ):
            client.create_model_version("m", "models:/m-00000000000000000000000000000000")


def test_the_registry_may_be_in_another_lake_than_the_runs(tmp_path: Path) -> None:
    mlflow.set_tracking_uri(lake_uri(str(tmp_path / "runs")))
    mlflow.set_registry_uri(lake_uri(str(tmp_path / "models")))
    try:
        with mlflow.start_run() as run:
            _log()
        mlflow.register_model(f"runs:/{run.info.run_id}/model", "m")
        assert _predicts("models:/m/1")
    finally:
        mlflow.set_registry_uri("")
        # Which our own client heeds too, and which that does not take back.
        os.environ.pop("MLFLOW_REGISTRY_URI", None)
    assert MlflowClient().search_registered_models() == []
    assert lakeflow.LakeflowClient(str(tmp_path / "models")).get_registered_model("m")


def test_what_autologging_adds_to_a_run_is_recorded(tmp_path: Path) -> None:
    mlflow.set_tracking_uri(lake_uri(str(tmp_path / "lake")))
    mlflow.sklearn.autolog(log_models=False, silent=True)
    try:
        with mlflow.start_run() as run:
            LinearRegression().fit(_X, [2.0, 4.0, 6.0])
    finally:
        mlflow.sklearn.autolog(disable=True)
    assert MlflowClient().get_run(run.info.run_id).data.params["fit_intercept"] == "True"
    report = lakeflow.artifacts.verify([run.info.run_id], tracking_uri=str(tmp_path / "lake"))
    assert report.files > 0
    assert report.is_good


def test_in_a_server_the_runs_are_where_the_server_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, models = lake_uri(str(tmp_path / "runs")), lake_uri(str(tmp_path / "models"))
    assert RegistryStore(models, "sqlite:///other.db").tracking_uri == "sqlite:///other.db"
    monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", runs)
    assert RegistryStore(models, "sqlite:///other.db").tracking_uri == runs
