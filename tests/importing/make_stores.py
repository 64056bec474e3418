"""Makes stores with the MLflow that it runs with: ``python make_stores.py FOLDER``.

A folder for each program and kind of store, with the store and ``told.json``, what MLflow reads
of it. Each is made in a fork of one process, for MLflow takes seconds to import.
"""

import os
import runpy
import sys
from pathlib import Path

PROGRAMS = ("make_mlflow_store.py", "mlflow_models.py")


def main(base):
    import mlflow
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    for program in PROGRAMS:
        for kind in ("files", "sqlite"):
            folder = Path(base, f"{program}-{kind}")
            folder.mkdir()
            child = os.fork()
            if child == 0:
                make(program, kind, folder)
            if os.waitpid(child, 0)[1]:
                sys.exit(f"{program} has not made {kind}")


def make(program, kind, folder):
    """Run a program as this process, which ends with it."""
    os.chdir(folder)
    where = (
        [f"sqlite:///{folder}/mlflow.db", f"{folder}/files"]
        if kind == "sqlite"
        else [f"file://{folder}/mlruns", "-"]
    )
    sys.argv = [program, *where]
    with open("told.json", "w") as sys.stdout:
        runpy.run_path(str(Path(__file__).with_name(program)), run_name="__main__")
    os._exit(0)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
