"""From what a user calls the location of a lake to its filesystem."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from lakeflow.exceptions import InvalidInputError
from lakeflow.storage.filesystem import Filesystem
from lakeflow.storage.local import LocalFilesystem
from lakeflow.storage.memory import MemoryFilesystem

if TYPE_CHECKING:
    from collections.abc import Mapping


def canonical(uri: str | os.PathLike[str]) -> str:
    """Return the one spelling of a lake's location: an absolute path or an fsspec URL.

    Args:
        uri: A path, ``file://``, an fsspec URL such as ``memory://name``,
            ``lakeflow:///absolute/path`` or ``lakeflow+<fsspec URL>``.

    Raises:
        InvalidInputError: It is empty, or names a host where a path is expected.

    Examples:
        >>> canonical("lakeflow:///data/lake"), canonical("lakeflow+memory://lake")
        ('/data/lake', 'memory://lake')
        >>> canonical("file:///data/my%20lake/")
        '/data/my lake'
    """
    text = os.fspath(uri)
    if not text.strip() or any(ord(character) < 32 for character in text):
        raise InvalidInputError(f"{text!r} is not the location of a lake")
    text = text.removeprefix("lakeflow+")
    scheme, separator, rest = text.partition("://")
    if not separator and text.startswith("lakeflow:"):
        scheme, rest = "lakeflow", text.removeprefix("lakeflow:")
    elif not separator:
        if text.startswith("file:"):
            return os.path.abspath(unquote(text.removeprefix("file:")))
        return os.path.abspath(text)
    if scheme in {"lakeflow", "file"}:
        if not rest.startswith("/") and rest.partition("/")[0] != "localhost":
            raise InvalidInputError(
                f"{text!r} names a host, not a folder",
                hint=f"write {scheme}:///absolute/path, or the plain path",
            )
        return os.path.abspath(unquote(urlsplit(f"file://{rest}").path))
    return text.rstrip("/") if rest.strip("/") else text


def open_filesystem(
    uri: str | os.PathLike[str], storage_options: Mapping[str, object] | None = None
) -> Filesystem:
    """Open the filesystem of a lake; reads and writes nothing yet.

    Args:
        uri: Anything that ``canonical`` takes.
        storage_options: fsspec's options for that filesystem.

    Raises:
        InvalidInputError: No filesystem is known by that name.
    """
    location = canonical(uri)
    if "://" not in location:
        # deltalake takes a path for a URL and decodes it.
        if re.search(r"%[0-9a-fA-F]{2}|\\", location):
            raise InvalidInputError(
                f"a lake cannot be in {location!r}: a folder with a backslash, or with a "
                "percent sign before two hexadecimal digits, cannot be a Delta table",
                hint="rename the folder",
            )
        return LocalFilesystem(None, location, location)
    from fsspec.core import url_to_fs

    try:
        fs, root = url_to_fs(location, **dict(storage_options or {}))
    except (ValueError, ImportError) as error:
        raise InvalidInputError(
            f"cannot open a lake at {location!r}: {error}",
            hint="use a folder, memory://name, or a URL of an installed fsspec filesystem",
        ) from error
    kinds = {"memory": MemoryFilesystem}
    protocol = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
    return kinds.get(protocol, Filesystem)(fs, root, location)
