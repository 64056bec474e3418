"""The test servers are what they say they are."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec
import pytest
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from servers import ceph, debian, moto_double, proxy, sftp
from servers.messages import operation
from servers.processes import is_listening
from servers.proxy import Fault, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servers.s3 import S3Server

# Everything is asked once, and given up after a second.
_PATIENCE = {"retries": {"total_max_attempts": 1}, "connect_timeout": 1, "read_timeout": 1}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ceph.Gateway]:
    """Return a real S3 server."""
    with ceph.gateway(tmp_path_factory.mktemp("ceph")) as server:
        yield server


@pytest.fixture
def bucket(gateway: ceph.Gateway) -> str:
    """Return an empty bucket of the real S3 server."""
    return gateway.make_bucket(f"bucket-{secrets.token_hex(4)}")


@pytest.fixture
def between(gateway: ceph.Gateway) -> Iterator[Proxy]:
    """Return a proxy before the real S3 server."""
    with Proxy(gateway.port) as running:
        yield running


def filesystem(server: S3Server) -> fsspec.AbstractFileSystem:
    """Return a filesystem of its own that asks the server once."""
    fs = fsspec.filesystem(
        "s3", **server.storage_options, config_kwargs=_PATIENCE, skip_instance_cache=True
    )
    fs.retries = 1
    return fs


def code(error: ClientError) -> str:
    """Return what S3 calls an error."""
    return str(error.response["Error"]["Code"])


def outcome(attempt: Callable[[], object]) -> str:
    """Return what S3 calls the error of a request, or ``"done"``."""
    try:
        attempt()
    except ClientError as error:
        return code(error)
    return "done"


def test_an_object_of_the_gateway_is_read_in_part_and_listed(
    gateway: ceph.Gateway, bucket: str
) -> None:
    fs = filesystem(gateway)

    fs.pipe_file(f"{bucket}/folder/name with spaces", b"0123456789")

    assert fs.cat_file(f"{bucket}/folder/name with spaces", start=2, end=5) == b"234"
    assert fs.ls(f"{bucket}/folder", detail=False) == [f"{bucket}/folder/name with spaces"]


def test_the_gateway_refuses_a_wrong_signature(gateway: ceph.Gateway, bucket: str) -> None:
    forger = ceph.CephServer(gateway.endpoint_url, gateway.access_key, "a guess")

    with pytest.raises(ClientError) as refused:
        forger.client().list_objects_v2(Bucket=bucket)

    assert code(refused.value) == "SignatureDoesNotMatch"


def test_the_gateway_creates_an_object_once(gateway: ceph.Gateway, bucket: str) -> None:
    client = gateway.client()
    client.put_object(Bucket=bucket, Key="once", Body=b"first", IfNoneMatch="*")

    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=bucket, Key="once", Body=b"second", IfNoneMatch="*")

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert client.get_object(Bucket=bucket, Key="once")["Body"].read() == b"first"


def test_one_of_eight_racing_writers_wins(gateway: ceph.Gateway, bucket: str) -> None:
    clients = [gateway.client() for _ in range(8)]
    start = threading.Barrier(8)

    def write(number: int) -> str:
        start.wait()
        body = str(number).encode()
        return outcome(
            lambda: clients[number].put_object(
                Bucket=bucket, Key="raced", Body=body, IfNoneMatch="*"
            )
        )

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(write, range(8)))

    assert sorted(outcomes) == ["PreconditionFailed"] * 7 + ["done"]
    stored = clients[0].get_object(Bucket=bucket, Key="raced")["Body"].read()
    assert stored == str(outcomes.index("done")).encode()


@pytest.mark.parametrize("denied", ["list", "get", "put", "delete"])
def test_a_limited_user_is_refused_one_action_only(
    gateway: ceph.Gateway, bucket: str, denied: ceph.Action
) -> None:
    gateway.client().put_object(Bucket=bucket, Key="there", Body=b"")
    client = gateway.limited(bucket, {denied}).client()
    actions = {
        "list": lambda: client.list_objects_v2(Bucket=bucket),
        "get": lambda: client.get_object(Bucket=bucket, Key="there"),
        "put": lambda: client.put_object(Bucket=bucket, Key="new", Body=b""),
        "delete": lambda: client.delete_object(Bucket=bucket, Key="there"),
    }

    outcomes = {action: outcome(attempt) for action, attempt in actions.items()}

    assert outcomes == dict.fromkeys(actions, "done") | {denied: "AccessDenied"}


def test_two_limited_users_of_one_bucket_keep_their_own_limits(
    gateway: ceph.Gateway, bucket: str
) -> None:
    reader = gateway.limited(bucket, {"put"}).client()
    writer = gateway.limited(bucket, {"get"}).client()

    writer.put_object(Bucket=bucket, Key="there", Body=b"seen")

    assert reader.get_object(Bucket=bucket, Key="there")["Body"].read() == b"seen"
    with pytest.raises(ClientError):
        writer.get_object(Bucket=bucket, Key="there")


def test_what_the_gateway_acknowledged_survives_a_kill(
    gateway: ceph.Gateway, bucket: str
) -> None:
    client = gateway.client()
    client.put_object(Bucket=bucket, Key="kept", Body=b"safe")
    before = gateway.pids

    for name in ("rgw", "osd"):
        gateway.kill(name)
    with pytest.raises(BotoCoreError):
        client.get_object(Bucket=bucket, Key="kept")
    for name in ("osd", "rgw"):
        gateway.restart(name)

    assert client.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"safe"
    assert before["mon"] == gateway.pids["mon"]
    assert before["osd"] != gateway.pids["osd"]


_SHARER = """\
import sys
from servers import ceph
with ceph.shared_gateway() as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""


def test_processes_share_one_gateway_until_the_last_leaves(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    # The packages are those that are there already; only the shared server is a new one.
    environment["LAKEFLOW_SERVERS"] = str(tmp_path)
    ceph.unpacked()
    for name in ("ceph", "ceph.lock"):
        (tmp_path / name).symlink_to(debian.cache_folder() / name)
    command = [sys.executable, "-c", _SHARER]
    sharers = [
        subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, text=True)
        for _ in range(3)
    ]

    ports = {int(sharer.stdout.readline()) for sharer in sharers}
    sharers[0].kill()
    sharers[1].communicate()
    time.sleep(1.5)
    is_kept = all(map(is_listening, ports))
    sharers[2].communicate()
    sharers[0].communicate()
    end = time.monotonic() + 10
    while any(map(is_listening, ports)) and time.monotonic() < end:
        time.sleep(0.1)

    assert len(ports) == 1
    assert is_kept
    assert not any(map(is_listening, ports))


def test_processes_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = """\
import os, pathlib, signal, sys
from servers.processes import Processes
processes = Processes(pathlib.Path(sys.argv[1]), os.environ)
processes.start("child", "sleep", "60")
print(processes.pids["child"], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, str(tmp_path)]

    parent = subprocess.run(command, env=environment, capture_output=True, check=False)

    child = Path(f"/proc/{int(parent.stdout)}/stat")
    end = time.monotonic() + 5
    while _is_alive(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _is_alive(child)


def _is_alive(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_packages_that_are_nowhere_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEFLOW_SERVERS", str(tmp_path))
    monkeypatch.setattr(debian, "_apt", lambda *_words: debian._run("false"))

    with pytest.raises(debian.PackagesMissingError, match=r"apt-get install .* no-such-server"):
        debian.unpack("none", ["no-such-server"])


def test_the_double_answers_as_s3_does() -> None:
    with moto_double.server() as double:
        client, bucket = double.client(), double.make_bucket("bucket")
        client.put_object(Bucket=bucket, Key="once", Body=b"first", IfNoneMatch="*")
        with pytest.raises(ClientError) as refused:
            client.put_object(Bucket=bucket, Key="once", Body=b"second", IfNoneMatch="*")

        assert code(refused.value) == "PreconditionFailed"
        assert filesystem(double).cat_file("bucket/once") == b"first"


def test_the_proxy_sees_each_request(
    gateway: ceph.Gateway, bucket: str, between: Proxy
) -> None:
    fs = filesystem(gateway.through(between.endpoint_url))

    fs.pipe_file(f"{bucket}/a", b"0123456789", mode="create")
    fs.cat_file(f"{bucket}/a", start=2, end=5)
    fs.find(bucket)

    seen = [(each.operation, each.status, each.fault) for each in between.requests]
    assert seen == [
        ("PutObject", 200, None),
        ("GetObject", 206, None),
        ("ListObjects", 200, None),
    ]
    put, get, listing = between.requests
    assert (put.method, put.path, put.condition, put.sent_bytes) == (
        "PUT",
        f"/{bucket}/a",
        "*",
        10,
    )
    assert (get.range, get.received_bytes) == ("bytes=2-4", 3)
    assert "list-type=2" in listing.query
    between.clear()
    assert between.requests == []


def test_a_large_body_passes_whole_and_without_delay(
    gateway: ceph.Gateway, bucket: str, between: Proxy
) -> None:
    fs = filesystem(gateway.through(between.endpoint_url))
    body = secrets.token_bytes(24 << 20)

    fs.pipe_file(f"{bucket}/large", body)

    assert fs.cat_file(f"{bucket}/large") == body
    assert fs.info(f"{bucket}/large")["size"] == len(body)


def test_a_refused_upload_is_not_sent(
    gateway: ceph.Gateway, bucket: str, between: Proxy
) -> None:
    fs = filesystem(gateway.limited(bucket, {"put"}).through(between.endpoint_url))

    with pytest.raises(PermissionError):
        fs.pipe_file(f"{bucket}/a", bytes(1 << 20))

    assert [(each.status, each.sent_bytes) for each in between.requests] == [(403, 0)]


def test_a_delay_is_added_to_each_request(gateway: ceph.Gateway, bucket: str) -> None:
    with Proxy(gateway.port, delay_s=0.2) as slow:
        filesystem(gateway.through(slow.endpoint_url)).pipe_file(f"{bucket}/a", b"")

        assert slow.requests[0].seconds >= 0.2


@pytest.mark.parametrize(
    ("fault", "raised", "is_written"),
    [
        (Fault("drop_before", method="PUT", count=None), BotoCoreError, False),
        (Fault("drop_after", method="PUT", count=None), BotoCoreError, True),
        (Fault("status", method="PUT", arg=503), OSError, False),
        (Fault("status", method="PUT", arg=403, code="ExpiredToken"), PermissionError, False),
    ],
    ids=["drop_before", "drop_after", "slow down", "expired token"],
)
def test_a_fault_of_an_upload_is_seen_by_the_client(
    gateway: ceph.Gateway,
    bucket: str,
    between: Proxy,
    fault: Fault,
    raised: type[Exception],
    is_written: bool,
) -> None:
    between.faults.append(fault)

    with pytest.raises(raised):
        filesystem(gateway.through(between.endpoint_url)).pipe_file(f"{bucket}/a", b"new")

    assert filesystem(gateway).exists(f"{bucket}/a") is is_written
    assert {each.fault for each in between.requests} == {fault.action}


def test_a_status_comes_with_the_code_of_s3(
    gateway: ceph.Gateway, bucket: str, between: Proxy
) -> None:
    between.faults.append(Fault("status", arg=409, code="ConditionalRequestConflict"))

    with pytest.raises(ClientError) as refused:
        gateway.through(between.endpoint_url).client().list_objects_v2(Bucket=bucket)

    assert code(refused.value) == "ConditionalRequestConflict"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_a_truncated_body_ends_early(
    gateway: ceph.Gateway, bucket: str, between: Proxy
) -> None:
    import aiohttp

    filesystem(gateway).pipe_file(f"{bucket}/a", b"0123456789")
    between.faults.append(Fault("truncate", method="GET", arg=4))

    with pytest.raises(aiohttp.ClientPayloadError):
        filesystem(gateway.through(between.endpoint_url)).cat_file(
            f"{bucket}/a", start=0, end=9
        )

    assert [each.received_bytes for each in between.requests] == [4]


def test_a_request_that_hangs_is_given_up_by_the_client(
    gateway: ceph.Gateway, bucket: str, between: Proxy
) -> None:
    between.faults.append(Fault("hang", method="GET", count=None))

    with pytest.raises(ReadTimeoutError):
        filesystem(gateway.through(between.endpoint_url)).cat_file(
            f"{bucket}/a", start=0, end=9
        )


def test_a_fault_strikes_the_nth_request_that_matches(
    gateway: ceph.Gateway, bucket: str, between: Proxy
) -> None:
    between.faults.append(Fault("delay", method="PUT", path=r"/b\d", nth=2, count=1, arg=0.2))
    fs = filesystem(gateway.through(between.endpoint_url))

    for key in ("b0", "a0", "b1", "b2"):
        fs.pipe_file(f"{bucket}/{key}", b"")

    assert [each.fault for each in between.requests] == [None, None, "delay", None]
    assert between.requests[2].seconds >= 0.2


def test_a_proxy_of_its_own_process_counts_and_breaks(
    gateway: ceph.Gateway, bucket: str, tmp_path: Path
) -> None:
    with proxy.process(tmp_path, gateway.port) as remote:
        fs = filesystem(gateway.through(remote.endpoint_url))
        fs.pipe_file(f"{bucket}/a", b"0123456789")
        fs.cat_file(f"{bucket}/a", start=0, end=4)
        counted = remote.summary()
        remote.reset()
        remote.set_faults([Fault("status", method="GET", arg=500, code="InternalError")])
        with pytest.raises(OSError, match="a fault of the proxy"):
            fs.cat_file(f"{bucket}/a", start=0, end=4)

        assert counted.operations == {"PutObject": 1, "GetObject": 1}
        assert (counted.sent_bytes, counted.received_bytes) == (10, 4)
        assert remote.summary().statuses == {"500": 1}


def test_fifty_connections_pass_a_few_hundred_requests_a_second() -> None:
    with moto_double.server() as double, Proxy(double.port) as between:
        # Answered by the proxy itself: this measures it and not the server.
        between.faults.append(Fault("status", method="GET", arg=404, count=None))

        def ask(_number: int) -> None:
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{between.endpoint_url}/bucket/a", timeout=10)
            refused.value.close()

        start = time.monotonic()
        with ThreadPoolExecutor(50) as threads:
            list(threads.map(ask, range(500)))

        assert time.monotonic() - start < 5
        assert len(between.requests) == 500


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        ("GET", "/", "ListBuckets"),
        ("GET", "/bucket?list-type=2", "ListObjects"),
        ("GET", "/bucket?location", "GetBucketLocation"),
        ("PUT", "/bucket", "CreateBucket"),
        ("PUT", "/bucket?policy", "CreateBucketPolicy"),
        ("POST", "/bucket?delete", "DeleteObjects"),
        ("HEAD", "/bucket/a%2Fb", "HeadObject"),
        ("PUT", "/bucket/a?partNumber=1&uploadId=x", "UploadPart"),
        ("POST", "/bucket/a?uploads", "CreateMultipartUpload"),
        ("POST", "/bucket/a?uploadId=x", "CompleteMultipartUpload"),
        ("DELETE", "/bucket/a?uploadId=x", "AbortMultipartUpload"),
        ("DELETE", "/bucket/a", "DeleteObject"),
    ],
    ids=str,
)
def test_a_request_has_the_name_that_s3_gives_it(method: str, target: str, name: str) -> None:
    path, _mark, query = target.partition("?")

    assert operation(method, path, query) == name


def test_a_file_is_written_and_read_over_sftp(tmp_path: Path) -> None:
    with sftp.server(tmp_path) as server:
        fs = fsspec.filesystem("sftp", **server.storage_options, skip_instance_cache=True)
        fs.pipe_file(f"{server.folder}/a", b"0123456789")

        assert fs.cat_file(f"{server.folder}/a", start=2, end=5) == b"234"
        assert (server.folder / "a").read_bytes() == b"0123456789"
        fs.client.close()


def test_a_plain_rename_over_sftp_does_not_overwrite(tmp_path: Path) -> None:
    with sftp.server(tmp_path) as server:
        fs = fsspec.filesystem("sftp", **server.storage_options, skip_instance_cache=True)
        new, old = server.folder / "new", server.folder / "old"
        new.write_bytes(b"new")
        old.write_bytes(b"old")

        with pytest.raises(OSError, match="Failure"):
            fs.ftp.rename(str(new), str(old))
        kept = old.read_bytes()
        fs.ftp.posix_rename(str(new), str(old))

        assert kept == b"old"
        assert old.read_bytes() == b"new"
        fs.client.close()
