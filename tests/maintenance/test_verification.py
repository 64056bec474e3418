"""Artifacts are compared with what was recorded of them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.artifacts import verify
from lakeflow.exceptions import InvalidInputError, NotFoundError, StorageError
from lakeflow.filesystem.parts import PART_BYTES
from lakeflow.maintenance import verification

if TYPE_CHECKING:
    from pathlib import Path

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.maintenance.report import VerificationReport


def found(report: VerificationReport) -> list[tuple[str, str]]:
    return [(each.problem, each.path) for each in report.findings]


def files_of(client: LakeflowClient, run_id: str) -> tuple[Filesystem, str]:
    store = client._store
    place = store.artifacts.places.beside(
        run_id, store.runs.reader.run(run_id).fields["artifact_uri"]
    )
    return place.fs, place.folder


@pytest.mark.parametrize("is_folded", [False, True])
def test_what_is_not_as_it_was_logged_is_found(
    client: LakeflowClient, uri: str, is_folded: bool
) -> None:
    run_id = client.create_run("0").info.run_id
    for name in ("same", "gone", "longer", "other", "a/b/deep"):
        client.log_text(run_id, f"content of {name}", name)
    client.log_text(run_id, "", "empty")
    if is_folded:
        lakeflow.compact(uri)
    assert verify(tracking_uri=uri).findings == []
    fs, folder = files_of(client, run_id)
    fs.delete(f"{folder}/gone")
    fs.put(f"{folder}/longer", b"much longer than what was logged")
    fs.put(f"{folder}/other", b"CONTENT of other")
    fs.put(f"{folder}/a/new", b"of another tool")
    report = verify(tracking_uri=uri)
    assert found(report) == [
        ("unrecorded", "a/new"),
        ("missing", "gone"),
        ("changed", "longer"),
        ("changed", "other"),
    ]
    assert (report.runs, report.files, report.bytes) == (1, 6, 15 + 15 + 17 + 16 + 19)
    assert (report.count("changed"), report.is_good) == (2, False)
    assert "32 bytes, of 17" in report.findings[2].detail
    assert "SHA-256" in report.findings[3].detail
    quick = verify(tracking_uri=uri, quick=True)
    assert found(quick) == [each for each in found(report) if each[1] != "other"]


def test_other_files_alone_are_nothing_bad(client: LakeflowClient, uri: str) -> None:
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, "x", "mine")
    fs, folder = files_of(client, run_id)
    fs.put(f"{folder}/theirs", b"y")
    report = verify(tracking_uri=uri)
    assert (report.is_good, report.count("unrecorded")) == (True, 1)
    client.log_text(run_id, "y", "theirs")
    assert verify(tracking_uri=uri).findings == []


def test_only_the_runs_that_are_named_are_looked_at(client: LakeflowClient, uri: str) -> None:
    other = client.create_experiment("other")
    first, second, third = (
        client.create_run(experiment).info.run_id for experiment in ("0", "0", other)
    )
    for run_id in (first, second, third):
        client.log_text(run_id, run_id, "file")
        fs, folder = files_of(client, run_id)
        fs.delete(f"{folder}/file")
    client.delete_run(first)
    client.create_run("0")
    everything = verify(tracking_uri=uri)
    assert {each.run_id for each in everything.findings} == {first, second, third}
    assert (everything.runs, everything.files) == (4, 3)
    assert [each.run_id for each in verify([second], tracking_uri=uri).findings] == [second]
    of_other = verify(experiment_ids=[other], tracking_uri=uri)
    assert [each.run_id for each in of_other.findings] == [third]
    assert verify([first], [other], tracking_uri=uri).runs == 0
    assert verify([], tracking_uri=uri).runs == 0
    for arguments in ({"run_ids": ["f" * 32]}, {"experiment_ids": ["99"]}):
        with pytest.raises(NotFoundError):
            verify(**arguments, tracking_uri=uri)
    for wrong in ({"run_ids": first}, {"run_ids": 5}, {"experiment_ids": 5}, {"model_ids": 5}):
        with pytest.raises(InvalidInputError, match="not a list of ids"):
            verify(**wrong, tracking_uri=uri)


@pytest.mark.parametrize("is_folded", [False, True])
def test_the_files_of_logged_models_are_looked_at_too(
    client: LakeflowClient, run_id: str, uri: str, tmp_path: Path, is_folded: bool
) -> None:
    (tmp_path / "files").mkdir()
    for name in ("same", "other", "gone"):
        (tmp_path / "files" / name).write_text(name)
    elsewhere = client.create_experiment("elsewhere")
    first, second, deleted = (
        client.create_logged_model(experiment, "m").model_id
        for experiment in ("0", elsewhere, "0")
    )
    for model_id in (first, second, deleted):
        client.log_model_artifacts(model_id, tmp_path / "files")
    client.delete_logged_model(deleted)
    client.log_text(run_id, "text", "of a run")
    if is_folded:
        lakeflow.compact(uri)
    report = verify(tracking_uri=uri)
    assert (report.runs, report.models, report.files, report.bytes) == (1, 3, 10, 3 * 13 + 4)
    assert report.findings == []
    store = client._store
    for model_id in (first, deleted):
        location = store.logged_models.get(model_id, allow_deleted=True).artifact_location
        place = store.artifacts.places.beside(model_id, location)
        place.fs.delete(place.full("gone"))
        place.fs.put(place.full("other"), b"OTHER")
    of_first, of_deleted = (
        [("changed", "", each, "other"), ("missing", "", each, "gone")]
        for each in (first, deleted)
    )

    def told(**options: Any) -> list[tuple[str, ...]]:
        found = verify(tracking_uri=uri, **options).findings
        return sorted((each.problem, each.run_id, each.model_id, each.path) for each in found)

    assert told() == told(experiment_ids=["0"]) == sorted([*of_first, *of_deleted])
    assert told(quick=True) == sorted([of_first[1], of_deleted[1]])
    assert told(model_ids=[first]) == of_first
    assert told(model_ids=[second, first], run_ids=[run_id]) == of_first
    assert told(model_ids=[second]) == told(run_ids=[run_id]) == told(model_ids=[]) == []
    assert told(model_ids=[first], experiment_ids=[elsewhere]) == []
    only = verify(model_ids=[first], tracking_uri=uri)
    assert (only.runs, only.models, only.files, only.is_good) == (0, 1, 3, False)
    with pytest.raises(NotFoundError, match=f"m-{'f' * 32}"):
        verify(model_ids=[f"m-{'f' * 32}"], tracking_uri=uri)
    with pytest.raises(InvalidInputError, match="not a list of ids"):
        verify(model_ids=first, tracking_uri=uri)


def test_runs_are_looked_at_a_few_at_a_time(
    client: LakeflowClient, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_THINGS_AT_ONCE", 2)
    monkeypatch.setattr(verification, "_FILES_AT_ONCE", 3)
    ids = [client.create_run("0").info.run_id for _ in range(5)]
    for run_id in ids[:3]:
        for number in range(2):
            client.log_text(run_id, f"{number}", f"{number}")
        fs, folder = files_of(client, run_id)
        fs.delete(f"{folder}/1")
    report = verify(tracking_uri=uri)
    assert (report.runs, report.files, report.bytes) == (5, 6, 6)
    assert [each.run_id for each in report.findings] == sorted(ids[:3])


def test_a_file_that_is_logged_meanwhile_is_not_found(
    client: LakeflowClient, run_id: str, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.log_text(run_id, "before", "file")
    told_apart = verification.told_apart

    def slowly(*arguments: object) -> object:
        client.log_text(run_id, "after!!", "file")
        client.log_text(run_id, "new", "new")
        return told_apart(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(verification, "told_apart", slowly)
    assert verify(tracking_uri=uri).findings == []


def test_artifacts_are_where_their_experiment_says(tmp_path: Path) -> None:
    client = LakeflowClient(tmp_path / "lake")
    elsewhere = client.create_experiment("elsewhere", (tmp_path / "bucket").as_uri())
    nowhere = client.create_experiment("nowhere", "unheard-of://place")
    (tmp_path / "big").write_bytes(os.urandom(2 * PART_BYTES + 7))
    for experiment in ("0", elsewhere):
        client.log_artifact(client.create_run(experiment).info.run_id, tmp_path / "big")
    client.create_run(nowhere)
    report = verify(tracking_uri=tmp_path / "lake")
    (finding,) = report.findings
    assert (finding.problem, finding.path) == ("unreadable", "")
    assert "unheard-of" in finding.detail
    shutil.rmtree(tmp_path / "bucket")
    assert report.files == 2
    report = verify(experiment_ids=[elsewhere], tracking_uri=tmp_path / "lake")
    assert found(report) == [("missing", "big")]


def test_a_file_that_cannot_be_read_does_not_keep_one_from_the_others(
    client: LakeflowClient, run_id: str, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("secret", "there"):
        client.log_text(run_id, name, name)
    kind = type(client._store.lake.fs)
    read = kind.read

    def refusing(fs: Any, path: str, start: int = 0, end: int | None = None) -> bytes:
        if path.endswith("secret"):
            raise StorageError("cannot read it", "PERMISSION_DENIED", hint="ask")
        data: bytes = read(fs, path, start, end)
        return data

    monkeypatch.setattr(kind, "read", refusing)
    report = verify(tracking_uri=uri)
    assert found(report) == [("unreadable", "secret")]
    assert report.findings[0].detail == "cannot read it"
    assert not report.is_good
