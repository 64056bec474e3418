"""The one way in which a lake is opened, whoever asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow import context
from lakeflow.maintenance.schedule import AutoCompaction
from lakeflow.open_lakes import open_lake
from lakeflow.stores.store import Store

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping


def open_store(
    uri: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, object] | None = None,
    *,
    create: bool,
) -> Store:
    """Return the store of a lake: the one way in which all functions here open one.

    Args:
        uri: Location of the lake; that of the process by default.
        storage_options: fsspec's options for the filesystem; by default those that
            ``set_storage_options`` has set for the location.
        create: Whether to make the lake if there is none: where MLflow would answer from a
            new store.

    Raises:
        NotFoundError: There is none, and it is not to be made.
        InvalidInputError: The location holds something else, is none, or takes no options.
        InvalidStateError: The lake is of a newer format.
        StorageError: It cannot be read, or not be made.
    """
    location = context.tracking_uri() if uri is None else uri
    lake = open_lake(location, storage_options, create=create)
    # Before the store, since what comes last ends first: what its queue holds is compacted too.
    lake.shared(AutoCompaction)
    return lake.shared(Store)
