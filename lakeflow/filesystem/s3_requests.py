"""S3 with a short way for what a lake asks most: reading a stretch, and writing a small file.

s3fs hands each request to a loop in another thread, where aiobotocore takes it through events,
models and parsers: several times the processor time of signing and sending it. Here both are
done on the thread that asks, with as few steps as there can be.

A plain refusal is the error that s3fs makes of it. Whatever else comes in place of a success,
s3fs makes the request again: what a redirect means stays known in one place.
"""

from __future__ import annotations

import functools
import logging
import mimetypes
import os
import re
import ssl
import threading
import time
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import create_urllib3_context, get_cert_path
from botocore.parsers import create_parser
from botocore.utils import get_environ_proxies
from fsspec.asyn import sync
from s3fs import S3FileSystem
from s3fs.errors import translate_boto_error

from lakeflow.filesystem.http_requests import Connections, Host
from lakeflow.filesystem.s3_signature import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lakeflow.filesystem.http_requests import Answer

SMALL_BYTES = 256 * 1024
"""Up to this size a file is written by the short way: it is sent in one piece."""

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
        span = {"range": f"bytes={start}-{'' if end is None else end - 1}"}
        found: bytes = self._asked("GET", path, span, b"", call, again)
        return found

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **call: Any) -> None:
        """Write a file, or create it where the mode is ``create``."""
        again = self._by_s3fs(self._pipe_file, path, value, mode=mode, **call)
        if len(value) > SMALL_BYTES:
            again()
            return
        condition = {"if-none-match": "*"} if mode == "create" else {}
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
        self._asked("PUT", rpath, {"content-type": kind} if kind else {}, value, call, again)

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
        if meta.config.signature_version != "s3v4" or get_environ_proxies(meta.endpoint_url):
            return None
        return Sender(self)


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
        self._places: dict[str, tuple[Host, str, str]] = {}
        self._signer: tuple[float, Signer] | None = None
        limits = meta.config.connect_timeout, meta.config.read_timeout
        self._connections = Connections(_tls(fs), *limits)
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
                host, name, folder = self._place(bucket)
                path = f"{folder}/{quote(key)}"
                # The signature holds the SHA-256 of the body, which the store compares. So a
                # checksum beside it, as botocore has it by default, would find nothing more.
                sent = signer.signed(method, path, {"host": name, **headers}, body, time.time())
                return self._connections.ask(host, method, path, sent, body, until)
            finally:
                self._turns.release()
        except TimeoutError:
            # s3fs would wait as long once more.
            raise
        except (BotoCoreError, OSError, HTTPException):
            return None
        finally:
            self._here.is_asking = False

    def _place(self, bucket: str) -> tuple[Host, str, str]:
        """Return who is asked for a bucket, by which name, and what its paths begin with.

        It is what botocore knows, with all its rules of addresses.
        """
        if bucket not in self._places:
            url = urlsplit(
                sync(
                    self._fs.loop,
                    self._fs.s3.generate_presigned_url,
                    "get_object",
                    Params={"Bucket": bucket, "Key": "k"},
                )
            )
            is_secure = url.scheme == "https"
            usual = 443 if is_secure else 80
            host = Host(url.hostname or "", url.port or usual, is_secure)
            # A port that goes without saying is no part of what is signed.
            name = url.netloc.removesuffix(f":{usual}")
            self._places[bucket] = host, name, url.path.removesuffix("/k")
        return self._places[bucket]

    def _signer_now(self, timeout: float | None) -> Signer | None:
        """Return what signs with the credentials that there are now; None without any."""
        if self._signer is None or self._signer[0] < time.monotonic():
            signer = sync(self._fs.loop, self._new_signer, timeout=timeout)
            if signer is None:
                return None
            self._signer = time.monotonic() + _SIGNER_S, signer
        return self._signer[1]

    async def _new_signer(self) -> Signer | None:
        fs = self._fs
        if fs.key and fs.secret:
            return Signer(fs.key, fs.secret, fs.token, self._region)
        found = await fs.session.get_credentials()
        if found is None:
            return None
        now = await found.get_frozen_credentials()
        return Signer(now.access_key, now.secret_key, now.token, self._region)


def _tls(fs: ShortS3) -> ssl.SSLContext:
    """Return how a store is known: by the certificates that aiobotocore would take."""
    verify = fs.client_kwargs.get("verify")
    if verify is None:
        verify = fs.session.get_config_variable("ca_bundle")
    if verify is None:
        verify = os.environ.get("REQUESTS_CA_BUNDLE", True)
    context: ssl.SSLContext = create_urllib3_context()
    if verify:
        context.load_verify_locations(get_cert_path(verify))
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


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
