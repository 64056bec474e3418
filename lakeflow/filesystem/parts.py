"""Large files go to a store in parts, several at once, and nobody sees one before the last.

What of a file has arrived stays with the store when the sender is broken off. Sent again, the
same content goes on from there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lakeflow.filesystem.threads import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Executor

PART_BYTES = 8 * 1024 * 1024
WHOLE_BYTES = 2 * PART_BYTES
"""Files up to this size are sent whole: three requests would not be faster."""

PARTS_AT_ONCE = 6
"""Each is in memory."""

# S3 takes no more for one object.
_MOST_PARTS = 10_000

PartCall = Callable[[Any, Mapping[str, Any]], Any]
"""A request, given the filesystem and options of the call."""


class Begun(NamedTuple):
    """A file that is being sent.

    Attributes:
        identity: What the store calls it.
        arrived: Size and digest of the parts that the store has, by number.
    """

    identity: str
    arrived: Mapping[int, tuple[int, str]]


class Parts(Protocol):
    """How a kind of store takes a file in parts; each call is one request, or two."""

    def begin(self, fs: Any, path: str, call: Mapping[str, Any]) -> Begun:
        """Begin to send a file, or go on with one that was broken off."""

    def digest(self, data: bytes) -> str:
        """Return the digest by which the store knows a part."""

    def send(
        self,
        fs: Any,
        path: str,
        identity: str,
        number: int,
        data: bytes,
        call: Mapping[str, Any],
    ) -> str:
        """Send a part, the first of which is number 1; returns its digest."""

    def finish(
        self, fs: Any, path: str, identity: str, digests: Iterable[str], call: Mapping[str, Any]
    ) -> None:
        """Make the file of its parts."""


def send_in_parts(
    parts: Parts,
    local: str,
    path: str,
    persist: Callable[[PartCall], Any],
    threads: Executor,
) -> None:
    """Send a file.

    Args:
        parts: How the store takes it.
        local: The file on this machine.
        path: Its path, as the filesystem knows it.
        persist: Makes a request until it succeeds or has no prospect of it.
        threads: What sends parts at once.
    """
    size = os.path.getsize(local)
    # In whole steps: which bytes a part has must not depend on who sends it.
    part_bytes = PART_BYTES * -(-size // (PART_BYTES * _MOST_PARTS))
    begun: Begun = persist(lambda fs, call: parts.begin(fs, path, call))

    def send(number: int) -> str:
        with open(local, "rb") as file:
            file.seek((number - 1) * part_bytes)
            data = file.read(part_bytes)
        digest = parts.digest(data)
        if begun.arrived.get(number) == (len(data), digest):
            return digest
        sent: str = persist(
            lambda fs, call: parts.send(fs, path, begun.identity, number, data, call)
        )
        return sent

    numbers = range(1, -(-size // part_bytes) + 1)
    digests = list(in_order(threads, send, numbers, PARTS_AT_ONCE))
    persist(lambda fs, call: parts.finish(fs, path, begun.identity, digests, call))


class S3Parts:
    """The multipart uploads of S3."""

    def begin(self, fs: Any, path: str, call: Mapping[str, Any]) -> Begun:
        """Go on with the newest unfinished upload of the object, if there is one."""
        bucket, key, _ = fs.split_path(path)
        found = fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=key, **call)
        # The prefix is that of longer keys as well.
        unfinished = [each for each in found.get("Uploads", ()) if each["Key"] == key]
        if not unfinished:
            made = fs.call_s3("create_multipart_upload", Bucket=bucket, Key=key, **call)
            return Begun(made["UploadId"], {})
        # Older ones are left to a rule of the bucket, which deletes them after some days.
        identity = max(unfinished, key=lambda each: each["Initiated"])["UploadId"]
        return Begun(identity, self._arrived(fs, bucket, key, identity, call))

    def _arrived(
        self, fs: Any, bucket: str, key: str, identity: str, call: Mapping[str, Any]
    ) -> dict[int, tuple[int, str]]:
        arrived: dict[int, tuple[int, str]] = {}
        after = 0
        while True:
            page = fs.call_s3(
                "list_parts",
                Bucket=bucket,
                Key=key,
                UploadId=identity,
                PartNumberMarker=after,
                **call,
            )
            for each in page.get("Parts", ()):
                arrived[each["PartNumber"]] = each["Size"], each["ETag"]
            if not page.get("IsTruncated"):
                return arrived
            after = page["NextPartNumberMarker"]

    def digest(self, data: bytes) -> str:
        """Return the ETag; where the store encrypts a part it is another one."""
        # OpenSSL for FIPS refuses MD5 unless it is told that no security hangs on it.
        return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'

    def send(
        self,
        fs: Any,
        path: str,
        identity: str,
        number: int,
        data: bytes,
        call: Mapping[str, Any],
    ) -> str:
        """Send it with one request."""
        bucket, key, _ = fs.split_path(path)
        sent = fs.call_s3(
            "upload_part",
            Bucket=bucket,
            Key=key,
            UploadId=identity,
            PartNumber=number,
            Body=data,
            **call,
        )
        return str(sent["ETag"])

    def finish(
        self, fs: Any, path: str, identity: str, digests: Iterable[str], call: Mapping[str, Any]
    ) -> None:
        """Complete the upload."""
        bucket, key, _ = fs.split_path(path)
        tags = list(digests)
        listed = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        try:
            fs.call_s3(
                "complete_multipart_upload",
                Bucket=bucket,
                Key=key,
                UploadId=identity,
                MultipartUpload={"Parts": listed},
                **call,
            )
        except FileNotFoundError:
            # An earlier attempt has completed it, and its answer was lost; or somebody else
            # has, who sent the same parts. What was there before has another ETag.
            fs.invalidate_cache()
            if fs.info(path)["ETag"] != _etag(tags):
                raise


def _etag(parts: Iterable[str]) -> str:
    """Return the ETag of an object by those of its parts.

    Source: "Checking object integrity" in the user guide of Amazon S3: the MD5 of the MD5s of
    the parts, and how many they are.
    """
    digests = [bytes.fromhex(each.strip('"')) for each in parts]
    whole = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
    return f'"{whole}-{len(digests)}"'
