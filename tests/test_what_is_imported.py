"""Which of the heavy libraries a job loads, whether the lake is new or old."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import lakeflow

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {"deltalake", "duckdb", "fsspec", "numpy", "pandas", "polars", "pyarrow", "sqlglot"}
HEAVY |= {"PIL", "matplotlib", "plotly"}
HEAVY |= {"psutil"}

LOGS = """
lakeflow.set_experiment("digits")
with lakeflow.start_run(run_name="r") as run:
    lakeflow.log_param("p", 1)
    lakeflow.log_metrics({"a": 1, "b": 2}, step=1)
    lakeflow.set_tag("t", "v")
    lakeflow.log_text("text", "a.txt")
    lakeflow.log_table({"a": [1, 2]}, "t.json")
    lakeflow.log_table({"a": [3]}, "t.json")
    model = lakeflow.initialize_logged_model(params={"p": 1})
    lakeflow.log_metric("m", 0.5, model_id=model.model_id)
    lakeflow.finalize_logged_model(model.model_id, "READY")
client = lakeflow.MlflowClient()
client.list_artifacts(run.info.run_id)
other = client.create_experiment("other " + run.info.run_id, tags={"a": "b"})
lakeflow.set_experiment(experiment_id=other)
lakeflow.log_metric("m", 0.5)
client.rename_experiment(other, "renamed " + run.info.run_id)
client.set_experiment_tag(other, "k", "v")
client.delete_experiment(other)
"""
LOGS_AN_IMAGE = """
import numpy
with lakeflow.start_run():
    lakeflow.log_image(numpy.zeros((2, 2), numpy.uint8), key="k")
"""
READS_ONE = "assert lakeflow.get_run(sys.argv[2]).data.params == {'p': '1'}"
SEARCHES = """
found = lakeflow.search_runs(
    experiment_names=["digits"], filter_string="params.p = '1'", output_format="list"
)
assert found
"""

LOGS_ARRAYS = """
import numpy
digits = lakeflow.data.from_numpy(numpy.zeros((3, 2)), targets=numpy.arange(3))
with lakeflow.start_run():
    lakeflow.log_input(digits, context="training")
"""

WHAT_HANDLERS_LOG = """
run_id = lakeflow.start_run().info.run_id
known = {*sys.modules}
lakeflow.log_metric("m", 1)
lakeflow.log_metric("m", 2, synchronous=False).wait()
lakeflow.log_params({"p": 1})
lakeflow.set_tag("t", "v")
lakeflow.log_text("text", "a.txt")
lakeflow.log_dict({"a": 1}, "a.json")
lakeflow.log_artifact(lakeflow.__file__)
lakeflow.get_run(run_id)
lakeflow.end_run("KILLED")
assert {*sys.modules} == known, {*sys.modules} - known
"""


def modules_after(lake: Path, code: str, *arguments: str) -> set[str]:
    """Return which heavy libraries a process has loaded at its end."""
    program = (
        "import sys, lakeflow\nlakeflow.set_tracking_uri(sys.argv[1])\n"
        f"{code}\nprint(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(lake), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return HEAVY & set(done.stdout.splitlines()[-1].split())


@pytest.fixture
def folded(tmp_path: Path) -> tuple[Path, str]:
    lake = tmp_path / "lake"
    lakeflow.set_tracking_uri(lake)
    lakeflow.set_experiment("digits")
    with lakeflow.start_run() as run:
        lakeflow.log_param("p", 1)
    lakeflow.compact(lake)
    return lake, run.info.run_id


def test_a_job_that_logs_loads_no_engine(tmp_path: Path, folded: tuple[Path, str]) -> None:
    lake, run_id = folded
    assert modules_after(tmp_path / "new", LOGS) == set()
    assert modules_after(tmp_path / "new", LOGS) == set(), "experiments in the log"
    assert modules_after(lake, LOGS) == set(), "experiments in a fold"
    resumed = f"lakeflow.start_run(run_id={run_id!r}); lakeflow.log_metric('m', 1)"
    assert modules_after(lake, resumed) == set()


def test_what_the_handler_of_a_signal_logs_needs_nothing_that_is_half_imported(
    tmp_path: Path,
) -> None:
    modules_after(tmp_path / "lake", WHAT_HANDLERS_LOG)


def test_a_job_that_logs_images_loads_no_engine(tmp_path: Path) -> None:
    assert modules_after(tmp_path / "new", LOGS_AN_IMAGE) == {"numpy", "PIL"}


def test_a_dataset_of_arrays_needs_numpy_alone(tmp_path: Path) -> None:
    assert modules_after(tmp_path / "lake", LOGS_ARRAYS) == {"numpy"}


def test_one_run_is_read_without_an_engine(folded: tuple[Path, str]) -> None:
    lake, run_id = folded
    assert modules_after(lake, READS_ONE, run_id) == set()


def test_a_search_of_a_folded_lake_needs_the_query_engine_alone(
    folded: tuple[Path, str],
) -> None:
    lake, _ = folded
    assert modules_after(lake, SEARCHES) == {"duckdb", "sqlglot"}


def test_a_frame_of_one_library_does_not_bring_the_other_one(folded: tuple[Path, str]) -> None:
    lake, _ = folded
    in_polars = SEARCHES.replace("'list'", "'polars'").replace('"list"', '"polars"')
    loaded = modules_after(lake, in_polars.replace("assert found", "assert len(found)"))
    assert loaded == {"duckdb", "numpy", "polars", "pyarrow", "sqlglot"}
