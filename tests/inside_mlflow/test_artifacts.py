"""Files of runs: what real programs log through MLflow, on a disk, in memory and on S3."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.figure
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.uri import validate_path_is_safe

import lakeflow
from lakeflow.mlflow.locations import lake_uri

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore")


def _logged(folder: Path, experiment_id: str = "0") -> tuple[str, list[Any]]:
    """Log all kinds of files to a run; return its id, and what is read back of them."""
    (folder / "local/deep").mkdir(parents=True, exist_ok=True)
    (folder / "local/a.txt").write_text("a")
    (folder / "local/deep/b.bin").write_bytes(b"\x00\x01")
    with mlflow.start_run(experiment_id=experiment_id) as run:
        mlflow.log_artifact(str(folder / "local/a.txt"))
        mlflow.log_artifact(str(folder / "local"), "whole")
        mlflow.log_artifacts(str(folder / "local"), "files")
        mlflow.log_text("text", "notes/text.txt")
        mlflow.log_dict({"k": [1, 2]}, "dict.json")
        mlflow.log_dict({"k": [1, 2]}, "dict.yaml")
        figure = matplotlib.figure.Figure()
        figure.subplots().plot([1, 2])
        mlflow.log_figure(figure, "plots/figure.png")
        mlflow.log_image(np.full((4, 4, 3), 7, dtype=np.uint8), "image.png")
        mlflow.log_table({"x": [1, 2], "y": ["a", "b"]}, "table.json")
        mlflow.log_table(pd.DataFrame({"x": [3], "y": ["c"]}), "table.json")
        mlflow.log_param("p", 1)
    uri = f"runs:/{run.info.run_id}"
    client = MlflowClient()
    paths = (None, "whole", "whole/local", "files/deep", "a.txt", "no")
    into = folder / f"into-{run.info.run_id}"
    mlflow.artifacts.download_artifacts(f"{uri}/files", dst_path=str(into))
    return run.info.run_id, [
        [
            [
                (e.path, e.is_dir, e.file_size)
                for e in client.list_artifacts(run.info.run_id, path)
            ]
            for path in paths
        ],
        [e.path for e in mlflow.artifacts.list_artifacts(f"{uri}/files")],
        mlflow.artifacts.load_text(f"{uri}/notes/text.txt"),
        mlflow.artifacts.load_dict(f"{uri}/dict.json"),
        mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/dict.json"),
        np.asarray(mlflow.artifacts.load_image(f"{uri}/image.png")).tolist(),
        client.load_table(experiment_id, "table.json", [run.info.run_id]).to_dict("list"),
        sorted(str(e.relative_to(into)) for e in into.rglob("*") if e.is_file()),
        Path(client.download_artifacts(run.info.run_id, "files/deep/b.bin")).read_bytes(),
    ]


@pytest.fixture(scope="module")
def expected(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What MLflow itself reads back of files on a disk."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(migrated, folder / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    _, answers = _logged(folder, mlflow.create_experiment("own", str(folder / "artifacts")))
    return answers


def _sizes_aside(answers: list[Any]) -> list[Any]:
    # A PNG has the version of matplotlib in it, and a table the time; neither is ours.
    aside = ("figure.png", "image.png", "table.json")
    listings = [
        [(path, is_dir, None if path.endswith(aside) else size) for path, is_dir, size in each]
        for each in answers[0]
    ]
    return [listings, *answers[1:]]


def test_what_is_logged_is_read_back_as_from_the_store_of_mlflow(
    lake: str, expected: list[Any], tmp_path: Path
) -> None:
    run_id, answers = _logged(tmp_path)
    assert _sizes_aside(answers) == _sizes_aside(expected)
    # All of it is recorded, and our own client reads it.
    report = lakeflow.artifacts.verify([run_id], tracking_uri=lake)
    assert report.findings == []
    assert report.files >= 11
    client = lakeflow.LakeflowClient(lake)
    assert [e.path for e in client.list_artifacts(run_id, "files")] == [
        "files/a.txt",
        "files/deep",
    ]
    client.log_text(run_id, "ours", "ours.txt")
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/ours.txt") == "ours"


def test_images_by_step_and_tables_of_our_client_are_there(lake: str) -> None:
    client = lakeflow.LakeflowClient(lake)
    run_id = client.create_run("0").info.run_id
    client.log_table(run_id, {"x": [1]}, "table.json")
    client.log_image(run_id, np.zeros((4, 4, 3), dtype=np.uint8), key="a/digits", step=41)
    assert mlflow.load_table("table.json", run_ids=[run_id])["x"].tolist() == [1]
    images = [e.path for e in MlflowClient().list_artifacts(run_id, "images")]
    assert any(path.startswith("images/a~digits+step+41+") for path in images)
    # What MLflow's server looks for when its pages show them.
    assert [validate_path_is_safe(path) for path in images] == images


def test_an_experiment_elsewhere_is_logged_to_by_both_clients(
    lake: str, bucket: Callable[[str], str], tmp_path: Path
) -> None:
    is_on_s3 = lake.startswith("s3:")
    location = lake_uri(bucket("elsewhere") if is_on_s3 else f"{tmp_path}/else where")
    client = lakeflow.LakeflowClient(lake)
    experiment = client.create_experiment("elsewhere", artifact_location=location)
    run_id = client.create_run(experiment).info.run_id
    client.log_text(run_id, "ours", "ours.txt")
    MlflowClient().log_text(run_id, "theirs", "theirs.txt")
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/ours.txt") == "ours"
    assert Path(client.download_artifacts(run_id, "theirs.txt")).read_text() == "theirs"
    assert {e.path for e in client.list_artifacts(run_id)} == {"ours.txt", "theirs.txt"}
    assert lakeflow.artifacts.verify([run_id], tracking_uri=lake).files == 2


def test_a_folder_that_is_in_no_lake_needs_none(
    bucket: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("content")
    places = (f"{tmp_path}/x", f"memory://{tmp_path.name}", bucket("plain"))
    for location in map(lake_uri, places):
        repository = mlflow.artifacts.get_artifact_repository(location)
        repository.log_artifact(str(tmp_path / "file"), "in")
        assert mlflow.artifacts.load_text(f"{location}/in/file") == "content"
        assert [e.path for e in repository.list_artifacts("in")] == ["in/file"]
        repository.delete_artifacts("in")
        assert repository.list_artifacts() == []


def test_a_path_that_leads_elsewhere_is_refused_by_every_function(tmp_path: Path) -> None:
    mlflow.set_tracking_uri(lake_uri(str(tmp_path / "lake")))
    (tmp_path / "lake").parent.joinpath("secret").write_text("secret")
    with mlflow.start_run() as run:
        for call in (
            lambda: mlflow.log_text("x", "../../x"),
            lambda: mlflow.log_artifact(str(tmp_path / "secret"), "../.."),
            lambda: mlflow.log_artifacts(str(tmp_path), "/etc"),
            lambda: mlflow.log_artifact(str(tmp_path / "secret"), "%2e%2e/%2e%2e"),
            lambda: mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/../../../../secret"),
            lambda: MlflowClient().list_artifacts(run.info.run_id, "../.."),
            lambda: MlflowClient().download_artifacts(run.info.run_id, "../../lake.json"),
        ):
            with pytest.raises(MlflowException):
                call()


def test_files_are_logged_by_many_threads(lake: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    client = MlflowClient()
    run_id = client.create_run("0").info.run_id
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: client.log_text(run_id, str(n), f"{n}.txt"), range(40)))
    assert len(client.list_artifacts(run_id)) == 40
    assert lakeflow.artifacts.verify([run_id], tracking_uri=lake).findings == []


def test_images_that_are_logged_by_themselves_arrive(tmp_path: Path) -> None:
    mlflow.set_tracking_uri(lake_uri(str(tmp_path / "lake")))
    with mlflow.start_run() as run:
        for step in range(3):
            mlflow.log_image(
                np.zeros((4, 4, 3), dtype=np.uint8), key="k", step=step, synchronous=False
            )
        mlflow.flush_artifact_async_logging()
    images = lakeflow.load_images(run.info.run_id, "k", tracking_uri=str(tmp_path / "lake"))
    assert [e.path for e in MlflowClient().list_artifacts(run.info.run_id, "images")]
    assert [each.step for each in images] == [0, 1, 2]
