"""Backends: how each kind of fsspec filesystem is opened, and creates a file exactly once.

fsspec's own exclusive mode looks first and writes then, except where a store has a condition
for it. So each backend has a way of its own here, and those that have none are only read, or
written by a process that says that it is the only one.

First what all of them share, then a section for each: S3, Google Cloud Storage, Azure, sftp.
What their error codes mean is in ``failures``, in the same sections.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import weakref
from dataclasses import dataclass, field
from types import MethodType
from typing import TYPE_CHECKING, Any

from fsspec.core import get_filesystem_class, url_to_fs

from lakeflow.filesystem.failures import EXISTS, store_code
from lakeflow.filesystem.parts import S3Parts
from lakeflow.filesystem.threads import FILES_AT_ONCE
from lakeflow.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lakeflow.filesystem.parts import Parts

_ALONE = {"skip_instance_cache": True}
"""Options for a connection that only one lake uses: few can serve two threads at once."""

_UNLISTED = {"use_listings_cache": False}
"""Options against fsspec's cache of listings, which would hide what other processes write."""

CONNECT_S = 5
READ_S = 15
"""How long one attempt waits for a connection, and for the next bytes on it."""


def open_url(url: str, options: Mapping[str, Any]) -> Any:
    """Open the filesystem that fsspec has for a URL."""
    return url_to_fs(url, **options)[0]


@dataclass(frozen=True, slots=True)
class Backend:
    """One kind of filesystem.

    Attributes:
        name: What errors call it.
        create: Makes a file if there is none, given the filesystem, the path, the content and
            options of the call; raises FileExistsError. None if the kind has no way to.
        options: fsspec's options beside those that the user gives.
        open: Opens the filesystem of a URL with options.
        prepare: Readies a filesystem that was opened.
        is_connected: Whether its connection is whole, where it has one.
        has_folders: Whether a folder must be made before there is a file in it.
        rename: Gives a file another name, in the place of what has that; None where a file is
            seen only once it is whole.
        parts: How a file is sent in parts; None if it goes in one request.
    """

    name: str
    create: Callable[[Any, str, bytes, Mapping[str, Any]], None] | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: _ALONE)
    open: Callable[[str, Mapping[str, Any]], Any] = open_url
    prepare: Callable[[Any], None] = lambda _: None
    is_connected: Callable[[Any], bool] = lambda _: True
    has_folders: bool = True
    rename: Callable[[Any, str, str], None] | None = None
    parts: Parts | None = None


def create_by_condition(fs: Any, path: str, data: bytes, call: Mapping[str, Any]) -> None:
    """Put an object on the condition that there is none."""
    try:
        fs.pipe_file(path, data, mode="create", **call)
    except FileExistsError:
        raise
    except OSError as error:
        # s3fs tells a failed condition only from stores that name the condition.
        if store_code(error) in EXISTS:
            raise FileExistsError(path) from error
        raise


def create_after_a_look(fs: Any, path: str, data: bytes, call: Mapping[str, Any]) -> None:
    """Look and write: for the only writer of a lake."""
    # Between the two another process could create the file: this is not exactly once.
    if fs.exists(path):
        raise FileExistsError(path)
    make_folder(fs, path)
    fs.pipe_file(path, data, **call)


def make_folder(fs: Any, path: str) -> None:
    """Make the folder of a file, where that means anything."""
    folder = path.rpartition("/")[0]
    # Some filesystems fail where another process makes the same folder at that moment.
    for is_last in (False, False, True):
        try:
            fs.makedirs(folder, exist_ok=True)
        except NotImplementedError:
            return
        except OSError:
            if is_last and not fs.isdir(folder):
                raise
        else:
            return


# S3, and stores that speak its language


def _open_s3(url: str, options: Mapping[str, Any]) -> Any:
    """Open s3fs with the short way, unless fsspec was told of another filesystem for S3."""
    from s3fs import S3FileSystem

    from lakeflow.filesystem.s3_requests import ShortS3

    is_usual = get_filesystem_class("s3") is S3FileSystem
    return ShortS3(**options) if is_usual else open_url(url, options)


def _prepare_s3(fs: Any) -> None:
    """Leave trying again to us; spare each PUT a round trip and each listing its CPU time."""
    from botocore.handlers import add_expect_header

    # s3fs, botocore and aiohttp try five times, five times and twice: together for minutes.
    fs.retries = 1
    # s3fs has its client of botocore, whose handlers these are, only from here on.
    fs.connect()
    # botocore asks the server whether it wants the body: a round trip with no time limit.
    fs.s3.meta.events.unregister("before-call.s3", add_expect_header)
    # It guesses the format of each timestamp, in four fifths of the time of parsing a listing.
    parsers = fs.session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=_timestamp)


def _timestamp(value: Any) -> datetime.datetime:
    """Parse a timestamp of a response: S3 has ISO 8601 in a body, HTTP's dates in a header."""
    from botocore.utils import parse_timestamp

    for parse in (datetime.datetime.fromisoformat, email.utils.parsedate_to_datetime):
        try:
            return parse(value)
        except (AttributeError, TypeError, ValueError):
            continue
    # Other services may have numbers.
    parsed: datetime.datetime = parse_timestamp(value)
    return parsed


_S3 = Backend(
    "S3",
    create_by_condition,
    {
        **_UNLISTED,
        "config_kwargs": {
            "retries": {"total_max_attempts": 1},
            "connect_timeout": CONNECT_S,
            "read_timeout": READ_S,
            # Of botocore's 10, others would wait for one.
            "max_pool_connections": FILES_AT_ONCE,
        },
    },
    _open_s3,
    prepare=_prepare_s3,
    has_folders=False,
    parts=S3Parts(),
)


# Google Cloud Storage


def _open_gcs(_: str, options: Mapping[str, Any]) -> Any:
    """Open the plain client of the JSON API, and not the one that gcsfs prefers."""
    # The other one first asks by gRPC which kind of bucket it is, for up to a minute. Its
    # threads and connections do not survive a fork, and in zonal buckets it knows no condition.
    from gcsfs.core import GCSFileSystem

    return GCSFileSystem(**options)


def _prepare_gcs(fs: Any) -> None:
    """Leave trying again to us, and limit the time of an answer."""
    from aiohttp import ClientTimeout

    # gcsfs wraps this method in a loop of six attempts; below the wrapper is a single one.
    fs._request = MethodType(type(fs)._request.__wrapped__, fs)
    # Without a limit gcsfs waits for an answer for ever.
    if fs.requests_timeout is None:
        fs.requests_timeout = ClientTimeout(sock_connect=CONNECT_S, sock_read=READ_S)


_GCS = Backend(
    "Google Cloud Storage",
    create_by_condition,
    _UNLISTED,
    _open_gcs,
    _prepare_gcs,
    has_folders=False,
)


# Azure Blob Storage


def _prepare_azure(fs: Any) -> None:
    """Leave trying again to us, and let forked children end."""
    # The SDK tries four times, with pauses of 15 s and more.
    config = fs.service_client._config
    config.retry_policy.total_retries = 0
    # adlfs passes its own time limits only to requests that read or write content.
    connection = config.transport.connection_config
    connection.timeout, connection.read_timeout = CONNECT_S, READ_S
    # When a process ends, adlfs closes its connections in a thread. A forked child does not
    # have that thread, and would wait for it for ever.
    for each in weakref.getweakrefs(fs):
        if isinstance(each.__callback__, weakref.finalize):
            each.__callback__.atexit = False


_AZURE = Backend(
    "Azure Blob Storage",
    create_by_condition,
    _UNLISTED,
    prepare=_prepare_azure,
    has_folders=False,
)


# sftp


def create_by_rename(fs: Any, path: str, data: bytes, call: Mapping[str, Any]) -> None:
    """Write a file under another name; the server's plain rename never overwrites."""
    # Opening a file exclusively would show others a file that is only half written.
    folder, _, name = path.rpartition("/")
    temporary = f"{folder}/.{name}.{new_id()}"
    make_folder(fs, path)
    try:
        fs.pipe_file(temporary, data, **call)
        try:
            # Not fsspec's mv: that renames as POSIX does, in the place of what is there.
            fs.ftp.rename(temporary, path)
        except OSError as error:
            # SFTP has no code for a name that is taken, only a general failure. So we look.
            if fs.exists(path):
                raise FileExistsError(path) from error
            raise
    finally:
        with contextlib.suppress(OSError):
            fs.rm_file(temporary)


def _prepare_sftp(fs: Any) -> None:
    # paramiko waits for an answer for ever unless its channel is told otherwise.
    fs.ftp.get_channel().settimeout(READ_S)


def _is_connected_by_ssh(fs: Any) -> bool:
    transport = fs.client.get_transport()
    return transport is not None and transport.is_active() and not fs.ftp.get_channel().closed


_SFTP = Backend(
    "sftp",
    create_by_rename,
    {
        **_ALONE,
        **dict.fromkeys(("timeout", "banner_timeout", "auth_timeout"), CONNECT_S),
        "channel_timeout": CONNECT_S,
    },
    prepare=_prepare_sftp,
    is_connected=_is_connected_by_ssh,
    rename=lambda fs, old, new: fs.ftp.posix_rename(old, new),
)


# Which backend a URL means

_BACKENDS = {
    **dict.fromkeys(("s3", "s3a"), _S3),
    **dict.fromkeys(("gs", "gcs"), _GCS),
    **dict.fromkeys(("abfs", "abfss", "az"), _AZURE),
    **dict.fromkeys(("sftp", "ssh"), _SFTP),
}


def backend_of(protocol: str) -> Backend:
    """Return the backend of a protocol of fsspec's."""
    return _BACKENDS.get(protocol, Backend(protocol))
