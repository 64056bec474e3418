"""Where a process logs that another has started, or that has changed its folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import lakeflow
from lakeflow import LakeflowClient, context

if TYPE_CHECKING:
    from pathlib import Path

# Every way of starting a child, each with a run of its own that is named after it. The chdir
# is what Hydra does; the child begins in the new folder.
STARTS_CHILDREN = """
import concurrent.futures, multiprocessing, os, subprocess, sys
import lakeflow

CHILD = "import lakeflow; lakeflow.start_run(run_name='subprocess'); lakeflow.end_run()"

def log(name):
    with lakeflow.start_run(run_name=name):
        lakeflow.log_metric("m", 1)

if __name__ == "__main__":
    {choose}
    lakeflow.set_experiment("E")
    os.makedirs("job")
    os.chdir("job")
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            pool.submit(log, method).result()
    subprocess.run([sys.executable, "-c", CHILD], check=True)
    log("itself")
"""


def run_names(lake: Path, experiment: str) -> list[str]:
    found = LakeflowClient(lake).get_experiment_by_name(experiment)
    assert found is not None
    runs = LakeflowClient(lake).search_runs([found.experiment_id])
    return sorted(run.info.run_name for run in runs)


def run_script(path: Path, text: str) -> None:
    path.write_text(text)
    subprocess.run([sys.executable, path], cwd=path.parent, check=True, timeout=120)


def test_children_follow_to_the_lake_and_the_experiment(tmp_path: Path) -> None:
    script = STARTS_CHILDREN.format(choose="lakeflow.set_tracking_uri('chosen')")
    run_script(tmp_path / "script.py", script)
    everyone = ["fork", "forkserver", "itself", "spawn", "subprocess"]
    assert run_names(tmp_path / "chosen", "E") == everyone
    assert not (tmp_path / "lake").exists()
    assert os.listdir(tmp_path / "job") == []


def test_children_follow_to_the_default_lake(tmp_path: Path) -> None:
    run_script(tmp_path / "script.py", STARTS_CHILDREN.format(choose="pass"))
    assert len(run_names(tmp_path / "lake", "E")) == 5
    assert os.listdir(tmp_path / "job") == []


def test_children_follow_to_the_lake_of_a_run_in_no_experiment(tmp_path: Path) -> None:
    script = STARTS_CHILDREN.format(choose="log('itself')").replace(
        'lakeflow.set_experiment("E")', ""
    )
    run_script(tmp_path / "script.py", script)
    assert len(run_names(tmp_path / "lake", "Default")) == 6
    assert os.listdir(tmp_path / "job") == []


def test_a_process_stays_in_the_lake_it_began_in(tmp_path: Path) -> None:
    for name, environment in (("default", {}), ("from", {"MLFLOW_TRACKING_URI": "from"})):
        (tmp_path / name / "job").mkdir(parents=True)
        script = """
import os, lakeflow
os.chdir("job")
lakeflow.set_experiment("E")
lakeflow.start_run(run_name="in job")
os.chdir("/")
lakeflow.log_metric("m", 1)
lakeflow.end_run()
lakeflow.start_run(run_name="in /")
"""
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path / name,
            env=os.environ | environment,
            check=True,
        )
        lake = tmp_path / name / ("from" if environment else "lake")
        assert run_names(lake, "E") == ["in /", "in job"]
        assert os.listdir(tmp_path / name / "job") == []


def test_what_is_passed_on_is_taken_back(tmp_path: Path) -> None:
    before = {name: value for name, value in os.environ.items() if "LAKEFLOW" in name}
    lakeflow.set_tracking_uri(tmp_path / "one")
    lakeflow.set_experiment("E")
    shown = subprocess.run(
        [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"],
        capture_output=True,
        check=True,
    )
    passed_on = json.loads(shown.stdout)
    assert passed_on["LAKEFLOW_TRACKING_URI"] == f"{tmp_path}/one"
    assert passed_on["LAKEFLOW_EXPERIMENT_NAME"] == "E"
    lakeflow.set_tracking_uri("")
    assert not lakeflow.is_tracking_uri_set()
    context.set_experiment(None)
    assert before == {name: value for name, value in os.environ.items() if "LAKEFLOW" in name}
