"""Rows of a database of MLflow's that is made by hand: which are read, and at which cost."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from lakeflow.importing.evaluation_items import EvaluationDatasetItem
from lakeflow.importing.model_items import LoggedModelItem
from lakeflow.importing.sources.mlflow import sql_evaluation, sql_models
from lakeflow.importing.sources.mlflow.sqlite import MlflowSqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from lakeflow.importing.items import Problem

MODEL = LoggedModelItem("m", "0", "net", 1, 1, "/there")
DATASET = EvaluationDatasetItem("d", "asked", 1, 1)


def fill(path: Path, table: str, columns: str, rows: Iterable[Sequence[object]]) -> None:
    """Put rows into a table of a database."""
    marks = ", ".join("?" * (columns.count(",") + 1))
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE TABLE {table} ({columns})")
        database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
    database.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with the least that MLflow's have."""
    path = tmp_path / "mlflow.db"
    fill(path, "alembic_version", "version_num", [("bd07f7e963c5",)])
    for table in ("experiments", "metrics"):
        fill(path, table, "name", [])
    fill(path, "runs", "experiment_id", [])
    return path


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], MlflowSqlite]]:
    """Return a function that opens the database."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(contextlib.closing(MlflowSqlite(str(path))))


OF_POINTS = """
    model_id, metric_name, metric_timestamp_ms, metric_step, metric_value, run_id,
    dataset_name, dataset_digest
"""
OF_RECORDS = """
    dataset_record_id, dataset_id, inputs, outputs, expectations, tags, source, created_time,
    last_update_time, created_by, last_updated_by
"""
TIMES = "creation_time, last_updated_time"
OF_SCORERS = "scorer_id, scorer_version, serialized_scorer, creation_time"


def points(values: Iterable[float | None]) -> Iterator[Sequence[object]]:
    for step, value in enumerate(values):
        yield "m", "loss", 1, step, value, "r", None, None


def test_infinities_of_models_are_those_that_were_logged(
    path: Path, opened: Callable[[], MlflowSqlite]
) -> None:
    largest = 1.7976931348623157e308
    fill(path, "logged_model_metrics", OF_POINTS, points([largest, -largest, None, 0.5]))
    (found,) = opened().model_points(MODEL)
    assert [repr(each.value) for each in found] == ["inf", "-inf", "nan", "0.5"]


def test_many_rows_of_one_thing_are_read_in_one_go(
    path: Path, opened: Callable[[], MlflowSqlite], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in (
        (sql_models, "_POINTS_AT_ONCE"), (sql_evaluation, "_RECORDS_AT_ONCE"),
        (sql_evaluation, "_SCORERS_AT_ONCE"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, 10)
    count = 400
    fill(path, "logged_model_metrics", OF_POINTS, points(map(float, range(count))))
    records = (
        (f"{n:04}", "d", f'{{"n": {n}}}', *4 * [None], count - n, 1, None, None)
        for n in range(count)
    )
    fill(path, "evaluation_dataset_records", OF_RECORDS, records)
    fill(path, "scorers", "scorer_id, experiment_id, scorer_name", [("s", 0, "judge")])
    versions = (("s", n, "{}", 1) for n in range(count))
    fill(path, "scorer_versions", OF_SCORERS, versions)
    source = opened()
    asked: list[str] = []
    source._database.set_trace_callback(asked.append)
    assert [each.step for some in source.model_points(MODEL) for each in some] == [
        *range(count)
    ]
    numbers = [
        each.given["inputs"]["n"] for some in source.dataset_records(DATASET) for each in some
    ]
    assert numbers == [*range(count)][::-1]
    assert [each.version for each in source.scorer_versions({"0"})] == [*range(count)]
    assert len(asked) == 3


def test_models_of_other_workspaces_take_no_place_and_are_told(
    path: Path, opened: Callable[[], MlflowSqlite], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_models, "_MODELS_AT_ONCE", 2)
    monkeypatch.setattr(sql_models, "_VERSIONS_AT_ONCE", 2)
    spaces = ["a", "b", "default"]
    names = ["one", "three", "two"]
    rows = [(space, name, 1, 1, None) for space in spaces for name in names]
    fill(path, "registered_models", f"workspace, name, {TIMES}, description", rows)
    fill(path, "registered_model_tags", "workspace, name, key, value", [("a", "one", "t", "1")])
    versions = [
        (space, "one", number, 1, 1, *8 * [None])
        for number in range(1, 5)
        for space in spaces
        if number < 4 or space == "a"
    ]
    fill(
        path,
        "model_versions",
        f"""workspace, name, version, {TIMES}, description, user_id, current_stage, source,
        run_id, run_link, status, status_message""",
        versions,
    )
    tags = [(space, "one", 2, "of", space) for space in spaces[::-1]]
    fill(path, "model_version_tags", "workspace, name, version, key, value", tags)
    source = opened()
    told: list[Problem] = []
    source.report_to(told.append)
    models = [*source.registered_models()]
    assert [each.name for each in models] == names
    assert (models[0].tags, models[0].last_version) == ({}, 3)
    found = [*source.model_versions(models[0])]
    assert [(each.version, each.tags) for each in found] == [
        (1, {}), (2, {"of": "default"}), (3, {})
    ]  # fmt: skip
    assert [each.where for each in told] == ["workspace a", "workspace b"]
