"""Where registered models are kept: as things are recorded, unless somebody says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_registry_is_in_the_lake_until_it_is_set(tmp_path: Path) -> None:
    lakeflow.set_tracking_uri(tmp_path / "lake")
    assert lakeflow.get_registry_uri() == lakeflow.get_tracking_uri()
    lakeflow.set_registry_uri(tmp_path / "models")
    assert lakeflow.get_registry_uri() == str(tmp_path / "models")
    assert lakeflow.get_tracking_uri() == str(tmp_path / "lake")
    assert lakeflow.MlflowClient()._registry_uri == str(tmp_path / "models")
    assert lakeflow.MlflowClient(registry_uri="memory://m")._registry_uri == "memory://m"
    lakeflow.set_registry_uri("")
    assert lakeflow.get_registry_uri() == str(tmp_path / "lake")


def test_the_environment_names_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "memory://mlflows")
    assert lakeflow.get_registry_uri() == "memory://mlflows"
    monkeypatch.setenv("LAKEFLOW_REGISTRY_URI", "memory://ours")
    assert lakeflow.get_registry_uri() == "memory://ours"
    lakeflow.set_registry_uri("memory://set")
    assert lakeflow.get_registry_uri() == "memory://set"
    lakeflow.set_registry_uri(None)
    assert lakeflow.get_registry_uri() == "memory://ours"


def test_children_keep_models_where_their_parent_does() -> None:
    lakeflow.set_registry_uri("memory://models")
    code = "import lakeflow; print(lakeflow.get_registry_uri())"
    child = [sys.executable, "-c", code]
    assert subprocess.check_output(child, text=True).strip() == "memory://models"
    lakeflow.set_registry_uri(None)
    assert "LAKEFLOW_REGISTRY_URI" not in os.environ


@pytest.mark.parametrize("uri", ["databricks-uc", "http://localhost:5000", "sqlite:///m.db"])
def test_a_server_is_no_registry(uri: str) -> None:
    with pytest.raises(InvalidInputError, match="server or a database"):
        lakeflow.set_registry_uri(uri)
    assert lakeflow.get_registry_uri() == lakeflow.get_tracking_uri()
