"""What fsspec lists, as this package names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.filesystem.interface import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping


def entry_of(found: Mapping[str, Any]) -> Entry:
    """Return one entry of a listing of fsspec's."""
    is_folder = found["type"] == "directory"
    size = 0 if is_folder else int(found["size"] or 0)
    return Entry(name_of(found).rsplit("/", 1)[-1], size, is_folder, _modified_s(found))


def name_of(entry: Mapping[str, Any]) -> str:
    """Return the whole path of an entry, without slashes around it."""
    return str(entry["name"]).strip("/")


def _modified_s(entry: Mapping[str, Any]) -> float:
    """Return when a file was written, in seconds since the Unix epoch; 0 if unknown."""
    # fsspec has no common name for it: these are of sftp, S3, Azure, Google and memory.
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        written = entry.get(name)
        if written is not None:
            return float(written.timestamp() if hasattr(written, "timestamp") else written)
    return 0.0
