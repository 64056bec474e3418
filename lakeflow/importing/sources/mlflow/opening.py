"""Finds the reader for a location of MLflow's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.importing.sources.artifact_files import local_path
from lakeflow.importing.sources.mlflow.database import MlflowDatabase, is_database

if TYPE_CHECKING:
    from lakeflow.importing.source import Source

_SQLITE = "sqlite:///"

_FIRST_BYTES = b"SQLite format 3\x00"


def is_read_directly(location: str) -> bool:
    """Return whether a location is one of those that are read without MLflow."""
    is_local = location.startswith(_SQLITE) or local_path(location) is not None
    return is_local or is_database(location)


def open_mlflow(location: str | os.PathLike[str]) -> Source:
    """Return a reader of an MLflow store.

    Args:
        location: The folder of a file store; ``sqlite:///`` and a path, or the path itself; the
            URI of a database in PostgreSQL or MySQL.

    Raises:
        NotFoundError: There is nothing.
        InvalidInputError: It is no such store.
        InvalidStateError: It is of a newer MLflow than is known.
        StorageError: It cannot be read.
        LakeflowException: FEATURE_DISABLED, the driver of the database is not installed.
    """
    text = os.fspath(location)
    if text.startswith(_SQLITE):
        from lakeflow.importing.sources.mlflow.sqlite import MlflowSqlite

        # Options of SQLAlchemy's may follow a question mark.
        return MlflowSqlite(text.removeprefix(_SQLITE).partition("?")[0])
    if is_database(text):
        return MlflowDatabase(text)
    path = local_path(text)
    if path is None:
        raise InvalidInputError(
            f"{text!r} is no MLflow store that is read without MLflow",
            hint="give the folder of a file store, such as ./mlruns, or sqlite:///mlflow.db; "
            "lakeflow.mlflow.importing.from_tracking reads any other tracking URI",
        )
    if not os.path.exists(path):
        raise NotFoundError(f"there is nothing at {path!r}", hint="check the location")
    if os.path.isdir(path):
        from lakeflow.importing.sources.mlflow.files import MlflowFiles

        return MlflowFiles(path)
    with open(path, "rb") as file:
        if file.read(len(_FIRST_BYTES)) == _FIRST_BYTES:
            return open_mlflow(f"{_SQLITE}{path}")
    raise InvalidInputError(
        f"{path!r} is a file, and no SQLite database",
        hint="give the folder of a file store, such as ./mlruns, or sqlite:///mlflow.db",
    )
