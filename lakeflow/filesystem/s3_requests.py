"""S3 with a short way for what a lake asks most: reading a stretch, and writing a small file.

s3fs hands each request to a loop in another thread, where aiobotocore takes it through events,
models and parsers: several times the processor time of signing and sending it. Here botocore
signs a request and urllib3 sends it, on the thread that asks.

A plain refusal is the error that s3fs makes of it. Whatever else comes in place of a success,
s3fs makes the request again: what a redirect means stays known in one place.
"""

from __future__ import annotations

import functools
import logging
import mimetypes
import os
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import get_cert_path
from botocore.parsers import create_parser
from botocore.utils import get_environ_proxies
from fsspec.asyn import sync
from s3fs import S3FileSystem
from s3fs.errors import translate_boto_error
from urllib3 import BaseHTTPResponse, HTTPResponse, PoolManager, Timeout
from urllib3 import exceptions as urllib3

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from urllib3 import HTTPConnectionPool

SMALL_BYTES = 256 * 1024
"""Up to this size a file is written by the short way. urllib3 allows the sending of a body the
time that a connection may take, which is short for a large one."""

_PIECE_BYTES = 64 * 1024
"""Read from a connection at one time. Where that is left to it, a large body takes five times
the processor time."""

_KNOWN = {
    "storage_options": frozenset(
        {
            "key",
            "secret",
            "token",
            "profile",
            "endpoint_url",
            "use_ssl",
            "client_kwargs",
            "config_kwargs",
        }
    ),
    "client_kwargs": frozenset({"endpoint_url", "region_name", "verify"}),
    "config_kwargs": frozenset(
        {"retries", "connect_timeout", "read_timeout", "max_pool_connections"}
    ),
}
"""Options that mean here what they mean to s3fs; with any other one, s3fs does everything."""

_SIGNED_OTHERWISE = re.compile(r":|--[a-z]+-s3$")
"""In the name of a bucket: ARNs, directory buckets, outposts."""

_SIGNER_S = 60.0
"""How long credentials are taken as they are. botocore renews them ten minutes and more before
they end."""

_UNDERSTOOD: set[tuple[str, str, str]] = set()
"""Endpoints, buckets and methods of requests that were a success in this process."""

_logger = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What the store said.

    Attributes:
        status: Of HTTP.
        headers: Beside the body.
        body: All of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class ShortS3(S3FileSystem):  # type: ignore[misc]
    """s3fs, whose reads of a stretch and writes of small files go the short way."""

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **call: Any
    ) -> bytes:
        """Read the bytes from ``start`` up to ``end``, or up to the end of the file."""
        again = self._by_s3fs(self._cat_file, path, start=start, end=end, **call)
        if start is None or start < 0 or (end is not None and end <= start):
            data: bytes = again()
            return data
        span = {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        found: bytes = self._asked("GET", path, span, b"", call, again)
        return found

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **call: Any) -> None:
        """Write a file, or create it where the mode is ``create``."""
        again = self._by_s3fs(self._pipe_file, path, value, mode=mode, **call)
        if len(value) > SMALL_BYTES:
            again()
            return
        condition = {"If-None-Match": "*"} if mode == "create" else {}
        self._asked("PUT", path, condition, value, call, again)

    def put_file(self, lpath: str, rpath: str, **call: Any) -> None:
        """Write a file with the content of one of this machine."""
        again = self._by_s3fs(self._put_file, lpath, rpath, **call)
        if os.path.getsize(lpath) > SMALL_BYTES:
            again()
            return
        with open(lpath, "rb") as file:
            value = file.read()
        # As s3fs does it: a browser is told what it gets.
        kind = mimetypes.guess_type(lpath)[0]
        self._asked("PUT", rpath, {"Content-Type": kind} if kind else {}, value, call, again)

    def _by_s3fs(self, call: Callable[..., Any], *args: Any, **given: Any) -> Callable[[], Any]:
        """Return what lets s3fs make a call of its own."""
        return functools.partial(sync, self.loop, call, *args, **given)

    def _asked(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        call: Mapping[str, Any],
        again: Callable[[], Any],
    ) -> Any:
        """Return the body of an answer, or what s3fs returns where only it knows how to ask."""
        bucket, key, _ = self.split_path(path)
        is_plain = (
            key and not call.keys() - {"timeout"} and not _SIGNED_OTHERWISE.search(bucket)
        )
        sender = self._sender
        if not is_plain or sender is None:
            return again()
        answer = sender.ask(method, bucket, key, headers, body, call.get("timeout"))
        if answer is None:
            return again()
        known = (self.s3.meta.endpoint_url, bucket, method)
        if answer.status in (200, 206):
            _UNDERSTOOD.add(known)
            return answer.body
        if not _is_for_s3fs(answer.status, known in _UNDERSTOOD):
            raise _error(answer, method)
        made = again()
        # s3fs has got through, perhaps in another region. Each time to ask twice would be the
        # long way.
        _logger.debug("S3 answers %s to a plain request: s3fs makes them", answer.status)
        self._sender = None
        return made

    @functools.cached_property
    def _sender(self) -> Sender | None:
        """Return what sends requests; None where something was asked of s3fs that it cannot."""
        for name, known in _KNOWN.items():
            # What is false or empty asks for nothing.
            if {key for key, value in getattr(self, name).items() if value} - known:
                return None
        meta = self.s3.meta
        if meta.config.signature_version != "s3v4" or not _CAN_LIMIT_TIME:
            return None
        return None if get_environ_proxies(meta.endpoint_url) else Sender(self)


# Without it the end of a body that trickles is waited for, however long that takes.
_CAN_LIMIT_TIME = hasattr(HTTPResponse, "read1")


class _Bucket(NamedTuple):
    """Where a bucket is.

    Attributes:
        connections: To its host.
        origin: Scheme and host.
        path: What stands before the key.
    """

    connections: HTTPConnectionPool
    origin: str
    path: str


class Sender:
    """Signs requests and sends them; threads share it.

    Args:
        fs: An s3fs that is connected: its credentials, time limits and places are used.
    """

    def __init__(self, fs: ShortS3) -> None:
        meta = fs.s3.meta
        self._fs = fs
        # Where botocore has no region, its endpoint is in this one.
        is_anywhere = meta.region_name in (None, "aws-global")
        self._region = "us-east-1" if is_anywhere else meta.region_name
        self._buckets: dict[str, _Bucket] = {}
        self._signer: tuple[float, S3SigV4Auth] | None = None
        # Certificates come from where aiobotocore has them.
        verify = fs.client_kwargs.get("verify")
        if verify is None:
            verify = fs.session.get_config_variable("ca_bundle")
        if verify is None:
            verify = os.environ.get("REQUESTS_CA_BUNDLE", True)
        self._connections = PoolManager(
            timeout=Timeout(meta.config.connect_timeout, meta.config.read_timeout),
            maxsize=meta.config.max_pool_connections,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            cert_reqs="CERT_REQUIRED" if verify else "CERT_NONE",
            ca_certs=get_cert_path(verify) or None,
        )
        # Else more connections would be opened than that, and a warning say so.
        self._turns = threading.BoundedSemaphore(meta.config.max_pool_connections)
        self._here = threading.local()

    def ask(
        self,
        method: str,
        bucket: str,
        key: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout: float | None,
    ) -> Answer | None:
        """Send a request.

        Args:
            method: Of HTTP.
            bucket: The bucket.
            key: The object in it.
            headers: What is asked beside.
            body: What is sent.
            timeout: Seconds within which the whole answer must be here.

        Returns:
            The answer, whatever it says; None if none came for a reason that is no matter of
            time, or there is nothing to sign with.
        """
        # The handler of a signal may log in the middle of a request, of whose locks this thread
        # has some.
        if getattr(self._here, "is_asking", False):
            return None
        until = time.monotonic() + (timeout or float("inf"))
        self._here.is_asking = True
        try:
            signer = self._signer_now(timeout)
            if signer is None:
                return None
            if not self._turns.acquire(timeout=timeout):
                raise TimeoutError(f"no connection was free for {timeout:.0f} s")
            try:
                place = self._bucket(bucket)
                path = f"{place.path}/{quote(key)}"
                request = AWSRequest(method, f"{place.origin}{path}", dict(headers), body)
                # The signature holds the SHA-256 of the body, which the store compares. So a
                # checksum beside it, as botocore has it by default, would find nothing more.
                signer.add_auth(request)
                response = place.connections.urlopen(
                    method,
                    path,
                    body=body if method == "PUT" else None,
                    headers=dict(request.headers),
                    retries=False,
                    redirect=False,
                    assert_same_host=False,
                    preload_content=False,
                    decode_content=False,
                    enforce_content_length=False,
                )
                return _received(response, until)
            finally:
                self._turns.release()
        except urllib3.NewConnectionError:
            # By its class it is a matter of time, but it is one of the address.
            return None
        except (urllib3.ConnectTimeoutError, urllib3.ReadTimeoutError):
            # s3fs would wait as long once more.
            raise
        except (BotoCoreError, urllib3.HTTPError):
            return None
        finally:
            self._here.is_asking = False

    def _bucket(self, name: str) -> _Bucket:
        """Return where a bucket is, by all that botocore knows of addresses."""
        if name not in self._buckets:
            url: str = sync(
                self._fs.loop,
                self._fs.s3.generate_presigned_url,
                "get_object",
                Params={"Bucket": name, "Key": "k"},
            )
            parts = urlsplit(url)
            origin = f"{parts.scheme}://{parts.netloc}"
            connections = self._connections.connection_from_url(origin)
            path = parts.path.removesuffix("/k")
            self._buckets[name] = _Bucket(connections, origin, path)
        return self._buckets[name]

    def _signer_now(self, timeout: float | None) -> S3SigV4Auth | None:
        """Return what signs with the credentials that there are now; None without any."""
        if self._signer is None or self._signer[0] < time.monotonic():
            found = sync(self._fs.loop, self._credentials, timeout=timeout)
            if found is None:
                return None
            signer = S3SigV4Auth(found, "s3", self._region)
            self._signer = time.monotonic() + _SIGNER_S, signer
        return self._signer[1]

    async def _credentials(self) -> Any:
        fs = self._fs
        if fs.key and fs.secret:
            return Credentials(fs.key, fs.secret, fs.token)
        found = await fs.session.get_credentials()
        return None if found is None else await found.get_frozen_credentials()


def _received(response: BaseHTTPResponse, until: float) -> Answer | None:
    """Return an answer; None if its body was cut off."""
    pieces = []
    while piece := response.read1(_PIECE_BYTES):
        pieces.append(piece)
        if time.monotonic() > until:
            response.close()
            raise TimeoutError("the answer did not end in time")
    body = b"".join(pieces)
    is_whole = len(body) == int(response.headers.get("content-length", len(body)))
    return Answer(response.status, response.headers, body) if is_whole else None


def _is_for_s3fs(status: int, is_understood: bool) -> bool:
    """Return whether s3fs may know what to do where a request was refused."""
    # It follows to another region, and has a checksum for buckets whose objects are locked.
    if 300 <= status <= 400:
        return True
    # There may be stores and policies that want more than a signature.
    return status in (401, 403, 405, 411, 501) and not is_understood


def _error(answer: Answer, method: str) -> Exception:
    """Return what s3fs raises for an answer."""
    response = {
        "status_code": answer.status,
        "headers": answer.headers,
        "body": answer.body,
        "context": {},
    }
    parsed = create_parser("rest-xml").parse(response, None)
    error: Exception = translate_boto_error(ClientError(parsed, f"{method.title()}Object"))
    return error
