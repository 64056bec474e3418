"""What the operating system refuses: files, room, a mount that may be written."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
from http import HTTPStatus
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow import LakeflowClient, compact, exporting
from lakeflow.entities import Metric, Param
from lakeflow.exceptions import StorageError
from lakeflow.open_lakes import open_lake
from lakeflow.system_errors import plain, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "lakeflow", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def full_but_for(folder: Path, left_bytes: int) -> Iterator[None]:
    status = os.statvfs(folder)
    filler = folder / "filler"
    filler.write_bytes(b"x" * max(0, status.f_bavail * status.f_bsize - left_bytes))
    try:
        yield
    finally:
        filler.unlink()


def refusal(call: Callable[..., object], *arguments: object) -> StorageError | None:
    try:
        call(*arguments)
    except StorageError as error:
        return error
    return None


@contextlib.contextmanager
def files_left(count: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []
    # Tests before this one may have left a hundred files open.
    most = 100 + max(map(int, os.listdir("/dev/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, limits[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(count):
            os.close(held.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for each in held:
            os.close(each)


@contextlib.contextmanager
def inodes_left(folder: Path, count: int) -> Iterator[None]:
    fillers = folder / "fillers"
    fillers.mkdir()
    try:
        for number in range(max(0, os.statvfs(folder).f_favail - count)):
            (fillers / str(number)).touch()
        yield
    finally:
        shutil.rmtree(fillers)


@contextlib.contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def run(script: str, *arguments: object) -> str:
    process = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            'IO Error: Could not write file "/t/a": No space left on device',
            "RESOURCE_EXHAUSTED",
        ),
        ("Generic\n \x1b[31m↳\x1b[0m Disk quota exceeded (os error 122)", "RESOURCE_EXHAUSTED"),
        ('Cannot open file "/t/a": Too many open files', "RESOURCE_EXHAUSTED"),
        ("[errno 27] File too large", "RESOURCE_EXHAUSTED"),
        ("lib.so: failed to map segment: Cannot allocate memory", "RESOURCE_EXHAUSTED"),
        ('Cannot open file "/t/a": Permission denied', "PERMISSION_DENIED"),
        ("Read-only file system", "PERMISSION_DENIED"),
        ("Input/output error", "TEMPORARILY_UNAVAILABLE"),
    ],
)
def test_the_words_of_any_library_tell_what_was_refused(text: str, code: str) -> None:
    found = refused("write", RuntimeError(text))
    assert found is not None
    assert found.error_code == code
    assert "\x1b" not in str(found)
    assert len(str(found).splitlines()) == 2, "and a hint"


def test_other_errors_are_not_taken_for_refusals() -> None:
    assert refused("write", RuntimeError("No files found that match the pattern")) is None
    assert plain(RuntimeError("Generic\n \x1b[31m↳\x1b[0m gone")) == "Generic ↳ gone"


def test_a_process_writes_to_more_lakes_than_it_may_have_files(tmp_path: Path) -> None:
    script = """
import os, resource, sys, lakeflow
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
clients = [lakeflow.LakeflowClient(f"{sys.argv[1]}/{number}") for number in range(400)]
runs = [client.create_run("0").info.run_id for client in clients]
for value in range(2):
    for client, run_id in zip(clients, runs):
        client.log_metric(run_id, "m", value, step=value)
        client.log_metric(run_id, "n", value, step=value)
for client, run_id in zip(clients[::8], runs[::8]):
    assert client.get_run(run_id).data.metrics == {"m": 1, "n": 1}
    assert len(client.get_metric_history(run_id, "m")) == 2
for client, run_id in zip(clients[::150], runs[::150]):
    lakeflow.compact(client.tracking_uri)
    assert len(client.search_runs(["0"], "metrics.m = 1")) == 1
print(len(os.listdir("/proc/self/fd")) < 128)
"""
    assert run(script, tmp_path) == "True\n"


def test_a_reader_keeps_no_file_open_of_folds_that_are_past(tmp_path: Path) -> None:
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    run_id = client.create_run("0").info.run_id
    counts = set()
    for step in range(6):
        client.log_metric(run_id, "m", step, step=step)
        client.log_param(client.create_run("0").info.run_id, "p", "v")
        compact(uri)
        assert client.search_runs(["0"], "metrics.m >= 0 AND params.p IS NULL")
        assert client.get_run(run_id).data.metrics == {"m": step}
        assert len(client.get_metric_history(run_id, "m")) == step + 1
        counts.add(len(os.listdir("/dev/fd")))
    assert len(counts) == 1


def test_a_process_without_files_says_so_and_recovers(tmp_path: Path) -> None:
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 1.0)
    compact(uri)
    numbers = itertools.count()
    calls = {
        "log": lambda: client.log_metric(run_id, "m", 1.0),
        "new lake": lambda: LakeflowClient(f"{uri}{next(numbers)}").create_run("0"),
        "get": lambda: client.get_run(run_id),
        "search": lambda: client.search_runs(["0"], "metrics.m > 0"),
        "history": lambda: client.get_metric_history(run_id, "m"),
        "compact": lambda: compact(uri),
    }
    for call in calls.values():
        call()
    refused_calls = set()
    for left in range(5):
        with files_left(left):
            found = {name: refusal(call) for name, call in calls.items()}
        refused_calls |= {name for name, error in found.items() if error is not None}
        assert {each.error_code for each in found.values() if each} <= {"RESOURCE_EXHAUSTED"}
        for call in calls.values():
            call()
    assert refused_calls >= {"new lake", "get", "search", "history", "compact"}


# What is not loaded yet is loaded in the call, from files: each call has a process of its own.
FIRST_CALLS = """
import os, resource, sys, lakeflow
from lakeflow.exceptions import LakeflowException

uri, run_id = sys.argv[1:]
lakeflow.set_tracking_uri(uri)
client = lakeflow.LakeflowClient()
calls = {
    "log": lambda: client.log_metric(run_id, "m", 1.0),
    "get": lambda: client.get_run(run_id),
    "search": lambda: client.search_runs(["0"], "metrics.m > 0"),
    "frame": lambda: lakeflow.search_runs(["0"], output_format="polars"),
    "scan": lambda: lakeflow.scan_runs().collect(),
    "history": lambda: client.get_metric_history(run_id, "m"),
    "sql": lambda: lakeflow.sql("FROM runs_wide", output_format="pandas"),
    "compact": lambda: lakeflow.compact(),
    "verify": lambda: lakeflow.artifacts.verify(),
    "models": lambda: client.search_registered_models(),
    "traces": lambda: lakeflow.search_traces(),
    "copy": lambda: lakeflow.copy(uri, uri + "-copy"),
    "sync": lambda: lakeflow.sync(uri, uri + "-synced"),
}


def refused(call):
    held, count = [], 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    while True:
        try:
            call()
            break
        except LakeflowException as error:
            assert error.error_code == "RESOURCE_EXHAUSTED", error
            count += 1
        os.close(held.pop())
    # How many files a call has open at once differs from call to call: the engine's threads do.
    while held:
        os.close(held.pop())
    call()
    return count


for name, call in calls.items():
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if refused(call) else 2
        finally:
            os._exit(status)
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_first_call_without_files_says_so_and_works_once_there_are_some(
    tmp_path: Path,
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 1.0)
    client.log_text(run_id, "text", "a.txt")
    compact(tmp_path / "lake")
    client.log_metric(run_id, "m", 2.0)
    said = run(FIRST_CALLS, tmp_path / "lake", run_id).splitlines()
    assert len(said) == 13
    assert {line.split()[1] for line in said} == {"0"}, said


@needs_root
def test_a_full_disk_is_one_line_and_what_was_refused_leaves_nothing(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=4m") as disk:
        uri = str(disk / "lake")
        client = LakeflowClient(uri)
        run_id = client.create_run("0").info.run_id
        reasons = set()
        # Each time the disk is full at another step of a fold.
        for step, left_bytes in enumerate(range(0, 400_000, 16_384)):
            points = [Metric("m", step + n / 7, n, n) for n in range(500)]
            client.log_batch(run_id, metrics=points, params=[Param(f"p{step}", "v" * 999)])
            with full_but_for(disk, left_bytes):
                error = refusal(lambda: compact(uri))
            if error is not None:
                assert error.error_code == "RESOURCE_EXHAUSTED", error
                assert "\x1b" not in str(error)
                assert len(str(error).splitlines()) == 2, "and a hint"
                reasons.add(str(error).split(":")[0].split("/")[0])
            compact(uri)
        assert len(reasons) > 1
        assert len(client.get_run(run_id).data.params) == step + 1
        assert len(client.get_metric_history(run_id, "m")) == 500 * (step + 1)
        writers = len(list((disk / "lake" / "log").iterdir()))
        with full_but_for(disk, 0):
            for _ in range(20):
                with pytest.raises(StorageError, match="No space left"):
                    client.log_param(run_id, "p", "v" * 5_000)
        assert len(list((disk / "lake" / "log").iterdir())) <= writers + 1
        client.log_param(run_id, "p", "v")
        open_lake(uri).close()


@needs_root
def test_whatever_writes_to_a_full_disk_says_so_and_works_once_there_is_room(
    tmp_path: Path,
) -> None:
    # Here, since tests inside MLflow take the disks of this module, and have no receiver.
    from lakeflow.tracing.otlp.serving import receiving

    given = tmp_path / "source"
    source = LakeflowClient(given)
    source_run = source.create_run("0").info.run_id
    source.log_text(source_run, "text" * 50_000, "big.txt")
    with mounted(tmp_path / "disk", "size=4m") as disk, receiving(disk / "lake") as url:
        lake = str(disk / "lake")
        client = LakeflowClient(lake)
        run_id = client.create_run("0").info.run_id
        client.create_registered_model("models")
        client.log_text(run_id, "text" * 50_000, "big.txt")
        tags, numbers = {"t": "v" * 5_000}, itertools.count()

        def names() -> str:
            return f"n{next(numbers)}"

        def status() -> int:
            body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [_SPAN]}]}]})
            with contextlib.closing(HTTPConnection(url.removeprefix("http://"))) as connection:
                connection.request("POST", "/v1/traces", body, {"Content-Type": _JSON})
                return connection.getresponse().status

        calls: dict[str, Callable[[], object]] = {
            "experiment": lambda: client.create_experiment(names(), tags=tags),
            "registered model": lambda: client.create_registered_model(names(), tags),
            "version": lambda: client.create_model_version("models", "/x", tags=tags),
            "logged model": lambda: client.create_logged_model("0", params=tags),
            "dataset": lambda: client.create_dataset(names(), ["0"], tags),
            "table": lambda: client.log_table(run_id, {"a": ["v" * 5_000]}, "t.json"),
            "download": lambda: client.download_artifacts(run_id, "big.txt", str(disk)),
            "sync": lambda: lakeflow.sync(given, lake),
            "copy": lambda: lakeflow.copy(given, disk / "copy"),
            "export": lambda: exporting.to_csv(disk / names(), tracking_uri=lake),
            "new lake": lambda: LakeflowClient(disk / names()).create_run("0"),
        }
        for name, call in calls.items():
            with full_but_for(disk, 0):
                error = refusal(call) or pytest.fail(f"{name} was not refused")
                assert error.error_code == "RESOURCE_EXHAUSTED", name
            call()
        with full_but_for(disk, 0):
            assert status() == HTTPStatus.SERVICE_UNAVAILABLE
        assert status() == HTTPStatus.OK
        assert len(client.search_registered_models()) == 2
        assert len(client.search_model_versions()) == 1
        assert len(client.search_traces(["0"])) == 1
        assert client.get_run(source_run).info.status == "RUNNING"
        assert os.listdir(disk / "lake" / ".staging") == []


_JSON = "application/json"
_SPAN = {
    "traceId": "1" * 32,
    "spanId": "2" * 16,
    "name": "n" * 5_000,
    "startTimeUnixNano": "1",
    "endTimeUnixNano": "2",
}


@needs_root
def test_a_disk_without_inodes_is_full(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=16m,nr_inodes=1000") as disk:
        uri = str(disk / "lake")
        client = LakeflowClient(uri)
        run_id = client.create_run("0").info.run_id
        refused_calls, ids = set(), {"0"}

        def make(name: str) -> None:
            ids.add(client.create_experiment(name))

        for step, left in enumerate(range(0, 45, 6)):
            client.log_batch(run_id, [Metric("m", step, step, step)], [Param(f"p{step}", "v")])
            with inodes_left(disk, left):
                found = {
                    "compact": refusal(compact, uri),
                    "text": refusal(client.log_text, run_id, "t", f"{step}.txt"),
                    "experiment": refusal(make, f"e{step}"),
                }
            assert {each.error_code for each in found.values() if each} <= {
                "RESOURCE_EXHAUSTED"
            }
            refused_calls |= {name for name, error in found.items() if error is not None}
            compact(uri)
        assert refused_calls == {"compact", "text", "experiment"}
        assert len(client.get_metric_history(run_id, "m")) == step + 1
        assert len(client.get_run(run_id).data.params) == step + 1
        assert {each.experiment_id for each in client.search_experiments()} >= ids


def test_files_that_may_not_grow_are_refused_with_the_limit_that_does_it(
    tmp_path: Path,
) -> None:
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    run_id = client.create_run("0").info.run_id
    logged, refused_calls = 0, set()
    for step, most in enumerate((0, 50, 700, 1_500, 3_000, 8_000, 20_000)):
        client.log_batch(run_id, [], [Param(f"p{step}", "v" * 500)])
        with largest_file(most):
            found = {
                "compact": refusal(compact, uri),
                "metric": refusal(client.log_metric, run_id, "m", step, step, step),
                "text": refusal(client.log_text, run_id, "t" * 10_000, f"{step}.txt"),
                "run": refusal(client.create_run, "0"),
            }
        logged += found["metric"] is None
        for name, error in found.items():
            if error is not None:
                refused_calls.add(name)
                assert error.error_code == "RESOURCE_EXHAUSTED"
                assert str(error).endswith("ulimit -f")
        compact(uri)
        assert len(client.get_metric_history(run_id, "m")) == logged
        assert len(client.get_run(run_id).data.params) == step + 1
    assert refused_calls == {"compact", "metric", "text", "run"}
    assert logged


@needs_root
def test_artifacts_on_a_full_disk_say_which_and_the_next_call_completes_them(
    tmp_path: Path,
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    for number in range(6):
        (given / f"{number}.bin").write_bytes(os.urandom(300_000))
    (given / "big.bin").write_bytes(os.urandom(1_500_000))
    with mounted(tmp_path / "disk", "size=6m") as disk:
        client = LakeflowClient(disk / "lake")
        run_id = client.create_run("0").info.run_id
        with full_but_for(disk, 1_000_000):
            with pytest.raises(StorageError, match=r"\.bin.*No space left") as caught:
                client.log_artifacts(run_id, given, "kept")
            assert caught.value.error_code == "RESOURCE_EXHAUSTED"
            there = client.list_artifacts(run_id, "kept")
            assert 0 < len(there) < 7
            client.log_metric(run_id, "usable", 1)
        assert os.listdir(disk / "lake" / ".staging") == []
        client.log_artifacts(run_id, given, "kept")
        assert len(client.list_artifacts(run_id, "kept")) == 7
    with mounted(tmp_path / "small", "size=1m") as small:
        client = LakeflowClient(tmp_path / "lake")
        run_id = client.create_run("0").info.run_id
        client.log_artifacts(run_id, given)
        with pytest.raises(StorageError, match=r"\.bin") as caught:
            client.download_artifacts(run_id, "", small)
        assert caught.value.error_code == "RESOURCE_EXHAUSTED"
        left = [each for each in os.listdir(small) if not each.endswith(".bin")]
        assert left == [], "no half of a file"


@needs_root
def test_a_mount_that_is_read_only_is_named_as_the_reason(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=4m") as disk:
        client = LakeflowClient(str(disk / "lake"))
        run_id = client.create_run("0").info.run_id
        open_lake(str(disk / "lake")).close()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(StorageError, match="mounted read-only") as raised:
            client.log_param(run_id, "p", "v")
        assert raised.value.error_code == "PERMISSION_DENIED"


def test_what_could_not_be_synced_is_counted_once_where_it_is_logged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEFLOW_DURABILITY", "fsync")
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    run_id = client.create_run("0").info.run_id
    sync, failures = os.fsync, [OSError(errno.EIO, os.strerror(errno.EIO))]

    def fsync(descriptor: int) -> None:
        if failures:
            raise failures.pop()
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError, match="Input/output error") as caught:
        client.log_metric(run_id, "m", 1, timestamp=1, step=1)
    assert caught.value.error_code == "TEMPORARILY_UNAVAILABLE"
    client.log_metric(run_id, "m", 1, timestamp=1, step=1)
    client.log_metric(run_id, "m", 2, timestamp=2, step=2)
    for _ in range(2):
        assert [each.step for each in client.get_metric_history(run_id, "m")] == [1, 2]
        compact(uri)
