"""The command is killed again and again, run again, and run twice at once: all is there, once.

A real process dies here: nothing is closed, locks go, unfinished files stay. That each write of
any source may be the last one is tested in memory: ``test_exactly_once`` and its neighbours; and
here with ``LAKEFLOW_TEST_WRITES``, which takes a quarter of an hour.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from typing import TYPE_CHECKING

import numpy
import pandas
import pytest
from importing.killing import (
    Whole,
    imported,
    imported_whole,
    killed_on_the_way,
    rows,
    started,
)
from importing.test_neptune import ATTRIBUTES, export, row
from tensorboardX import SummaryWriter

import lakeflow
from lakeflow import LakeflowClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IS_EVERY_WRITE = "LAKEFLOW_TEST_WRITES" in os.environ


# Sources, as the command takes them


def of_tensorboard(folder: Path) -> None:
    with SummaryWriter(str(folder / "a")) as writer:
        for step in range(9):
            writer.add_scalar("loss", step / 2, step)
        writer.add_text("note", "x")
        writer.add_image("shown", numpy.zeros((3, 4, 4)), 1)


def of_neptune(folder: Path) -> None:
    for run in ("RUN-1", "RUN-2"):
        points = [row("loss", "float_series", step, float_value=step / 2) for step in range(9)]
        export(folder, ATTRIBUTES + points[:5], points[5:], run=run)


def of_tables(kind: str, folder: Path) -> None:
    frame = pandas.DataFrame({"run": [*"aabb"], "step": [0, 1] * 2, "loss": 0.5, "opt": "sgd"})
    path = folder / f"log.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)


def words_of(name: str, request: pytest.FixtureRequest) -> list[str]:
    kind, _, of = name.partition(" ")
    asked = request.getfixturevalue
    if kind == "mlflow":
        location = asked("stores")("3", of, "mlflow_models.py").location
        return [kind, f"sqlite:///{location}" if of == "sqlite" else location]
    if kind == "wandb":
        return [kind, str(asked("finished"))]
    if kind == "trackio":
        return [kind, str(asked("project") / "home")]
    fill = {"tensorboard": of_tensorboard, "neptune": of_neptune}.get(kind)
    folder = asked("once")(kind, fill or (lambda folder: of_tables(kind, folder)))
    named = ["--experiment", "trials"] if kind != "neptune" else []
    columns = ["--run", "run", "--step", "step"] if fill is None else []
    return [kind, str(folder), *named, *columns]


SOURCES = [
    "mlflow files", "mlflow sqlite", "wandb", "trackio", "tensorboard", "neptune", "csv", "jsonl",
    "parquet",
]  # fmt: skip


@pytest.fixture(scope="module", params=SOURCES)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    words = words_of(request.param, request)
    return imported_whole(words, tmp_path_factory.mktemp("whole") / "lake")


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with tables and nothing in them, to be copied: making all of them takes long."""
    lake = tmp_path_factory.mktemp("folded") / "lake"
    LakeflowClient(lake).search_experiments()
    lakeflow.compact(lake)
    return lake


def faults(whole: Whole, name: str) -> Iterator[tuple[int, str, bool]]:
    """Yield at which write, how, and whether in an import that folds.

    Args:
        whole: The import.
        name: The source's.
    """
    if IS_EVERY_WRITE:
        for write, kind in enumerate(whole.writes, 1):
            yield write, "after", False
            # Other writes happen whole or not at all.
            if kind == "append":
                yield write, "torn", False
        yield from ((write, "after", True) for write in itertools.count(1))
    else:
        # Somewhere in the fold: with each source somewhere else.
        yield len(whole.writes) + 1 + 2 * SOURCES.index(name), "after", True


def test_imports_that_are_killed_on_the_way_bring_all_of_it_once(
    whole: Whole, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    made = killed_on_the_way(whole, lake)
    assert len(made) > 2, "it was killed before it had begun, on its way, and at its end"
    assert rows(lake, whole.asked) == whole.rows


def test_a_killed_import_is_completed_by_another_one(
    whole: Whole,
    folded: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    name = request.node.callspec.params["whole"]
    for write, when, folds in faults(whole, name):
        lake = tmp_path / f"{write} {when} {folds}"
        if folds:
            shutil.copytree(folded, lake)
        killed = started(whole.words, lake, folds=folds, fault=(write, when))
        killed.join()
        if IS_EVERY_WRITE and folds and killed.exitcode == whole.status:
            break
        assert killed.exitcode == -signal.SIGKILL
        assert imported(whole.words, lake, folds=folds) == whole.status
        assert rows(lake, whole.asked) == whole.rows, (write, when, folds)


def test_two_at_once_bring_all_of_it_once(
    whole: Whole, folded: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    lake = tmp_path / "lake"
    # Two folds at once are the same whatever was imported.
    folds = request.node.callspec.params["whole"] in ("mlflow sqlite", "csv")
    if folds:
        shutil.copytree(folded, lake)
    both = [started(whole.words, lake, folds=folds) for _ in range(2)]
    for each in both:
        each.join()
    assert [each.exitcode for each in both] == [whole.status] * 2
    assert rows(lake, whole.asked) == whole.rows
