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
    """Return where a trace begins that begins now; nothing is read or written."""
    run = _active_run()
    where = location or (None if run is not None else context.tracking_uri())
    if run is not None and where in {None, run.store.lake.fs.uri}:
        return Origin(
            lambda: run.store, lambda: run.run.info.experiment_id, run.run.info.run_id, _program
        )
    assert where is not None
    experiment_id = _known_experiment(where)
    return Origin(
        functools.partial(open_store, where, create=True),
        functools.partial(_experiment, where)
        if experiment_id is None
        else lambda: experiment_id,
        None,
        _program,
    )


def _active_run() -> OpenRun | None:
    """Return the run that is active here, else the one that was started last elsewhere.

    Servers and chains work in threads of their own, which have no run.
    """
    active = active_runs.active()
    if active:
        return active[-1]
    return next(iter(active_runs.unfinished()), None)


def _known_experiment(location: str) -> str | None:
    chosen = context.experiment()
    return None if chosen is None or chosen.location != location else chosen.experiment_id


def _experiment(location: str) -> str:
    return experiment_of_new_runs(LakeflowClient(location))


@functools.cache
def _program() -> Mapping[str, str]:
    """Return the tags that say which program it is."""
    tags = origin_tags(None)
    return {
        key: tags[key] for key in (tag_names.SOURCE_NAME, tag_names.SOURCE_TYPE) if key in tags
    }
