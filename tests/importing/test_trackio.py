"""Projects of Trackio, logged by it, become runs of a lake."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pyarrow
import pyarrow.parquet
import pytest
from importing.sources import Read, read
from importing.ways import check_ways

import lakeflow
from lakeflow import importing
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.importing.sources.trackio.source import TrackioSource
from lakeflow.importing.sources.trackio.tables import made_of_parquet

if TYPE_CHECKING:
    from pathlib import Path


def changed(project: Path, to: Path, *statements: str) -> Path:
    """Copy Trackio's folder and change its database; returns the database."""
    shutil.copytree(project / "home", to)
    with closing(sqlite3.connect(to / "digits.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return to / "digits.db"


def plain(found: Read) -> dict[str, dict[str, str]]:
    """Return points as text: NaN is equal to NaN there."""
    return {
        name: {key: str(each) for key, each in points.items()}
        for name, points in found.points.items()
    }


def test_a_run_arrives_with_all_that_it_logged(project: Path) -> None:
    report = importing.from_trackio(project / "home", "lake")

    assert report.is_complete
    lakeflow.set_tracking_uri("lake")
    second, run = lakeflow.search_runs(experiment_names=["digits"], output_format="list")
    assert (second.info.run_name, second.data.metrics) == ("second", {"loss": 3})
    assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
    assert run.data.params == {
        "lr": "0.1",
        "optimizer.name": "adam",
        "optimizer.betas": "[0.9, 0.99]",
        "none": "None",
    }
    assert run.data.tags["trackio.group"] == "sweep"
    history = lakeflow.metric_history(run.info.run_id, "loss").to_pylist()
    assert [(each["step"], each["value"]) for each in history] == [
        (step, 1 / (step + 1)) for step in range(20)
    ]
    metrics = run.data.metrics
    assert (metrics["val.acc"], metrics["flag"], metrics["odd_name"]) == (19, 1, 7)
    assert (math.isnan(metrics["nan"]), metrics["inf"]) == (True, -math.inf)
    assert (metrics["system/cpu"], metrics["system/gpu.0.util"]) == (5, 3)
    assert lakeflow.artifacts.load_text(
        f"runs:/{run.info.run_id}/artifacts/model/v0/weights.bin"
    ) == "weights"  # fmt: skip

    before = lakeflow.sql("SELECT count(*), max(log_time) FROM artifacts").to_pylist()
    importing.from_trackio(project / "home", "lake")
    assert lakeflow.sql("SELECT count(*), max(log_time) FROM artifacts").to_pylist() == before


def test_media_and_what_is_no_number_become_files(project: Path) -> None:
    found = read(TrackioSource(project / "home"))

    files = found.files["first"]
    (image,) = [path for path in files if path.endswith(".png")]
    assert image.startswith("media/digits/first/50/")
    lines = [json.loads(line) for line in files["trackio-history.jsonl"].text.splitlines()]
    assert (lines[3]["step"], lines[3]["text"]) == (3, "step 3")
    assert [each["shown"]["caption"] for each in lines if "shown" in each] == ["black"]
    assert {problem.why for problem in found.problems} == {
        "1 alerts are left out",
        "the metric 'odd@name' is called 'odd_name' here",
    }


def test_its_parquet_is_read_as_its_database(project: Path) -> None:
    database = read(TrackioSource(project / "home" / "digits.db"))
    parquet = read(TrackioSource(project / "parquet"))
    page = read(TrackioSource(project / "page"))

    assert plain(database) == plain(parquet) == plain(page)
    assert database.files["first"].keys() == parquet.files["first"].keys()
    assert [each.name for each in page.experiments] == ["page"]
    # Parquet has no value where it has a null.
    params = {**database.runs["first"].params}
    del params["none"]
    assert parquet.runs["first"].params == page.runs["first"].params == params


def test_a_database_from_before_runs_had_ids_is_read(project: Path, tmp_path: Path) -> None:
    changed(
        project,
        tmp_path / "old",
        "PRAGMA user_version = 0",
        "CREATE TABLE m AS SELECT id, timestamp, run_name, step, metrics FROM metrics",
        "CREATE TABLE s AS SELECT id, timestamp, run_name, metrics FROM system_metrics",
        "CREATE TABLE c AS SELECT id, run_name, config, created_at FROM configs",
        *(f"DROP TABLE {name}" for name in ("metrics", "system_metrics", "configs")),
        *(f"DROP TABLE {name}" for name in ("traces", "alerts", "run_artifact_links")),
        "ALTER TABLE m RENAME TO metrics",
        "ALTER TABLE s RENAME TO system_metrics",
        "ALTER TABLE c RENAME TO configs",
    )
    old = read(TrackioSource(tmp_path / "old"))
    assert plain(old) == plain(read(TrackioSource(project / "home")))
    assert old.runs["first"].params["lr"] == "0.1"


def test_a_newer_database_is_refused_before_anything_is_written(
    project: Path, tmp_path: Path
) -> None:
    changed(project, tmp_path / "newer", "PRAGMA user_version = 3")
    with pytest.raises(InvalidInputError, match="version 3 of Trackio's tables"):
        importing.from_trackio(tmp_path / "newer", tmp_path / "lake")
    assert not (tmp_path / "lake").exists()


def test_a_database_that_is_written_to_is_read_as_it_is_now(
    project: Path, tmp_path: Path
) -> None:
    database = changed(project, tmp_path / "live")
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        row = (
            "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) SELECT run_id, "
            "timestamp, run_name, 1000 + step, metrics FROM metrics WHERE run_name = 'second'"
        )
        writer.execute(row)
        writer.execute("BEGIN IMMEDIATE")
        writer.execute(row)
        points = read(TrackioSource(tmp_path / "live")).points["second"]["loss"]
        assert [step for *_, step in points] == [0, 1000]
        writer.execute("ROLLBACK")


def test_a_bad_row_and_a_bad_database_are_reported_and_the_rest_arrives(
    project: Path, tmp_path: Path
) -> None:
    statement = (
        "UPDATE metrics SET metrics = '{\"loss\": ' WHERE run_name = 'first' AND step = 4"
    )
    database = changed(project, tmp_path / "bad", statement)
    data = database.read_bytes()
    (tmp_path / "bad" / "cut.db").write_bytes(data[:5_000])
    (tmp_path / "bad" / "other.db").write_bytes(b"a picture of a cat")

    found = read(TrackioSource(tmp_path / "bad"))
    steps = [step for *_, step in found.points["first"]["loss"]]
    assert steps == [step for step in range(20) if step != 4]
    assert {problem.where for problem in found.losses} == {
        str(tmp_path / "bad" / name) for name in ("cut.db", "digits.db", "other.db")
    }


def test_a_version_without_a_number_is_reported_and_the_rest_arrives(
    project: Path, tmp_path: Path
) -> None:
    changed(
        project,
        tmp_path / "odd",
        "CREATE TABLE v AS SELECT * FROM artifact_versions",
        "DROP TABLE artifact_versions",
        "ALTER TABLE v RENAME TO artifact_versions",
        "UPDATE artifact_versions SET version = NULL",
    )
    found = read(TrackioSource(tmp_path / "odd"))
    assert {"first", "second"} <= found.runs.keys()
    assert not any(path.startswith("artifacts/") for path in found.files["first"])
    assert any("has no number" in problem.why for problem in found.problems)


def test_cut_parquet_is_reported(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project / "parquet", tmp_path / "parquet")
    path = tmp_path / "parquet" / "digits.parquet"
    path.write_bytes(path.read_bytes()[:-100])

    found = read(TrackioSource(tmp_path / "parquet"))
    assert not found.runs
    assert [problem.where for problem in found.losses] == [str(path)]


def test_parquet_without_runs_is_reported(tmp_path: Path) -> None:
    table = pyarrow.table({"step": [0], "timestamp": ["2026-01-01"], "loss": [0.5]})
    pyarrow.parquet.write_table(table, tmp_path / "digits.parquet")

    (problem,) = read(TrackioSource(tmp_path)).losses
    assert problem.where == str(tmp_path / "digits.parquet")
    assert "no column 'run_name'" in problem.why


def test_rows_of_a_run_are_found_by_an_index(project: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "made.db")
    names = {"metrics": "digits", "system_metrics": "digits_system"}
    folder = project / "parquet"
    made_of_parquet({table: f"{folder}/{name}.parquet" for table, name in names.items()}, path)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("metrics", "system_metrics", "configs"):
            query = f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE run_id = ''"
            (plan,) = connection.execute(query).fetchall()
            assert plan[3].startswith(f"SEARCH {table} USING INDEX")


def test_a_path_of_a_stranger_leads_nowhere_else(project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    changed(
        project,
        tmp_path / "hostile",
        "UPDATE metrics SET metrics = replace(CAST(metrics AS TEXT), 'digits/first', "
        "'../../../first') WHERE step = 50",
    )
    found = read(TrackioSource(tmp_path / "hostile"))
    assert not [path for path in found.files["first"] if path.endswith(".png")]
    assert any("no path below the artifacts" in each.why for each in found.losses)


def test_a_folder_without_projects_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no projects of Trackio"):
        TrackioSource(tmp_path)


def test_it_may_be_tried_chosen_of_stopped_and_made_again(project: Path) -> None:
    check_ways(lambda: TrackioSource(project / "home"))
