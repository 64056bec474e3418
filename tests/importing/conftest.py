"""Stores that MLflow itself has made, each once for all processes of a test run."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

PYTHONS = {"2": ".venv-mlflow", "3": ".venv-mlflow3"}


class Made(NamedTuple):
    """A store of MLflow's, and what MLflow reads of it."""

    location: str
    told: list[dict[str, Any]]


def _make(folder: Path, version: str, kind: str, program: str) -> str:
    uri = f"sqlite:///{folder}/mlflow.db" if kind == "sqlite" else f"file://{folder}/mlruns"
    artifacts = str(folder / "files") if kind == "sqlite" else "-"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")
    }
    python = ROOT / PYTHONS[version] / "bin" / "python"
    done = subprocess.run(
        [python, "-W", "ignore", HERE / program, uri, artifacts],
        capture_output=True,
        text=True,
        cwd=folder,
        # MLflow 3 asks for consent before it writes files.
        env=environment | {"MLFLOW_ALLOW_FILE_STORE": "true", "PYTHONPATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    return done.stdout


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that makes a folder once for all processes of a test run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base

    def made(name: str, make: Callable[[Path], str]) -> Path:
        folder = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "told.json").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                (folder / "told.json").write_text(make(folder))
        return folder

    return made


@pytest.fixture(scope="session")
def stores(once: Callable[..., Path]) -> Any:
    """Return a function that gives a store by version and kind; nobody may write to it."""

    def store(version: str, kind: str, program: str = "make_mlflow_store.py") -> Made:
        folder = once(
            f"{program}-{version}-{kind}", lambda at: _make(at, version, kind, program)
        )
        name = "mlflow.db" if kind == "sqlite" else "mlruns"
        return Made(str(folder / name), json.loads((folder / "told.json").read_text()))

    return store


@pytest.fixture
def files_of_2(stores: Any, tmp_path: Path) -> Made:
    """Return a file store of MLflow 2 that a test may break."""
    made = stores("2", "files")
    copy = tmp_path / "mlruns"
    shutil.copytree(made.location, copy)
    return Made(str(copy), made.told)
