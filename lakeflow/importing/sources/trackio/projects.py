"""Which projects of Trackio a folder has: databases, or the Parquet that is made of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE = ".db"
_PARQUET = ".parquet"

_SIDECARS = {
    "_system": "system_metrics",
    "_configs": "configs",
    "_traces": "traces",
    "_artifacts": "artifacts",
    "_artifact_versions": "artifact_versions",
    "_artifact_aliases": "artifact_aliases",
    "_run_artifact_links": "run_artifact_links",
    "_external_run_artifact_links": "external_run_artifact_links",
}
"""Ends of the names of Parquet files beside that of a project's metrics, and their tables."""

_AUXILIARY = "aux"
"""The folder of all tables but the metrics, where a project was exported for a static page."""


class Project(NamedTuple):
    """A project.

    Attributes:
        name: Its name, without what Trackio does not take for the name of a file.
        folder: Trackio's folder, with its media and its artifacts.
        database: Its database; empty where there is only Parquet.
        parquet: Its Parquet files by table.
    """

    name: str
    folder: str
    database: str
    parquet: dict[str, str]

    @property
    def where(self) -> str:
        """The file that people look for."""
        return self.database or self.parquet["metrics"]


def found(location: str) -> Iterator[Project]:
    """Yield the projects of a folder, or the one that a file is.

    Raises:
        OSError: The folder cannot be listed.
    """
    location = os.path.abspath(location)
    if os.path.isfile(location):
        folder, name = os.path.split(location)
        names = [name]
    else:
        folder, names = location, sorted(os.listdir(location))
    databases = {name.removesuffix(DATABASE) for name in names if name.endswith(DATABASE)}
    for name in sorted(databases):
        yield Project(name, folder, os.path.join(folder, name + DATABASE), {})
    if os.path.isdir(os.path.join(folder, _AUXILIARY)) and "metrics.parquet" in names:
        yield Project(os.path.basename(folder), folder, "", _exported(folder))
    else:
        yield from _beside(folder, names, databases)


def _beside(folder: str, names: list[str], databases: set[str]) -> Iterator[Project]:
    """Yield the projects of which only Parquet is there: of a database it is a copy."""
    stems = {name.removesuffix(_PARQUET) for name in names if name.endswith(_PARQUET)}
    for stem in sorted(stems - databases):
        if not any(stem.removesuffix(end) in (stems | databases) - {stem} for end in _SIDECARS):
            ends = {"metrics": "", **{table: end for end, table in _SIDECARS.items()}}
            files = {
                table: os.path.join(folder, f"{stem}{end}{_PARQUET}")
                for table, end in ends.items()
            }
            present = {table: path for table, path in files.items() if os.path.isfile(path)}
            yield Project(stem, folder, "", present)


def _exported(folder: str) -> dict[str, str]:
    files = {"metrics": os.path.join(folder, "metrics.parquet")}
    with os.scandir(os.path.join(folder, _AUXILIARY)) as listed:
        files |= {
            each.name.removesuffix(_PARQUET): each.path
            for each in listed
            if each.name.endswith(_PARQUET)
        }
    return {table: files[table] for table in ("metrics", *_SIDECARS.values()) if table in files}
