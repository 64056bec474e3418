"""Moving around: what one lake holds, and another one does not have yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.open_store import open_store
from lakeflow.system_errors import loading

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from lakeflow.maintenance.report import Progress
    from lakeflow.syncing.report import SyncReport


def sync(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    storage_options: Mapping[str, object] | None = None,
    target_options: Mapping[str, object] | None = None,
    artifacts: bool = True,
    progress: Callable[[Progress], None] | None = None,
) -> SyncReport:
    """Bring into a lake what another one holds, such as that of a compute node or a laptop.

    Each record counts once, by what it is: a sync may be stopped anywhere and be made again, at
    the same time by another process too, and in both directions. Others may log to both lakes
    and compact them meanwhile. What is new since the last sync is read alone, as long as the
    source still has it in its log; else what changed in its tables since.

    Experiments are one where they have one name; an experiment that has been synced once may be
    given another name in one of the two. Runs, traces and logged models keep their ids, so what
    was logged to one run on both sides meets there. Of two values of a tag, a status or a stage
    the one that was set later stays, of a param the one that was logged first. Files of
    artifacts come to the same paths, before the records that tell of them; of two that were
    logged to one path the later one stays. What was removed for good in one lake is gone in
    both: runs, traces, logged models, issues, datasets for evaluation and records of these,
    scorers, label schemas and review queues. So is what was in an experiment that was removed;
    its name stays in the other lake, and comes back from there. Scorers, label schemas and
    review queues are one by their names in an experiment. Registered models are one by name:
    versions that the target lacks are added with their numbers, aliases and tags too; what it
    has stays as it is. Not brought are the history of models, their approvals, digests of files
    and signatures; files that other tools put beside runs; and what ``as_of`` shows of the
    past.

    Cost: with nothing new some ten requests; else each new byte of the log and of the files is
    read once and sent once. At most 64 MiB of it are in memory.

    Args:
        source: Location of the lake that is read.
        target: Location of the lake that gets what is new; it is made if there is none.
        storage_options: fsspec's options for the filesystem of the source.
        target_options: fsspec's options for the filesystem of the target.
        artifacts: Whether files are brought too.
        progress: Called with a ``Progress`` as work goes on.

    Returns:
        A ``SyncReport``: records, bytes and files, and what could not be brought.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no source.
        InvalidInputError: INVALID_PARAMETER_VALUE, one of the two is no location, both are one
            lake, or there is something else at the target.
        StorageError: One of the two cannot be read or written; what was brought so far stays.
        DamagedLakeError: DATA_LOSS, a file of the source is not there.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-node")
        >>> with lakeflow.start_run() as run:
        ...     lakeflow.log_metric("loss", 0.5)
        >>> report = lakeflow.sync("memory://doc-node", "memory://doc-team")
        >>> report.is_complete
        True
        >>> lakeflow.LakeflowClient("memory://doc-team").get_run(run.info.run_id).data.metrics
        {'loss': 0.5}
        >>> lakeflow.sync("memory://doc-node", "memory://doc-team").records
        0
    """
    with loading("what syncs lakes"):
        from lakeflow.syncing.between_lakes import sync_lakes

    mine = open_store(source, storage_options, create=False)
    theirs = open_store(target, target_options, create=True)
    return sync_lakes(mine, theirs, with_files=artifacts, progress=progress or (lambda _: None))
