"""A version knows the files that it was registered with."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.cli import main
from lakeflow.exceptions import NotFoundError
from lakeflow.registry import verify_model_version
from lakeflow.stores.artifacts.recorded import Label
from lakeflow.stores.registry import recorded_files
from lakeflow.stores.registry.known import require_version
from lakeflow.stores.registry.state import files_of
from lakeflow.transfer.sending import Sent, digest_of

if TYPE_CHECKING:
    from pathlib import Path

    from lakeflow.maintenance.report import ModelReport

FILES = {"weights.bin": "w" * 100, "MLmodel": "flavors: {}", "code/steps.py": "pass"}


def logged_model(client: LakeflowClient, folder: str = "model") -> str:
    """Log a model beside other files, and return the id of its run."""
    run_id = client.create_run("0").info.run_id
    for path, text in FILES.items():
        client.log_text(run_id, text, f"{folder}/{path}")
    client.log_text(run_id, "another", f"{folder}2/weights.bin")
    return run_id


def files(client: LakeflowClient, name: str, version: int) -> dict[str, tuple[int, str]] | None:
    known = client._registry.model_versions._control.known()
    found = files_of(require_version(known, name, version)[1])
    return found and {each["path"]: (each["size"], each["sha256"]) for each in found}


RECORDED = {path: (len(text), digest_of(text.encode())) for path, text in sorted(FILES.items())}


@pytest.mark.parametrize("is_folded", [False, True])
def test_a_version_has_the_records_of_the_files_below_its_source(
    client: LakeflowClient, uri: str, is_folded: bool
) -> None:
    run_id = logged_model(client)
    location = f"{client.get_run(run_id).info.artifact_uri}/model"
    if is_folded:
        lakeflow.compact(uri)
    client.create_registered_model("m")
    sources = [f"runs:/{run_id}/model", location, f"{location}/", "models:/m/1"]
    for source in sources:
        client.create_model_version("m", source)
    client.create_model_version("m", f"{location}/MLmodel")
    client.copy_model_version("models:/m/2", "copied")
    for _ in range(2):
        assert [files(client, "m", number) for number in (1, 2, 3, 4)] == [RECORDED] * 4
        assert files(client, "m", 5) == {"": RECORDED["MLmodel"]}
        assert files(client, "copied", 1) == RECORDED
        lakeflow.compact(uri)


def test_registering_records_them_from_a_tracking_lake_elsewhere(
    client: LakeflowClient, uri: str, tmp_path: Path
) -> None:
    run_id = logged_model(client)
    registry = LakeflowClient(uri, str(tmp_path / "registry"))
    registry.create_registered_model("m")
    registry.create_model_version("m", f"runs:/{run_id}/model", run_id)
    assert files(registry, "m", 1) == RECORDED
    lakeflow.set_tracking_uri(uri)
    lakeflow.set_registry_uri(str(tmp_path / "registry"))
    assert lakeflow.register_model(f"runs:/{run_id}/model", "m").version == 2
    assert files(registry, "m", 2) == RECORDED
    at = ["--uri", str(tmp_path / "registry"), "--tracking-uri"]
    for tracking, status in ((uri, 0), (str(tmp_path / "nowhere"), 1)):
        assert main(["registry", "verify", "m", "1", *at, tracking]) == status


def test_what_no_lake_has_recorded_has_no_records(client: LakeflowClient, uri: str) -> None:
    run_id = logged_model(client)
    artifacts = client.get_run(run_id).info.artifact_uri
    client.create_registered_model("m")
    elsewhere = [
        "s3://bucket/models/m",
        f"/elsewhere/{run_id}/artifacts/model",
        f"s3://bucket/0/{'f' * 32}/artifacts/model",
        f"runs:/{'f' * 32}/model",
        f"{artifacts}/mod",
        "../relative",
        "dbfs:/m",
    ]
    for number, source in enumerate(elsewhere, 1):
        client.create_model_version("m", source)
        assert files(client, "m", number) is None


def test_a_source_elsewhere_is_not_looked_for(
    client: LakeflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.create_registered_model("m")
    monkeypatch.setattr(type(client), "_store", property(lambda _: pytest.fail("looked")))
    client.create_model_version("m", "s3://bucket/models/m", "a1b2")


def test_no_engine_is_loaded_for_files_that_are_hot(tmp_path: Path) -> None:
    program = f"""
import subprocess
import sys
from lakeflow import LakeflowClient
client = LakeflowClient({str(tmp_path / "lake")!r})
run_id = client.create_run("0").info.run_id
client.log_text(run_id, "x", "model/weights")
client.create_registered_model("m")
client.create_model_version("m", f"runs:/{{run_id}}/model")
assert "duckdb" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def record(client: LakeflowClient, run_id: str, number: int) -> None:
    """Record files that nobody has sent."""
    artifacts = client._store.artifacts
    head, place = artifacts.place(run_id)
    sent = [Sent(f"model/layer-{at:06}.bin", at, f"{at:064x}") for at in range(number)]
    artifacts.record(head, place, sent, Label())


def counted(uri: str) -> list[Any]:
    found = lakeflow.sql(
        "SELECT name, version, count(DISTINCT path), sum(size) FROM model_version_files "
        "GROUP BY ALL ORDER BY ALL",
        tracking_uri=uri,
    )
    return [tuple(row.values()) for row in found.to_pylist()]


def test_a_model_of_ten_thousand_files_is_registered_and_copied(
    client: LakeflowClient, uri: str
) -> None:
    run_id = client.create_run("0").info.run_id
    record(client, run_id, 10_000)
    client.create_registered_model("m")
    client.create_model_version("m", f"runs:/{run_id}/model")
    client.copy_model_version("models:/m/1", "n")
    found = files(client, "n", 1)
    assert found is not None
    assert (len(found), found["layer-009999.bin"]) == (10_000, (9_999, f"{9_999:064x}"))
    lakeflow.compact(uri)
    client.copy_model_version("models:/m/1", "n")
    total = sum(range(10_000))
    assert counted(uri) == [(*each, 10_000, total) for each in (("m", 1), ("n", 1), ("n", 2))]


def verified(uri: str, version: int | str = 1) -> ModelReport:
    return verify_model_version("m", version, registry_uri=uri, tracking_uri=uri)


def found(report: ModelReport) -> list[tuple[str, str]]:
    return [(each.problem, each.path) for each in report.findings]


@pytest.mark.parametrize("is_folded", [False, True])
def test_whatever_differs_from_what_was_registered_is_found(
    client: LakeflowClient, uri: str, is_folded: bool
) -> None:
    run_id = client.create_run("0").info.run_id
    for name in ("same", "gone", "longer", "other", "again", "a/deep"):
        client.log_text(run_id, f"content of {name}", f"model/{name}")
    client.create_registered_model("m")
    client.create_model_version("m", f"runs:/{run_id}/model")
    location = f"{client.get_run(run_id).info.artifact_uri}/model"
    client.create_model_version("m", location, run_id)
    client.set_registered_model_alias("m", "champion", 2)
    if is_folded:
        lakeflow.compact(uri)
    for version in (1, 2, "@champion"):
        report = verified(uri, version)
        assert (report.findings, report.is_good, report.signature) == ([], True, "none")
        assert (report.files, report.file_count, report.bytes) == (6, 6, 96)
        assert (report.name, report.location) == ("m", location)
    _, place = client._store.artifacts.place(run_id)
    place.fs.delete(place.full("model/gone"))
    place.fs.put(place.full("model/longer"), b"much longer than what was registered")
    place.fs.put(place.full("model/other"), b"CONTENT of other")
    place.fs.put(place.full("model/a/evil.pkl"), b"by somebody else")
    # Logged, and recorded, but not what was registered.
    client.log_text(run_id, "CONTENT of again", "model/again")
    client.log_text(run_id, "not of the model", "model2/new")
    report = verified(uri, 2)
    assert not report.is_good
    assert found(report) == [
        ("unrecorded", "a/evil.pkl"),
        ("changed", "again"),
        ("missing", "gone"),
        ("changed", "longer"),
        ("changed", "other"),
    ]
    assert found(verified(uri, 1)) == found(report)


def test_a_version_that_is_one_file_is_verified_alone(client: LakeflowClient, uri: str) -> None:
    run_id = logged_model(client)
    client.create_registered_model("m")
    client.create_model_version("m", f"runs:/{run_id}/model/MLmodel")
    assert (verified(uri).files, verified(uri).findings, verified(uri).is_good) == (1, [], True)
    client.log_text(run_id, "other", "model/MLmodel")
    assert found(verified(uri)) == [("changed", "")]


def test_a_version_without_records_is_not_called_good(client: LakeflowClient, uri: str) -> None:
    client.create_registered_model("m")
    # Also where nothing can be opened.
    unknown = [
        "s3://nobody/model",
        "dbfs:/m",
        "../relative",
        f"runs:/{'f' * 32}/model",
        "a:b",
        "",
    ]
    for number, source in enumerate(unknown, 1):
        client.create_model_version("m", source)
        report = verified(uri, number)
        assert (report.file_count, report.is_recorded, report.is_good) == (None, False, False)
        assert (report.findings, report.location) == ([], source)
    with pytest.raises(NotFoundError):
        verified(uri, 99)


def test_verifying_finds_the_files_by_whatever_uri_they_were_registered(
    client: LakeflowClient, uri: str, tmp_path: Path
) -> None:
    elsewhere = client.create_experiment("elsewhere", str(tmp_path / "artifacts"))
    run_id = client.create_run(elsewhere).info.run_id
    client.log_text(run_id, "weights", "model/weights.bin")
    location = f"{client.get_run(run_id).info.artifact_uri}/model"
    client.create_registered_model("m")
    for source in (f"runs:/{run_id}/model", location, "models:/m/1", "models:/m/2"):
        client.create_model_version("m", source)
    client.copy_model_version("models:/m/3", "m")
    client.delete_run(run_id)
    numbers = [1, 2, 3, 4, 5]
    assert [verified(uri, each).is_good for each in numbers] == [True] * 5
    (tmp_path / "artifacts" / run_id / "artifacts" / "model" / "weights.bin").unlink()
    assert [found(verified(uri, each)) for each in numbers] == [
        [("missing", "weights.bin")]
    ] * 5


def test_a_registration_that_was_broken_off_is_told(
    client: LakeflowClient, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = logged_model(client)
    client.create_registered_model("m")
    monkeypatch.setattr(recorded_files, "_CHARACTERS_OF_A_CHANGE", 1)
    versions = client._registry.model_versions
    change, changes = versions._models.change, []

    def broken_off(decide: Any) -> Any:
        changes.append(decide)
        if len(changes) == 3:
            raise KeyboardInterrupt
        return change(decide)

    monkeypatch.setattr(versions._models, "change", broken_off)
    with pytest.raises(KeyboardInterrupt):
        client.create_model_version("m", f"runs:/{run_id}/model")
    monkeypatch.undo()
    report = verified(uri)
    assert (report.files, report.file_count, report.is_good) == (2, 3, False)
    assert found(report) == [("unrecorded", "weights.bin")]
    client.copy_model_version("models:/m/1", "m")
    assert verified(uri, 2).file_count == 3


def test_the_command_tells_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = str(tmp_path / "lake")
    lakeflow.set_tracking_uri(uri)
    client = LakeflowClient()
    run_id = logged_model(client)
    client.create_registered_model("m")
    client.create_model_version("m", f"runs:/{run_id}/model")
    client.create_model_version("m", "s3://nobody/model")
    client.set_registered_model_alias("m", "champion", 1)
    command = ["registry", "verify", "m", "@champion", "--uri", uri]
    assert main(command) == 0
    assert capsys.readouterr().out == (
        "files recorded: 3, 115 bytes\nfiles that differ: 0\nsignature: none\n"
    )
    client.log_text(run_id, "other", "model/MLmodel")
    assert main([*command, "--format", "csv"]) == 1
    assert capsys.readouterr().out.startswith("problem,path,detail\nchanged,MLmodel,")
    assert main(["registry", "verify", "m", "2", "--uri", uri]) == 1
    assert "nothing is recorded of its files" in capsys.readouterr().out
