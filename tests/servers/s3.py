"""What clients know of an S3 server, real or not."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any, Self

import botocore.session
from botocore.config import Config

REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class S3Server:
    """An S3 server and one user of it.

    Attributes:
        endpoint_url: ``http://127.0.0.1:<port>``.
        access_key: The user.
        secret_key: What the user signs with.
    """

    endpoint_url: str
    access_key: str
    secret_key: str

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.endpoint_url.rpartition(":")[2])

    @property
    def storage_options(self) -> dict[str, Any]:
        """Options for ``fsspec.filesystem("s3", **options)``."""
        return {
            "key": self.access_key,
            "secret": self.secret_key,
            "client_kwargs": {"endpoint_url": self.endpoint_url, "region_name": REGION},
        }

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which a process finds it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

    def through(self, endpoint_url: str) -> Self:
        """Return the same server and user, reached by way of a proxy."""
        return replace(self, endpoint_url=endpoint_url)

    def client(self) -> Any:
        """Return a botocore client that tries everything once."""
        return _session().create_client(
            "s3",
            REGION,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
            ),
        )

    def make_bucket(self, name: str) -> str:
        """Create an empty bucket and return its name."""
        self.client().create_bucket(Bucket=name)
        return name


@functools.cache
def _session() -> botocore.session.Session:
    # It reads the description of S3 once for all clients, which takes a while.
    return botocore.session.Session()
