"""Versions by URI: registered from runs, their files listed, fetched, loaded and checked."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

import lakeflow
from lakeflow import LakeflowClient, MlflowException
from lakeflow.artifacts import (
    download_artifacts,
    list_artifacts,
    load_dict,
    load_image,
    load_text,
)
from lakeflow.exceptions import DamagedLakeError, InvalidInputError, StorageError
from lakeflow.stores.artifacts import folders

_NUMBERS = itertools.count()


@pytest.fixture
def run_uri(uri: str) -> str:
    """Return the URI of a folder of a run's artifacts, in the lake of the process."""
    lakeflow.set_tracking_uri(uri)
    with lakeflow.start_run() as run:
        lakeflow.log_text("weights", "model/data/weights.txt")
        lakeflow.log_dict({"flavour": "none"}, "model/MLmodel.json")
    return f"runs:/{run.info.run_id}/model"


def files_in(folder: str) -> list[str]:
    return sorted(
        os.path.relpath(os.path.join(at, name), folder)
        for at, _, names in os.walk(folder)
        for name in names
    )


MODEL_FILES = ["MLmodel.json", "data/weights.txt"]


def test_a_version_of_a_run_names_the_run_and_where_its_artifacts_are(run_uri: str) -> None:
    run_id = run_uri.split("/")[1]
    made = lakeflow.register_model(run_uri, "m", tags={"t": 1})
    artifacts = lakeflow.get_run(run_id).info.artifact_uri
    assert (made.version, made.run_id, made.tags) == (1, run_id, {"t": "1"})
    assert made.source == f"{artifacts}/model"
    assert lakeflow.register_model(f"runs:/{run_id}", "m").source == artifacts
    copied = lakeflow.register_model("models:/m/1", "n")
    assert (copied.version, copied.source, copied.run_id) == (1, "models:/m/1", None)
    lakeflow.set_model_version_tag("n", 1, "validated", True)
    assert lakeflow.search_model_versions(1, "tags.validated = 'True'")[0].name == "n"


def test_what_cannot_be_registered_leaves_no_model(run_uri: str) -> None:
    for wrong, code in {
        f"runs:/{'a' * 32}/model": "RESOURCE_DOES_NOT_EXIST",
        f"{run_uri}/../..": "INVALID_PARAMETER_VALUE",
        "models:/gone/1": "INTERNAL_ERROR",
        "models:/gone": "INTERNAL_ERROR",
        None: "INVALID_PARAMETER_VALUE",
    }.items():
        with pytest.raises(MlflowException) as caught:
            lakeflow.register_model(wrong, "m")  # type: ignore[arg-type]
        assert caught.value.error_code == code, wrong
    with pytest.raises(InvalidInputError, match="cannot be empty"):
        lakeflow.register_model(run_uri, "")
    assert lakeflow.search_registered_models() == []


def test_model_and_version_are_one_event(run_uri: str) -> None:
    lakeflow.register_model(run_uri, "m")
    events = lakeflow.sql("SELECT action, version FROM registry_events ORDER BY event_id")
    assert events.to_pylist() == [
        {"action": "create_registered_model", "version": None},
        {"action": "create_model_version", "version": 1},
    ]
    count = lakeflow.sql(
        "SELECT count(DISTINCT split_part(event_id, '.', 1)) FROM registry_events"
    )
    assert count.to_pylist()[0].popitem()[1] == 1


def test_every_uri_of_a_version_leads_to_its_files(run_uri: str, tmp_path: Path) -> None:
    client = LakeflowClient()
    lakeflow.register_model(run_uri, "m")
    client.set_registered_model_alias("m", "champion", 1)
    client.transition_model_version_stage("m", 1, "Production")
    client.copy_model_version("models:/m@champion", "copy")
    client.copy_model_version("models:/copy/1", "copy of a copy")
    for number, version in enumerate(
        (
            "models:/m/1",
            "models:/m@champion",
            "models:/m/Production",
            "models:/m/production",
            "models:/m/latest",
            "models:/copy/1",
            "models:/copy of a copy/latest",
        )
    ):
        there = tmp_path / f"there {number}"
        assert download_artifacts(version, dst_path=there) == str(there)
        assert files_in(str(there)) == MODEL_FILES, version
        assert files_in(download_artifacts(f"{version}/")) == MODEL_FILES
        assert load_text(f"{version}/data/weights.txt") == "weights"
    below = download_artifacts("models:/m/1/data", dst_path=tmp_path / "below")
    assert below == str(tmp_path / "below" / "data")
    assert files_in(below) == ["weights.txt"]
    assert load_dict("models:/m@champion/MLmodel.json") == {"flavour": "none"}
    listed = [
        (each.path, each.is_dir, each.file_size) for each in list_artifacts("models:/m/1")
    ]
    assert listed == [("MLmodel.json", False, 23), ("data", True, None)]
    assert [each.path for each in list_artifacts("models:/m@champion/data")] == [
        "data/weights.txt"
    ]
    assert list_artifacts("models:/m@champion/data/weights.txt") == []


def test_what_is_no_version_or_no_file_of_one_says_so(run_uri: str) -> None:
    lakeflow.register_model(run_uri, "m")
    for wrong, code in {
        "models:/m/2": "RESOURCE_DOES_NOT_EXIST",
        "models:/x/1": "RESOURCE_DOES_NOT_EXIST",
        "models:/m@champion": "INVALID_PARAMETER_VALUE",
        "models:/m/gone": "INVALID_PARAMETER_VALUE",
        "models:/m/Staging": "INTERNAL_ERROR",
        "models:/m": "INTERNAL_ERROR",
        "models:m/1": "INTERNAL_ERROR",
        "models:/m/1/gone.txt": "RESOURCE_DOES_NOT_EXIST",
        "models:/m/1/../../secret": "INVALID_PARAMETER_VALUE",
    }.items():
        for call in (download_artifacts, load_text):
            with pytest.raises(MlflowException) as caught:
                call(wrong)
            assert caught.value.error_code == code, wrong


def test_a_version_may_be_anywhere(tmp_path: Path) -> None:
    lakeflow.set_tracking_uri(tmp_path / "lake")
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "weights.txt").write_text("weights")
    client = LakeflowClient()
    client.create_registered_model("m")
    memory = f"memory://elsewhere-{next(_NUMBERS)}"
    with lakeflow.start_run() as run:
        lakeflow.log_text("weights", "weights.txt")
    for source in (
        str(folder),
        folder.as_uri(),
        f"runs:/{run.info.run_id}",
        f"runs:/{run.info.run_id}/weights.txt",
        str(folder / "weights.txt"),
    ):
        # Nobody has looked whether there is a run of this name.
        version = client.create_model_version("m", source, "not a run of this lake").version
        there = tmp_path / f"there {version}"
        got = download_artifacts(f"models:/m/{version}", dst_path=there)
        assert files_in(str(there)) == ["weights.txt"], source
        assert Path(got) == (there if "txt" not in source else there / "weights.txt")
    gone = client.create_model_version("m", memory).version
    with pytest.raises(StorageError, match="No such artifact"):
        download_artifacts(f"models:/m/{gone}")


def test_models_in_a_lake_of_their_own_have_files_in_another(tmp_path: Path, uri: str) -> None:
    lakeflow.set_tracking_uri(uri)
    lakeflow.set_registry_uri(tmp_path / "models")
    with lakeflow.start_run() as run:
        lakeflow.log_text("weights", "weights.txt")
    lakeflow.register_model(f"runs:/{run.info.run_id}", "m")
    assert load_text("models:/m/1/weights.txt") == "weights"
    with pytest.raises(MlflowException, match="m"):
        LakeflowClient(uri, uri).get_registered_model("m")


def test_a_lake_that_is_moved_takes_the_files_of_its_versions_along(tmp_path: Path) -> None:
    lakeflow.set_tracking_uri(tmp_path / "before")
    with lakeflow.start_run() as run:
        lakeflow.log_text("weights", "weights.txt")
    lakeflow.register_model(f"runs:/{run.info.run_id}", "m")
    (tmp_path / "before").rename(tmp_path / "after")
    lakeflow.set_tracking_uri(tmp_path / "after")
    assert load_text("models:/m/1/weights.txt") == "weights"


def test_files_that_were_changed_since_are_no_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_SECONDS_UNTIL_RECORDED", 0)
    lakeflow.set_tracking_uri(tmp_path / "lake")
    with lakeflow.start_run() as run:
        lakeflow.log_text("weights", "model/weights.txt")
    made = lakeflow.register_model(f"runs:/{run.info.run_id}/model", "m")
    LakeflowClient().copy_model_version("models:/m/1", "copy")
    (Path(made.source) / "weights.txt").write_text("WEIGHTS")
    for version in ("models:/m/1", "models:/m/1/weights.txt", "models:/copy/1"):
        with pytest.raises(DamagedLakeError) as caught:
            download_artifacts(version, dst_path=tmp_path / "there")
        assert caught.value.error_code == "DATA_LOSS"


def test_an_image_of_a_version_is_loaded(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    lakeflow.set_tracking_uri(tmp_path / "lake")
    with lakeflow.start_run() as run:
        lakeflow.log_image(numpy.zeros((2, 3), dtype=numpy.uint8), "plots/roc.png")
    lakeflow.register_model(f"runs:/{run.info.run_id}", "m")
    assert load_image("models:/m/latest/plots/roc.png").size == (3, 2)
