"""The contract suite, as it is shipped, against each kind of filesystem."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from servers import azurite, gcs, moto_double, sftp

from lakeflow.ids import new_id

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from servers.ceph import CephServer


def contracts(
    folder: Path, url: str | None, options: dict[str, Any] | None = None, tests: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the suite as a user does, in a process of its own."""
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"),
        # What both clouds' clients do with a body of more than a megabyte.
        *("-W", "ignore:Sending a large body:ResourceWarning"),
        *("--pyargs", "lakeflow.testing", f"--basetemp={folder / 'own'}", f"-k={tests}"),
        f"--lake-options={json.dumps(options or {})}",
    ]
    if url is not None:
        command.append(f"--lake-url={url}")
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )


def keeps(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout


def test_memory_keeps_the_contracts_without_any_option(tmp_path: Path) -> None:
    keeps(contracts(tmp_path, None))


def test_a_local_folder_keeps_the_contracts_and_is_left_empty(tmp_path: Path) -> None:
    keeps(contracts(tmp_path, f"{tmp_path}/lakes"))
    assert list((tmp_path / "lakes").iterdir()) == []


def test_s3_keeps_the_contracts_and_is_left_empty(tmp_path: Path, gateway: CephServer) -> None:
    bucket = gateway.make_bucket(f"contracts-{new_id()}")
    keeps(contracts(tmp_path, f"s3://{bucket}/lakes", gateway.storage_options))
    assert gateway.client().list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_the_double_of_s3_keeps_the_contracts(tmp_path: Path) -> None:
    with moto_double.server() as server:
        bucket = server.make_bucket(f"contracts-{new_id()}")
        keeps(contracts(tmp_path, f"s3://{bucket}/lakes", server.storage_options))


def test_azure_keeps_the_contracts_and_is_left_empty(tmp_path: Path) -> None:
    with azurite.server(tmp_path) as server:
        bucket = server.make_bucket("contracts")
        keeps(contracts(tmp_path, f"az://{bucket}/lakes", server.storage_options))
        assert server.names(bucket) == []


def test_google_cloud_storage_keeps_the_contracts_and_is_left_empty(tmp_path: Path) -> None:
    with gcs.server(tmp_path) as server:
        bucket = server.make_bucket("contracts")
        keeps(contracts(tmp_path, f"gs://{bucket}/lakes", server.storage_options))
        assert server.names(bucket) == []


def test_sftp_keeps_the_contracts(tmp_path: Path) -> None:
    with sftp.server(tmp_path) as server:
        url = f"sftp://{server.host}{server.folder}/lakes"
        keeps(contracts(tmp_path, url, server.storage_options))
        assert [path for path in server.folder.rglob("*") if path.is_file()] == []


def test_a_single_writer_may_be_on_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the basic calls of fsspec, and no races."""
    monkeypatch.setenv("LAKEFLOW_EXCLUSIVE_WRITER", "true")
    url = f"dir::file://{tmp_path}/lakes"
    keeps(contracts(tmp_path, url, tests="not of_many and not two_compactions"))


def test_a_filesystem_that_cannot_create_once_does_not_keep_them(tmp_path: Path) -> None:
    done = contracts(tmp_path, f"dir::file://{tmp_path}/lakes", tests="of_many_that_create")
    assert done.returncode == 1
    assert "no way to create a file exactly once" in done.stdout


def test_lakeflow_does_not_need_pytest() -> None:
    code = "import sys, lakeflow, lakeflow.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
