"""From what a user calls the location of a lake to its filesystem."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lakeflow.config import Settings
from lakeflow.exceptions import InvalidInputError
from lakeflow.filesystem.local import LocalFilesystem

if TYPE_CHECKING:
    from lakeflow.filesystem.interface import Filesystem


_SERVER_URI = re.compile(
    r"databricks(-uc)?(:.*)?$|(https?|uc|sqlite|(postgresql|mysql|mssql|oracle)(\+\w+)?)://"
)
"""URIs that MLflow accepts for its servers and databases; no lake is at any of them."""

_SCHEME = re.compile(
    r"\A(lakeflow\+)?([a-z][a-z0-9+.-]*(?=://)|(file|lakeflow)(?=:))", re.IGNORECASE
)
"""The scheme at the beginning of a URL, which means the same in capitals."""

_WITH_BUCKETS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}
"""Schemes of stores of objects, all of which are in a bucket or container."""

_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f]")


def canonical(uri: str | os.PathLike[str]) -> str:
    """Return the one spelling of a lake's location: an absolute path or an fsspec URL.

    Args:
        uri: A path, also with ``~``, ``file://``, an fsspec URL such as ``memory://name``,
            ``lakeflow:///absolute/path`` or ``lakeflow+<fsspec URL>``.

    Raises:
        InvalidInputError: It is empty, begins with a blank or a quote, or names a host where a
            path is expected.

    Examples:
        >>> canonical("lakeflow:///data/lake"), canonical("lakeflow+memory://lake")
        ('/data/lake', 'memory://lake')
        >>> canonical("file:///data/my%20lake/"), canonical("FILE:///data/lake#1")
        ('/data/my lake', '/data/lake#1')
    """
    text = os.fspath(uri)
    if not isinstance(text, str):
        raise InvalidInputError(f"the location {uri!r} is not a text")
    text = _SCHEME.sub(lambda match: match[0].lower(), text)
    found = _spelt(text)
    if not text.strip() or _CONTROL_CHARACTER.search(found):
        raise InvalidInputError(
            f"{text!r} is not the location of a lake",
            hint="give a folder or a URL without control characters, such as tabs",
        )
    # ' /lake' would be a folder below the current one, and nobody would notice.
    if text[0].isspace() or text[0] in "'\"":
        raise InvalidInputError(
            f"{text!r} begins with a blank or a quote, which is no part of a location",
            hint="leave it out; a folder that is called so is './' and its name",
        )
    return found


def _spelt(text: str) -> str:
    if _SERVER_URI.match(text):
        raise InvalidInputError(
            f"{text!r} is where a server or a database is, not a lake",
            hint="lakeflow needs neither: give a folder, or a URL such as s3://bucket/lake",
        )
    text = _url_of(text)
    scheme, separator, rest = text.partition("://")
    # A URI may also be written without the two slashes: lakeflow:/path, file:/path.
    if not separator and text.startswith("lakeflow:"):
        scheme, rest = "lakeflow", text.removeprefix("lakeflow:")
    elif not separator:
        if text.startswith("file:"):
            return _folder(text.removeprefix("file:"), text)
        return os.path.abspath(os.path.expanduser(text))
    if scheme in {"lakeflow", "file"}:
        # In a file: URL localhost is this machine, as no host at all is.
        rest = rest.removeprefix("localhost") if rest.startswith("localhost/") else rest
        if not rest.startswith("/"):
            raise InvalidInputError(
                f"{text!r} names a host, not a folder",
                hint=f"write {scheme}:///absolute/path, or the plain path",
            )
        return _folder(rest, text)
    if scheme in _WITH_BUCKETS and not rest.strip("/"):
        raise InvalidInputError(
            f"{text!r} names no bucket", hint=f"write {scheme}://bucket/folder"
        )
    # Nothing is cut off a URL without a path, such as memory://: its slashes are part of it.
    return text.rstrip("/") if rest.strip("/") else text


def _url_of(text: str) -> str:
    """Return a location without the prefix that MLflow knows us by, which only URLs have."""
    url = text.removeprefix("lakeflow+")
    if url != text and "://" not in url and not url.startswith("file:"):
        raise InvalidInputError(
            f"{text!r} has no URL behind lakeflow+",
            hint="write lakeflow+s3://bucket/folder, or lakeflow:///absolute/path",
        )
    return url


def _folder(path: str, uri: str) -> str:
    """Return the folder that the path of a URL names; it has neither query nor fragment."""
    # Most lakes are at a path or in a bucket, and this module loads those of addresses.
    from urllib.parse import unquote

    try:
        return os.path.abspath(unquote(path, errors="strict"))
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{uri!r} has percent signs before what is no UTF-8", hint="write the plain path"
        ) from error


def check_options(
    location: str,
    storage_options: Mapping[str, object] | None,
    *,
    exclusive_writer: bool | None = None,
) -> None:
    """Refuse what is said of how a lake is opened where nobody would heed it.

    Args:
        location: What ``canonical`` returns.
        storage_options: fsspec's options; without any there is nothing to refuse.
        exclusive_writer: Whether this process is said to be the only one that writes.

    Raises:
        InvalidInputError: The lake is in a local folder or in memory, and either is given.
    """
    if "://" in location and not location.startswith("memory://"):
        return
    place = "in memory" if "://" in location else "a local folder"
    given = {"storage_options": storage_options, "exclusive_writer": exclusive_writer}
    for name, value in given.items():
        if value:
            # Not the value: it may be a secret.
            raise InvalidInputError(
                f"{name} would do nothing for {location!r}, which is {place}",
                hint=f"leave {name} out, or give a URL such as s3://team/lake",
            )


def open_filesystem(
    uri: str | os.PathLike[str],
    storage_options: Mapping[str, object] | None = None,
    settings: Settings | None = None,
) -> Filesystem:
    """Return the filesystem of a lake; reads and writes nothing yet.

    Args:
        uri: Anything that ``canonical`` takes.
        storage_options: fsspec's options for that filesystem; what they leave out comes
            from fsspec's configuration and from the environment.
        settings: How this process treats the lake; from the environment by default.

    Raises:
        InvalidInputError: No filesystem is known by that name, or it is one that options
            do nothing for.
    """
    location = canonical(uri)
    check_options(location, storage_options)
    if "://" not in location:
        _check_a_table_can_be_below(location)
        return LocalFilesystem(location, location)
    return _open_by_fsspec(location, storage_options or {}, settings)


def _check_a_table_can_be_below(folder: str) -> None:
    # deltalake takes a path for a URL and decodes it.
    if re.search(r"%[0-9a-fA-F]{2}|\\", folder):
        raise InvalidInputError(
            f"a lake cannot be in {folder!r}: a folder with a backslash, or with a "
            "percent sign before two hexadecimal digits, cannot be a Delta table",
            hint="rename the folder",
        )


def _open_by_fsspec(
    location: str, storage_options: Mapping[str, object], settings: Settings | None
) -> Filesystem:
    # A lake in a local folder needs none of these, and a short job should not import them.
    from fsspec.core import get_filesystem_class, url_to_fs

    from lakeflow.filesystem.backends import backend_of
    from lakeflow.filesystem.memory import MemoryFilesystem
    from lakeflow.filesystem.remote import RemoteFilesystem

    protocol = re.split("::|://", location)[0]
    backend = backend_of(protocol)
    options = _merged(backend.options, storage_options)
    try:
        if protocol == "memory":
            fs, root = url_to_fs(location, **options)
            return MemoryFilesystem(fs, root, location)
        if "::" in location:
            # fsspec tells the root of a chained URL only together with its filesystem.
            _, root = url_to_fs(location, **options)
            # The root of a dir:// filesystem is already its folder.
            root = "" if protocol == "dir" else root
        else:
            # The class says it alone. To open the filesystem may connect, which is tried again
            # like any call.
            root = get_filesystem_class(protocol)._strip_protocol(location)
    except (ValueError, ImportError) as error:
        raise InvalidInputError(
            f"cannot open a lake at {location!r}: {error}",
            hint="use a folder, memory://name, or a URL of an fsspec filesystem that is "
            "installed, as by pip install 'lakeflow[s3]', '[gcs]', '[azure]' or '[sftp]'",
        ) from error
    path = "" if "::" in location else location.partition("://")[2].partition("/")[2]
    # sftp and others parse a URL, and cut off what looks like a query or a fragment.
    if not root.endswith(path):
        raise InvalidInputError(
            f"fsspec takes {location!r} for {root!r}, which is another place",
            hint="choose a name without ? and #",
        )
    return RemoteFilesystem(
        lambda: backend.open(location, options),
        root,
        location,
        backend,
        settings or Settings.from_environment(),
    )


def _merged(options: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with those that were given over them, one level down too."""
    # Who gives one entry of config_kwargs does not mean to lose our time limits beside it.
    merged = {**options, **given}
    for name, value in options.items():
        if isinstance(value, Mapping) and isinstance(given.get(name), Mapping):
            merged[name] = {**value, **given[name]}
    return merged
