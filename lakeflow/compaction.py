"""``lakeflow.compact``: fold a lake's log into its tables, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.open_store import open_store
from lakeflow.system_errors import loading

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from lakeflow.maintenance.report import CompactionReport, Progress


def compact(
    uri: str | os.PathLike[str] | None = None,
    *,
    storage_options: Mapping[str, object] | None = None,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> CompactionReport:
    """Fold a lake's log into its Delta tables, merge small files, delete what is past.

    Exactly once: it may be stopped anywhere, and run by several processes at once; writers
    and readers go on meanwhile. Memory is bounded by ``LAKEFLOW_FOLD_BYTES`` and
    ``LAKEFLOW_FOLD_MEMORY_BYTES``, not by the length of the log.

    Args:
        uri: Location of the lake; that of the process by default.
        storage_options: fsspec's options for the filesystem; none where it is a local folder.
        dry_run: Only say what there is to do.
        progress: Called with a ``Progress`` as work goes on.

    Returns:
        A ``CompactionReport``: rows, files, bytes and seconds for each table.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no lake.
        InvalidInputError: INVALID_PARAMETER_VALUE, the URI is no location, or the options
            would do nothing for it.
        InvalidStateError: INVALID_STATE, the handler of a signal has interrupted this very
            compaction.
        StorageError: The lake cannot be written.
        DamagedLakeError: DATA_LOSS, a table or a fold cannot be read.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-compact")
        >>> with lakeflow.start_run():
        ...     lakeflow.log_metrics({"loss": 0.5, "accuracy": 0.9})
        >>> report = lakeflow.compact()
        >>> report.records, report.tables["metrics"].rows
        (4, 2)
    """
    with loading("what compacts"):
        from lakeflow.maintenance.compact import compact_lake

    lake = open_store(uri, storage_options, create=False).lake
    return compact_lake(lake, dry_run=dry_run, progress=progress or (lambda _: None))
