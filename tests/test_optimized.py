"""``python -O`` leaves out every assert, and a lake does what it does with them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import lakeflow

if TYPE_CHECKING:
    from servers.s3 import S3Server

ROOT = Path(lakeflow.__file__).parent

PROGRAM = """
import json, sys
import lakeflow

def use(uri, options):
    lakeflow.set_storage_options(uri, options)
    lakeflow.set_tracking_uri(uri)
    lakeflow.set_experiment("digits")
    with lakeflow.start_run() as run:
        run_id = run.info.run_id
        lakeflow.log_param("p", 1)
        for step in range(4):
            lakeflow.log_metric("loss", step / 2, step=step)
            if step % 2 == 0:  # so that points are in two folds, and in the log
                lakeflow.compact(uri)
    found = lakeflow.search_runs(filter_string="metrics.loss = 1.5", output_format="list")
    points = lakeflow.sql("SELECT count(*) AS n FROM metrics", output_format="list")
    return {
        "experiment": lakeflow.set_experiment("digits").experiment_id,
        "run": lakeflow.get_run(run_id).data.metrics,
        "found": [each.data.params for each in found],
        "history": lakeflow.metric_history(run_id, "loss").to_pydict()["value"],
        "frame": lakeflow.scan_metrics().collect()["step"].sort().to_list(),
        "points": points[0]["n"],
        "rejected": lakeflow.compact(uri).rejected,
    }

print(json.dumps([use(*lake) for lake in json.loads(sys.argv[1])]))
"""


def test_a_lake_needs_no_assert_wherever_it_is(double: S3Server, tmp_path: Path) -> None:
    bucket = double.make_bucket("optimized")
    lakes = {
        str(tmp_path / "lake"): {},
        "memory://optimized": {},
        f"s3://{bucket}/lake": double.storage_options,
    }
    done = subprocess.run(
        [sys.executable, "-O", "-c", PROGRAM, json.dumps(list(lakes.items()))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = {
        "experiment": "1",
        "run": {"loss": 1.5},
        "found": [{"p": "1"}],
        "history": [0.0, 0.5, 1.0, 1.5],
        "frame": [0, 1, 2, 3],
        "points": 4,
        "rejected": 0,
    }
    assert json.loads(done.stdout) == [said] * len(lakes)


def test_an_assert_tells_the_type_checker_that_something_is_there() -> None:
    """What it calls would not be called, and what it checks would not be checked."""
    others = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in ROOT.rglob("*.py")
        if path.parent.name != "testing"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert) and not _is_there(node.test)
    ]
    assert others == []


def _is_there(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left, [ast.IsNot()], [ast.Constant(None)]):
            return not any(isinstance(node, ast.Call) for node in ast.walk(left))
    return False
