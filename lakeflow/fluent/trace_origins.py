"""Where traces begin: beside the active run, else in the experiment for new runs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from lakeflow import context
from lakeflow.client import LakeflowClient
from lakeflow.entities import tag_names
from lakeflow.fluent import active_runs
from lakeflow.fluent.experiments import experiment_of_new_runs
from lakeflow.fluent.origin import origin_tags
from lakeflow.open_store import open_store
from lakeflow.tracing.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.fluent.active_runs import OpenRun


def here(location: str | None) -> Origin:
    """Return where a trace begins that begins now; nothing is read or written.

    Args:
        location: The lake; None for that of the run that is active, else of this process.
    """
    run = active_runs.latest()
    if run is not None and location in {None, run.store.lake.fs.uri}:
        return _beside(run)
    where = location or context.tracking_uri()
    chosen = context.experiment()
    known = chosen is not None and chosen.location == where
    return _without_run(where, chosen.experiment_id if chosen is not None and known else None)


# One value for all traces that begin in one place.
@functools.lru_cache(maxsize=16)
def _beside(run: OpenRun) -> Origin:
    info = run.run.info
    return Origin(lambda: run.store, lambda: info.experiment_id, info.run_id, _program)


@functools.lru_cache(maxsize=16)
def _without_run(location: str, experiment_id: str | None) -> Origin:
    find = functools.partial(_experiment, location)
    return Origin(
        functools.partial(open_store, location, create=True),
        find if experiment_id is None else lambda: experiment_id,
        None,
        _program,
    )


def _experiment(location: str) -> str:
    return experiment_of_new_runs(LakeflowClient(location))


@functools.cache
def _program() -> Mapping[str, str]:
    """Return the tags that say which program it is."""
    tags = origin_tags(None)
    return {
        key: tags[key] for key in (tag_names.SOURCE_NAME, tag_names.SOURCE_TYPE) if key in tags
    }
