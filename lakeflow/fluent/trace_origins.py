"""Where traces begin: beside the active run, else in the experiment for new runs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from lakeflow import context
from lakeflow.entities import tag_names
from lakeflow.fluent import active_runs
from lakeflow.fluent.origin import origin_tags
from lakeflow.open_store import open_store
from lakeflow.tracing.experiments import experiment_named
from lakeflow.tracing.origin import Origin, find_with

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
    if chosen is None:
        return _without_run(where, None, None)
    # In another lake it is meant by its name.
    known = chosen.experiment_id if chosen.location == where else None
    return _without_run(where, known, chosen.name)


# One value for all traces that begin in one place.
# Few, since each keeps a run and its store alive.
@functools.lru_cache(maxsize=16)
def _beside(run: OpenRun) -> Origin:
    info = run.run.info
    return Origin(lambda: run.store, lambda: info.experiment_id, info.run_id, _program)


@functools.lru_cache(maxsize=16)
def _without_run(location: str, experiment_id: str | None, name: str | None) -> Origin:
    def find() -> str:
        return experiment_id or experiment_named(open_store(location, create=True), name)

    return Origin(functools.partial(open_store, location, create=True), find, None, _program)


@functools.cache
def _program() -> Mapping[str, str]:
    """Return the tags that say which program it is."""
    tags = origin_tags(None)
    return {
        key: tags[key] for key in (tag_names.SOURCE_NAME, tag_names.SOURCE_TYPE) if key in tags
    }


# Told, and not imported there: the room of tracing is below this one.
find_with(here)
