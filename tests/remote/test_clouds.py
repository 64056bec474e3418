"""Azure's and Google's clients as they are used by a lake, with a proxy that fails requests."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partialmethod
from typing import TYPE_CHECKING, Any

import pytest
from azure.core import exceptions as azure
from azure.storage.blob.aio import ContainerClient
from gcsfs.core import GCSFileSystem
from google.auth import exceptions as google
from remote.operations import OPERATIONS
from servers import azurite, gcs
from servers.processes import free_port
from servers.proxy import Fault, Proxy

from lakeflow.exceptions import StorageError
from lakeflow.filesystem import backends, remote, retry
from lakeflow.filesystem.failures import cause_of
from lakeflow.filesystem.location import open_filesystem
from lakeflow.ids import new_id
from lakeflow.lake import Lake
from lakeflow.stores.store import Store
from lakeflow.testing.story import Story

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lakeflow.config import Settings
    from lakeflow.filesystem.interface import Filesystem

Cloud = azurite.AzureServer | gcs.GcsServer

LIMIT_S = 30
"""Whatever is not over after this time hangs."""


@pytest.fixture(scope="module", params=[azurite, gcs], ids=["azure", "gcs"])
def cloud(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    with request.param.server(tmp_path_factory.mktemp("cloud")) as server:
        yield server


@pytest.fixture
def through(cloud: Cloud) -> Iterator[Proxy]:
    with Proxy(cloud.port) as running:
        yield running


@pytest.fixture
def place(cloud: Cloud) -> str:
    return f"{cloud.scheme}://{cloud.make_bucket(f'remote-{new_id()}')}/lake"


@pytest.fixture
def opened(place: str, settings_of: Callable[..., Settings]) -> Callable[..., Filesystem]:
    """Return a function that opens the lake's filesystem as a user of a server."""

    def open_again(server: Cloud, uri: str = place, **given: Any) -> Filesystem:
        return open_filesystem(uri, server.storage_options, settings_of(**given))

    return open_again


@pytest.fixture
def filled(cloud: Cloud, opened: Callable[..., Filesystem]) -> Filesystem:
    """Return the filesystem with a few files."""
    fs = opened(cloud)
    for name in ("a", "b", "log/w/1", "log/w/2", "log/w/3", "log/ww/1", "tables/t/empty"):
        fs.create(name, b"" if name.endswith("empty") else b"0123456789")
    return fs


# Requests of an operation: Azure's, and Google's.
COSTS: dict[str, tuple[Callable[[Filesystem], object], int, int]] = {
    "create": (lambda fs: fs.create("c", b"x"), 1, 1),
    "read": (lambda fs: fs.read("a"), 1, 1),
    "exists": (lambda fs: fs.exists("nowhere"), 1, 1),
    "look at an empty file": (lambda fs: fs.exists("tables/t/empty"), 1, 1),
    "list": (lambda fs: fs.list("log/ww"), 2, 1),
    "list below": (lambda fs: fs.sizes("log"), 2, 1),
    "delete": (lambda fs: fs.delete("log/w/1"), 1, 1),
    "delete many": (lambda fs: fs.delete_many(["log/w/2", "log/w/3", "none"]), 3, 3),
}


@pytest.mark.parametrize("operation", COSTS)
def test_an_operation_is_that_many_requests(
    operation: str,
    cloud: Cloud,
    through: Proxy,
    opened: Callable[..., Filesystem],
    filled: Filesystem,
) -> None:
    call, *requests = COSTS[operation]
    fs = opened(cloud.through(through.endpoint_url))
    fs.create("first", b"x")
    through.clear()
    call(fs)
    assert len(through.requests) == requests[cloud.scheme == "gs"]


def test_files_are_deleted_several_at_once(
    cloud: Cloud, filled: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, both = filled._opened(), threading.Barrier(2)  # type: ignore[attr-defined]
    delete = client.rm_file

    def delete_in_company(path: str) -> None:
        both.wait(LIMIT_S)
        delete(path)

    monkeypatch.setattr(client, "rm_file", delete_in_company)
    filled.delete_many(["log/w/1", "log/w/2"])
    assert list(filled.sizes("log")) == ["log/w/3", "log/ww/1"]


def test_only_the_bytes_asked_for_are_sent(
    cloud: Cloud, through: Proxy, opened: Callable[..., Filesystem], filled: Filesystem
) -> None:
    fs = opened(cloud.through(through.endpoint_url))
    # Azure refuses a range past the end; the emulator sends nothing of it.
    through.faults = [Fault("status", nth=2, arg=416, code="InvalidRange")]
    assert fs.read("a", 3, 7) == b"3456"
    assert fs.read("a", 10, 20) == b""
    assert [request.status for request in through.requests] == [206, 416]
    assert through.requests[0].received_bytes == 4


def test_a_listing_goes_on_to_its_last_page(
    cloud: Cloud,
    through: Proxy,
    opened: Callable[..., Filesystem],
    filled: Filesystem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page is 5000 or 1000 names where nobody wants fewer; one that fails is asked for anew."""
    for name in ("list_blobs", "walk_blobs"):
        small = partialmethod(getattr(ContainerClient, name), results_per_page=1)
        monkeypatch.setattr(ContainerClient, name, small)
    helper = GCSFileSystem._sequential_list_objects_helper
    small = partialmethod(helper, items_per_call=1)
    monkeypatch.setattr(GCSFileSystem, "_sequential_list_objects_helper", small)
    fs = opened(cloud.through(through.endpoint_url))
    through.faults = [Fault("status", method="GET", nth=3, arg=503)]
    assert len(fs.sizes("log")) == 4
    assert [entry.name for entry in fs.list("log/w")] == ["1", "2", "3"]
    assert len(through.requests) >= 3 + 4 + 3


def test_an_answer_that_is_lost_is_found_to_be_ours(
    cloud: Cloud, through: Proxy, opened: Callable[..., Filesystem], filled: Filesystem
) -> None:
    fs = opened(cloud.through(through.endpoint_url))
    through.faults = [Fault("drop_after", method="PUT|POST")]
    fs.create("c", b"ours")
    assert fs.read("c") == b"ours"
    # What Azure says to a writer that is late by little.
    through.faults = [Fault("status", method="PUT|POST", arg=412, code="ConditionNotMet")]
    with pytest.raises(FileExistsError):
        fs.create("c", b"theirs")


FAULTS: list[dict[str, Any]] = [
    {"action": "drop_after"},
    {"action": "status", "arg": 429, "code": "TooManyRequests"},
    {"action": "truncate", "method": "GET", "arg": 20},
]


def test_what_was_acknowledged_is_there_once(
    cloud: Cloud,
    through: Proxy,
    opened: Callable[..., Filesystem],
    settings_of: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "_PAUSE_S", 0.005)
    through.faults = [
        Fault(**fault, nth=nth)
        for start, fault in enumerate(FAULTS, 5)
        for nth in range(start, 2000, 23)
    ]

    def open_store(server: Cloud) -> Store:
        return Store(Lake.on(opened(server), settings_of()))

    story = Story(lambda: open_store(cloud.through(through.endpoint_url)))
    story.tell()
    struck = {request.fault for request in through.requests}
    assert struck >= {fault["action"] for fault in FAULTS}
    through.faults = []
    story.check(open_store(cloud))


REFUSALS: dict[str, tuple[int, str, str, str]] = {
    "busy": (503, "ServerBusy", "TEMPORARILY_UNAVAILABLE", "busy"),
    "throttled": (429, "TooManyRequests", "TEMPORARILY_UNAVAILABLE", "busy"),
    "stranger": (401, "AuthenticationFailed", "PERMISSION_DENIED", "access key"),
    "refused": (403, "AuthorizationPermissionMismatch", "PERMISSION_DENIED", "permissions to"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_is_tried_once_by_the_client_and_says_what_to_check(
    refusal: str,
    cloud: Cloud,
    through: Proxy,
    place: str,
    opened: Callable[..., Filesystem],
) -> None:
    status, code, ours, hint = REFUSALS[refusal]
    fs = opened(cloud.through(through.endpoint_url), remote_deadline_s=0)
    through.faults = [Fault("status", count=None, arg=status, code=code)]
    for act, name in (
        (lambda: fs.read("log/a"), "read log/a"),
        (lambda: fs.sizes("log"), "list log"),
        (lambda: fs.delete("log/a"), "delete log/a"),
        (lambda: fs.create_unproven("log/a", b"x"), "create log/a"),
    ):
        through.clear()
        with pytest.raises(
            StorageError, match=f"cannot {name} in {re.escape(place)}: "
        ) as said:
            act()
        assert said.value.error_code == ours
        assert hint in str(said.value).partition("Hint: ")[2]
        # adlfs looks first whether what it shall list below is a file.
        assert len(through.requests) == 1 + (name == "list log" and cloud.scheme == "az")


def test_azure_refuses_a_wrong_key(
    tmp_path: Path, settings_of: Callable[..., Settings]
) -> None:
    """The emulator has another code for it than Azure; the one of Google's takes anything."""
    with azurite.server(tmp_path) as server:
        server.make_bucket("lakes")
        stranger = dataclasses.replace(server, key="d3Jvbmc=")
        fs = open_filesystem("az://lakes/x", stranger.storage_options, settings_of())
        with pytest.raises(
            StorageError, match=r"lake\.json in az://lakes/x: .* authenticate"
        ) as caught:
            Lake.on(fs, settings_of())
    assert caught.value.error_code == "PERMISSION_DENIED"


def test_a_bucket_that_is_not_there_is_named(
    cloud: Cloud, opened: Callable[..., Filesystem], settings_of: Callable[..., Settings]
) -> None:
    fs = opened(cloud, f"{cloud.scheme}://nowhere-at-all/lake")
    with pytest.raises(StorageError, match=r"nowhere-at-all/lake: (.|\n)*bucket") as caught:
        Lake.on(fs, settings_of())
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_server_that_is_not_there_is_given_up(
    cloud: Cloud, opened: Callable[..., Filesystem]
) -> None:
    fs = opened(cloud.through(f"http://127.0.0.1:{free_port()}"), remote_deadline_s=1)
    with pytest.raises(
        StorageError, match=r"cannot read lake\.json .*(.|\n)*endpoint"
    ) as caught:
        fs.read("lake.json")
    assert caught.value.error_code == "TEMPORARILY_UNAVAILABLE"


@pytest.mark.parametrize(
    ("error", "code", "is_transient"),
    [
        (google.RefreshError("no"), "PERMISSION_DENIED", False),
        (google.DefaultCredentialsError("none"), "PERMISSION_DENIED", False),
        (google.TransportError("metadata server"), "TEMPORARILY_UNAVAILABLE", True),
        (azure.ClientAuthenticationError("no"), "PERMISSION_DENIED", False),
        (azure.ServiceRequestError("no route"), "TEMPORARILY_UNAVAILABLE", True),
        (azure.ServiceResponseError("left"), "TEMPORARILY_UNAVAILABLE", True),
        (azure.IncompleteReadError("cut"), "TEMPORARILY_UNAVAILABLE", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_has_no_code_is_known_by_its_class(
    error: Exception, code: str, is_transient: bool
) -> None:
    cause = cause_of(error)
    assert (cause.code, cause.is_transient) == (code, is_transient)


def test_options_that_make_no_sense_are_said(
    cloud: Cloud, place: str, settings_of: Callable[..., Settings]
) -> None:
    wrong = {"access": "none", "connection_string": "nothing"}
    with pytest.raises(StorageError, match="cannot read a in ") as caught:
        open_filesystem(place, wrong, settings_of()).read("a")
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_no_operation_waits_for_ever(
    cloud: Cloud,
    through: Proxy,
    place: str,
    opened: Callable[..., Filesystem],
    filled: Filesystem,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (backends, remote):
        monkeypatch.setattr(module, "READ_S", 1)
    fs = opened(cloud.through(through.endpoint_url), remote_deadline_s=1)
    through.faults = [Fault("hang", count=None)]
    with ThreadPoolExecutor(len(OPERATIONS)) as pool:
        asked = [pool.submit(operation, fs, tmp_path) for operation in OPERATIONS.values()]
        for each in asked:
            with pytest.raises(StorageError, match=place) as caught:
                each.result(LIMIT_S)
            assert caught.value.error_code in {"DEADLINE_EXCEEDED", "TEMPORARILY_UNAVAILABLE"}
    through.faults = []
    assert fs.exists("a"), "it works once the server does"


FORKS = f"""
import json, os, signal, sys
from lakeflow.filesystem.location import open_filesystem
uri, options = sys.argv[1], json.loads(sys.argv[2])
fs = open_filesystem(uri, options)
fs.create("parent", b"parent")
for is_used in (True, False):
    if os.fork() == 0:
        signal.alarm({LIMIT_S})
        if is_used:
            fs.create("child", fs.read("parent"))
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
    assert fs.read("child") == b"parent"
"""


def test_a_forked_child_works_and_ends(cloud: Cloud, place: str, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", FORKS, place, json.dumps(cloud.storage_options)],
        env={"LAKEFLOW_CACHE_FOLDER": str(tmp_path)},
        check=True,
    )
