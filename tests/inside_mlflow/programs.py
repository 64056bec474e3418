"""The same program on a SQLite store of MLflow's and on a lake, and what both answer.

What differs between any two stores is made equal before answers are compared: ids, times of
now, and where artifacts are.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities._mlflow_object import _MlflowObject
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = range(1_700_000_000_000, 2_500_000_000_000)
LARGEST = 1.7976931348623157e308
"""What SQLite keeps for infinity."""


@dataclass
class Sides:
    """A SQLite store of MLflow's and a lake, both new."""

    folder: Path
    database: Path

    def __post_init__(self) -> None:
        shutil.copy(self.database, self.folder / "mlflow.db")
        self.sqlite = f"sqlite:///{self.folder}/mlflow.db"
        self.lake = f"lakeflow://{self.folder}/lake"
        self.roots = (
            f"{self.lake}/artifacts",
            # Of the experiments that this process makes, and of the one that the database has.
            f"{self.folder}/mlruns",
            f"{self.database.parent}/artifacts",
        )

    def clients(self, program: Callable[[MlflowClient], Any]) -> Any:
        """Run a program with a client of each; return its answer, which is the same."""
        return self._compared(lambda uri: program(MlflowClient(uri, uri)))

    def stores(self, program: Callable[[Any], Any]) -> Any:
        """Run a program with a store of each; return its answer, which is the same."""
        return self._compared(
            lambda uri: program(MlflowClient(uri, uri)._tracking_client.store)
        )

    def fluent(self, program: Callable[[], Any]) -> Any:
        """Run a program with the functions of ``mlflow``; return its answer, the same on both."""

        def run(uri: str) -> Any:
            with tracking(uri):
                return program()

        return self._compared(run)

    def _compared(self, run: Callable[[str], Any]) -> Any:
        theirs, ours = self.answer(run(self.sqlite)), self.answer(run(self.lake))
        assert ours == theirs
        return ours

    def answer(self, value: Any) -> Any:
        """Return a value with what differs between stores made equal."""
        return Answer(self).of(value)


@contextmanager
def tracking(uri: str) -> Iterator[None]:
    """Let the functions of ``mlflow`` use a store, and forget what they chose before."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    choose_nothing()
    try:
        yield
    finally:
        while mlflow.active_run():
            mlflow.end_run()
        choose_nothing()


def choose_nothing() -> None:
    """Forget which experiment was chosen."""
    mlflow.tracking.fluent._active_experiment_id = None
    # What is chosen is also told to child processes.
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)


def a_moment() -> None:
    """Let MLflow's clock of milliseconds go on: what is made next is newer on every machine."""
    time.sleep(0.002)


def refused(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Return the code of the error that a call raises."""
    try:
        found = call(*args, **kwargs)
    except MlflowException as error:
        code: str = error.error_code
        return code
    raise AssertionError(f"it returned {found!r}")


@dataclass
class Answer:
    """Makes one answer comparable; ids are numbered in the order in which they appear."""

    sides: Sides
    numbers: dict[str, str] = field(default_factory=dict)

    def of(self, value: Any) -> Any:
        if isinstance(value, _MlflowObject):
            return self._entity(value)
        if isinstance(value, dict):
            return {self.of(key): self.of(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.of(each) for each in value]
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, float):
            return self._number(value)
        return "now" if isinstance(value, int) and value in NOW else value

    def _entity(self, entity: _MlflowObject) -> Any:
        named = {name: self.of(each) for name, each in vars(entity).items()}
        # Of what it has none of, a new run has nothing or empty lists.
        for name in ("_inputs", "_outputs"):
            if name in named and not any(list((named[name] or {}).values())[1:]):
                named[name] = None
        # The order of these is said nowhere.
        for name in ("_dataset_inputs", "_metric_objs"):
            named.get(name, []).sort(key=str)
        return {"is": type(entity).__name__} | named

    def _text(self, text: str) -> str:
        for root in self.sides.roots:
            text = text.replace(root, "<artifacts>")

        def number(match: re.Match[str]) -> str:
            return self.numbers.setdefault(match[0], f"<id {len(self.numbers)}>")

        return re.sub("[0-9a-f]{32}", number, text)

    @staticmethod
    def _number(value: float) -> float | str:
        if math.isnan(value):
            return "nan"
        return math.copysign(math.inf, value) if abs(value) == LARGEST else value
