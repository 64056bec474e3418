"""``lakeflow.copy``: copy a lake that is in use, to any filesystem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow import context
from lakeflow.config import Settings
from lakeflow.filesystem.location import canonical, open_filesystem
from lakeflow.open_store import open_store
from lakeflow.system_errors import loading

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from lakeflow.maintenance.report import CopyReport, Progress


def copy(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    storage_options: Mapping[str, object] | None = None,
    target_options: Mapping[str, object] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> CopyReport:
    """Copy a lake as it is now, while others log to it and compact it.

    The copy holds what calls had returned from when it began: runs, experiments and the log
    that is not compacted yet. It may be stopped anywhere, and goes on when it is made again;
    made again later it brings the copy up to date, as long as nobody has written to that or
    compacted it.
    Not copied are what ``as_of`` shows of the past, and artifacts.

    Cost: each file is read once and sent once, eight at a time, 16 MiB of each in memory.

    Args:
        source: Location of the lake.
        target: Location of the copy: an empty or new folder, or an older copy of the lake.
        storage_options: fsspec's options for the filesystem of the lake.
        target_options: fsspec's options for the filesystem of the copy.
        progress: Called with a ``Progress`` as work goes on.

    Returns:
        A ``CopyReport``: files and bytes that were sent.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no lake.
        InvalidInputError: INVALID_PARAMETER_VALUE, one of the two is no location, both are one
            lake, or there is something else at the target.
        InvalidStateError: INVALID_STATE, the target is another lake, or was written to or
            compacted.
        StorageError: One of the two cannot be read or written.
        DamagedLakeError: DATA_LOSS, a file of the lake is not there.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-copy")
        >>> with lakeflow.start_run() as run:
        ...     lakeflow.log_metric("loss", 0.5)
        >>> report = lakeflow.copy("memory://doc-copy", "memory://doc-copied")
        >>> lakeflow.LakeflowClient("memory://doc-copied").get_run(run.info.run_id).data.metrics
        {'loss': 0.5}
    """
    with loading("what copies lakes"):
        from lakeflow.maintenance.copying import copy_lake

    lake = open_store(source, storage_options, create=False).lake
    location = canonical(target)
    options = context.opening(location).storage_options
    given = options if target_options is None else target_options
    fs = open_filesystem(location, dict(given), Settings.from_environment())
    return copy_lake(lake, fs, progress or (lambda _: None))
