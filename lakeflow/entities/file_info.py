"""A file or folder among artifacts."""

from __future__ import annotations

from lakeflow.entities._base import Entity
from lakeflow.values import frozen


@frozen
class FileInfo(Entity):
    """An entry of a folder of artifacts.

    Attributes:
        path: Path below the artifacts of the run, with slashes.
        is_dir: Whether it is a folder.
        file_size: Bytes; None for a folder.
    """

    path: str
    is_dir: bool
    file_size: int | None = None
