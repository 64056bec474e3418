"""What a run says of where it comes from, beyond what MLflow says."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import lakeflow

if TYPE_CHECKING:
    from pathlib import Path

NAME, KIND = "mlflow.source.name", "mlflow.source.type"


@pytest.fixture(autouse=True)
def lake(tmp_path: Path) -> None:
    lakeflow.set_tracking_uri(f"memory://{tmp_path.name}")


def tags(**options: object) -> dict[str, str]:
    with lakeflow.start_run(**options) as run:  # type: ignore[arg-type]
        return run.data.tags


def test_a_notebook_that_is_known_is_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, object] = {}
    # Other tests start kernels.
    for name in ("IPython", "ipykernel"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    shell = ModuleType("IPython")
    shell.get_ipython = lambda: SimpleNamespace(user_ns=names)  # type: ignore[attr-defined]
    monkeypatch.setattr(sys, "argv", ["/x/ipykernel_launcher.py", "-f", "kernel.json"])
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/ann/digits.ipynb")
    # A script that the kernel has started inherits the variable.
    assert tags()[KIND] == "LOCAL"
    monkeypatch.setitem(sys.modules, "IPython", shell)
    assert tags()[KIND] == "LOCAL", "a terminal"
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    found = tags()
    assert (found[NAME], found[KIND]) == ("/home/ann/digits.ipynb", "NOTEBOOK")
    names["__vsc_ipynb_file__"] = "/home/ann/\udce4.ipynb"
    assert tags()[NAME] == "/home/ann/\ufffd.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/ann/console-1")
    names.clear()
    found = tags()
    assert (found[NAME], found[KIND]) == ("/x/ipykernel_launcher.py", "LOCAL")


def test_the_environment_adds_tags_that_a_caller_overrides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAKEFLOW_RUN_CONTEXT", '{"a": 1, "b": 2, "mlflow.runName": "theirs"}')
    found = tags(tags={"b": "mine"})
    assert (found["a"], found["b"], found["mlflow.runName"]) == ("1", "mine", "theirs")
    assert tags(run_name="mine")["mlflow.runName"] == "mine"


@pytest.mark.parametrize("text", ["{", "[]", "3", '"text"', "null"])
def test_what_is_no_context_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", text)
    assert KIND in tags()
    assert "RUN_CONTEXT" in caplog.text
