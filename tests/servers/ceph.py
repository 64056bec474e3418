"""A real S3 server: Ceph's RADOS Gateway, a monitor and one disk, as three plain processes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from servers import debian
from servers.processes import HOST, Processes, ServerFailedError, free_port, is_listening
from servers.s3 import REGION, S3Server

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PACKAGES = ("radosgw", "ceph-mon", "ceph-osd", "ceph-base")

Action = Literal["list", "get", "put", "delete"]
Name = Literal["mon", "osd", "rgw"]

_OWNER = "owner"

_ACTIONS: dict[Action, list[str]] = {
    "list": ["s3:ListBucket", "s3:ListBucketVersions"],
    "get": ["s3:GetObject", "s3:GetObjectVersion"],
    "put": ["s3:PutObject"],
    "delete": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
}

# Room for objects. A file of that size is sparse, and memory is taken as objects come.
_MOST_BYTES = 20 << 30

# One copy of everything in one placement group is enough for one disk, and quick to make.
# Without a socket for administration there is no limit to the length of the folder's path.
# A disk with its usual five shards starts a second later; a gateway with the usual patience
# looks for a restarted disk at its old address for 15 s, and for 20 s every new bucket waits
# for a killed gateway to take note of it. What the processes note of each request for those who
# mend Ceph, and check within one machine, took a quarter of their processor time.
_SETTINGS = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = {mon_address}
public addr = {host}
cluster addr = {host}
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
run dir = {folder}
admin socket =
log file = {folder}/$name.log
mon cluster log file = /dev/null
debug ms = 0/0
debug osd = 0/0
debug objecter = 0/0
debug rados = 0/0
debug auth = 0/0
debug rgw = 0/0
ms crc data = false
ms crc header = false
throttler perf counter = false
osd enable op tracker = false
plugin dir = {libraries}/ceph
erasure code dir = {libraries}/ceph/erasure-code
osd class dir = {libraries}/rados-classes
osd pool default size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true

[mon.a]
mon data = {folder}/mon
paxos propose interval = 0.05
paxos min wait = 0.02

[osd.0]
osd data = {folder}/osd
osd objectstore = {kept}
bluestore block size = {most_bytes}
memstore device bytes = {most_bytes}
osd memory target = 939524096
osd op num shards = 2
osd op num threads per shard = 2
osd client watch timeout = 3

[client.rgw]
rgw data = {folder}/rgw
rgw frontends = beast endpoint={host}:{port} tcp_nodelay=1
objecter tick interval = 0.25
objecter timeout = 0.5
rgw num control oids = 1
rgw override bucket index max shards = 1
rgw dynamic resharding = false
"""


@dataclass(frozen=True, slots=True)
class CephServer(S3Server):
    """The S3 server as the user that owns its buckets."""

    def limited(self, bucket: str, denied: Collection[Action]) -> CephServer:
        """Return the server as a new user who may do anything in a bucket but some actions.

        Args:
            bucket: A bucket of the owner.
            denied: What is refused: ``"list"``, ``"get"`` (which reads and looks at objects),
                ``"put"``, ``"delete"``.
        """
        user = self._make_user()
        principal = {"Principal": {"AWS": [f"arn:aws:iam:::user/{user.access_key}"]}}
        resource = {"Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}
        refused = [action for each in sorted(denied) for action in _ACTIONS[each]]
        statements = [{"Effect": "Allow", "Action": ["s3:*"], **principal, **resource}]
        if refused:
            statements.append({"Effect": "Deny", "Action": refused, **principal, **resource})
        client = self.client()
        # A bucket has one policy; what earlier users may do stays in it.
        try:
            policy = json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                raise
            policy = {"Version": "2012-10-17", "Statement": []}
        policy["Statement"] += statements
        client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        return user

    def _make_user(self) -> CephServer:
        name, secret = f"user{secrets.token_hex(6)}", secrets.token_hex(16)
        options = {
            "uid": name,
            "display-name": name,
            "access-key": name,
            "secret-key": secret,
            "format": "json",
        }
        url = f"{self.endpoint_url}/admin/user?{urlencode(options)}"
        signed = AWSRequest("PUT", url, data=b"")
        S3SigV4Auth(Credentials(self.access_key, self.secret_key), "s3", REGION).add_auth(
            signed
        )
        request = urllib.request.Request(
            url, method="PUT", headers=dict(signed.headers), data=b""
        )
        with urllib.request.urlopen(request, timeout=60):
            return CephServer(self.endpoint_url, name, secret)


@dataclass(frozen=True, slots=True)
class Gateway(CephServer):
    """The S3 server with the processes it is made of, which a test may kill.

    Attributes:
        processes: ``mon``, ``osd`` and ``rgw``.
    """

    processes: Processes = field(repr=False, compare=False)

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each process that was not killed."""
        return self.processes.pids

    def kill(self, name: Name) -> None:
        """Kill a process as a power cut would."""
        self.processes.kill(name)

    def restart(self, name: Name) -> None:
        """Start a killed process again; with ``rgw``, return once it answers."""
        self.processes.restart(name)
        if name == "rgw":
            self.processes.wait_for_port("rgw", self.port)


def unpacked() -> debian.Unpacked:
    """Return where Ceph is."""
    return debian.unpack("ceph", PACKAGES)


@contextlib.contextmanager
def gateway(folder: Path, *, in_memory: bool = False) -> Iterator[Gateway]:
    """Run an S3 server of one's own.

    Args:
        folder: An empty folder for its data and its logs.
        in_memory: Keep objects in memory, where a write takes half of the time of processors
            that it takes on a disk. What is there is lost if the disk's process is killed.
    """
    packages = unpacked()
    port = free_port()
    secret = secrets.token_hex(16)
    with Processes(folder, packages.environment) as processes:
        _start(processes, packages, folder, port, secret, in_memory=in_memory)
        yield Gateway(f"http://{HOST}:{port}", _OWNER, secret, processes)


@contextlib.contextmanager
def shared_gateway() -> Iterator[CephServer]:
    """Run an S3 server that all test processes on this machine share.

    The first to ask starts it and the last to leave ends it, killed ones included: each holds
    a shared lock that the kernel releases, and the process that keeps the server waits for
    the exclusive one. Every test makes buckets of its own, and nobody may kill the server.
    """
    folder = debian.cache_folder() / "shared"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users.lock").open("a") as users:
        # Where the keeper is just ending the server, this waits until it has.
        fcntl.flock(users, fcntl.LOCK_SH)
        with debian.locked(folder / "start.lock"):
            server = _running(folder) or _start_keeper(folder)
        yield server


def _running(folder: Path) -> CephServer | None:
    try:
        server = CephServer(**json.loads((folder / "server.json").read_text()))
    except FileNotFoundError:
        return None
    # A keeper that was killed left its file behind, but took the server with it.
    return server if is_listening(server.port) else None


def _start_keeper(folder: Path) -> CephServer:
    (folder / "server.json").unlink(missing_ok=True)
    log = folder / "keeper.out"
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "servers.ceph", folder],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # It outlives the process that happened to be the first.
            start_new_session=True,
        )
    while (server := _running(folder)) is None:
        if keeper.poll() is not None:
            raise ServerFailedError(f"the shared server ended: {log.read_text()[-2000:]}")
        time.sleep(0.1)
    # It is reaped by whoever reaps orphans; nobody here waits for it.
    keeper.returncode = 0
    return server


def _keep(folder: Path) -> None:
    with (
        (folder / "users.lock").open("a") as users,
        tempfile.TemporaryDirectory(prefix="ceph-") as data,
        gateway(Path(data), in_memory=True) as server,
    ):
        description = folder / "server.json"
        partial = folder / "server.json.partial"
        partial.write_text(
            json.dumps(
                {
                    "endpoint_url": server.endpoint_url,
                    "access_key": server.access_key,
                    "secret_key": server.secret_key,
                }
            )
        )
        partial.rename(description)
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.5)
        description.unlink()


def _start(
    processes: Processes,
    packages: debian.Unpacked,
    folder: Path,
    port: int,
    secret: str,
    *,
    in_memory: bool,
) -> None:
    mon_address = f"[v2:{HOST}:{free_port()},v1:{HOST}:{free_port()}]"
    fsid = str(uuid.uuid4())
    settings, monmap, osdmap = folder / "ceph.conf", folder / "monmap", folder / "osdmap"
    settings.write_text(
        _SETTINGS.format(
            fsid=fsid,
            mon_address=mon_address,
            host=HOST,
            port=port,
            folder=folder,
            kept="memstore" if in_memory else "bluestore",
            most_bytes=_MOST_BYTES,
            libraries=packages.find("usr/lib/*-linux-gnu/rados-classes").parent,
        )
    )
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    mon: list[str | Path] = [packages.find("usr/bin/ceph-mon"), "-c", settings, "-i", "a"]
    osd: list[str | Path] = [packages.find("usr/bin/ceph-osd"), "-c", settings, "-i", "0"]
    rgw: list[str | Path] = [
        packages.find("usr/bin/radosgw"),
        "-c",
        settings,
        "-n",
        "client.rgw",
    ]
    admin: list[str | Path] = [
        packages.find("usr/bin/radosgw-admin"),
        "-c",
        settings,
        "-n",
        "client.rgw",
    ]
    new_monmap: list[str | Path] = [
        packages.find("usr/bin/monmaptool"),
        "--create",
        "--fsid",
        fsid,
    ]
    processes.run(*new_monmap, "--addv", "a", mon_address, monmap)
    # A first map that already holds the disk spares all commands that would add it.
    processes.run(packages.find("usr/bin/osdmaptool"), "--createsimple", "1", osdmap)
    processes.run(*mon, "--mkfs", "--monmap", monmap, "--osdmap", osdmap)
    processes.start("mon", *mon, "-f")
    processes.run(*osd, "--mkfs", "--osd-uuid", str(uuid.uuid4()))
    processes.start("osd", *osd, "-f")
    user = ["--uid", _OWNER, "--display-name", _OWNER, "--caps", "users=*"]
    keys = ["--access-key", _OWNER, "--secret-key", secret]
    processes.run(*admin, "user", "create", *user, *keys)
    processes.start("rgw", *rgw, "-f")
    processes.wait_for_port("rgw", port)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
