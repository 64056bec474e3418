"""Every table, with filters pushed down, in engines that know nothing of lakeflow."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import pyarrow.parquet
import pytest
from evaluated import evaluate
from measured import measure
from traced import log_trace

import lakeflow
from lakeflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from lakeflow.kinds import TABLES
from lakeflow.query.engine.views import VIEWS
from lakeflow.schema import EVALUATION_DATASET_RECORDS

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-engines" / "bin" / "python"
RUNS = 120
WIDELY_KNOWN = {"DELTA_BINARY_PACKED", "DELTA_BYTE_ARRAY", "PLAIN", "RLE", "RLE_DICTIONARY"}
SHOWN_OTHERWISE = {
    ("control_events", "number"),
    ("registered_models", "requires_approval"),
    ("spans", "finish_reasons"),
    # What several calls said of a record is one row of the view.
    *(("evaluation_dataset_records", name) for name in EVALUATION_DATASET_RECORDS.column_names),
}
"""Columns that are of another type in the view, or in other rows."""
ENGINES = {
    "by_daft",
    "by_datafusion",
    "by_deltalake",
    "by_duckdb",
    "by_polars",
    "by_pyarrow",
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake with rows enough that engines skip some, two files a table."""
    place = tmp_path_factory.mktemp("engines") / "lake"
    client = lakeflow.MlflowClient(place)
    experiment = client.create_experiment("e", tags={"team": "vision"})
    for number in range(RUNS):
        made = client.create_run(experiment, 1_000 + number, run_name=f"run {number % 9}")
        run_id = made.info.run_id
        points = [Metric("loss", number / (step + 1), 5_000 + step, step) for step in range(20)]
        # In every second file of points there are values without an order.
        points += [Metric("odd", math.nan, 5, 1)] if number == RUNS - 1 else []
        tags = [RunTag("who", f"é 'quoted' {number}"), RunTag("kind", "a")]
        client.log_batch(run_id, points, [Param("lr", str(number % 7))], tags)
        data = Dataset("d", str(number % 3), "local", "/d", schema="{}" if number % 2 else None)
        client.log_inputs(run_id, [DatasetInput(data, [InputTag("use", "train")])])
        client.log_text(run_id, f"note {number}", f"notes/{number % 5}.txt")
        if number % 2:
            client.set_terminated(run_id, end_time=9_000 + number)
        if number == RUNS // 2:
            register(client, run_id)
            log_trace(str(place), run_id)
            measure(str(place), run_id)
            evaluate(str(place), f"d {number}")
            lakeflow.compact(place)
    register(client, run_id)
    log_trace(str(place), run_id)
    measure(str(place), run_id)
    lakeflow.compact(place)
    return place


def register(client: lakeflow.MlflowClient, run_id: str) -> None:
    model = client.create_registered_model(f"model of {run_id}", {"team": "a"}, "text")
    for number in range(3):
        source = f"runs:/{run_id}/notes"
        client.create_model_version(model.name, source, run_id, {"k": f"v{number}"})
    client.set_registered_model_alias(model.name, "champion", 2)


def test_every_engine_finds_what_lakeflow_finds(lake: Path) -> None:
    asked: list[tuple[str, str, object]] = []
    expected = []
    for table in TABLES.values():
        if table.name not in VIEWS.reads:
            continue  # a column of another view
        view = lakeflow.sql(
            f"SELECT * FROM {table.name}", tracking_uri=lake, output_format="list"
        )
        for column in {*table.column_names} & {*(view[0] if view else ())}:
            values = [row[column] for row in view if row[column] == row[column]]
            if (table.name, column) in SHOWN_OTHERWISE:
                continue
            present = sorted({each for each in values if each is not None})
            for value in {repr(each): each for each in (*present[:1], *present[-2:])}.values():
                asked.append((table.name, column, value))
                expected.append(values.count(value))
    assert len(asked) > 100
    done = subprocess.run(
        [PYTHON, HERE / "engines.py", lake],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {*found} == ENGINES
    for engine, counts in found.items():
        wrong = [
            (case, want, got)
            for case, want, got in zip(asked, expected, counts, strict=True)
            if want != got
        ]
        assert not wrong, engine


def test_the_files_say_what_other_engines_may_skip(lake: Path) -> None:
    for spec in TABLES.values():
        file = next(iter((lake / "tables" / spec.name).glob("*.parquet")))
        opened = pyarrow.parquet.ParquetFile(file)
        group = opened.metadata.row_group(0)
        order = [(opened.schema_arrow.names.index(name), False) for name in spec.sort]
        assert [(by.column_index, by.descending) for by in group.sorting_columns] == order
        assert {field.name for field in opened.schema_arrow if not field.nullable} == {
            column.name for column in spec.columns if not column.nullable
        }
        chunks = [group.column(number) for number in range(group.num_columns)]
        indexed = {each.path_in_schema for each in chunks if each.has_column_index}
        # Statistics of floats would hide NaN.
        assert indexed == {column.name for column in spec.columns if column.type != "double"}
        assert all(each.has_offset_index for each in chunks)
        assert {code for each in chunks for code in each.encodings} <= WIDELY_KNOWN
