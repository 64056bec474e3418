"""A PostgreSQL server for MLflow: started in a folder of its own, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from peers import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTALL = "apt-get install postgresql"
OWNER = "postgres"
"""Runs the server where we are root, which it refuses to be run by."""


@dataclass(frozen=True)
class ServedPeer(Peer):
    """A library whose store is a server's.

    Attributes:
        address: Its tracking URI.
    """

    address: str = ""

    def uri(self, folder: Path) -> str:
        """Return the tracking URI, wherever the worker runs."""
        return self.address


def binaries() -> Path | None:
    """Return the folder of the newest server's programs: Debian's, or those in the PATH."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(found, key=lambda path: int(path.parts[-3]), default=None)
    path = str(newest) if newest else shutil.which("initdb")
    return Path(path).parent if path else None


@contextmanager
def server(programs: Path, parent: Path) -> Iterator[str]:
    """Run a server with the settings it is delivered with; give its URI.

    Args:
        programs: Folder of initdb and pg_ctl.
        parent: Folder to make the server's own one in.
    """
    folder = Path(tempfile.mkdtemp(prefix="postgresql-", dir=parent))
    if os.geteuid() == 0:
        shutil.chown(folder, OWNER)
    data, log, port = folder / "data", folder / "log", free_port()
    control = [programs / "pg_ctl", "-D", data, "-w"]
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    try:
        locale = ["-E", "UTF8", "--locale=C"]
        run([programs / "initdb", "-D", data, "-U", "mlflow", "-A", "trust", *locale], folder)
        run([*control, "-l", log, "-o", settings, "start"], folder)
        try:
            yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/postgres"
        finally:
            run([*control, "-m", "fast", "stop"], folder)
    finally:
        shutil.rmtree(folder)


def run(command: list[str | Path], folder: Path) -> None:
    """Run one of the server's programs, as its owner where we are root."""
    words = ["runuser", "-u", OWNER, "--"] if os.geteuid() == 0 else []
    # The server keeps the streams that it was started with: a pipe would never end.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [*words, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            check=False,
        )
        if done.returncode != 0:
            output.seek(0)
            raise SystemExit(f"{command[0]} failed in {folder}\n{output.read()[-4000:]}")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
