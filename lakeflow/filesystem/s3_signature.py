"""Amazon's signature of a request to S3, version 4: the headers that carry it. Pure."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALGORITHM = "AWS4-HMAC-SHA256"


class Signer:
    """Signs with some credentials; threads share it.

    Args:
        key: The access key.
        secret: Its secret.
        token: That of temporary credentials; None for others.
        region: Of the bucket.
    """

    def __init__(self, key: str, secret: str, token: str | None, region: str) -> None:
        self._key = key
        self._secret = secret
        self._token = token
        self._region = region
        # A key that signs is good for a day, and takes as long to make as all the rest.
        self._day_and_key = "", b""

    def signed(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        now_s: float,
    ) -> dict[str, str]:
        """Return the headers of a request, with those that the store knows its sender by.

        Args:
            method: Of HTTP.
            path: Of the URL, as it is sent: quoted once, and no dot in it means a folder.
            headers: What is sent besides, ``host`` among it, names in lower case.
            body: What is sent.
            now_s: The time, in seconds since the Unix epoch.
        """
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
        digest = hashlib.sha256(body).hexdigest()
        sent = {**headers, "x-amz-content-sha256": digest, "x-amz-date": at}
        if self._token:
            sent["x-amz-security-token"] = self._token
        names = sorted(sent)
        signed_names = ";".join(names)
        lines = "".join(f"{name}:{' '.join(sent[name].split())}\n" for name in names)
        # Between path and headers is what a request asks after a question mark: nothing here.
        request = f"{method}\n{path}\n\n{lines}\n{signed_names}\n{digest}"
        scope = f"{at[:8]}/{self._region}/s3/aws4_request"
        text = f"{_ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = _keyed(self._signing_key(at[:8]), text).hex()
        sent["authorization"] = (
            f"{_ALGORITHM} Credential={self._key}/{scope}, SignedHeaders={signed_names}, "
            f"Signature={signature}"
        )
        return sent

    def _signing_key(self, day: str) -> bytes:
        known, key = self._day_and_key
        if known != day:
            key = f"AWS4{self._secret}".encode()
            for part in (day, self._region, "s3", "aws4_request"):
                key = _keyed(key, part)
            self._day_and_key = day, key
        return key


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
