"""The views over a lake, opened as sql/README.md says, by a DuckDB with the delta extension."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluated import evaluate
from measured import measure
from traced import log_trace

import lakeflow
from lakeflow.entities import Metric, Param, RunTag

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_the_delta_recipe_gives_the_rows_that_lakeflow_gives(tmp_path: Path) -> None:
    python = ROOT / ".venv-engines" / "bin" / "python"
    assert python.exists(), "make test installs DuckDB with its delta extension there"
    lake = tmp_path / "lake"
    client = lakeflow.MlflowClient(lake)
    client.create_experiment("e", tags={"b": "2", "a": "1"})
    for number in range(4):
        run_id = client.create_run("0", tags={"kind": "a"}, run_name=f"r{number}").info.run_id
        points = [Metric("loss", step / 7, step, step) for step in range(5)]
        client.log_batch(run_id, points, [Param("lr", "0.1")], [RunTag("t", "é")])
        client.log_text(run_id, "a text", "a.txt")
        lakeflow.set_tracking_uri(lake)
        lakeflow.register_model(f"runs:/{run_id}", "model", tags={"k": "v"})
        client.set_registered_model_alias("model", "newest", number + 1)
        log_trace(str(lake), run_id)
        evaluate(str(lake), f"d {number}")
        measure(str(lake), run_id)
        lakeflow.compact(lake)
    done = subprocess.run(
        [python, HERE / "recipe.py", lake, ROOT / "sql"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for view, rows in json.loads(done.stdout).items():
        ours = lakeflow.sql(f"FROM {view}", tracking_uri=lake, output_format="list")
        assert comparable(rows) == comparable(json.loads(json.dumps(ours, default=str))), view
        assert bool(rows) == (view != "inputs")


def comparable(rows: Iterable[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)
