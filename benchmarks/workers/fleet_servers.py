"""Runs an S3 server and before it a proxy for each role, until its standard input ends."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from pathlib import Path

from library import report

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from servers import ceph, proxy

BUCKET = "fleet"


def main() -> None:
    delay_s, roles = json.loads(sys.stdin.readline())
    folder = Path.cwd()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ceph.gateway(made(folder, "ceph"), in_memory=True))
        server.make_bucket(BUCKET)
        endpoints = {"directly": server.endpoint_url}
        for role in roles:
            running = proxy.process(made(folder, f"proxy-{role}"), server.port, delay_s)
            endpoints[role] = stack.enter_context(running).endpoint_url
        report({"key": server.access_key, "secret": server.secret_key, "endpoints": endpoints})
        sys.stdin.read()


def made(parent: Path, name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))


if __name__ == "__main__":
    main()
