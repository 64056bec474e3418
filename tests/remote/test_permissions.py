"""One permission is missing, or the address or the credentials are wrong: who says so, and how."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest
from servers.processes import free_port
from servers.proxy import Fault, Proxy

from lakeflow.exceptions import StorageError
from lakeflow.maintenance.compact import compact_lake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servers.ceph import Action, CephServer

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.stores.store import Store


def upload(fs: Filesystem, folder: Path) -> None:
    part = folder / "part"
    part.write_bytes(b"x" * 100)
    fs.upload(str(part), "folder/part")


# What an operation is called in errors, what it needs, how it is called, and its object.
OPERATIONS: dict[str, tuple[Action, Callable[[Any, Any], object], str]] = {
    "list": ("list", lambda fs, _: fs.list("folder"), "folder"),
    "list below": ("list", lambda fs, _: fs.sizes("folder"), "folder"),
    "read": ("get", lambda fs, _: fs.read("folder/a"), "folder/a"),
    "read again": ("get", lambda fs, _: fs.read_fixed("folder/a", 7, 0, 7), "folder/a"),
    "create": ("put", lambda fs, _: fs.create("folder/c", b"x"), "folder/c"),
    "write": ("put", upload, "folder/part"),
    "delete": ("delete", lambda fs, _: fs.delete("folder/a"), "folder/a"),
    "delete many": ("delete", lambda fs, _: fs.delete_many(["folder/b"]), "folder/b"),
}


@pytest.mark.parametrize("missing", ["list", "put", "delete"])
def test_only_what_needs_a_permission_fails_without_it(
    missing: Action,
    gateway: CephServer,
    bucket: str,
    open_fs: Callable[..., Filesystem],
    tmp_path: Path,
) -> None:
    owner = open_fs(gateway)
    for name in "ab":
        owner.create(f"folder/{name}", b"content")
    fs = open_fs(gateway.limited(bucket, [missing]))
    for name, (needed, call, path) in OPERATIONS.items():
        if needed != missing:
            call(fs, tmp_path)
            continue
        with denied(name.split()[0], path, bucket):
            call(fs, tmp_path)


@contextlib.contextmanager
def denied(operation: str, path: str, bucket: str) -> Iterator[None]:
    """Expect that an operation is not permitted, and that the error says which and what."""
    with pytest.raises(StorageError) as caught:
        yield
    assert caught.value.error_code == "PERMISSION_DENIED"
    assert re.match(f"cannot {operation} {path} in s3://{bucket}/lake: ", str(caught.value))
    assert "permission" in str(caught.value).partition("Hint: ")[2]


def test_without_reading_objects_a_lake_cannot_be_opened(
    gateway: CephServer,
    bucket: str,
    open_fs: Callable[..., Filesystem],
    open_store: Callable[..., Store],
) -> None:
    open_store(gateway)
    user = gateway.limited(bucket, ["get"])
    fs = open_fs(user)
    assert "lake.json" in fs.sizes("")
    fs.delete("lake.json.old")
    with denied("read", "lake.json", bucket):
        open_store(user)
    # Nor can it find out whether the store is one that a lake can be on.
    with denied("read", "probes/.*", bucket):
        fs.create("folder/c", b"x")


@pytest.fixture
def logged(gateway: CephServer, open_store: Callable[..., Store]) -> tuple[Store, str]:
    """Return the owner's lake, with one run in a table and its log."""
    owner = open_store(gateway)
    run_id = owner.runs.create("0").info.run_id
    owner.runs.log_metric(run_id, "loss", 1.0, 1, 1)
    compact_lake(owner.lake)
    owner.runs.log_metric(run_id, "loss", 2.0, 2, 2)
    return owner, run_id


def values(store: Store, run_id: str) -> list[float]:
    return [point.value for point in store.runs.history(run_id, "loss")]


def test_without_putting_a_lake_is_only_read(
    gateway: CephServer,
    bucket: str,
    open_store: Callable[..., Store],
    logged: tuple[Store, str],
) -> None:
    _, run_id = logged
    reader = open_store(gateway.limited(bucket, ["put"]))
    assert values(reader, run_id) == [1, 2]
    assert len(reader.runs.search(["0"], "metrics.loss = 2")) == 1
    for act, path in (
        (lambda: reader.runs.log_metric(run_id, "loss", 3.0, 3, 3), "log/.*"),
        (lambda: reader.experiments.create("new"), "log/control/.*"),
    ):
        with denied("create", path, bucket):
            act()
    with pytest.raises(StorageError, match="cannot write folds/lock"):
        compact_lake(reader.lake)
    assert values(reader, run_id) == [1, 2]


def test_without_listing_the_log_is_not_read_and_new_runs_are_written(
    gateway: CephServer,
    bucket: str,
    open_store: Callable[..., Store],
    logged: tuple[Store, str],
) -> None:
    _, run_id = logged
    user = open_store(gateway.limited(bucket, ["list"]))
    with denied("list", "(log|folds)", bucket):
        values(user, run_id)
    with denied("list", "folds", bucket):
        user.runs.create("0")


def test_without_deleting_all_works_but_the_vacuum(
    gateway: CephServer,
    bucket: str,
    open_store: Callable[..., Store],
    logged: tuple[Store, str],
) -> None:
    _, run_id = logged
    user = open_store(gateway.limited(bucket, ["delete"]))
    # What a user of a bucket has put is not the bucket owner's to read.
    another = open_store(gateway.limited(bucket, []))
    made = user.runs.create("0", run_name="made").info.run_id
    user.runs.log_metric(made, "loss", 5.0, 5, 5)
    assert (values(user, run_id), values(user, made)) == ([1, 2], [5])
    user.experiments.create("new")
    before = user.lake.fold().number
    refusals = compact_lake(user.lake).vacuum.refusals
    assert re.match(f"cannot delete (log|folds|tables)/.* in s3://{bucket}/lake", refusals[0])
    for store in (user, another):
        assert store.lake.fold().number == before + 1, "it was folded"
        assert (values(store, run_id), values(store, made)) == ([1, 2], [5])
    another.lake.fs.delete("folds/lock")
    compact_lake(another.lake)
    assert (values(user, run_id), values(user, made)) == ([1, 2], [5])


def test_a_bucket_that_is_not_there_is_named(
    gateway: CephServer, open_store: Callable[..., Store]
) -> None:
    with pytest.raises(StorageError, match=r"nowhere-at-all/lake: .*\n.*bucket") as caught:
        open_store(gateway, "s3://nowhere-at-all/lake")
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_server_that_is_not_there_is_given_up(
    gateway: CephServer, open_store: Callable[..., Store]
) -> None:
    nobody = gateway.through(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StorageError, match=r"cannot read lake\.json .*\n.*endpoint") as caught:
        open_store(nobody, remote_deadline_s=1)
    assert caught.value.error_code == "TEMPORARILY_UNAVAILABLE"


@pytest.mark.parametrize("wrong", ["secret_key", "access_key"])
def test_wrong_credentials_are_not_tried_again(
    wrong: str, gateway: CephServer, bucket: str, open_store: Callable[..., Store]
) -> None:
    stranger = dataclasses.replace(gateway, **{wrong: "wrong"})
    with pytest.raises(StorageError, match=r"cannot read lake\.json") as caught:
        open_store(stranger)
    assert caught.value.error_code == "PERMISSION_DENIED"
    assert "the access key and the secret" in str(caught.value)


def test_credentials_that_have_expired_are_renewed_once(
    gateway: CephServer, between: Proxy, open_store: Callable[..., Store]
) -> None:
    store = open_store(gateway.through(between.endpoint_url))
    run_id = store.runs.create("0").info.run_id
    between.faults = [Fault("status", arg=403, code="ExpiredToken")]
    store.runs.log_metric(run_id, "loss", 1.0, 1, 1)
    between.faults = [Fault("status", count=None, arg=403, code="ExpiredToken")]
    between.clear()
    with pytest.raises(StorageError, match="have expired") as caught:
        store.runs.log_metric(run_id, "loss", 2.0, 2, 2)
    assert caught.value.error_code == "PERMISSION_DENIED"
    assert len(between.requests) == 2
    between.faults = []
    store.runs.log_metric(run_id, "loss", 3.0, 3, 3)
    assert values(store, run_id) == [1, 3]
