"""Server processes that end with the process that started them, and ports for them."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HOST = "127.0.0.1"

# A parent that died before the kernel was told about it is no longer this one.
_IF_PARENT_LIVES = 'test "$PPID" = "$0" && exec "$@"'
_BOUND = ("--pdeathsig", "KILL", "sh", "-c", _IF_PARENT_LIVES)


class ServerFailedError(RuntimeError):
    """A server did not start; the message ends with what it said."""


class Processes:
    """Some processes of one server, by name.

    A context manager: all of them are killed at its end, and also when this process dies.

    Args:
        folder: Where their output goes.
        environment: Theirs.
        user: Number of the user whose they are, if it is another one; for root alone.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], user: int | None = None
    ) -> None:
        self._folder = folder
        self._environment = environment
        ids = () if user is None else (f"--reuid={user}", f"--regid={user}", "--clear-groups")
        self._setpriv = ("setpriv", *ids)
        self._commands: dict[str, Sequence[str | Path]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        # The kernel counts the end of the starting thread as the death of the parent.
        self._thread = ThreadPoolExecutor(1, "servers")

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_exception: object) -> None:
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait()
        self._thread.shutdown()

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each process that was not killed."""
        return {name: process.pid for name, process in self._running.items()}

    def run(self, *command: str | Path) -> None:
        """Run a program to its end.

        Raises:
            ServerFailedError: It failed.
        """
        done = subprocess.run(
            [*self._setpriv, *command],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            said = done.stdout.decode(errors="replace")[-2000:]
            raise ServerFailedError(f"{command[0]} ended with {done.returncode}: {said}")

    def start(self, name: str, *command: str | Path) -> None:
        """Start a program that stays in the foreground; it writes to ``<name>.out``."""
        self._commands[name] = command
        self.restart(name)

    def kill(self, name: str) -> None:
        """Kill a process as a power cut would, with no time to tidy up."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def restart(self, name: str) -> None:
        """Start a killed process again, as it was started before."""
        self._running[name] = self._thread.submit(self._spawn, name).result()

    def wait_for_port(self, name: str, port: int, timeout_s: float = 60.0) -> None:
        """Return once a process listens on a port.

        Raises:
            ServerFailedError: It ended, or took too long.
        """
        end = time.monotonic() + timeout_s
        while not is_listening(port):
            ended = self._running[name].poll() is not None
            if ended or time.monotonic() > end:
                said = self._output(name).read_text(errors="replace")[-2000:]
                state = "ended" if ended else f"does not listen on port {port}"
                raise ServerFailedError(f"{name} {state}: {said}")
            time.sleep(0.05)

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        with self._output(name).open("ab") as output:
            return subprocess.Popen(
                [*self._setpriv, *_BOUND, str(os.getpid()), *self._commands[name]],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # An interrupt at the terminal is for the tests; they then end the server.
                start_new_session=True,
            )

    def _output(self, name: str) -> Path:
        return self._folder / f"{name}.out"


def free_port() -> int:
    """Return a port that nobody listens on.

    It is below those that the kernel gives to clients, so that it stays free while its server
    is down.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            candidate.bind((HOST, port))
            return port


def is_listening(port: int) -> bool:
    """Return whether a server answers on a port."""
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0
