"""MLflow's server as processes, over a lake and over SQLite, for tests to ask."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MOST_SECONDS = 120


@dataclass
class Server:
    """A server that answers.

    Attributes:
        url: Where.
        folder: Where its store is.
        process: The one that was started.
    """

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def said(self) -> str:
        """What its processes have written so far."""
        return (self.folder / "output").read_text()


@contextlib.contextmanager
def started(folder: Path, command: Sequence[str], url: str) -> Iterator[Server]:
    """Start a server; it and all that it starts is gone afterwards."""
    folder.mkdir(exist_ok=True)
    told = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # One without it would count as pressed at a terminal.
        "PYTHONUNBUFFERED": "1",
    }
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **told},
            start_new_session=True,
        )
    server = Server(url, folder, process)
    try:
        yield server
    finally:
        # Ours ends what it has started, MLflow's is the group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(MOST_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(server: Server) -> Server:
    """Return once a server answers."""
    end = time.monotonic() + MOST_SECONDS
    while server.process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"{server.url}/health", timeout=5).close()
            return server
        time.sleep(0.1)
    raise RuntimeError(f"it does not answer: {server.said[-4000:]}")


def over_lake(folder: Path, *options: str) -> contextlib.AbstractContextManager[Server]:
    """Start our command; the lake is made by it."""
    port = str(free_port())
    lake = str(folder / "lake")
    command = [sys.executable, "-m", "lakeflow", "server", lake, "--port", port, *options]
    return started(folder, command, f"http://127.0.0.1:{port}")


def over_sqlite(folder: Path) -> contextlib.AbstractContextManager[Server]:
    """Start MLflow's own command over a database in the folder."""
    port = str(free_port())
    command = [sys.executable, "-m", "mlflow", "server", "--port", port, "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    return started(folder, command, f"http://127.0.0.1:{port}")
