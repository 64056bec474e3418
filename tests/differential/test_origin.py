"""What MLflow says of where a run comes from, and of the machine it runs on."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import psutil

from lakeflow.sampling import sensors
from lakeflow.sampling.plan import Plan
from lakeflow.sampling.sampler import mean

PROGRAM = """
import json, os, sys, lakeflow
lakeflow.set_tracking_uri("memory://origin")
with lakeflow.start_run() as run:
    pass
del run.data.tags["mlflow.runName"]
print(json.dumps([sys.argv, run.data.tags]))
"""

# A kernel, as far as anybody can tell from within, of whose notebook nothing is known.
KERNEL = f"""
import sys, types
sys.modules["ipykernel"] = types.ModuleType("ipykernel")
sys.modules["IPython"] = shell = types.ModuleType("IPython")
shell.get_ipython = lambda: types.SimpleNamespace(user_ns={{}})
{PROGRAM}
"""

CONTEXT = {"MLFLOW_RUN_CONTEXT": '{"mlflow.source.type": "JOB", "team": "vision"}'}
USER = {"MLFLOW_TRACKING_USERNAME": "ann"}


def test_a_run_has_the_tags_that_it_has_in_mlflow(mlflow, tmp_path):
    def git(*arguments):
        who = {f"GIT_{role}_{what}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}  # fmt: skip
        subprocess.run(["git", *arguments], cwd=tmp_path, env=os.environ | who, check=True)

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    scripts = {
        "train.py": PROGRAM,
        "ipykernel_launcher.py": KERNEL,
        "package/__main__.py": PROGRAM,
    }
    (tmp_path / "package").mkdir()
    for name, text in scripts.items():
        (tmp_path / name).write_text(text)
    ways = [
        ([str(tmp_path / "train.py"), "--lr", "1"], {}),
        (["-m", "train"], USER),
        (["-m", "package"], CONTEXT),
        ([str(tmp_path / "package")], {}),
        (["-c", PROGRAM], USER | CONTEXT),
        ([str(tmp_path / "ipykernel_launcher.py"), "-f", "kernel.json"], {}),
    ]
    for arguments, environment in ways:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            check=True,
        )
        argv, ours = json.loads(done.stdout)
        theirs = mlflow.ask("origin", [argv, environment])["value"]
        assert ours == theirs, arguments


def test_system_metrics_have_the_names_of_mlflow(mlflow, tmp_path, monkeypatch):
    (tmp_path / "psutil").symlink_to(Path(psutil.__file__).parent)
    (tmp_path / "pynvml.py").write_text("""
import types
class NVMLError(Exception): pass
nvmlInit = nvmlShutdown = lambda: None
nvmlDeviceGetCount = lambda: 1
nvmlDeviceGetHandleByIndex = lambda index: index
nvmlDeviceGetMemoryInfo = lambda device: types.SimpleNamespace(used=1, total=2)
nvmlDeviceGetUtilizationRates = lambda device: types.SimpleNamespace(gpu=3)
nvmlDeviceGetPowerUsage = nvmlDeviceGetEnforcedPowerLimit = lambda device: 4
""")
    fake = ModuleType("pynvml")
    exec((tmp_path / "pynvml.py").read_text(), vars(fake))
    monkeypatch.setattr(sensors, "pynvml", fake)
    ours = [Plan(node_id="node").prefix + name for name in mean([sensors.Sensors()()])]
    assert sorted(ours) == mlflow.ask("system_metrics", [str(tmp_path)])["value"]
