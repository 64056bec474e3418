"""What a search filters by reaches the scans of the files, and so their row groups."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lakeflow.config import Settings
from lakeflow.entities import Metric, Param
from lakeflow.filesystem.location import open_filesystem
from lakeflow.kinds import RUN
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.query.engine.compile import compile_search
from lakeflow.query.engine.connection import Engine
from lakeflow.query.engine.overlay import laid_over
from lakeflow.stores.search import search_of
from lakeflow.stores.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNS = 200


def filters_of_scans(node: dict[str, Any]) -> Iterator[str]:
    """Yield the filters of each scan of Parquet files in a plan."""
    info = node.get("extra_info", {})
    if info.get("Function") == "READ_PARQUET":
        yield json.dumps(info.get("Filters"))
    for child in node["children"]:
        yield from filters_of_scans(child)


def test_keys_values_and_experiments_are_filtered_in_the_scans(tmp_path: Path) -> None:
    store = Store(Lake.on(open_filesystem(tmp_path / "lake"), Settings(auto_compact=False)))
    other = store.experiments.create("other")
    for number in range(RUNS):
        experiment = "0" if number % 2 else other
        run_id = store.runs.create(experiment).info.run_id
        metrics = [Metric(key, number, 1, 1) for key in ("loss", "accuracy")]
        store.runs.log_batch(run_id, metrics, [Param("kind", "a"), Param("lr", "1")])
    compact_lake(store.lake)
    search = search_of(
        RUN, "metrics.loss > 190 AND params.kind = 'a'", 1, ["metrics.accuracy"], ["0"]
    )
    statement = compile_search(search, 100)
    fold = store.lake.fold()
    files = {
        name: store.lake.paths(
            name,
            fold,
            statement.present.get(name),
            experiment_id=["0"],
            key=statement.named[name][1] if name in statement.named else (),
        )
        for name in statement.tables
    }
    text, values = laid_over(store.lake.kinds, statement, files, ())
    cursor = Engine().cursor()
    ((_, plan),) = cursor.run(f"EXPLAIN (FORMAT json) {text}", values)
    filters = list(filters_of_scans(json.loads(plan)[0]))
    assert len(filters) == 4, "runs, two metrics, a param"
    assert all("experiment_id = '0'" in each for each in filters)
    assert sorted(key for key in ("loss", "accuracy", "kind") if key in str(filters)) == [
        "accuracy",
        "kind",
        "loss",
    ]
    assert sum("key = '" in each for each in filters) == 3
    assert any("value > 190" in each and "loss" in each for each in filters)
    found = cursor.run(text, values)
    assert len(found) == 5
