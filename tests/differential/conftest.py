"""Both stores side by side: every call goes to MLflow and to lakeflow."""

import importlib.util
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

import lakeflow
from lakeflow import LakeflowClient, entities
from lakeflow.open_store import open_store

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parents[1] / ".venv-mlflow"

# Both stores note times in milliseconds; a change must not fall into that of the creation.
MOVES_TIME = {"rename_experiment", "delete_experiment", "restore_experiment"}


def _load(name):
    spec = importlib.util.spec_from_file_location(f"_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


oracle = _load("oracle")


def differences(theirs, ours, path="", ignored=frozenset()):
    """Return where two answers differ, a line each; 1 and 1.0 are different."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = theirs.keys() | ours.keys()
        if not path and "error" in keys:
            if theirs.get("error") == ours.get("error"):
                return []
            return [f"MLflow: {theirs}", f"lakeflow: {ours}"]
        found = [
            differences(
                theirs.get(key, "<absent>"), ours.get(key, "<absent>"), f"{path}/{key}", ignored
            )
            for key in sorted(keys - ignored, key=str)
        ]
        return [line for lines in found for line in lines]
    if oracle.text_of(theirs) == oracle.text_of(ours):
        return []
    return [f"{path} MLflow: {theirs!r}", f"{path} lakeflow: {ours!r}"]


class Mlflow:
    """MLflow's client on SQLite, in a process of its own."""

    def __init__(self, process):
        self._process = process

    def ask(self, method, args=(), kwargs=None):
        request = {"method": method, "args": args, "kwargs": kwargs or {}}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            pytest.fail(f"MLflow's process ended with {self._process.wait()} at {request}")
        return json.loads(line)


class Both:
    """The two stores, both empty at first.

    Runs are called by the names that ``create_run`` returns; experiments have the same ids.

    Args:
        mlflow: The process of MLflow's.
        uri: Where lakeflow's is.
        ignored: Fields in which they may differ.
    """

    def __init__(self, mlflow, uri, ignored=frozenset()):
        self.uri = str(uri)
        self._ignored = ignored
        self._mlflow = mlflow
        mlflow.ask("new")
        # MLflow's store is there already; here what is about a run makes no lake.
        open_store(uri, create=True)

        self._client = LakeflowClient(uri)
        places = {f"{uri}/artifacts": "<root>", os.getcwd(): "<cwd>"}
        self._lakeflow = oracle.Side(self._client, entities, places)
        self._experiments = {"0"}
        self._metrics = set()
        self._has_differed = False

    def __call__(self, method, *args, **kwargs):
        """Make a call that succeeds with equal results on both sides; return the result."""
        theirs, ours = self.answers(method, *args, **kwargs)
        self._succeeded(method, args, kwargs, theirs, ours)
        if method == "create_run":
            return f"<run {self.run_count}>"
        return ours["value"]

    def refuse(self, code, method, *args, text="", **kwargs):
        """Make a call that both sides refuse with this code, and with this in the message."""
        theirs, ours = self.answers(method, *args, **kwargs)
        if not theirs.get("error") == ours.get("error") == code:
            self._fail(method, args, kwargs, theirs, ours)
        assert text in theirs["message"]
        assert text in ours["message"]

    def same(self, method, *args, **kwargs):
        """Make a call that succeeds or fails, but on both sides alike."""
        theirs, ours = self.answers(method, *args, **kwargs)
        if self._differences(theirs, ours):
            self._fail(method, args, kwargs, theirs, ours)

    def _succeeded(self, method, args, kwargs, theirs, ours):
        if "error" in theirs or self._differences(theirs, ours):
            self._fail(method, args, kwargs, theirs, ours)

    def _differences(self, theirs, ours):
        return differences(theirs, ours, ignored=self._ignored)

    def _fail(self, method, args, kwargs, theirs, ours):
        self._has_differed = True
        given = [repr(arg) for arg in args] + [f"{k}={v!r}" for k, v in kwargs.items()]
        found = self._differences(theirs, ours) or [f"both answer {ours}"]
        pytest.fail("\n  ".join([f"{method}({', '.join(given)})", *found]))

    def answers(self, method, *args, **kwargs):
        """Return what MLflow and what lakeflow answer."""
        if method in MOVES_TIME:
            time.sleep(0.003)
        given = oracle.encode(args)
        options = {name: oracle.encode(value) for name, value in kwargs.items()}
        theirs = self._mlflow.ask(method, given, options)
        ours = self._lakeflow.ask(method, given, options)
        self._note(method, args, ours)
        return theirs, ours

    def _note(self, method, args, answer):
        if method == "create_experiment" and "value" in answer:
            self._experiments.add(answer["value"])
        if method == "log_metric":
            self._metrics.add(args[1])
        if method == "log_batch" and len(args) > 1 and args[1]:
            self._metrics |= {metric.key for metric in args[1]}

    @property
    def run_count(self):
        """How many runs there are."""
        return len(self._lakeflow.run_ids)

    def compact(self):
        """Fold lakeflow's log into its tables; MLflow has nothing like it."""
        lakeflow.compact(self.uri)

    def compare(self):
        """Read everything that was made on both sides, and lakeflow's after a compaction too.

        Unless something differed before.
        """
        if self._has_differed:
            return
        told = {}
        for method, *args in self._everything():
            told[method, *args], ours = self.answers(method, *args)
            self._succeeded(method, args, {}, told[method, *args], ours)
        self.compact()
        # MLflow has nothing like it, and would answer the same.
        for (method, *args), theirs in told.items():
            ours = self._lakeflow.ask(method, oracle.encode(args), {})
            self._succeeded(method, args, {}, theirs, ours)

    def _everything(self):
        for experiment_id in sorted(self._experiments):
            yield "get_experiment", experiment_id
        for number in range(1, self.run_count + 1):
            yield "get_run", f"<run {number}>"
            for key in self._metrics:
                if isinstance(key, str):
                    yield "get_metric_history", f"<run {number}>", key


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory):
    """MLflow in a process of its own."""
    path = os.environ.get("LAKEFLOW_TEST_MLFLOW") or ENVIRONMENT / "bin" / "python"
    if not Path(path).exists():
        pytest.fail(
            f"no interpreter with MLflow at {path}: make an environment with mlflow 2.19 in "
            f"{ENVIRONMENT.name}, or name its Python in LAKEFLOW_TEST_MLFLOW",
            pytrace=False,
        )
    folder = tmp_path_factory.mktemp("mlflow")
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "LAKEFLOW_"))}
    with (
        open(folder / "errors.txt", "w") as errors,
        subprocess.Popen(
            [path, HERE / "oracle.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=folder,
            env=own,
            text=True,
        ) as process,
    ):
        yield Mlflow(process)
        process.stdin.close()


@pytest.fixture(scope="session")
def parameters_of():
    """The function by which the parameters of MLflow's functions are told."""
    return _load("asides").parameters


@pytest.fixture
def answering(mlflow, tmp_path):
    """Both stores, for calls whose answers differ."""
    return Both(mlflow, tmp_path / "lake")


@pytest.fixture
def both(mlflow, tmp_path):
    """Both stores; at the end they hold the same, before and after a compaction."""
    stores = Both(mlflow, tmp_path / "lake")
    yield stores
    stores.compare()


@pytest.fixture(scope="session")
def new_stores(mlflow, tmp_path_factory):
    """A function that makes both stores anew."""
    return lambda **options: Both(mlflow, tmp_path_factory.mktemp("stores") / "lake", **options)
