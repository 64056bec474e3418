"""A PostgreSQL server with one empty database."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from servers import debian
from servers.processes import HOST, Processes, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("postgresql",)

_NOBODY = 65534

_QUICKLY = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Run a PostgreSQL server; give the URI of its database, without a driver."""
    packages = debian.unpack("postgresql", PACKAGES)
    # Root is refused; whoever does without may not come through the folders of tests.
    user = _NOBODY if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="lakeflow-postgresql-") as name:
        folder, data = Path(name), Path(name, "data")
        if user is not None:
            os.chown(folder, user, user)
            # Nor may they come through the folders of the checkout.
            copied = shutil.copytree(packages.root, folder / "packages", symlinks=True)
            packages = debian.Unpacked(copied)
        programs = packages.find("usr/lib/postgresql/*/bin/postgres").parent
        with Processes(folder, packages.environment, user) as processes:
            processes.run(
                programs / "initdb", "-D", data, "-U", "mlflow", "-A", "trust", "--no-sync",
                "-E", "UTF8", "--locale=C",
            )  # fmt: skip
            port = free_port()
            processes.start(
                "postgres", programs / "postgres", "-D", data, "-p", str(port), "-h", HOST,
                "-k", "", *_QUICKLY,
            )  # fmt: skip
            processes.wait_for_port("postgres", port)
            yield f"postgresql://mlflow:secret@{HOST}:{port}/postgres"
            # Killed it would leave shared memory behind.
            processes.run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
