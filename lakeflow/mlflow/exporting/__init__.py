"""Moving out to MLflow: its own client writes what a lake holds to wherever it can write.

target            both sides, and calls that MLflow may refuse
runs              runs, and the way through everything that belongs to an experiment
places            the experiment of MLflow's that takes what one of the lake holds
points            the points of their metrics
logged_models     logged models; traces, registry: the same for traces and registered models
files             the files beside runs and models
comparison        what MLflow has of runs, held to what the lake says
report            what is on both sides in the end
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mlflow import MlflowClient

from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.mlflow.exporting.registry import export_registry, note_runs
from lakeflow.mlflow.exporting.report import MlflowReport
from lakeflow.mlflow.exporting.runs import export_experiments
from lakeflow.mlflow.exporting.target import IS_2, Export, Wanted
from lakeflow.mlflow.locations import is_lakeflow, lake_uri
from lakeflow.mlflow.plain_errors import plain
from lakeflow.open_store import open_store
from lakeflow.printable import without_password
from lakeflow.stores.arguments import chosen

if TYPE_CHECKING:
    import datetime
    import os
    from collections.abc import Callable, Sequence

    from lakeflow.mlflow.exporting.report import ExportProgress

__all__ = ["to_mlflow"]

_NOT_MOVED = {
    "evaluation_datasets": "datasets for evaluation",
    "scorers": "scorers",
    "label_schemas": "label schemas",
    "review_queues": "review queues",
    "issues": "issues",
    "trace_prompts": "links from traces to prompts",
}

_ONLY_IN_3 = {"logged_models": "logged models", "traces": "traces"}


def to_mlflow(
    uri: str,
    *,
    tracking_uri: str | os.PathLike[str] | None = None,
    experiments: Sequence[str] | None = None,
    since: int | datetime.datetime | None = None,
    artifacts: Literal["copy", "leave"] = "copy",
    dry_run: bool = False,
    progress: Callable[[ExportProgress], None] | None = None,
) -> MlflowReport:
    """Write what a lake holds to MLflow: to a server, a database, or a folder.

    MLflow's own client writes it, so that everything is there that MLflow lets a client set.
    Runs get new ids; their tag ``lakeflow.run_id`` has the old one. The export may be stopped
    anywhere, and goes on when it is made again: what is there is not written twice, and what
    has come to the lake since is added. Two exports at once to one place are no good idea.

    Cost: what MLflow takes for its calls. A batch of points and the files of one run are on
    this machine at a time, and the ids of all runs.

    Args:
        uri: MLflow's tracking URI, which is that of the registry too.
        tracking_uri: Location of the lake; that of the process by default.
        experiments: Names of the only experiments that go; then no registered models do.
        since: Only runs and traces that began at or after this time: a ``datetime``, local
            unless it has a zone, or milliseconds since the Unix epoch; then no registered
            models go either.
        artifacts: Whether to copy files, or to leave them where they are.
        dry_run: Only count what there is, and what MLflow has of it.
        progress: Called with an ``ExportProgress`` as work goes on.

    Returns:
        A ``MlflowReport``: what is on both sides, and what could not be kept.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no such lake or experiment.
        InvalidInputError: INVALID_PARAMETER_VALUE, the URI is that of a lake.
        StorageError: MLflow's code, what it says when it cannot be written to.
        LakeflowException: FEATURE_DISABLED, it needs a package that is not installed.
    """
    if is_lakeflow(uri):
        raise InvalidInputError(f"{uri!r} is a lake", hint="lakeflow copy keeps all of it")
    store = open_store(tracking_uri, create=False)
    shown = without_password(uri)
    source = lake_uri(store.lake.fs.uri)
    names = chosen("experiments", experiments)
    missing = [name for name in names if store.experiments.find(name) is None]
    if missing:
        raise NotFoundError(f"no experiment is called {missing[0]!r}")
    report = MlflowReport(shown, is_dry_run=dry_run)
    wanted = Wanted(
        frozenset(names),
        None if since is None else validation.time_ms(since, "since"),
        artifacts == "copy",
        dry_run,
    )
    again = "export again: what is there already is not written twice"
    with plain(f"MLflow at {shown} cannot be written to", again):
        export = Export(
            store,
            MlflowClient(source, source),
            MlflowClient(uri, uri),
            wanted,
            report,
            progress or (lambda _: None),
        )
        with_models = not names and since is None
        if with_models:
            # Of these runs alone the ids in MLflow are kept for later.
            note_runs(export)
        export_experiments(export)
        if export.alike:
            report.miss(
                "points",
                f"{export.alike:,} are like another one of their run and metric, in step, time "
                "and value; MLflow's databases keep one of these",
                is_loss=False,
            )
        if with_models:
            export_registry(export)
    _note_what_stays(export)
    return report


def _note_what_stays(export: Export) -> None:
    """Say what the lake holds that does not go to MLflow."""
    stays = {**_NOT_MOVED, **(_ONLY_IN_3 if IS_2 else {})}
    with export.store.columns.snapshot() as cursor:
        for table, name in stays.items():
            ((count,),) = cursor.run(f"SELECT count(*) FROM {table}")  # noqa: S608 - our names
            if count:
                export.report.miss(
                    table, f"{count:,} {name} stay in the lake only", is_loss=False
                )
    if export.wanted.experiments or export.wanted.since is not None:
        export.report.miss(
            "models", "registered models go with a whole lake only", is_loss=False
        )
    if not export.wanted.with_artifacts:
        export.report.miss("artifacts", "files stay where they are", is_loss=False)
