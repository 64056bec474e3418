"""Lists the files of a folder of artifacts, on this machine or in a store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from lakeflow.exceptions import LakeflowException
from lakeflow.importing.items import FileItem, Problem, reason
from lakeflow.importing.sources.made_files import file_size
from lakeflow.stores.artifacts.places import place_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVED = "mlflow-artifacts:"
"""What MLflow's server, and nobody else, knows the place of."""


def local_path(location: str) -> str | None:
    """Return the folder of this machine that a location is; None if it is elsewhere.

    Examples:
        >>> local_path("file:///data/my%20runs")
        '/data/my runs'
        >>> local_path("s3://bucket/runs")
    """
    if location.startswith("file:"):
        return unquote(urlsplit(location).path)
    scheme, colon, _ = location.partition(":/")
    # The letter of a drive is no scheme, nor is what stands behind a slash.
    return None if colon and len(scheme) > 1 and "/" not in scheme else location


def files_below(location: str, report: Callable[[Problem], None]) -> Iterator[FileItem]:
    """Yield the files below a location, in order; none where there is no such folder.

    Args:
        location: A folder of this machine, or a URL that fsspec opens.
        report: Told of what cannot be listed.
    """
    folder = local_path(location)
    if folder is not None:
        yield from _local_files(folder, "", os.path.realpath(folder), report)
        return
    if "://" not in location or location.startswith(SERVED):
        report(Problem(location, "its files are left out: only MLflow's server opens that"))
        return
    try:
        place = place_at(location)
        for path, size in sorted(place.sizes().items()):
            yield FileItem(path, f"{location.rstrip('/')}/{path}", size)
    except (LakeflowException, OSError) as error:
        report(Problem(location, f"its files cannot be listed: {reason(error)}"))


def _local_files(
    folder: str, below: str, root: str, report: Callable[[Problem], None]
) -> Iterator[FileItem]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        report(Problem(folder, f"its files cannot be listed: {error.strerror}"))
        return
    for entry in entries:
        path = f"{below}{entry.name}"
        # A store may come from a stranger, and a link in it lead to any file of this machine.
        if entry.is_symlink() and not _is_file_below(entry.path, root):
            report(Problem(entry.path, "it is a link that leads to no file of its folder"))
        elif entry.is_dir():
            yield from _local_files(entry.path, f"{path}/", root, report)
        # A pipe or a device would be read without an end, and a file may vanish meanwhile.
        elif (size := file_size(entry.path)) is not None:
            yield FileItem(path, entry.path, size)
        else:
            report(Problem(entry.path, "it is no file, or one that is gone"))


def _is_file_below(link: str, root: str) -> bool:
    """Return whether a link leads to a file in a folder, and not to what is none of its."""
    target = os.path.realpath(link)
    return os.path.isfile(target) and os.path.commonpath([root, target]) == root
