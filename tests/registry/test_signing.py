"""Versions are signed with a key, and their signatures checked with its other half."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import model_signing.verifying
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.cli import main
from lakeflow.exceptions import InvalidInputError, InvalidStateError, LakeflowException
from lakeflow.maintenance import model_verification
from lakeflow.registry import sign_model_version, verify_model_version

if TYPE_CHECKING:
    from pathlib import Path

    from servers.s3 import S3Server

    from lakeflow.maintenance.report import ModelReport


def written(
    key: Any, folder: Path, name: str, password: bytes | None = None
) -> tuple[Path, Path]:
    """Write a key pair, and return the private and the public half."""
    locked = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    pem = serialization.Encoding.PEM
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, locked))
    public.write_bytes(
        key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return written(ec.generate_private_key(ec.SECP256R1()), tmp_path, "mine")


@pytest.fixture
def run_id(client: LakeflowClient, uri: str) -> str:
    """Return the id of the run of a model, which is registered."""
    lakeflow.set_tracking_uri(uri)
    run_id = client.create_run("0").info.run_id
    for path in ("MLmodel", "weights.bin", "code/steps.py"):
        client.log_text(run_id, f"content of {path}", f"model/{path}")
    lakeflow.register_model(f"runs:/{run_id}/model", "m")
    return run_id


def checked(key: Path, version: int = 1) -> tuple[str, str, bool]:
    report: ModelReport = verify_model_version("m", version, public_key=key)
    return report.signature, report.signature_detail, report.is_good


def test_a_signature_is_kept_and_checked(
    client: LakeflowClient, uri: str, run_id: str, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    private, public = keys
    assert checked(public) == ("invalid", "the version is not signed", False)
    signature = sign_model_version("m", 1, private)
    lakeflow.compact(uri)
    assert checked(public) == ("valid", "", True)
    assert verify_model_version("m", 1).signature == "unchecked"
    kept = lakeflow.sql("SELECT signature FROM model_versions").to_pylist()
    assert kept == [{"signature": signature}]
    _, other = written(ec.generate_private_key(ec.SECP256R1()), tmp_path, "other")
    assert checked(other) == ("invalid", "it was made with another key", False)
    # Other tools of the OpenSSF format take it.
    (tmp_path / "model.sig").write_text(signature)
    local = lakeflow.artifacts.download_artifacts("models:/m/1", dst_path=tmp_path / "model")
    config = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=public)
    config.verify(local, tmp_path / "model.sig")


def test_files_in_an_object_store_are_signed_where_they_are(
    double: S3Server, client: LakeflowClient, uri: str, keys: tuple[Path, Path]
) -> None:
    bucket = double.make_bucket(f"signing-{keys[0].parent.name}".replace("_", "-").lower())
    location = f"s3://{bucket}/artifacts"
    lakeflow.set_storage_options(location, double.storage_options)
    lakeflow.set_tracking_uri(uri)
    run_id = client.create_run(client.create_experiment("away", location)).info.run_id
    for path in ("MLmodel", "weights.bin"):
        client.log_text(run_id, f"content of {path}", f"model/{path}")
    lakeflow.register_model(f"runs:/{run_id}/model", "m")
    client.copy_model_version("models:/m/1", "m")
    for version in (1, 2):
        sign_model_version("m", version, keys[0])
        assert checked(keys[1], version) == ("valid", "", True)
    client.log_text(run_id, "CONTENT of MLmodel", "model/MLmodel")
    assert checked(keys[1]) == ("valid", "", False)
    with pytest.raises(InvalidStateError, match="'MLmodel' is changed"):
        sign_model_version("m", 1, keys[0])


def test_the_history_says_by_whose_key(
    client: LakeflowClient, uri: str, run_id: str, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    other, _ = written(ec.generate_private_key(ec.SECP384R1()), tmp_path, "other", b"secret")
    first = sign_model_version("m", 1, keys[0])
    second = sign_model_version("m", 1, other, password="secret")
    hints = [
        json.loads(each)["verificationMaterial"]["publicKey"]["hint"]
        for each in (first, second)
    ]
    told = lakeflow.registry.history("m", output_format="list")
    signed = [each for each in told if each["action"] == "sign_model_version"]
    assert [json.loads(each["after"])["key"] for each in signed] == hints
    assert [each["before"] and json.loads(each["before"])["key"] for each in signed] == [
        None,
        hints[0],
    ]
    assert {each["version"] for each in signed} == {1}
    client.copy_model_version("models:/m/1", "copied")
    assert verify_model_version("copied", 1).signature == "none"


def test_a_changed_file_is_found_and_not_signed(
    client: LakeflowClient, run_id: str, keys: tuple[Path, Path]
) -> None:
    private, public = keys
    sign_model_version("m", 1, private)
    client.log_text(run_id, "CONTENT of MLmodel", "model/MLmodel")
    report = verify_model_version("m", 1, public_key=public)
    assert (report.signature, report.is_good) == ("valid", False)
    assert [(each.problem, each.path) for each in report.findings] == [("changed", "MLmodel")]
    with pytest.raises(InvalidStateError, match="'MLmodel' is changed"):
        sign_model_version("m", 1, private)
    # Nor does a signature fit other files that were registered with all their digests.
    lakeflow.register_model(f"runs:/{run_id}/model", "m")
    signature = sign_model_version("m", 2, private)
    client._registry.model_versions.sign("m", 1, signature)
    status, detail, _ = checked(public)
    assert (status, "MLmodel" in detail) == ("invalid", True)


@pytest.mark.parametrize("damage", ["signature", "payload", "whole", "nothing"])
def test_a_damaged_signature_is_invalid(
    client: LakeflowClient, run_id: str, keys: tuple[Path, Path], damage: str
) -> None:
    private, public = keys
    bundle = json.loads(sign_model_version("m", 1, private))
    envelope = bundle["dsseEnvelope"]
    if damage == "signature":
        envelope["signatures"][0]["sig"] = envelope["signatures"][0]["sig"].swapcase()
    elif damage == "payload":
        envelope["payload"] = envelope["payload"].swapcase()
    elif damage == "whole":
        envelope.clear()
    text = "no bundle" if damage == "nothing" else json.dumps(bundle)
    client._registry.model_versions.sign("m", 1, text)
    status, detail, is_good = checked(public)
    assert (status, bool(detail), is_good) == ("invalid", True, False)


def test_what_cannot_be_signed_says_why(
    client: LakeflowClient, run_id: str, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    private, public = keys
    locked, _ = written(ec.generate_private_key(ec.SECP256R1()), tmp_path, "locked", b"secret")
    rsa_key, rsa_public = written(rsa.generate_private_key(65537, 2048), tmp_path, "rsa")
    (tmp_path / "text").write_text("no key")
    for path, password in (
        (public, None),
        (locked, None),
        (locked, "wrong"),
        (private, "none"),
        (rsa_key, None),
        (tmp_path / "text", None),
        (tmp_path / "nowhere", None),
    ):
        with pytest.raises(InvalidInputError, match=path.name):
            sign_model_version("m", 1, path, password=password)
    for path in (private, rsa_public, tmp_path / "text", tmp_path / "nowhere"):
        sign_model_version("m", 1, private)
        with pytest.raises(InvalidInputError, match=path.name):
            checked(path)
    client.create_model_version("m", "s3://nobody/model")
    with pytest.raises(InvalidStateError, match="0 of its files are recorded"):
        sign_model_version("m", 2, private)


def test_a_signature_that_is_too_large_is_refused(
    client: LakeflowClient,
    run_id: str,
    keys: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_verification, "MOST_CHARACTERS", 1_000)
    with pytest.raises(InvalidInputError, match="for 3 files; a version keeps 1,000"):
        sign_model_version("m", 1, keys[0])
    assert verify_model_version("m", 1).signature == "none"


def test_a_signature_near_the_bound_is_kept(
    client: LakeflowClient, run_id: str, keys: tuple[Path, Path]
) -> None:
    files = [{"path": f"{at:06}", "size": at, "sha256": f"{at:064x}"} for at in range(4_600)]
    version = client._registry.model_versions.recorded("m", 1)
    recorded = version._replace(files=files, file_count=len(files))
    signature = model_verification.signatures.made("m", recorded.digests, keys[0])
    assert 900_000 < len(signature) < model_verification.MOST_CHARACTERS
    client._registry.model_versions.sign("m", 1, signature)
    assert client._registry.model_versions.recorded("m", 1).signature == signature
    fault = model_verification.signatures.fault
    assert fault(signature, recorded.digests, keys[1]) == ""


def test_without_the_extra_one_is_told_how_to_get_it(
    run_id: str, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_model_version("m", 1, keys[0])
    for name in ("model_signing.signing", "model_signing.verifying"):
        monkeypatch.setitem(sys.modules, name, None)
    for call in (lambda: sign_model_version("m", 1, keys[0]), lambda: checked(keys[1])):
        with pytest.raises(LakeflowException, match=r"pip install 'lakeflow\[signing\]'"):
            call()
    assert verify_model_version("m", 1).is_good


def test_the_command_signs_and_verifies(
    client: LakeflowClient,
    uri: str,
    run_id: str,
    keys: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    private, public = map(str, keys)
    client.set_registered_model_alias("m", "champion", 1)
    at = ["m", "@champion", "--uri", uri]
    output = tmp_path / "model.sig"
    sign = ["registry", "sign", *at, "--private-key", private, "--output", str(output)]
    verify = ["registry", "verify", *at, "--public-key", public]
    assert main(verify) == 1
    assert "signature: invalid: the version is not signed" in capsys.readouterr().out
    assert main(sign) == 0
    assert "mediaType" in output.read_text()
    capsys.readouterr()
    assert main(verify) == 0
    assert "signature: valid\n" in capsys.readouterr().out
