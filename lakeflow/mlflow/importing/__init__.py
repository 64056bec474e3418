"""Moving in from any MLflow tracking URI, by MLflow's own client: servers above all.

Folders of a file store, and databases in SQLite, PostgreSQL and MySQL, are read without MLflow,
and much faster: ``lakeflow.importing.from_mlflow``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from lakeflow.importing import TrackerOptions, import_from
from lakeflow.mlflow.importing.source import TrackingSource

if TYPE_CHECKING:
    import os

    from lakeflow.importing.report import ImportReport

__all__ = ["from_tracking"]


def from_tracking(
    uri: str,
    lake: str | os.PathLike[str] | None = None,
    **options: Unpack[TrackerOptions],
) -> ImportReport:
    """Bring what is behind an MLflow tracking URI into a lake; see ``importing.import_from``.

    Cost: what MLflow's client asks for: a request for a thousand runs, and one or more for each
    metric of a run that the lake does not have whole.

    Args:
        uri: The tracking URI, such as that of a server.
        lake: As for ``import_from``.
        **options: ``TrackerOptions``, as for ``import_from``.

    Returns:
        As for ``import_from``.

    Raises:
        StorageError: The source cannot be read, or the lake not be written.
        InvalidInputError: INVALID_PARAMETER_VALUE, an argument is none of that.
        LakeflowException: FEATURE_DISABLED, MLflow needs a package that is not installed.
    """
    return import_from(TrackingSource(uri), lake, **options)
