"""Requests to S3 are signed as Amazon's own client signs them."""

from __future__ import annotations

import calendar
import time

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lakeflow.filesystem.s3_signature import Signer


@pytest.mark.parametrize("token", [None, "a/token=="])
@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("GET", "/bucket/a", {"range": "bytes=0-9"}, b""),
        ("PUT", "/a%20b/%C3%BC/./x/../~y", {}, b"\x00\xff" * 999),
        ("PUT", "/a//b", {"if-none-match": "*", "content-type": "text/html;  a = b"}, b"x"),
    ],
)
def test_a_signature_is_that_of_botocore(
    method: str, path: str, headers: dict[str, str], body: bytes, token: str | None
) -> None:
    theirs = AWSRequest(method, f"http://store.example:8080{path}", dict(headers), body)
    given = "key", "secret", token
    S3SigV4Auth(Credentials(*given), "s3", "eu-west-1").add_auth(theirs)
    now_s = calendar.timegm(time.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
    signer = Signer(*given, "eu-west-1")
    # The key of a day is made once.
    for at in (now_s - 86_400, now_s, now_s):
        sent = {"host": "store.example:8080", **headers}
        ours = signer.signed(method, path, sent, body, at)
        assert (ours["authorization"] == theirs.headers["Authorization"]) == (at == now_s)
    assert ours.get("x-amz-security-token") == token
