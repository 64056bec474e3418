"""What ``neptune-exporter`` writes becomes runs of a lake.

Neptune's server is gone, and the exporter is no package: the files are made by its schema.
"""

from __future__ import annotations

import datetime
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from importing.sources import read
from importing.ways import check_ways

import lakeflow
from lakeflow import importing
from lakeflow.exceptions import NotFoundError
from lakeflow.importing.sources.neptune.source import NeptuneSource

if TYPE_CHECKING:
    from pathlib import Path

_FLOATS = pa.list_(pa.float64())
_TIME = pa.timestamp("ms", tz="UTC")
SCHEMA = pa.schema(
    {
        "project_id": pa.string(),
        "run_id": pa.string(),
        "attribute_path": pa.string(),
        "attribute_type": pa.string(),
        "step": pa.decimal128(18, 6),
        "timestamp": _TIME,
        "int_value": pa.int64(),
        "float_value": pa.float64(),
        "string_value": pa.string(),
        "bool_value": pa.bool_(),
        "datetime_value": _TIME,
        "string_set_value": pa.list_(pa.string()),
        "file_value": pa.struct({"path": pa.string()}),
        "histogram_value": pa.struct(
            {"type": pa.string(), "edges": _FLOATS, "values": _FLOATS}
        ),
    }
)
WITH_FLOAT_STEPS = SCHEMA.set(4, pa.field("step", pa.float64()))
BEGAN = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
BEGAN_MS = int(BEGAN.timestamp() * 1000)


def row(path: str, kind: str, step: float | None = None, **value: Any) -> dict[str, Any]:
    at = {}
    if step is not None:
        time = BEGAN + datetime.timedelta(seconds=step)
        at = {"step": Decimal(step), "timestamp": time}
    return {"attribute_path": path, "attribute_type": kind, **at, **value}


ATTRIBUTES = [
    row("sys/name", "string", string_value="first"),
    row("sys/owner", "string", string_value="mia"),
    row("sys/description", "string", string_value="of an evening"),
    row("sys/creation_time", "datetime", datetime_value=BEGAN),
    row("sys/tags", "string_set", string_set_value=["baseline", "größe"]),
    row("sys/failed", "bool", bool_value=True),
    row("sys/trashed", "bool", bool_value=False),
    row("lr", "float", float_value=0.1),
    row("layers", "int", int_value=3),
    row("amsgrad", "bool", bool_value=False),
    row("absent", "int"),
]


def export(
    folder: Path, *parts: list[dict[str, Any]], run: str = "RUN-1", schema: pa.Schema = SCHEMA
) -> Path:
    """Write the parts of a run as the exporter does; returns the first."""
    for number, rows in enumerate(parts):
        path = folder / "data" / "team_proj-1f" / f"{run}-2e_part_{number}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        named = [{"project_id": "team/proj", "run_id": run, **each} for each in rows]
        pq.write_table(pa.Table.from_pylist(named, schema=schema), path)
    return folder / "data" / "team_proj-1f" / f"{run}-2e_part_0.parquet"


def test_a_run_arrives_with_its_attributes_and_series(tmp_path: Path) -> None:
    # Points of several series alternate, as the exporter has them by step.
    points = [
        each
        for step in range(6)
        for each in (
            # Its pandas makes a null of NaN.
            row(
                "metrics/loss",
                "float_series",
                step,
                float_value=None if step == 2 else 1 / 2**step,
            ),
            row("odd@name", "float_series", step, float_value=math.inf),
        )
    ]
    export(tmp_path, ATTRIBUTES + points[:5], points[5:])

    report = importing.from_neptune(tmp_path, "lake")
    assert report.is_complete
    lakeflow.set_tracking_uri("lake")
    (run,) = lakeflow.search_runs(experiment_names=["team/proj"], output_format="list")
    assert (run.info.run_name, run.info.status) == ("first", "FAILED")
    assert (run.info.user_id, run.info.start_time) == ("mia", BEGAN_MS)
    assert run.data.params == {"lr": "0.1", "layers": "3", "amsgrad": "False"}
    assert run.data.tags["mlflow.note.content"] == "of an evening"
    assert run.data.tags["neptune.run_id"] == "RUN-1"
    assert json.loads(run.data.tags["neptune.sys/tags"]) == ["baseline", "größe"]
    history = lakeflow.metric_history(run.info.run_id, "metrics/loss").to_pylist()
    assert [each["step"] for each in history] == list(range(6))
    assert [each["timestamp"] - BEGAN_MS for each in history] == [1000 * at for at in range(6)]
    assert math.isnan(history[2]["value"])
    assert history[5]["value"] == 1 / 32
    assert run.data.metrics["odd_name"] == math.inf

    importing.from_neptune(tmp_path, "lake")
    (count,) = lakeflow.sql("SELECT count(*) AS n FROM metrics").to_pylist()
    assert count["n"] == 12


def test_files_and_series_of_texts_become_artifacts(tmp_path: Path) -> None:
    below = tmp_path / "files" / "team_proj-1f" / "RUN-1"
    (below / "set").mkdir(parents=True)
    (below / "model").write_text("weights")
    (below / "shown_0.png").write_text("black")
    (below / "set" / "a.txt").write_text("a")

    def file(path: str, kind: str, name: str, step: float | None = None) -> dict[str, Any]:
        return row(path, kind, step, file_value={"path": f"team_proj-1f/RUN-1/{name}"})

    texts = [
        row("logs/out", "string_series", step, string_value=f"{step}") for step in range(3)
    ]
    bars = {"type": "COUNTING", "edges": [0.0, 1.0], "values": [2.0]}
    export(
        tmp_path,
        [
            file("model", "file", "model"),
            file("shown", "file_series", "shown_0.png", 4),
            file("sources", "file_set", "set"),
            file("gone", "file", "gone"),
            file("hostile", "file", "../../../secret"),
            row("never", "file"),
            *texts,
            row("bars", "histogram_series", 1, histogram_value=bars),
        ],
    )
    (tmp_path / "secret").write_text("secret")

    found = read(NeptuneSource(tmp_path / "data"))
    files = {path: each.text for path, each in found.files["RUN-1"].items()}
    lines = [json.loads(line) for line in files.pop("logs/out.jsonl").splitlines()]
    assert [(each["step"], each["value"]) for each in lines] == [(0, "0"), (1, "1"), (2, "2")]
    assert json.loads(files.pop("bars.jsonl"))["value"] == bars
    assert files == {"model": "weights", "shown/step_4.png": "black", "sources/a.txt": "a"}
    assert len(found.losses) == 3


def test_steps_that_are_no_whole_numbers_take_a_multiplier(tmp_path: Path) -> None:
    rows = [row("loss", "float_series", step / 2, float_value=step) for step in range(4)]
    export(tmp_path, rows)

    rounded = read(NeptuneSource(tmp_path))
    assert [step for *_, step in rounded.points["RUN-1"]["loss"]] == [0, 0, 1, 1]
    assert ["rounded down" in each.why for each in rounded.losses] == [True]
    doubled = read(NeptuneSource(tmp_path, step_multiplier=2))
    assert [step for *_, step in doubled.points["RUN-1"]["loss"]] == [0, 1, 2, 3]
    assert not doubled.losses


def test_times_at_the_epoch_are_times_and_steps_that_are_missing_are_none(
    tmp_path: Path,
) -> None:
    def at(second: int, step: float) -> dict[str, Any]:
        moment = datetime.datetime.fromtimestamp(second, datetime.UTC)
        return row("loss", "float_series", float_value=0.5) | {
            "step": step,
            "timestamp": moment,
        }

    export(tmp_path, [at(0, 1.0), at(5, math.nan), at(7, math.inf)], schema=WITH_FLOAT_STEPS)
    found = read(NeptuneSource(tmp_path))
    (run,) = found.runs.values()
    assert run.start_time == 0
    (points,) = found.points.values()
    assert [(time, step) for _, time, step in points["loss"]] == [
        (0, 1),
        (5_000, 0),
        (7_000, 0),
    ]


def test_a_cut_part_is_reported_and_the_rest_arrives(tmp_path: Path) -> None:
    points = [row("loss", "float_series", step, float_value=step) for step in range(10)]
    first = export(tmp_path, points[:5], points[5:])
    export(tmp_path, points, run="RUN-2")
    first.write_bytes(first.read_bytes()[:-20])
    unfinished = first.with_name("RUN-3-2e_part_0.parquet.tmp")
    unfinished.touch()

    found = read(NeptuneSource(tmp_path))
    assert len(found.points["RUN-2"]["loss"]) == 10
    assert [step for *_, step in found.points["RUN-1"]["loss"]] == [5, 6, 7, 8, 9]
    assert {each.where for each in found.losses} == {str(first), str(unfinished)}


def test_a_folder_without_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no runs of neptune-exporter"):
        NeptuneSource(tmp_path)


def test_it_may_be_tried_chosen_of_stopped_and_made_again(tmp_path: Path) -> None:
    for run in ("RUN-1", "RUN-2"):
        points = [row("loss", "float_series", step, float_value=step / 2) for step in range(6)]
        export(tmp_path, ATTRIBUTES + points[:3], points[3:], run=run)
    check_ways(lambda: NeptuneSource(tmp_path, None, 1))
