"""The floor under many small files on S3: threads that sign requests, and nothing else.

What it reaches is what the server, the proxy and the processors allow.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import http.client
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from files import told
from library import parse, report

THREADS = 32
REGION = "us-east-1"
NAMES = "host;x-amz-content-sha256;x-amz-date"


def main() -> None:
    options = parse(files=1000, bytes=7000)
    bucket = urlsplit(options.uri).netloc
    contents = {
        f"/{bucket}/floor/{number:06}.bin": os.urandom(options.bytes)
        for number in range(options.files)
    }
    report("ready")
    with ThreadPoolExecutor(THREADS) as threads:
        report(told(lambda: list(threads.map(put, contents, contents.values()))))
        found: list[bytes] = []
        report(told(lambda: found.extend(threads.map(get, contents))))
    assert found == list(contents.values())


def put(path: str, data: bytes) -> None:
    asked("PUT", path, data)


def get(path: str) -> bytes:
    return asked("GET", path)


_connections = threading.local()


def asked(method: str, path: str, data: bytes = b"") -> bytes:
    """Send a request on this thread's connection, and return the body of the answer."""
    host = urlsplit(os.environ["FSSPEC_S3_ENDPOINT_URL"]).netloc
    if not hasattr(_connections, "it"):
        _connections.it = http.client.HTTPConnection(host)
    _connections.it.request(method, path, data or None, signed(method, host, path, data))
    answer = _connections.it.getresponse()
    body: bytes = answer.read()
    assert answer.status == 200, (answer.status, body)
    return body


def signed(method: str, host: str, path: str, data: bytes) -> dict[str, str]:
    """Return the headers of a request by AWS's signature, version 4."""
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    digest = hashlib.sha256(data).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": now}
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"{method}\n{path}\n\n{lines}\n{NAMES}\n{digest}"
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashed}"
    signature = hmac.digest(signing_key(now[:8]), text.encode(), "sha256").hex()
    credential = f"{os.environ['FSSPEC_S3_KEY']}/{scope}"
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={NAMES}, "
        f"Signature={signature}"
    )
    return headers


@functools.cache
def signing_key(day: str) -> bytes:
    key = f"AWS4{os.environ['FSSPEC_S3_SECRET']}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


if __name__ == "__main__":
    main()
