"""HTTP/1.1 messages as they pass by: heads are read, bodies are only counted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

if TYPE_CHECKING:
    from collections.abc import Collection

PIECE_BYTES = 1 << 18


@dataclass(frozen=True)
class Head:
    """The first line and the headers of a request or of a response.

    Attributes:
        raw: The bytes on the wire, with the empty line at the end.
    """

    raw: bytes

    @cached_property
    def first_line(self) -> list[str]:
        """The three words of the first line, the last of which may have spaces."""
        return self.raw[: self.raw.index(b"\r\n")].decode("latin-1").split(" ", 2)

    @cached_property
    def headers(self) -> dict[str, str]:
        """The headers, with names in lower case."""
        lines = self.raw.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.lower(): value.strip() for name, _colon, value in pairs}

    @property
    def method(self) -> str:
        """The method of a request."""
        return self.first_line[0]

    @property
    def target(self) -> str:
        """The path of a request with its query."""
        return self.first_line[1]

    @property
    def status(self) -> int:
        """The status of a response."""
        return int(self.first_line[1])

    @property
    def waits_for_continue(self) -> bool:
        """Whether the body of a request comes only after an answer of 100."""
        return self.headers.get("expect", "").lower() == "100-continue"

    @property
    def closes(self) -> bool:
        """Whether this is the last message on its connection."""
        said = self.headers.get("connection", "").lower()
        return "close" in said or (self.raw.find(b"HTTP/1.0\r\n") >= 0 and said != "keep-alive")


class Body:
    """A body that is read piece by piece, each as it came over the wire.

    Attributes:
        size: Payload bytes so far.
        is_done: Whether there is nothing more to read.
    """

    def __init__(self, reader: asyncio.StreamReader, length: int | None, chunked: bool) -> None:
        self._reader = reader
        self._left = length
        self._chunked = chunked
        self.size = 0
        self.is_done = length == 0 and not chunked

    @classmethod
    def of_request(cls, reader: asyncio.StreamReader, head: Head) -> Body:
        """Return the body of a request."""
        chunked = "chunked" in head.headers.get("transfer-encoding", "").lower()
        return cls(reader, int(head.headers.get("content-length", 0)), chunked)

    @classmethod
    def of_response(cls, reader: asyncio.StreamReader, head: Head, method: str) -> Body:
        """Return the body of a response to a request with some method."""
        if method == "HEAD" or head.status < 200 or head.status in (204, 304):
            return cls(reader, 0, chunked=False)
        length = head.headers.get("content-length")
        chunked = "chunked" in head.headers.get("transfer-encoding", "").lower()
        return cls(reader, None if length is None else int(length), chunked)

    async def piece(self) -> bytes:
        """Return the next bytes as they are on the wire.

        Raises:
            ConnectionError: The sender left in the middle.
        """
        if self._chunked:
            return await self._chunk()
        # Without a length the body is all that comes until the connection is closed.
        limit = PIECE_BYTES if self._left is None else min(self._left, PIECE_BYTES)
        piece = await self._reader.read(limit)
        if self._left is not None:
            self._left -= len(piece)
            if self._left and not piece:
                raise ConnectionResetError("the body ended early")
        self.size += len(piece)
        self.is_done = self._left == 0 or not piece
        return piece

    async def drain(self) -> None:
        """Read to the end and keep nothing."""
        while not self.is_done:
            await self.piece()

    async def _chunk(self) -> bytes:
        try:
            line = await self._reader.readuntil(b"\r\n")
            length = int(line.partition(b";")[0], 16)
            if length:
                self.size += length
                return line + await self._reader.readexactly(length + 2)
            trailer = line
            while line != b"\r\n":
                line = await self._reader.readuntil(b"\r\n")
                trailer += line
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("the body ended early") from error
        self.is_done = True
        return trailer


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Return the next head, or nothing if the connection was closed."""
    try:
        return Head(await reader.readuntil(b"\r\n\r\n"))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


_BUCKET_GET = {
    "location": "GetBucketLocation",
    "policy": "GetBucketPolicy",
    "uploads": "ListMultipartUploads",
    "versioning": "GetBucketVersioning",
    "versions": "ListObjectVersions",
}


def operation(method: str, path: str, query: str, *, copies: bool = False) -> str:
    """Return the name that S3 gives to a request, e.g. ``GetObject``.

    Args:
        method: Its method.
        path: Its path, which starts with the bucket.
        query: Its query.
        copies: Whether it names another object as the source.
    """
    words = parse_qs(query, keep_blank_values=True)
    bucket, _slash, key = unquote(path).lstrip("/").partition("/")
    if key:
        return _on_object(method, words, copies)
    if not bucket:
        return "ListBuckets"
    if method == "GET":
        return next((_BUCKET_GET[word] for word in words if word in _BUCKET_GET), "ListObjects")
    if method == "POST":
        return "DeleteObjects" if "delete" in words else "PostObject"
    name = {"PUT": "Create", "DELETE": "Delete", "HEAD": "Head"}.get(method, method)
    return f"{name}BucketPolicy" if "policy" in words else f"{name}Bucket"


def _on_object(method: str, words: Collection[str], copies: bool) -> str:
    has_upload = "uploadId" in words
    if method == "POST":
        return "CompleteMultipartUpload" if has_upload else "CreateMultipartUpload"
    if method == "PUT" and has_upload:
        return "UploadPartCopy" if copies else "UploadPart"
    if method == "PUT" and copies:
        return "CopyObject"
    if has_upload:
        return {"DELETE": "AbortMultipartUpload"}.get(method, "ListParts")
    return f"{method.title()}Object"
