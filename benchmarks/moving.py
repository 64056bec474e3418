"""Imports from MLflow's stores: python benchmarks/moving.py --parts sqlite,files."""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import report
from peers import add_arguments, lakeflow_peer

START_MS = 1_700_000_000_000

SQLITE_RUNS, SQLITE_POINTS_A_RUN = 20_000, 400
SQLITE_SECONDS, SQLITE_BYTES = 180, 2**30
FILES_RUNS, FILES_METRICS, FILES_POINTS = 5_000, 100, 100
FILES_SECONDS = 600

# What MLflow 2.19 makes, as far as an import reads it.
SCHEMA = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
INSERT INTO alembic_version VALUES ('0584bdc529eb');
CREATE TABLE experiments (
    experiment_id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(256) NOT NULL UNIQUE,
    artifact_location VARCHAR(256), lifecycle_stage VARCHAR(32), creation_time BIGINT,
    last_update_time BIGINT);
CREATE TABLE experiment_tags (
    "key" VARCHAR(250) NOT NULL, value VARCHAR(5000), experiment_id INTEGER NOT NULL,
    PRIMARY KEY ("key", experiment_id));
CREATE TABLE runs (
    run_uuid VARCHAR(32) NOT NULL PRIMARY KEY, name VARCHAR(250), user_id VARCHAR(256),
    status VARCHAR(9), start_time BIGINT, end_time BIGINT, lifecycle_stage VARCHAR(20),
    artifact_uri VARCHAR(200), experiment_id INTEGER);
CREATE TABLE params (
    "key" VARCHAR(250) NOT NULL, value VARCHAR(8000) NOT NULL, run_uuid VARCHAR(32) NOT NULL,
    PRIMARY KEY ("key", run_uuid));
CREATE TABLE tags (
    "key" VARCHAR(250) NOT NULL, value VARCHAR(5000), run_uuid VARCHAR(32) NOT NULL,
    PRIMARY KEY ("key", run_uuid));
CREATE TABLE metrics (
    "key" VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL,
    run_uuid VARCHAR(32) NOT NULL, step BIGINT DEFAULT '0' NOT NULL,
    is_nan BOOLEAN DEFAULT '0' NOT NULL,
    PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan));
CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid);
CREATE INDEX index_params_run_uuid ON params (run_uuid);
CREATE INDEX index_tags_run_uuid ON tags (run_uuid);
"""


def main() -> None:
    options = parsed()
    python = lakeflow_peer(options).python
    options.folder.mkdir(parents=True, exist_ok=True)
    print(report.machine(options.folder, python), flush=True)
    folder = Path(tempfile.mkdtemp(prefix="moving-", dir=options.folder.resolve()))
    try:
        for part in options.parts.split(","):
            PARTS[part](python, folder, options.scale)
    finally:
        shutil.rmtree(folder)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default="sqlite,files", help="some of: sqlite, files")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the runs")
    add_arguments(parser, "lakeflow")
    return parser.parse_args()


def sqlite(python: str, folder: Path, scale: float) -> None:
    runs = math.ceil(SQLITE_RUNS * scale)
    path = folder / "mlflow.db"
    make_sqlite(path, runs, SQLITE_POINTS_A_RUN)
    imported(python, "SQLite", f"sqlite:///{path}", folder, runs, runs * SQLITE_POINTS_A_RUN)
    print(f"    allowed at full size: {SQLITE_SECONDS} s and {SQLITE_BYTES / 2**20:,.0f} MiB")


def files(python: str, folder: Path, scale: float) -> None:
    runs = math.ceil(FILES_RUNS * scale)
    path = folder / "mlruns"
    make_files(path, runs, FILES_METRICS, FILES_POINTS)
    points = runs * FILES_METRICS * FILES_POINTS
    imported(python, "a file store, one core", str(path), folder, runs, points, cores={0})
    print(f"    allowed at full size: {FILES_SECONDS} s")


PARTS = {"sqlite": sqlite, "files": files}


def imported(
    python: str,
    name: str,
    source: str,
    folder: Path,
    runs: int,
    points: int,
    cores: set[int] | None = None,
) -> None:
    """Import into a new lake, and again, each in a process of its own."""
    lake = folder / "lake"
    for which in ("first", "again"):
        begun = time.perf_counter()
        process = subprocess.Popen(
            [python, "-m", "lakeflow", "import", "mlflow", source, "--lake", lake],
            preexec_fn=None if cores is None else lambda: os.sched_setaffinity(0, cores),
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begun
        assert process.returncode == 0, f"the status is {process.returncode}"
        print(
            f"{name}, {which}: {runs:,} runs and {points:,} points in {seconds:.1f} s, "
            f"{usage.ru_maxrss / 1024:,.0f} MiB, "
            f"{usage.ru_utime + usage.ru_stime:.1f} s of CPU",
            flush=True,
        )
    shutil.rmtree(lake)


def make_sqlite(path: Path, runs: int, points: int) -> None:
    draw = random.Random(1)
    ids = [f"{draw.getrandbits(128):032x}" for _ in range(runs)]
    with sqlite3.connect(path) as database:
        database.executescript(SCHEMA)
        database.execute(
            "INSERT INTO experiments VALUES (1, 'sweep', '/nowhere/1', 'active', ?, ?)",
            (START_MS, START_MS),
        )
        database.executemany(
            "INSERT INTO runs VALUES (?, ?, 'me', 'FINISHED', ?, ?, 'active', ?, 1)",
            (
                (each, f"run {n}", START_MS + n, START_MS + n + 5_000, f"/nowhere/{each}")
                for n, each in enumerate(ids)
            ),
        )
        database.executemany(
            "INSERT INTO params VALUES (?, ?, ?)",
            ((f"p{k}", str(draw.random()), each) for each in ids for k in range(10)),
        )
        database.executemany(
            "INSERT INTO tags VALUES (?, ?, ?)",
            ((f"t{k}", str(draw.random()), each) for each in ids for k in range(5)),
        )
        # As they come where runs go on at once: a step of each, one after another.
        database.executemany(
            "INSERT INTO metrics VALUES (?, ?, ?, ?, ?, 0)",
            (
                (f"m{k}", draw.random(), START_MS + step * 1_000, each, step)
                for first in range(0, runs, 50)
                for step in range(points // 4)
                for each in ids[first : first + 50]
                for k in range(4)
            ),
        )
    database.close()


def make_files(root: Path, runs: int, metrics: int, points: int) -> None:
    draw = random.Random(1)
    experiment = root / "1"
    experiment.mkdir(parents=True)
    (experiment / "meta.yaml").write_text(
        f"artifact_location: {experiment}\ncreation_time: {START_MS}\nexperiment_id: '1'\n"
        f"last_update_time: {START_MS}\nlifecycle_stage: active\nname: sweep\n"
    )
    for number in range(runs):
        run_id = f"{draw.getrandbits(128):032x}"
        run = experiment / run_id
        for name in ("metrics", "params", "tags", "artifacts"):
            (run / name).mkdir(parents=True)
        (run / "meta.yaml").write_text(
            f"artifact_uri: {run}/artifacts\nend_time: {START_MS + number + 5_000}\n"
            "entry_point_name: ''\nexperiment_id: '1'\nlifecycle_stage: active\n"
            f"run_id: {run_id}\nrun_name: run {number}\nrun_uuid: {run_id}\nsource_name: ''\n"
            f"source_type: 4\nsource_version: ''\nstart_time: {START_MS + number}\nstatus: 3\n"
            "tags: []\nuser_id: me\n"
        )
        for key in range(10):
            (run / "params" / f"p{key}").write_text(str(draw.random()))
        for key in range(metrics):
            lines = [f"{START_MS + n * 1_000} {draw.random()} {n}\n" for n in range(points)]
            (run / "metrics" / f"m{key}").write_text("".join(lines))


if __name__ == "__main__":
    main()
