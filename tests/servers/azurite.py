"""Azurite, Microsoft's emulator of Azure Blob Storage: fetched from npm, run by PyPI's node."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from servers import npm
from servers.processes import HOST, Processes, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def fetched() -> Path:
    """Return its program for node."""
    return npm.installed("azurite", {"azurite": VERSION}) / _MAIN


@contextlib.contextmanager
def server(folder: Path) -> Iterator[AzureServer]:
    """Run the emulator, with everything in memory.

    Args:
        folder: An empty folder for its log.
    """
    port, key = free_port(), base64.b64encode(secrets.token_bytes(32)).decode()
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{_ACCOUNT}:{key}"}
    with Processes(folder, environment) as processes:
        processes.start(
            "azurite",
            *(npm.node(), fetched(), "--blobHost", HOST, "--blobPort", str(port)),
            # The SDK speaks a newer version of the API than any emulator.
            *("--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"),
            "--silent",
        )
        processes.wait_for_port("azurite", port)
        yield AzureServer(f"http://{HOST}:{port}", key)
