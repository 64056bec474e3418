"""MLflow's server over a lake: processes that are started together and end together."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeflow.config import quoted
from lakeflow.exceptions import InvalidInputError, StorageError
from lakeflow.mlflow.locations import lake_uri
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_LAST_SECONDS = 30
"""How long requests that are under way may take when the server ends."""

_LOOK_SECONDS = 0.1

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Serving:
    """How MLflow's server is run.

    Attributes:
        host: Address to listen on. Whoever reaches it may read and write.
        port: Port; 0 for a free one.
        workers: Processes that answer requests.
        artifacts_destination: Where artifacts of remote clients go; None for those of the
            lake.
        compact_every_s: Seconds from one compaction to the next; None for a server whose
            workers compact as any client does.
        options: Further options of ``mlflow server``.
    """

    host: str
    port: int
    workers: int
    artifacts_destination: str | None
    compact_every_s: float | None
    options: Sequence[str]


def serve(
    uri: str | os.PathLike[str] | None,
    serving: Serving,
    *,
    create: bool,
    ready: Callable[[str], None] = lambda _: None,
) -> int:
    """Run MLflow's server over a lake until this process is asked to end.

    One more process compacts the lake beside it, where the lake can be written. All of them
    end with SIGTERM, SIGINT or SIGHUP: requests that are under way are answered first, for at
    most 30 seconds.

    Args:
        uri: Location of the lake; that of the process by default.
        serving: How the server is run.
        create: Whether to make the lake if there is none.
        ready: Called with the server's URL once it answers.

    Returns:
        0 where it was asked to end, else the status that MLflow ended with.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, MLflow is not installed, it cannot listen
            there, or other processes would not see the lake.
        LakeflowException: The lake cannot be opened.
    """
    _require_mlflow()
    lake = open_store(uri, create=create).lake
    if lake.fs.uri.startswith("memory://"):
        raise InvalidInputError(
            f"{lake.fs.uri!r} is in the memory of one process, and the server has several",
            hint="give a folder, or a URL such as s3://team/lake",
        )
    location = lake_uri(lake.fs.uri)
    port = _free(serving.host, serving.port)
    compacts = serving.compact_every_s is not None and lake.fs.can_write
    # It was opened to be made and looked at: the processes open it by themselves.
    lake.close()
    environment = _environment(compacts=compacts)
    # Not on a command line, which every user of the machine can read: there may be a password.
    places = {
        "MLFLOW_BACKEND_STORE_URI": location,
        "MLFLOW_ARTIFACTS_DESTINATION": serving.artifacts_destination
        or f"{location}/artifacts",
    }
    # From before they are started: a signal that came in between would leave them behind.
    with _asked_to_end() as asked, contextlib.ExitStack() as running:
        server = running.enter_context(_group(_command(port, serving), environment | places))
        if compacts:
            every = ["--every", f"{serving.compact_every_s:f}s"]
            compact = [sys.executable, "-m", "lakeflow", "compact", *every]
            place = {"LAKEFLOW_TRACKING_URI": quoted(lake.fs.uri)}
            # What it did at each turn would drown the server's own lines.
            running.enter_context(_group(compact, environment | place, subprocess.DEVNULL))
        url = _url(serving.host, port)
        if _answers(url, server, asked):
            ready(url)
        while not asked and server.poll() is None:
            time.sleep(_LOOK_SECONDS)
    return 0 if asked else server.returncode


def _require_mlflow() -> None:
    # Its server needs flask, which mlflow-skinny leaves out.
    for module in ("mlflow", "flask"):
        if importlib.util.find_spec(module) is None:
            raise InvalidInputError(
                f"MLflow's server takes {module}, which is not installed",
                hint="pip install 'lakeflow[mlflow]'",
            )


def _command(port: int, serving: Serving) -> list[str]:
    command = [sys.executable, "-m", "mlflow", "server", "--workers", str(serving.workers)]
    return [*command, "--host", serving.host, "--port", str(port), *serving.options]


def _environment(*, compacts: bool) -> dict[str, str]:
    """Return what the processes are told by their environment."""
    # MLflow keeps its jobs in a database, and would warn at each start that there is none.
    told = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    # A compaction in a worker would take its time from the requests there.
    told |= {"LAKEFLOW_AUTO_COMPACT": "false"} if compacts else {}
    # What somebody has set himself wins.
    return {**told, **os.environ}


def _free(host: str, port: int) -> int:
    """Return a port that can be listened on.

    Raises:
        InvalidInputError: It cannot.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # It is let go of again, for MLflow to bind: if another program is faster, MLflow ends.
        with socket.socket(family, kind) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            return int(listening.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise InvalidInputError(
            f"cannot listen on {host}:{port}: {error}",
            hint="choose another port, or end what listens there",
        ) from error


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _asked_to_end() -> Iterator[list[int]]:
    """Collect signals that ask this process to end, instead of ending at once."""
    asked: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: asked.append(number))
        for number in _SIGNALS
    }
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _group(
    command: Sequence[str], environment: Mapping[str, str], output: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program and all that it starts, as long as the context lasts."""
    try:
        # In a session of its own it does not get an interrupt of the terminal beside ours,
        # at the second of which it would drop the requests that are under way.
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            start_new_session=True,
        )
    except OSError as error:
        raise StorageError(f"cannot start {command[0]}: {error}") from error
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its descendants, kindly at first."""
    end = time.monotonic() + _LAST_SECONDS
    # To all at once: MLflow 2 does not pass on to its server that it is to end.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        while time.monotonic() < end:
            # The group has a member until its first process is waited for, dead or not.
            process.poll()
            # This raises the error once nobody is left.
            os.killpg(process.pid, 0)
            time.sleep(_LOOK_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _answers(url: str, server: subprocess.Popen[bytes], asked: Sequence[int]) -> bool:
    """Wait until the server answers; returns False where it ends, or is to end, before."""
    # One listens on these addresses, and cannot call them everywhere.
    address = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    while not asked and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True  # it answers, even if it has another prefix or wants to know who asks
        except OSError:
            time.sleep(_LOOK_SECONDS)
    return False
