"""What is exported as files is what SQL over the lake says, and it is whole or not there."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from faults.test_refusals import full_but_for, mounted, needs_root

import lakeflow
from lakeflow import LakeflowClient, cli, exporting
from lakeflow.exceptions import (
    ConflictError,
    InvalidInputError,
    LakeflowException,
    NotFoundError,
)
from lakeflow.exporting import exporter
from lakeflow.filesystem.location import open_filesystem
from lakeflow.kinds import TABLES
from lakeflow.query.engine.views import VIEWS
from lakeflow.values import replace

if TYPE_CHECKING:
    from pathlib import Path

    from lakeflow.filesystem.interface import Filesystem

_VALUES = [1 / 3, math.nan, math.inf, -math.inf, -0.0, 5e-324]
_TEXTS = ["Ünï 漢字 👩‍🔬", 'a "quote", a comma', "two\r\nlines", "", "NULL", "nan", "\\N"]
_TYPES = {"string": pyarrow.string(), "long": pyarrow.int64(), "double": pyarrow.float64()}


@pytest.fixture
def lake(client: LakeflowClient, uri: str) -> str:
    """A lake with a compacted half, a hot half, a deleted run and a deleted experiment."""
    for name in ("Ünï 漢字", "gone"):
        experiment = client.create_experiment(name)
        for half in range(2):
            run_id = client.create_run(experiment, run_name=f"{name} {half}").info.run_id
            for number, text in enumerate(_TEXTS):
                client.set_tag(run_id, f"t{number}", text)
            for step, value in enumerate(_VALUES):
                client.log_metric(run_id, "loss/漢", value, step=step - 1)
            client.end_trace(client.start_trace("asked", experiment_id=experiment).trace_id)
            if not half:
                lakeflow.compact(uri)
        client.delete_run(run_id)
    client.delete_experiment(experiment)
    client.create_registered_model("m")
    client.create_model_version("m", "s3://b/m", run_id, tags={"k": _TEXTS[0]})
    return uri


def _target(uri: str, tmp_path: Path) -> str:
    return f"{uri}-out" if uri.startswith("memory:") else str(tmp_path / "out")


def _parquet(fs: Filesystem, table: str) -> list[dict[str, Any]]:
    parts = [pyarrow.BufferReader(fs.read(f"{table}/{each.name}")) for each in fs.list(table)]
    return pyarrow.concat_tables(map(pyarrow.parquet.read_table, parts)).to_pylist()


def _csv(fs: Filesystem, table: str) -> list[dict[str, Any]]:
    converted = pyarrow.csv.ConvertOptions(
        column_types={each.name: _TYPES[each.type] for each in TABLES[table].columns},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    parsed = pyarrow.csv.ParseOptions(newlines_in_values=True)
    parts = [pyarrow.BufferReader(fs.read(f"{table}/{each.name}")) for each in fs.list(table)]
    return pyarrow.concat_tables(
        pyarrow.csv.read_csv(part, parse_options=parsed, convert_options=converted)
        for part in parts
    ).to_pylist()


def _sql(uri: str, table: str) -> list[dict[str, Any]]:
    """The rows of the view of a table, in those of its columns that are the table's."""
    rows = lakeflow.sql(f"FROM {table}", tracking_uri=uri)
    types = {each.name: each.type for each in rows.schema}
    columns = TABLES[table].columns
    same = [each.name for each in columns if types.get(each.name) == _TYPES[each.type]]
    return rows.select(same).to_pylist()


def _as_texts(rows: list[dict[str, Any]], names: list[str]) -> list[str]:
    # Texts tell -0.0 from 0.0, and take NaN for NaN.
    return sorted(repr([row[name] for name in names]) for row in rows)


_READERS = {"parquet": (exporting.to_parquet, _parquet), "csv": (exporting.to_csv, _csv)}


@pytest.mark.parametrize("ending", _READERS)
def test_every_table_is_what_sql_over_the_lake_says(
    lake: str, uri: str, tmp_path: Path, ending: str
) -> None:
    export, read = _READERS[ending]
    target = _target(uri, tmp_path)
    report = export(target, tracking_uri=lake)
    fs = open_filesystem(target)
    assert (report.tables.keys(), report.left_out) == (TABLES.keys(), [])
    for table in VIEWS.reads.keys() & TABLES.keys():
        exported, said = read(fs, table), _sql(lake, table)
        names = [*said[0]] if said else []
        assert _as_texts(exported, names) == _as_texts(said, names), table
        assert report.tables[table].rows == len(exported)
    assert all(fs.sizes(table) for table in TABLES)
    assert report.tables["metrics"].rows == 4 * len(_VALUES)
    assert report.tables["traces"].rows == report.tables["runs"].rows == 4
    assert {row["lifecycle_stage"] for row in read(fs, "runs")} == {"active", "deleted"}


def test_the_readme_has_every_table_and_every_column(
    lake: str, uri: str, tmp_path: Path
) -> None:
    target = _target(uri, tmp_path)
    report = exporting.to_parquet(target, tracking_uri=lake, experiments=["Ünï 漢字"])
    fs = open_filesystem(target)
    text = fs.read("README.md").decode()
    for table in report.tables:
        columns = _parquet(fs, table)[:1]
        assert f"\n## {table}\n" in text
        assert all(f"\n| `{name}` |" in text for row in columns for name in row)
    assert "`Ünï 漢字`" in text
    assert "registered_models" in report.left_out
    assert report.tables["runs"].rows == 2
    assert report.tables["metrics"].rows == 2 * len(_VALUES)


def test_an_experiment_that_is_not_there_leaves_no_folder(
    client: LakeflowClient, uri: str, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError, match="'x; DROP'"):
        exporting.to_csv(tmp_path / "out", tracking_uri=uri, experiments=["x; DROP"])
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_refused(
    client: LakeflowClient, uri: str, tmp_path: Path
) -> None:
    target = _target(uri, tmp_path)
    open_filesystem(target).upload(str(_a_file(tmp_path)), "mine.txt")
    with pytest.raises(InvalidInputError, match=r"not empty: it holds 'mine\.txt'"):
        exporting.to_parquet(target, tracking_uri=uri)
    assert [*open_filesystem(target).sizes("")] == ["mine.txt"]


def _a_file(folder: Path) -> Path:
    path = folder / "a file"
    path.write_text("x")
    return path


def test_many_files_of_a_table_hold_each_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _log_points_for_many_files(tmp_path / "lake", monkeypatch)
    report = exporting.to_parquet(tmp_path / "out", tracking_uri=tmp_path / "lake")
    assert report.tables["metrics"].files == 7
    rows = _parquet(open_filesystem(tmp_path / "out"), "metrics")
    assert [row["step"] for row in rows] == list(range(25))


def test_what_ends_one_between_its_rows_is_raised_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _log_points_for_many_files(tmp_path / "lake", monkeypatch)

    def progress(done: Any) -> None:
        if done.table == "metrics" and done.rows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exporting.to_parquet(
            tmp_path / "out", tracking_uri=tmp_path / "lake", progress=progress
        )
    assert {path.name for path in tmp_path.iterdir()} == {"lake"}


def _refused_name(target: Path) -> dict[str, Any]:
    return {"experiments": ["nobody's"]}


def _refused_place(target: Path) -> dict[str, Any]:
    target.mkdir()
    (target / "mine.txt").write_text("x")
    return {}


def _taken_at_the_end(target: Path) -> dict[str, Any]:
    def progress(_: Any) -> None:
        target.mkdir(exist_ok=True)
        (target / "mine.txt").write_text("x")

    return {"progress": progress}


@pytest.mark.parametrize("way", [_refused_name, _refused_place, _taken_at_the_end])
@pytest.mark.parametrize("is_after_a_kill", [False, True])
def test_one_that_fails_leaves_nothing_beside_its_place(
    tmp_path: Path, way: Any, is_after_a_kill: bool
) -> None:
    LakeflowClient(tmp_path / "lake").create_run("0")
    target = tmp_path / "out"
    if is_after_a_kill:
        for name in (".lock", "runs/part-00000.csv", ".staging/x/y", "README.md"):
            path = tmp_path / ".out.partial" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("left")
    given = way(target)
    with pytest.raises(LakeflowException):
        exporting.to_csv(target, tracking_uri=tmp_path / "lake", **given)
    assert not (tmp_path / ".out.partial").exists()


def test_what_somebody_has_put_beside_one_that_fails_stays(tmp_path: Path) -> None:
    LakeflowClient(tmp_path / "lake").create_run("0")
    (tmp_path / ".out.partial").mkdir()
    _a_file(tmp_path / ".out.partial")
    with pytest.raises(NotFoundError):
        exporting.to_csv(tmp_path / "out", tracking_uri=tmp_path / "lake", experiments=["x"])
    assert [each.name for each in (tmp_path / ".out.partial").iterdir()] == ["a file"]


@needs_root
@pytest.mark.parametrize("left_bytes", [0, 4096, 16 * 4096])
def test_one_that_fills_a_disk_leaves_nothing_on_it(tmp_path: Path, left_bytes: int) -> None:
    LakeflowClient(tmp_path / "lake").create_run("0")
    target = ["export", "csv", str(tmp_path / "small/out"), "--lake", str(tmp_path / "lake")]
    with mounted(tmp_path / "small", "size=1m") as small:
        with full_but_for(small, left_bytes):
            ended = subprocess.run(
                [sys.executable, "-m", "lakeflow", *target],
                capture_output=True,
                text=True,
                check=False,
            )
            assert ended.returncode == 1
            error, hint = ended.stderr.splitlines()
            assert error.startswith("lakeflow: RESOURCE_EXHAUSTED: ")
            assert hint == "Hint: make room and try again"
            assert [path.name for path in small.iterdir()] == ["filler"]
        assert cli.main(target) == 0


def _log_points_for_many_files(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log 25 points, and let tables have files so small that these take several."""
    client = LakeflowClient(lake)
    run_id = client.create_run("0").info.run_id
    for step in range(25):
        client.log_metric(run_id, "loss", step, step=step)
    usual = exporter.exported

    def of_small_files(experiments_only: bool) -> Any:
        specs, left_out = usual(experiments_only)
        return [_small(spec) for spec in specs], left_out

    monkeypatch.setattr(exporter, "exported", of_small_files)


def _small(spec: Any) -> Any:
    return replace(spec, row_group_rows=2, file_rows=4)


_KILLED = """
import os, signal, sys
from lakeflow import exporting

def progress(done):
    if done.table == "metrics" and done.rows:
        os.kill(os.getpid(), signal.SIGKILL)

exporting.to_parquet(sys.argv[2], tracking_uri=sys.argv[1], progress=progress)
"""


def test_one_that_was_killed_is_not_there_and_is_made_again(tmp_path: Path) -> None:
    client = LakeflowClient(tmp_path / "lake")
    client.log_metric(client.create_run("0").info.run_id, "loss", 1.0)
    where = [str(tmp_path / "lake"), str(tmp_path / "out")]
    killed = subprocess.run([sys.executable, "-c", _KILLED, *where], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert {path.name for path in tmp_path.iterdir()} == {"lake", ".out.partial"}
    exporting.to_csv(tmp_path / "out", tracking_uri=tmp_path / "lake")
    assert {path.name for path in tmp_path.iterdir()} == {"lake", "out"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*TABLES, "README.md"}
    assert {path.suffix for path in (tmp_path / "out").glob("*/*")} == {".csv"}


def test_what_one_has_left_on_a_store_of_objects_is_written_over(tmp_path: Path) -> None:
    target = f"memory://{tmp_path.name}-out"
    fs = open_filesystem(target)
    fs.put("metrics/part-00007.csv", b"left")
    LakeflowClient(tmp_path / "lake").create_run("0")
    exporting.to_parquet(target, tracking_uri=tmp_path / "lake")
    assert [*fs.sizes("metrics")] == ["metrics/part-00000.parquet"]
    with pytest.raises(InvalidInputError, match=r"README\.md"):
        exporting.to_parquet(target, tracking_uri=tmp_path / "lake")


def test_two_at_once_are_not_mixed(tmp_path: Path) -> None:
    lake, refused = str(tmp_path / "lake"), []
    LakeflowClient(lake).create_run("0")

    def progress(_: object) -> None:
        if not refused:
            with pytest.raises(ConflictError) as error:
                exporting.to_parquet(tmp_path / "out", tracking_uri=lake)
            refused.append(error)

    exporting.to_csv(tmp_path / "out", tracking_uri=lake, progress=progress)
    assert [len(refused), (tmp_path / "out/README.md").exists()] == [1, True]


def test_the_command_says_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    for experiment in ("0", "0", client.create_experiment("x"), client.create_experiment("y")):
        client.create_run(experiment)
    words = ["export", "csv", str(tmp_path / "out"), "--lake", str(tmp_path / "lake")]
    words += ["--experiment", "x", "--experiment", "Default"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("runs ")] == ["3"]
    assert out.splitlines()[-1].endswith(f" bytes to {tmp_path / 'out'}")
    assert cli.main(words) == 1
    assert "is not empty" in capsys.readouterr().err


def test_without_mlflow_the_command_says_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", "mlflow", "sqlite:///x.db", "--lake", str(tmp_path)]) == 1
    assert "pip install 'lakeflow[mlflow]'" in capsys.readouterr().err
