"""The libraries that are compared: an environment each, and how to run a worker there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ENVIRONMENTS = ROOT / ".venv-bench"
STORES = ROOT / "build" / "benchmarks"

REQUIREMENTS = {
    "lakeflow": ["-e", f"{ROOT}[otlp]", "pandas>=2.2", "polars>=1.10"],
    "inside": ["-e", f"{ROOT}[mlflow]", "mlflow==3.17.2", "psycopg2-binary", "playwright"],
    "mlflow3": ["mlflow==3.17.2", "psycopg2-binary"],
    "mlflow2": [
        "mlflow==2.19.0",
        "sqlalchemy<2.1",
        "protobuf<7",
        "opentelemetry-api==1.29.0",
        "opentelemetry-sdk==1.29.0",
        "pyarrow<19",
        "numpy<3",
        "pandas<3",
        "setuptools<81",
    ],
    "trackers": ["trackio==0.43.0", "wandb==0.31.0", "mltraq==0.1.165"],
}
"""What pip installs into each environment."""

VARIABLES = {
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_SILENT": "true",
}
"""Set for every worker: without the first one MLflow 3 refuses its file store."""


@dataclass(frozen=True)
class Peer:
    """One library with one kind of store.

    Attributes:
        name: As the tables call it.
        python: Interpreter that has the library.
        library: Module to import.
        store: ``lake``, ``sqlite`` or ``files``.
    """

    name: str
    python: str
    library: str
    store: str

    def uri(self, folder: Path) -> str:
        """Return the tracking URI of its store within a folder."""
        if self.store == "sqlite":
            return f"sqlite:///{folder}/store.db"
        return f"{folder}/lake" if self.store == "lake" else f"file://{folder}/files"

    def command(self, script: str, folder: Path, **options: object) -> list[str]:
        """Return the command line of one of the ``workers/``."""
        given = {"library": self.library, "uri": self.uri(folder), **options}
        words = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
        return [self.python, str(HERE / "workers" / script), *words]

    def run(self, script: str, folder: Path, *, stdin: str = "", **options: object) -> Any:
        """Run a worker to its end and return what it reports."""
        done = subprocess.run(
            self.command(script, folder, **options),
            input=stdin,
            capture_output=True,
            text=True,
            env=environment(),
            cwd=folder,  # MLflow makes folders where it runs
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"{self.name}: {script} failed\n{done.stderr[-4000:]}")
        return json.loads(done.stdout.splitlines()[-1])


def environment(**more: str) -> dict[str, str]:
    """Return the environment variables of a worker: no settings of the caller's shell.

    Bytecode is written: installed packages have it, and compiling takes 0.1 s of a process.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LAKEFLOW_", "MLFLOW_", "PYTHONDONTWRITEBYTECODE"))
    }
    return kept | VARIABLES | more


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


def add_arguments(parser: argparse.ArgumentParser, *libraries: str) -> None:
    """Add where stores are made, and one ``--python-<library>`` for each library."""
    parser.add_argument(
        "--folder",
        type=Path,
        default=STORES,
        help="where stores are made; on the disk to be measured (default: build/benchmarks)",
    )
    for library in libraries:
        parser.add_argument(
            f"--python-{library}",
            help=f"interpreter that has {library} (default: one in .venv-bench/, made once)",
        )


def python_of(options: argparse.Namespace, library: str) -> str:
    """Return the interpreter for a library; makes its environment where none is given."""
    given = getattr(options, f"python_{library}")
    if given:
        # Workers run in folders of their own.
        return os.path.abspath(shutil.which(given) or given)
    folder = ENVIRONMENTS / library
    python = folder / "bin" / "python"
    complete = folder / "complete"
    if not complete.exists():
        say(f"making the environment of {library}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *REQUIREMENTS[library]], check=True, stdout=sys.stderr)
        complete.touch()
    return str(python)


def lakeflow_peer(options: argparse.Namespace) -> Peer:
    """Return lakeflow."""
    return Peer("lakeflow", python_of(options, "lakeflow"), "lakeflow", "lake")


def mlflow_peers(options: argparse.Namespace, library: str, *stores: str) -> list[Peer]:
    """Return one MLflow, ``mlflow3`` or ``mlflow2``, with some kinds of store."""
    python = python_of(options, library)
    version = REQUIREMENTS[library][0].partition("==")[2]
    return [Peer(f"MLflow {version} {store}", python, "mlflow", store) for store in stores]


def filled(options: argparse.Namespace, peer: Peer, script: str, **shape: Any) -> Path:
    """Return a folder whose store was filled so; what is there already is used again."""
    words = "-".join(str(value) for value in shape.values())
    folder = Path(options.folder, f"{peer.store}-{Path(script).stem}-{words}")
    if folder.exists():
        say(f"{peer.name}: {folder.name}, from an earlier time")
    else:
        say(f"{peer.name}: {folder.name}, filling")
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=options.folder))
        try:
            took = peer.run(script, unfinished, **shape)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        say(f"filled in {took['seconds']:.1f} s")
    if peer.store == "lake":
        took = peer.run("lookup.py", folder, step="compact")
        say(f"compacted what was new, {took['seconds']:.1f} s")
    return folder
