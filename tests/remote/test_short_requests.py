"""Small requests to S3 go a short way, and nobody sees that but by the processor time."""

from __future__ import annotations

import dataclasses
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import s3fs
from servers.proxy import Fault

from lakeflow.filesystem import retry, s3_requests
from lakeflow.filesystem.backends import backend_of
from lakeflow.filesystem.failures import cause_of
from lakeflow.filesystem.s3_requests import SMALL_BYTES, ShortS3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servers.ceph import CephServer
    from servers.proxy import Proxy
    from servers.s3 import S3Server

    from lakeflow.filesystem.interface import Filesystem

KEYS = (
    "a b",
    "a+b",
    "a%20b",
    "100%",
    "ü/日本語",
    "a//b",
    "./a/../b",
    "a?b=c&d#e",
    "~(a)*'!;:@,$=[]{}|^`\"<>\\",
    "a/",
)


def opened(kind: type[s3fs.S3FileSystem], server: S3Server, **given: Any) -> Any:
    backend = backend_of("s3")
    options = {**backend.options, **server.storage_options, **given}
    fs = kind(**options, skip_instance_cache=True)
    backend.prepare(fs)
    return fs


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function after which s3fs is not to be asked for anything."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("s3fs was asked")

    return lambda: monkeypatch.setattr(s3_requests, "sync", refuse)


def test_each_call_is_one_request_without_s3fs(
    gateway: CephServer,
    between: Proxy,
    open_fs: Callable[..., Filesystem],
    alone: Callable[[], None],
    tmp_path: Path,
) -> None:
    fs = open_fs(gateway.through(between.endpoint_url))
    fs.create("first", b"x")
    alone()
    between.clear()
    (tmp_path / "page.html").write_bytes(b"<p>")
    fs.put("a", b"0123456789")
    fs.create("b", b"")
    fs.upload(str(tmp_path / "page.html"), "page.html")
    assert fs.read("a") == b"0123456789"
    assert fs.read("a", 2, 5) == b"234"
    assert fs.read("a", 10) == fs.read("b") == b""
    assert not fs.exists("nowhere")
    assert [each.method for each in between.requests] == ["PUT"] * 3 + ["GET"] * 5
    with pytest.raises(FileExistsError):
        fs.create("a", b"other")
    kept = gateway.client().get_object(Bucket=fs.full("").split("/")[0], Key="lake/page.html")
    assert kept["ContentType"] == "text/html"


def test_hostile_keys_mean_the_same_to_both_ways(
    gateway: CephServer, bucket: str, alone: Callable[[], None]
) -> None:
    usual, short = opened(s3fs.S3FileSystem, gateway), opened(ShortS3, gateway)
    for number, key in enumerate(KEYS):
        usual.pipe_file(f"{bucket}/usual/{key}", f"usual {number}".encode())
        short.pipe_file(f"{bucket}/short/{key}", f"short {number}".encode())
    for number, key in enumerate(KEYS):
        assert usual.cat_file(f"{bucket}/short/{key}", start=0) == f"short {number}".encode()
    alone()
    for number, key in enumerate(KEYS):
        assert short.cat_file(f"{bucket}/usual/{key}", start=0) == f"usual {number}".encode()


def test_errors_are_those_of_s3fs(gateway: CephServer, bucket: str) -> None:
    stranger = dataclasses.replace(gateway, secret_key="wrong")
    gateway.client().put_object(Bucket=bucket, Key="a", Body=b"x")
    calls: tuple[tuple[S3Server, Callable[[Any], object]], ...] = (
        (gateway, lambda fs: fs.cat_file(f"{bucket}/nowhere", start=0)),
        (gateway, lambda fs: fs.cat_file(f"{bucket}/a", start=1)),
        (gateway, lambda fs: fs.cat_file("no-such-bucket/a", start=0)),
        (gateway, lambda fs: fs.pipe_file("no-such-bucket/a", b"x")),
        (gateway, lambda fs: fs.pipe_file(f"{bucket}/a", b"x", mode="create")),
        (stranger, lambda fs: fs.cat_file(f"{bucket}/a", start=0)),
    )
    kinds = (s3fs.S3FileSystem, ShortS3)
    ways = {id(each): [opened(kind, each) for kind in kinds] for each in (gateway, stranger)}
    for server, call in calls:
        said = []
        for fs in ways[id(server)]:
            with pytest.raises(OSError, match=r".") as caught:
                call(fs)
            error = caught.value
            said.append((type(error), str(error), str(error.__cause__), cause_of(error)))
        assert said[0] == said[1]


def test_a_busy_store_is_asked_again_after_a_pause(
    gateway: CephServer,
    between: Proxy,
    open_fs: Callable[..., Filesystem],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "_PAUSE_S", 0.005)
    fs = open_fs(gateway.through(between.endpoint_url))
    fs.put("a", b"x")
    between.clear()
    between.faults = [Fault("status", arg=503, code="SlowDown")]
    assert fs.read("a") == b"x"
    assert [each.status for each in between.requests] == [503, 206]
    assert "trying again" in caplog.text


@pytest.mark.parametrize("action", ["drop_before", "drop_after", "truncate"])
def test_s3fs_asks_again_where_a_connection_is_lost(
    action: Any, gateway: CephServer, between: Proxy, bucket: str
) -> None:
    fs = opened(ShortS3, gateway.through(between.endpoint_url))
    fs.pipe_file(f"{bucket}/a", b"0123456789")
    between.faults = [Fault(action, arg=3)]
    assert fs.cat_file(f"{bucket}/a", start=0) == b"0123456789"
    assert fs._sender is not None


def test_a_store_that_wants_more_than_a_signature_is_left_to_s3fs(
    gateway: CephServer, between: Proxy, bucket: str
) -> None:
    for status, code in ((301, "PermanentRedirect"), (400, "InvalidRequest")):
        fs = opened(ShortS3, gateway.through(between.endpoint_url))
        between.faults = [Fault("status", arg=status, code=code)]
        between.clear()
        for _ in range(2):
            fs.pipe_file(f"{bucket}/a", b"x")
        assert [each.status for each in between.requests] == [status, 200, 200]
        assert fs._sender is None


def test_a_large_file_is_left_to_s3fs(
    gateway: CephServer, bucket: str, alone: Callable[[], None]
) -> None:
    fs = opened(ShortS3, gateway)
    fs.pipe_file(f"{bucket}/a", bytes(SMALL_BYTES))
    alone()
    fs.pipe_file(f"{bucket}/a", bytes(SMALL_BYTES))
    with pytest.raises(AssertionError, match="s3fs was asked"):
        fs.pipe_file(f"{bucket}/a", bytes(SMALL_BYTES + 1))


@pytest.mark.parametrize(
    "given",
    [
        {"anon": True},
        {"requester_pays": True},
        {"version_aware": True},
        {"s3_additional_kwargs": {"ServerSideEncryption": "AES256"}},
        {"config_kwargs": {"signature_version": "s3"}},
        {"config_kwargs": {"proxies": {"http": "http://127.0.0.1:1"}}},
        {"client_kwargs": {"aws_session_token": "token"}},
        {"session": "given"},
    ],
    ids=str,
)
def test_what_only_s3fs_knows_is_left_to_it(given: dict[str, Any], gateway: CephServer) -> None:
    if "session" in given:
        from aiobotocore.session import AioSession

        given = {"session": AioSession()}
    fs = ShortS3(**{**gateway.storage_options, **given}, skip_instance_cache=True)
    assert fs._sender is None


def test_a_forked_child_has_connections_of_its_own(
    gateway: CephServer, open_fs: Callable[..., Filesystem], forked: Callable[..., int]
) -> None:
    fs = open_fs(gateway)
    fs.create("parent", b"x")

    def work() -> None:
        assert fs.read("parent") == b"x"
        fs.create("child", b"y")

    assert forked(work) == 0
    assert (fs.read("child"), fs.read("parent")) == (b"y", b"x")


class _Server(BaseHTTPRequestHandler):
    """Answers everything with three bytes, of which the last two take their time."""

    protocol_version = "HTTP/1.1"
    asked: list[Any]
    go_on: threading.Event

    def do_GET(self) -> None:
        self.asked.append(self.headers)
        self.send_response(206)
        self.send_header("Content-Length", "3")
        self.send_header("Connection", "close")
        self.end_headers()
        for piece in (b"a", b"b", b"c"):
            self.wfile.write(piece)
            self.wfile.flush()
            self.go_on.wait(0.3)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def trickling() -> Iterator[tuple[str, Any]]:
    handler = type("Handler", (_Server,), {"asked": [], "go_on": threading.Event()})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        handler.go_on.set()
        server.shutdown()
        thread.join()


def test_a_body_that_trickles_is_not_waited_for(
    trickling: tuple[str, Any], gateway: CephServer
) -> None:
    fs = opened(ShortS3, gateway.through(trickling[0]))
    with pytest.raises(TimeoutError):
        fs.cat_file("bucket/a", start=0, timeout=0.1)


def test_temporary_credentials_are_sent_with_their_token(
    trickling: tuple[str, Any], gateway: CephServer
) -> None:
    url, handler = trickling
    handler.go_on.set()
    fs = opened(ShortS3, gateway.through(url), token="the token")
    assert fs.cat_file("bucket/a", start=0) == b"abc"
    (headers,) = handler.asked
    assert headers["X-Amz-Security-Token"] == "the token"
    assert "x-amz-security-token" in headers["Authorization"]
