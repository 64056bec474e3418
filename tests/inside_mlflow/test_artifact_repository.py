"""MLflow's calls about files: the same answers as from its own repository, recorded in a lake."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.filesystem.local import LocalFilesystem
from lakeflow.mlflow.locations import lake_uri
from lakeflow.stores.artifacts import folders

_FILES = {"a.txt": b"a", "plots/loss.png": b"loss", "plots/deep/er.bin": b"\x00" * 3, "e": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files to log."""
    for path, data in _FILES.items():
        target = tmp_path / "local" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return tmp_path / "local"


@pytest.fixture(params=["local", "memory"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A location for a lake."""
    return (
        str(tmp_path / "my lake") if request.param == "local" else f"memory://{tmp_path.name}"
    )


def _run(lake: str, **experiment: Any) -> tuple[LakeflowClient, str, str]:
    client = LakeflowClient(lake)
    run = client.create_run(client.create_experiment("e", **experiment))
    return client, run.info.run_id, _uri(run.info.artifact_uri)


def _uri(location: str) -> str:
    return location if location.startswith("lakeflow:") else lake_uri(location)


def _content(folder: str) -> dict[str, bytes]:
    below = Path(folder)
    return {str(e.relative_to(below)): e.read_bytes() for e in below.rglob("*") if e.is_file()}


def _answers(uri: str, local: Path, target: Path) -> list[Any]:
    """What a repository says to a program."""
    repository = get_artifact_repository(uri)
    repository.log_artifacts(str(local))
    repository.log_artifact(str(local / "a.txt"), "again")
    repository.log_artifacts(local, "copy/of")
    answers: list[Any] = [
        [(each.path, each.is_dir, each.file_size) for each in repository.list_artifacts(path)]
        for path in (None, "", "plots", "plots/", "copy", "a.txt", "nothing", "plots/deep")
    ]
    for number, path in enumerate(("", "plots", "a.txt", "copy/of/plots")):
        into = target / str(number)
        into.mkdir()
        found = repository.download_artifacts(path, str(into))
        answers += [os.path.relpath(found, into), _content(str(into))]
    repository.delete_artifacts("copy")
    repository.delete_artifacts("a.txt")
    answers.append([each.path for each in repository.list_artifacts()])
    repository.delete_artifacts()
    answers.append([each.path for each in repository.list_artifacts()])
    return answers


def test_the_answers_are_those_of_the_own_repository_of_mlflow(
    folder: Path, lake: str, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in ("1", "2", "3"):
        (tmp_path / name).mkdir()
    expected = _answers(theirs.as_uri(), folder, tmp_path / "1")
    _, _, uri = _run(lake)
    assert _answers(uri, folder, tmp_path / "2") == expected
    # And where there is no lake.
    plain = f"lakeflow+memory://plain-{tmp_path.name}"
    assert _answers(plain, folder, tmp_path / "3") == expected


def test_what_is_logged_to_a_run_is_recorded_as_by_our_client(folder: Path, lake: str) -> None:
    client, run_id, uri = _run(lake)
    get_artifact_repository(uri).log_artifacts(folder, "x")
    report = lakeflow.artifacts.verify([run_id], tracking_uri=lake)
    assert (report.files, report.findings) == (len(_FILES), [])
    assert [each.path for each in client.list_artifacts(run_id, "x")] == [
        "x/a.txt",
        "x/e",
        "x/plots",
    ]
    assert _content(client.download_artifacts(run_id, "x")) == _FILES


def test_what_our_client_has_logged_is_found(folder: Path, lake: str) -> None:
    client, run_id, uri = _run(lake)
    client.log_artifacts(run_id, folder)
    assert _content(get_artifact_repository(uri).download_artifacts("")) == _FILES


def test_a_folder_below_the_artifacts_of_a_run_is_recorded_too(folder: Path, lake: str) -> None:
    _, run_id, uri = _run(lake)
    repository = get_artifact_repository(f"{uri}/model/data")
    repository.log_artifacts(folder)
    report = lakeflow.artifacts.verify([run_id], tracking_uri=lake)
    assert (report.files, report.findings) == (len(_FILES), [])
    assert _content(repository.download_artifacts("")) == _FILES


def test_files_of_no_run_are_synced_where_they_are_to_survive_a_power_cut(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEFLOW_DURABILITY", "fsync")
    _, run_id, uri = _run(str(tmp_path / "lake"))
    above, _, _ = uri.removesuffix(f"/{run_id}/artifacts").rpartition("/")
    synced: list[str] = []
    monkeypatch.setattr(LocalFilesystem, "sync", lambda _, *paths: synced.extend(paths))
    get_artifact_repository(above).log_artifacts(folder, "of nobody")
    assert sorted(synced) == sorted(f"artifacts/of nobody/{path}" for path in _FILES)


def test_what_is_logged_through_the_folder_of_all_artifacts_is_recorded_too(
    folder: Path, lake: str, tmp_path: Path
) -> None:
    client, run_id, uri = _run(lake)
    above, _, experiment = uri.removesuffix(f"/{run_id}/artifacts").rpartition("/")
    repository = get_artifact_repository(above)
    repository.log_artifacts(folder, f"{experiment}/{run_id}/artifacts/x")
    repository.log_artifact(folder / "a.txt", f"{experiment}/{run_id}/artifacts")
    repository.log_artifact(folder / "a.txt", "of nobody")
    report = lakeflow.artifacts.verify([run_id], tracking_uri=lake)
    assert (report.files, report.findings) == (len(_FILES) + 1, [])
    fetched = repository.download_artifacts(f"{experiment}/{run_id}/artifacts", str(tmp_path))
    assert _content(f"{fetched}/x") == _FILES
    Path(tmp_path, "a.txt").write_bytes(b"other")
    client.log_artifact(run_id, tmp_path / "a.txt")
    root = f"{experiment}/{run_id}/artifacts"
    assert set(repository._folder.recorded(f"{root}/a.txt")) == {f"{root}/a.txt"}
    # Else what is fetched would be compared with nothing.
    everything = {f"{root}/a.txt", *(f"{root}/x/{path}" for path in _FILES)}
    assert set(repository._folder.recorded(root)) == everything


def test_a_file_that_was_changed_is_not_downloaded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_SECONDS_UNTIL_RECORDED", 0)
    lake = str(tmp_path / "lake")
    client, run_id, uri = _run(lake)
    repository = get_artifact_repository(uri)
    repository.log_artifacts(folder)
    Path(client.get_run(run_id).info.artifact_uri, "plots/loss.png").write_bytes(b"gain")
    for fetch in (
        lambda: repository.download_artifacts("plots", str(tmp_path)),
        lambda: repository._download_file("plots/loss.png", tmp_path / "file"),
    ):
        with pytest.raises(MlflowException, match="not what was logged") as raised:
            fetch()
        assert raised.value.error_code == "DATA_LOSS"


def test_artifacts_elsewhere_are_recorded_in_the_lake_of_the_run(
    folder: Path, lake: str, tmp_path: Path
) -> None:
    elsewhere = f"lakeflow://{tmp_path}/elsewhere"
    client, run_id, uri = _run(lake, artifact_location=elsewhere)
    assert uri.startswith("lakeflow:/")
    assert "/elsewhere/" in uri
    tracking = lake_uri(lake)
    repository = get_artifact_repository(uri)
    repository.tracking_uri = tracking
    repository.log_artifacts(folder)
    assert lakeflow.artifacts.verify([run_id], tracking_uri=lake).files == len(_FILES)
    assert _content(client.download_artifacts(run_id, "")) == _FILES


def test_a_folder_of_a_lake_that_is_of_no_run_has_plain_files(folder: Path, lake: str) -> None:
    _run(lake)
    uri = lake_uri(f"{lake}/artifacts/1/models/m-{'0' * 32}/artifacts")
    get_artifact_repository(uri).log_artifacts(folder)
    assert _content(get_artifact_repository(uri).download_artifacts("")) == _FILES
    assert lakeflow.artifacts.verify(tracking_uri=lake).findings == []


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../x",
        "a/../../x",
        "/etc/passwd",
        "%2e%2e/x",
        "%252e%252e%252fx",
        "a/%2E%2E",
        "a\\b",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(
    path: str, folder: Path, tmp_path: Path
) -> None:
    _, _, uri = _run(str(tmp_path / "lake"))
    repository = get_artifact_repository(uri)
    for call in (
        lambda: repository.list_artifacts(path),
        lambda: repository.download_artifacts(path),
        lambda: repository._download_file(path, tmp_path / "out"),
        lambda: repository.delete_artifacts(path),
        lambda: repository.log_artifact(folder / "a.txt", path),
        lambda: repository.log_artifacts(folder, path),
        lambda: repository.get_local_path(path),
    ):
        with pytest.raises(MlflowException) as raised:
            call()
        assert raised.value.error_code == "INVALID_PARAMETER_VALUE"
    assert not (tmp_path / "out").exists()


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_text("secret")
    client, run_id, uri = _run(str(tmp_path / "lake"))
    client.log_text(run_id, "x", "x")
    root = Path(client.get_run(run_id).info.artifact_uri)
    (root / "link").symlink_to(tmp_path / "secret")
    repository = get_artifact_repository(uri)
    for call in (
        lambda: repository.list_artifacts("link"),
        lambda: repository.download_artifacts("link/file"),
        lambda: repository.delete_artifacts("link/file"),
    ):
        with pytest.raises(MlflowException, match="leads out of"):
            call()
    assert (tmp_path / "secret/file").exists()


def test_what_is_not_there_has_the_code_of_mlflow(lake: str, tmp_path: Path) -> None:
    _, _, uri = _run(lake)
    repository = get_artifact_repository(uri)
    for call in (
        lambda: repository.download_artifacts("no"),
        lambda: repository.download_artifacts("no", str(tmp_path)),
        lambda: repository.download_artifacts("", str(tmp_path / "no")),
        lambda: repository._download_file("no", tmp_path / "out"),
        lambda: repository.log_artifact(tmp_path / "no"),
    ):
        with pytest.raises(MlflowException) as raised:
            call()
        assert raised.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    repository.delete_artifacts("no")


def test_a_stream_is_logged_whole_or_not_at_all(lake: str) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise ConnectionError

    async def chunks() -> Any:
        yield b"one "
        yield b"two"

    _, run_id, uri = _run(lake)
    repository = get_artifact_repository(uri)
    repository.log_artifact_from_stream(io.BytesIO(b"streamed"), "some/where/s.txt", "in")
    asyncio.run(repository.log_artifact_from_async_stream(chunks(), "a.txt", "in"))
    with pytest.raises(ConnectionError):
        repository.log_artifact_from_stream(Broken(), "broken.txt", "in")
    with pytest.raises(MlflowException, match="names no file"):
        asyncio.run(repository.log_artifact_from_async_stream(chunks(), ""))
    assert _content(repository.download_artifacts("in")) == {
        "s.txt": b"streamed",
        "a.txt": b"one two",
    }
    assert lakeflow.artifacts.verify([run_id], tracking_uri=lake).files == 2


def test_data_of_traces_goes_through_the_repository(lake: str) -> None:
    _run(lake)
    uri = lake_uri(f"{lake}/artifacts/1/traces/tr-1/artifacts")
    repository = get_artifact_repository(uri)
    repository.upload_trace_data('{"spans": []}')
    assert repository.download_trace_data() == {"spans": []}
