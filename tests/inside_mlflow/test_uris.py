"""What is said of a wrong URI, and that it is said before the first run; how we are loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

import lakeflow
from lakeflow.ids import new_id

if TYPE_CHECKING:
    from pathlib import Path

    from servers.ceph import CephServer

pytestmark = pytest.mark.filterwarnings("ignore")

INVALID = "INVALID_PARAMETER_VALUE"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folders that are no lake of ours."""
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/of").touch()
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer/lake.json").write_text('{"format_version": 999}')
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/lake.json").write_text("{")
    return tmp_path


@pytest.mark.parametrize(
    ("uri", "code", "says"),
    [
        (
            "lakeflow://host/x",
            INVALID,
            "'lakeflow://host/x' names a host, not a folder\nHint: ",
        ),
        ("lakeflow:", INVALID, "names a host, not a folder\nHint: write lakeflow:///absolute"),
        ("lakeflow+nosuch://x/y", INVALID, "unsupported URI 'lakeflow\\+nosuch://x/y'"),
        ("lakeflow+s3://", INVALID, "'s3://' names no bucket\nHint: write s3://bucket/folder"),
        (
            "lakeflow:///{0}/%ff",
            INVALID,
            "%ff' has percent signs before what is no UTF-8\nHint",
        ),
        (
            "lakeflow:///",
            INVALID,
            "/ is not a lake and not empty: it holds .*\nHint: choose an",
        ),
        (
            "lakeflow://{0}/file",
            INVALID,
            "{0}/file.*Not a directory.*\nHint: a part of the path",
        ),
        ("lakeflow://{0}/full", INVALID, "{0}/full is not a lake and not empty: it holds 'of'"),
        ("lakeflow://{0}/newer", "INVALID_STATE", "{0}/newer has format 999.*\nHint: upgrade"),
        ("lakeflow://{0}/broken", "DATA_LOSS", "lake.json in {0}/broken is damaged"),
        ("lakeflow+gs://b/lake", INVALID, "'gs://b/lake'.*\nHint: .*pip install 'lakeflow"),
    ],
)
def test_a_wrong_uri_is_told_by_the_first_call(
    uri: str, code: str, says: str, folder: Path
) -> None:
    uri, says = uri.format(folder), says.format(folder)
    mlflow.set_tracking_uri(uri)
    for call in (mlflow.start_run, lambda: mlflow.set_experiment("e"), mlflow.search_runs):
        with pytest.raises(MlflowException, match=says) as raised:
            call()
        assert raised.value.error_code == code
    assert mlflow.active_run() is None
    with pytest.raises(MlflowException, match=says):
        MlflowClient(uri, uri).search_registered_models()


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    # Not even root may write there.
    place = "/sys/kernel" if os.geteuid() == 0 else str(tmp_path)
    mlflow.set_tracking_uri(f"lakeflow://{place}/lake")
    with pytest.raises(MlflowException, match=f"{place}/lake") as raised:
        mlflow.start_run()
    assert raised.value.error_code in {"PERMISSION_DENIED", INVALID}
    tmp_path.chmod(0o700)


def test_a_bucket_that_is_not_there_is_told_at_once(gateway: CephServer) -> None:
    location = f"s3://none-{new_id()}/lake"
    lakeflow.set_storage_options(location, gateway.storage_options)
    mlflow.set_tracking_uri(f"lakeflow+{location}")
    with pytest.raises(MlflowException, match=f"{location}(.|\n)*bucket") as raised:
        mlflow.start_run()
    assert raised.value.error_code in {"RESOURCE_DOES_NOT_EXIST", INVALID}


@pytest.mark.parametrize(
    "uri", ["lakeflow://host/x/y", "lakeflow+s3:///y", "lakeflow:///%ff/y"]
)
def test_a_wrong_location_of_artifacts_is_told(uri: str) -> None:
    with pytest.raises(MlflowException) as raised:
        mlflow.artifacts.load_text(uri)
    assert raised.value.error_code == INVALID


def test_every_spelling_of_a_location_is_one_lake(tmp_path: Path) -> None:
    for uri in (
        f"lakeflow://{tmp_path}/the lake",
        f"lakeflow://{tmp_path}/the%20lake/",
        f"lakeflow:{tmp_path}/the lake",
        f"LAKEFLOW://localhost{tmp_path}/the lake",
    ):
        mlflow.set_tracking_uri(uri)
        with mlflow.start_run():
            mlflow.log_text("x", "x.txt")
    runs = lakeflow.LakeflowClient(f"{tmp_path}/the lake").search_runs(["0"])
    assert len(runs) == 4


_LOGS = """
import sys
{first}
import mlflow
mlflow.set_tracking_uri("lakeflow://" + sys.argv[1])
with mlflow.start_run():
    mlflow.log_metric("m", 1)
    mlflow.log_text("x", "x.txt")
mlflow.MlflowClient().create_registered_model("m")
"""


@pytest.mark.parametrize(
    "first",
    [
        "import lakeflow.mlflow.entry_points; assert 'mlflow' not in sys.modules",
        "import lakeflow, lakeflow.client; assert 'mlflow' not in sys.modules",
        "import lakeflow.mlflow.tracking_store",
        "import mlflow, lakeflow.mlflow.entry_points",
    ],
)
def test_the_order_of_imports_does_not_matter(first: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOGS.format(first=first), str(tmp_path / "lake")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # A plugin that could not be loaded is a warning of MLflow's.
    assert "Failure attempting to register" not in done.stderr
    assert "partially initialized" not in done.stderr
