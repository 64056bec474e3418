"""Stores that the real packages have made, each once for all processes of a test run."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from importing.sources import PYTHON, make

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

MAKER = "make_stores.py"
PYTHONS = {"2": ".venv-mlflow", "3": ".venv-mlflow3"}


class Made(NamedTuple):
    """A store of MLflow's, and what MLflow reads of it."""

    location: str
    told: list[dict[str, Any]]


def _make(folder: Path, version: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")
    }
    done = subprocess.run(
        [ROOT / PYTHONS[version] / "bin" / "python", "-W", "ignore", HERE / MAKER, folder],
        capture_output=True,
        text=True,
        # MLflow 3 asks for consent before it writes files.
        env=environment | {"MLFLOW_ALLOW_FILE_STORE": "true", "PYTHONPATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4_000:]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that gives a folder by name, made at the first call of any process.

    Nobody may write to it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base

    def made(name: str, fill: Callable[[Path], object]) -> Path:
        folder, whole = shared / name, shared / f"{name}.whole"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                whole.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def stores(once: Callable[..., Path]) -> Any:
    """Return a function that gives a store by version and kind; nobody may write to it."""

    def store(version: str, kind: str, program: str = "make_mlflow_store.py") -> Made:
        made = once(f"mlflow-{version}", lambda folder: _make(folder, version))
        folder = made / f"{program}-{kind}"
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


@pytest.fixture(scope="session")
def finished(once: Callable[..., Path]) -> Path:
    """A run of W&B's with all that a run may have."""
    return once("wandb", lambda folder: make("make_wandb_runs.py", folder, "finish"))


@pytest.fixture(scope="session")
def project(once: Callable[..., Path]) -> Path:
    """A folder with Trackio's own, with its Parquet, and with a static page."""
    return once(
        "trackio", lambda folder: make("make_trackio_project.py", folder, python=PYTHON)
    )
