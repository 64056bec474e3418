"""Artifacts on an object store: few requests, many at once, whole after any trouble."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from servers.proxy import Fault, Proxy, Request

import lakeflow
from lakeflow.exceptions import InvalidInputError, StorageError
from lakeflow.filesystem import retry
from lakeflow.filesystem.parts import PART_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.ceph import CephServer
    from servers.messages import Head

    from lakeflow.stores.store import Store

PARTS = 5
FILES = 60


class CountingProxy(Proxy):
    """A proxy that knows how many requests are on their way at one time."""

    def __init__(self, upstream_port: int, delay_s: float) -> None:
        super().__init__(upstream_port, delay_s)
        self.now = self.most = 0

    def fault_for(self, head: Head) -> Fault | None:
        self.now += 1
        self.most = max(self.most, self.now)
        return super().fault_for(head)

    def record(self, request: Request) -> None:
        self.now -= 1
        super().record(request)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_PAUSE_S", 0.001)


@pytest.fixture
def through(gateway: CephServer, between: Proxy, open_store: Callable[..., Store]) -> Store:
    """Return a store whose requests pass the proxy."""
    return open_store(gateway.through(between.endpoint_url), remote_deadline_s=20)


@pytest.fixture
def run_id(through: Store) -> str:
    return through.runs.create("0").info.run_id


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(PARTS * PART_BYTES - 1_000))
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number}.txt").write_bytes(b"x" * number)
    return folder


def operations(proxy: Proxy, path: str = "/artifacts/") -> Counter[str]:
    return Counter(each.operation for each in proxy.requests if path in each.path)


def fetched(store: Store, run_id: str, path: str, folder: Path) -> bytes:
    folder.mkdir(exist_ok=True)
    return Path(store.artifacts.download(run_id, path, folder)).read_bytes()


def test_many_small_files_are_a_request_each_and_many_at_once(
    gateway: CephServer, open_store: Callable[..., Store], small: Path, tmp_path: Path
) -> None:
    with CountingProxy(gateway.port, 0.15) as slow:
        store = open_store(gateway.through(slow.endpoint_url))
        run_id = store.runs.create("0").info.run_id
        slow.clear()
        store.artifacts.log_folder(run_id, small)
        assert operations(slow) == {"PutObject": FILES}
        assert operations(slow, "/log/") == {"PutObject": 1}
        assert slow.most >= 20
        slow.most = 0
        slow.clear()
        (tmp_path / "down").mkdir()
        store.artifacts.download(run_id, "", tmp_path / "down")
        found = operations(slow)
        # Of the empty one there is nothing to fetch.
        assert found["GetObject"] == FILES - 1
        assert slow.most >= 20
        slow.clear()
        store.artifacts.log_folder(run_id, small)
        assert operations(slow) == {"HeadObject": FILES}


def test_one_listing_and_one_file_are_one_request(
    through: Store, between: Proxy, run_id: str, small: Path, tmp_path: Path
) -> None:
    through.artifacts.log_folder(run_id, small, "deep/er")
    between.clear()
    assert len(through.artifacts.listing(run_id, "deep/er")) == FILES
    assert sum(between.summary.methods.values()) == 1
    between.clear()
    assert fetched(through, run_id, "deep/er/7.txt", tmp_path / "down") == b"x" * 7
    assert operations(between) == {"GetObject": 1}


def test_a_large_file_goes_in_parts_and_a_broken_one_goes_on(
    through: Store, between: Proxy, run_id: str, big: Path, tmp_path: Path
) -> None:
    between.clear()
    between.faults = [Fault("status", "PUT", "partNumber=4", arg=403, code="AccessDenied")]
    with pytest.raises(StorageError, match=r"big\.bin") as caught:
        through.artifacts.log(run_id, big)
    assert caught.value.error_code == "PERMISSION_DENIED"
    assert through.artifacts.listing(run_id) == []
    assert through.artifacts.recorded(run_id) == {}
    arrived = [
        each
        for each in between.requests
        if each.operation == "UploadPart" and each.status == 200
    ]
    assert 0 < len(arrived) < PARTS
    between.clear()
    through.artifacts.log(run_id, big)
    sent = operations(between)
    assert sent["UploadPart"] == PARTS - len(arrived)
    assert sent["CreateMultipartUpload"] == 0
    assert fetched(through, run_id, "big.bin", tmp_path / "down") == big.read_bytes()
    between.clear()
    through.artifacts.log(run_id, big)
    assert between.summary.sent_bytes == 0


def test_an_upload_whose_last_answer_is_lost_is_there(
    through: Store, between: Proxy, run_id: str, big: Path, tmp_path: Path
) -> None:
    through.artifacts.log_bytes(run_id, "big.bin", b"what was there before")
    between.clear()
    between.faults = [Fault("drop_after", "POST", "uploadId")]
    through.artifacts.log(run_id, big)
    assert operations(between)["CompleteMultipartUpload"] == 2
    assert fetched(through, run_id, "big.bin", tmp_path / "down") == big.read_bytes()


def test_a_download_that_was_broken_off_goes_on(
    through: Store, between: Proxy, run_id: str, big: Path, tmp_path: Path
) -> None:
    through.artifacts.log(run_id, big)
    begin = (PARTS - 1) * PART_BYTES
    between.faults = [
        Fault("status", "GET", r"big\.bin", nth=PARTS, arg=403, code="AccessDenied")
    ]
    with pytest.raises(StorageError):
        fetched(through, run_id, "big.bin", tmp_path / "down")
    (part,) = os.listdir(tmp_path / "down")
    assert part.endswith(".part")
    had = (tmp_path / "down" / part).stat().st_size
    assert 0 < had <= begin
    between.clear()
    assert fetched(through, run_id, "big.bin", tmp_path / "down") == big.read_bytes()
    assert between.summary.received_bytes < big.stat().st_size - had + PART_BYTES + 100_000
    assert os.listdir(tmp_path / "down") == ["big.bin"]


FAULTS: dict[str, dict[str, Any]] = {
    "never arrives": {"action": "drop_before"},
    "reply lost": {"action": "drop_after"},
    "slow down": {"action": "status", "arg": 503, "code": "SlowDown"},
    "cut short": {"action": "truncate", "method": "GET", "arg": 20},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_after_trouble_at_each_request_all_is_there(
    fault: str,
    through: Store,
    between: Proxy,
    run_id: str,
    big: Path,
    small: Path,
    tmp_path: Path,
) -> None:
    through.artifacts.log_text(run_id, "warm", "warm.txt")
    first = 1 + list(FAULTS).index(fault) % 3
    # Every third request, so that together each kind of request suffers.
    between.faults = [Fault(**FAULTS[fault], nth=nth) for nth in range(first, 500, 3)]
    through.artifacts.log(run_id, big)
    through.artifacts.log(run_id, small)
    down = tmp_path / "down"
    assert fetched(through, run_id, "big.bin", down) == big.read_bytes()
    through.artifacts.download(run_id, "small", down)
    assert any(request.fault for request in between.requests)
    for each in small.iterdir():
        assert (down / "small" / each.name).read_bytes() == each.read_bytes()
    assert len(through.artifacts.recorded(run_id)) == FILES + 2
    assert sorted(os.listdir(down)) == ["big.bin", "small"]


def test_a_store_that_refuses_in_the_middle_keeps_what_arrived(
    through: Store, between: Proxy, run_id: str, small: Path
) -> None:
    between.clear()
    between.faults = [
        Fault("status", "PUT", "/artifacts/", nth=30, arg=403, code="AccessDenied")
    ]
    with pytest.raises(StorageError, match=r"small|\.txt"):
        through.artifacts.log_folder(run_id, small)
    recorded = through.artifacts.recorded(run_id)
    assert {each.path for each in through.artifacts.listing(run_id)} == recorded.keys()
    assert 29 <= len(recorded) < FILES
    through.runs.log_metric(run_id, "usable", 1, 0, 0)
    between.clear()
    through.artifacts.log_folder(run_id, small)
    assert operations(between)["PutObject"] == FILES - len(recorded)
    assert len(through.artifacts.recorded(run_id)) == FILES


@pytest.fixture
def elsewhere(gateway: CephServer, bucket: str) -> str:
    lakeflow.set_storage_options(f"s3://{bucket}", gateway.storage_options)
    return f"s3://{bucket}/elsewhere"


def test_a_local_lake_keeps_artifacts_on_a_store(elsewhere: str, tmp_path: Path) -> None:
    lakeflow.set_tracking_uri(tmp_path / "lake")
    experiment_id = lakeflow.create_experiment("away", elsewhere)
    with lakeflow.start_run(experiment_id=experiment_id) as run:
        lakeflow.log_text("far", "a/b.txt")
    assert run.info.artifact_uri == f"{elsewhere}/{run.info.run_id}/artifacts"
    assert lakeflow.artifacts.load_text(f"{run.info.artifact_uri}/a/b.txt") == "far"
    assert lakeflow.artifacts.load_text(f"runs:/{run.info.run_id}/a/b.txt") == "far"
    assert not list((tmp_path / "lake").rglob("b.txt"))


def test_threads_share_one_store(through: Store, run_id: str, tmp_path: Path) -> None:
    def work(number: int) -> None:
        for turn in range(4):
            through.artifacts.log_bytes(run_id, f"{number}/{turn}", b"%d" % turn)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(through.artifacts.recorded(run_id)) == 32
    assert fetched(through, run_id, "7/3", tmp_path / "down") == b"3"


@pytest.mark.parametrize("name", ["a/../../escaped", "../escaped", "a\\b", "C:/x", "new\nline"])
def test_a_name_of_another_tool_leads_nowhere_else(
    name: str,
    gateway: CephServer,
    bucket: str,
    open_store: Callable[..., Store],
    tmp_path: Path,
) -> None:
    store = open_store(gateway)
    run_id = store.runs.create("0").info.run_id
    store.artifacts.log_text(run_id, "mine", "mine.txt")
    key = f"lake/artifacts/0/{run_id}/artifacts/{name}"
    gateway.client().put_object(Bucket=bucket, Key=key, Body=b"theirs")
    down = tmp_path / "a" / "down"
    down.mkdir(parents=True)
    with pytest.raises(InvalidInputError, match="would lead elsewhere"):
        store.artifacts.download(run_id, "", down)
    assert os.listdir(down) == []
    assert fetched(store, run_id, "mine.txt", down) == b"mine"
    assert "mine.txt" in [each.path for each in store.artifacts.listing(run_id)]
    assert sorted(os.listdir(tmp_path / "a")) == ["down"]


def test_a_program_logs_artifacts_in_its_exit_hook(
    gateway: CephServer, bucket: str, small: Path, big: Path, tmp_path: Path
) -> None:
    program = f"""
import atexit, lakeflow
lakeflow.set_storage_options({f"s3://{bucket}/lake"!r}, {gateway.storage_options!r})
client = lakeflow.MlflowClient({f"s3://{bucket}/lake"!r})
run_id = client.create_run("0").info.run_id

@atexit.register
def log():
    client.log_artifacts(run_id, {str(small)!r})
    client.log_artifact(run_id, {str(big)!r})
    print(len(client.list_artifacts(run_id)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{FILES + 1}\n", "")
