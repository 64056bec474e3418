"""Moving in: what other trackers, or files, hold of experiments becomes rows of a lake."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack, get_args

from lakeflow.entities.validation import time_ms
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.importing.named_columns import Columns as Columns
from lakeflow.importing.source import Artifacts, Wanted
from lakeflow.open_store import open_store
from lakeflow.stores.arguments import chosen

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable, Mapping

    from lakeflow.importing.report import ImportProgress, ImportReport
    from lakeflow.importing.source import Source


class Options(TypedDict, total=False):
    """What every import takes by name; see ``import_from``.

    Attributes:
        since: Only what began then or later.
        dry_run: Only count.
        progress: Called as work goes on.
        storage_options: fsspec's options for the filesystem of the lake.
    """

    since: int | datetime.datetime | None
    dry_run: bool
    progress: Callable[[ImportProgress], None] | None
    storage_options: Mapping[str, object] | None


class TrackerOptions(Options, total=False):
    """What the import of another tracker takes besides; see ``import_from``.

    Attributes:
        experiments: Names of experiments.
        artifacts: ``"copy"`` or ``"leave"``.
    """

    experiments: str | Iterable[str]
    artifacts: Artifacts


def import_from(
    source: Source,
    lake: str | os.PathLike[str] | None = None,
    *,
    experiments: str | Iterable[str] | None = None,
    since: int | datetime.datetime | None = None,
    artifacts: Artifacts = "copy",
    dry_run: bool = False,
    progress: Callable[[ImportProgress], None] | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> ImportReport:
    """Bring what a source holds into a lake.

    It may be stopped anywhere, and run by several processes at once: run again it goes on, and
    nothing is there twice. Run later it brings what is new. What was changed in the lake since
    stays as it is there.

    What is broken in the source, or has no place in a lake, is left out and reported; the rest
    arrives. Memory is bounded, but for the ids of the runs.

    Args:
        source: The source; it is closed.
        lake: Location of the lake, which is made if there is none; that of the process by
            default.
        experiments: Names of experiments; all by default.
        since: Only runs that began then or later: a ``datetime``, local unless it has a zone,
            or milliseconds since the Unix epoch.
        artifacts: ``"copy"`` copies files into the lake, ``"leave"`` leaves them where they
            are, and runs in the lake say so.
        dry_run: Only count.
        progress: Called with an ``ImportProgress`` as work goes on.
        storage_options: fsspec's options for the filesystem of the lake.

    Returns:
        An ``ImportReport``: counts and sums on both sides, and what could not be kept.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, an argument is none of that.
        StorageError: The lake cannot be written. Run it again.
    """
    # Here, as are the readers below: `lakeflow.importing` is an attribute of the package, and
    # who only logs is not to load what imports need.
    from lakeflow.importing.importer import import_source, try_source

    # Around the checks too: some readers have a temporary folder from the moment they are made.
    with contextlib.closing(source):
        if artifacts not in get_args(Artifacts):
            raise InvalidInputError(
                f"artifacts is {artifacts!r}", hint=f"one of {', '.join(get_args(Artifacts))}"
            )
        names = frozenset(chosen("experiments", experiments))
        wanted = Wanted(names, None if since is None else time_ms(since, "since"))
        tell = progress or (lambda _: None)
        if not dry_run:
            store = open_store(lake, storage_options, create=True)
            return import_source(source, store, wanted, artifacts, tell)
        # Nothing is written, a lake included: one that is not there holds nothing.
        there = None
        with contextlib.suppress(NotFoundError):
            there = open_store(lake, storage_options, create=False)
        return try_source(source, there, wanted, artifacts, tell)


def from_mlflow(
    location: str | os.PathLike[str],
    lake: str | os.PathLike[str] | None = None,
    **options: Unpack[TrackerOptions],
) -> ImportReport:
    """Bring what an MLflow store holds into a lake; see ``import_from``.

    Args:
        location: A folder such as ``mlruns``, ``sqlite:///mlflow.db``, or the URI of a database
            in PostgreSQL or MySQL, which takes ``pip install 'lakeflow[postgresql]'`` or
            ``'lakeflow[mysql]'``. None needs MLflow to be installed.
        lake: As for ``import_from``.
        **options: ``TrackerOptions``, as for ``import_from``.

    Returns:
        As for ``import_from``.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no store.
        InvalidInputError: INVALID_PARAMETER_VALUE, an argument is none of that.
        InvalidStateError: INVALID_STATE, the store is of a newer MLflow than is known.
        StorageError: The store cannot be read, or the lake not be written.
        LakeflowException: FEATURE_DISABLED, the driver of the database is not installed.
    """
    from lakeflow.importing.sources.mlflow.opening import open_mlflow

    return import_from(open_mlflow(location), lake, **options)


def from_tables(
    kind: Literal["csv", "jsonl", "parquet"],
    location: str | os.PathLike[str],
    lake: str | os.PathLike[str] | None = None,
    *,
    experiment: str,
    columns: Columns = Columns(),  # noqa: B008 - it is frozen
    **options: Unpack[Options],
) -> ImportReport:
    """Bring what somebody logged to files by hand into a lake; see ``import_from``.

    A run has the same id in each import, by its name and that of the experiment: a file that
    has become longer brings what is new.

    The rows are copied to a temporary folder first, which takes about as much room as the files
    take unpacked.

    Args:
        kind: What the files are.
        location: A file, a folder, or a pattern with ``*``, ``**``, ``?`` and ``[...]``; a path
            of this machine or a URL that a lake could have.
        lake: As for ``import_from``.
        experiment: Name of the experiment in the lake.
        columns: Which column is what. Of the others those of numbers are metrics, those of
            texts params.
        **options: ``Options``, as for ``import_from``.

    Returns:
        As for ``import_from``.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no such file.
        InvalidInputError: INVALID_PARAMETER_VALUE, no file has a column that is named, or an
            argument is none of that.
        StorageError: The files cannot be read, or the lake or the temporary folder not be
            written.
    """
    from lakeflow.importing.sources.tabular.source import TabularSource

    return import_from(
        TabularSource(kind, os.fspath(location), experiment, columns), lake, **options
    )


def from_tensorboard(
    location: str | os.PathLike[str],
    lake: str | os.PathLike[str] | None = None,
    *,
    experiment: str,
    **options: Unpack[Options],
) -> ImportReport:
    """Bring what a folder of TensorBoard's event files holds into a lake; see ``import_from``.

    Takes ``pip install 'lakeflow[tensorboard]'``. A run is a folder with event files, and has
    the same id in each import, by its name and that of the experiment.

    Args:
        location: The folder; a path of this machine or a URL that a lake could have.
        lake: As for ``import_from``.
        experiment: Name of the experiment in the lake.
        **options: ``Options``, as for ``import_from``.

    Returns:
        As for ``import_from``.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no event file.
        InvalidInputError: INVALID_PARAMETER_VALUE, TensorBoard is not installed, or an argument
            is none of that.
        StorageError: The files cannot be read, or the lake or the temporary folder not be
            written.
    """
    from lakeflow.importing.sources.tensorboard.source import TensorBoardSource

    return import_from(TensorBoardSource(os.fspath(location), experiment), lake, **options)


def from_wandb(
    location: str | os.PathLike[str],
    lake: str | os.PathLike[str] | None = None,
    **options: Unpack[TrackerOptions],
) -> ImportReport:
    """Bring runs that Weights & Biases has logged offline into a lake; see ``import_from``.

    Args:
        location: A folder with run folders at any depth, such as ``wandb``; or one of them.
        lake: As for ``import_from``.
        **options: ``TrackerOptions``, as for ``import_from``.

    Returns:
        As for ``import_from``.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there are no runs.
        InvalidInputError: INVALID_PARAMETER_VALUE, an argument is none of that, or
            ``pip install 'lakeflow[wandb]'`` is missing.
        StorageError: The lake cannot be written.
    """
    from lakeflow.importing.sources.wandb.source import WandbSource

    return import_from(WandbSource(location), lake, **options)


def from_trackio(
    location: str | os.PathLike[str],
    lake: str | os.PathLike[str] | None = None,
    **options: Unpack[TrackerOptions],
) -> ImportReport:
    """Bring projects of Trackio into a lake; see ``import_from``.

    Args:
        location: Its folder, such as ``~/.cache/huggingface/trackio``; a folder with its
            Parquet; or a database.
        lake: As for ``import_from``.
        **options: ``TrackerOptions``, as for ``import_from``.

    Returns:
        As for ``import_from``.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no project.
        InvalidInputError: INVALID_PARAMETER_VALUE, an argument is none of that, or
            a database is of a newer Trackio than is known.
        StorageError: The lake cannot be written.
    """
    from lakeflow.importing.sources.trackio.source import TrackioSource

    return import_from(TrackioSource(location), lake, **options)


def from_neptune(
    location: str | os.PathLike[str],
    lake: str | os.PathLike[str] | None = None,
    *,
    files: str | os.PathLike[str] | None = None,
    step_multiplier: int = 1,
    **options: Unpack[TrackerOptions],
) -> ImportReport:
    """Bring what ``neptune-exporter`` has written into a lake; see ``import_from``.

    Args:
        location: The folder that was its ``--data-path``, or the one above it.
        lake: As for ``import_from``.
        files: The folder that was its ``--files-path``; ``files`` beside the other by default.
        step_multiplier: What steps are multiplied by. Neptune's may be fractions, which are
            rounded down.
        **options: ``TrackerOptions``, as for ``import_from``.

    Returns:
        As for ``import_from``.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there are no runs.
        InvalidInputError: INVALID_PARAMETER_VALUE, an argument is none of that.
        StorageError: The lake cannot be written.
    """
    from lakeflow.importing.sources.neptune.source import NeptuneSource

    return import_from(NeptuneSource(location, files, step_multiplier), lake, **options)
