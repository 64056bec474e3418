"""Tables that people have logged to by hand, read as experiments."""

from __future__ import annotations

import gzip
import json
import math
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import fsspec
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest
from importing.reading import held_by
from importing.ways import check_ways

import lakeflow
import lakeflow.importing
from lakeflow.cli import main
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.importing.keys import keys_of
from lakeflow.importing.named_columns import Columns
from lakeflow.importing.sources.tabular.source import TabularSource

if TYPE_CHECKING:
    from pathlib import Path

    from importing.reading import Held

    from lakeflow.importing.report import ImportReport


def read(kind: str, location: object, **columns: object) -> Held:
    return held_by(TabularSource(kind, str(location), "trials", Columns(**columns)))


def written(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_columns_become_points_params_and_tags(tmp_path: Path) -> None:
    file = written(
        tmp_path / "log.csv",
        "run_id,epoch,ts,loss,lr,optimizer,git_sha",
        "a,0,1700000000,0.5,0.10,adam,1234567",
        "b,0,1700000010,0.25,0.2,sgd,",
        "a,1,1700000001.5,0.375,0.10,adam,7654321",
    )
    held = read(
        "csv", file, run="run_id", step="epoch", time="ts", params=["lr"], tags=["git_sha"]
    )
    assert held.points == {
        ("a", "loss"): [(0.5, 1_700_000_000_000, 0), (0.375, 1_700_000_001_500, 1)],
        ("b", "loss"): [(0.25, 1_700_000_010_000, 0)],
    }
    # As it is written: 0.10 and not 0.1.
    assert held.runs["a"].params == {"lr": "0.10", "optimizer": "adam"}
    assert held.runs["a"].tags == {"table.run": "a", "git_sha": "7654321"}
    assert held.runs["a"].start_time == 1_700_000_000_000
    assert held.runs["a"].end_time == 1_700_000_001_500
    assert held.runs["b"].tags == {"table.run": "b"}
    assert held.problems == []


@pytest.mark.parametrize(
    ("cell", "milliseconds"),
    [
        ("1700000000", 1_700_000_000_000),
        ("1700000000.25", 1_700_000_000_250),
        ("1700000000250", 1_700_000_000_250),
        ("1700000000250000", 1_700_000_000_250),
        ("1700000000250000000", 1_700_000_000_250),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-14 22:13:20.25", 1_700_000_000_250),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000),
        ("2023-11-14", 1_699_920_000_000),
    ],
)
def test_a_time_is_seconds_or_finer_or_iso(
    tmp_path: Path, cell: str, milliseconds: int
) -> None:
    # Beside another that is read in another way.
    file = written(tmp_path / "a.csv", "t,loss", f"{cell},1", "2026-01-01T00:00Z,2", "-3,3")
    held = read("csv", file, time="t")
    assert held.points["a", "loss"][0][1] == milliseconds
    assert [problem.where for problem in held.problems] == [f"{file}, line 4"]


def test_what_a_number_may_be(tmp_path: Path) -> None:
    cells = ["nan", "NaN", "inf", "-Infinity", "1e-3", " 5", "", "NA", "True", "false", "oops"]
    file = written(tmp_path / "a.csv", "n,v,w", *(f"{n},{c},1" for n, c in enumerate(cells)))
    held = read("csv", file, step="n")
    values = held.values("a", "v")
    assert all(map(math.isnan, values[:2]))
    assert values[2:] == [math.inf, -math.inf, 0.001, 5.0, 1.0, 0.0]
    assert held.steps("a", "v") == [0, 1, 2, 3, 4, 5, 8, 9]
    assert len(held.values("a", "w")) == len(cells)
    (problem,) = held.problems
    assert problem.where == f"{file}, line 12"
    assert "'oops' in the column 'v'" in problem.why


def test_the_last_number_of_a_column_may_be_its_only_one(tmp_path: Path) -> None:
    rows = [f"{step},{step / 7}," for step in range(60_000)]
    file = written(tmp_path / "a.csv", "step,loss,test_acc", *rows, "60000,0.5,0.75")
    held = read("csv", file, step="step")
    assert held.points["a", "test_acc"] == [(0.75, 0, 60_000)]
    assert len(held.points["a", "loss"]) == 60_001
    assert held.values("a", "loss")[:3] == [0, 1 / 7, 2 / 7]


def test_lines_that_are_broken_are_named_and_the_others_arrive(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(
        b"\xef\xbb\xbfstep,loss,note\r\n"
        b"0,1.0,x\r\n"
        b"1,0.9\r\n"
        b"\r\n"
        b'2,0.8,"x"\r\n'
        b"step,loss,note\r\n"
        b"3,0.7,x,,\r\n"
        b"4,0.6,\xff\r\n"
        b"5,0."
    )
    held = read("csv", file, step="step")
    assert held.values("a", "loss") == [1.0, 0.8, 0.6]
    assert [problem.where for problem in held.problems] == [
        f"{file}, line 3",
        f"{file}, line 7",
        f"{file}, line 8",
        f"{file}, line 9",
        "column 'note'",
    ]


def test_a_quote_that_nobody_closes_is_reported_where_it_is(tmp_path: Path) -> None:
    lines = ["loss,note", '1,"two', 'lines"', '2,"x', *["3,y"] * 50_000]
    held = read("csv", written(tmp_path / "a.csv", *lines), ignored=["note"])
    # A cell has 128 KiB at most, and what is behind that is read again.
    assert held.values("a", "loss")[0] == 1.0
    assert len(held.values("a", "loss")) > 15_000
    assert held.problems[0].where == f"{tmp_path}/a.csv, line 4"


def test_nothing_comes_of_nothing(tmp_path: Path) -> None:
    written(tmp_path / "header.csv", "loss,acc")
    written(tmp_path / "empty.jsonl", "{}", "", '{"a": {}}')
    pyarrow.parquet.write_table(pyarrow.table({"a": [[1]]}), tmp_path / "nested.parquet")
    assert read("csv", tmp_path).runs == {}
    assert read("jsonl", tmp_path).runs == {}
    held = read("parquet", tmp_path)
    assert [*held.runs] == ["nested"]
    assert "'a'" in held.problems[0].why


def test_many_broken_lines_are_counted(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "step,loss", *["1"] * 1_000, "1,2")
    held = read("csv", file, step="step")
    assert len(held.problems) == 11
    assert "990 more" in held.problems[-1].why


def test_a_text_that_changes_in_a_run_is_reported_once(tmp_path: Path) -> None:
    lines = [f"{run},{note}" for run in "abc" for note in ("x", "y" if run != "c" else "x")]
    held = read("csv", written(tmp_path / "log.csv", "run,note", *lines), run="run")
    assert [held.runs[name].params for name in "abc"] == [{}, {}, {"note": "x"}]
    (problem,) = held.problems
    assert problem.where == "column 'note'"
    assert "2 runs" in problem.why


def test_a_step_with_a_fraction_is_rounded_down_and_reported(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "epoch,loss", "0.5,1", "2.0,2", ",3", "x,4", "1e300,5")
    held = read("csv", file, step="epoch")
    # Where there is none it is that of the row before.
    assert held.steps("a", "loss") == [0, 2, 2, 2, 2]
    assert [problem.where[-6:] for problem in held.problems] == ["line 2", "line 5", "line 6"]


def test_without_steps_and_times_rows_are_counted_and_the_file_tells_the_time(
    tmp_path: Path,
) -> None:
    file = written(tmp_path / "a.csv", "loss", "3", "2")
    held = read("csv", file)
    assert held.points["a", "loss"] == [(3.0, 0, 0), (2.0, 0, 1)]
    assert held.runs["a"].start_time == int(file.stat().st_mtime * 1000)


def test_files_of_a_folder_are_runs_named_like_them(tmp_path: Path) -> None:
    for version in range(3):
        path = tmp_path / "logs" / f"version_{version}" / "metrics.csv"
        written(path, "step,loss", f"0,{version}")
    with gzip.open(tmp_path / "logs/old.csv.gz", "wt") as file:
        file.write("step;loss\n0;7\n")
    written(tmp_path / "logs/hparams.yaml", "lr: 0.1")
    written(tmp_path / "logs/.hidden.csv", "step,loss", "0,8")
    names = ["version_0/metrics", "version_1/metrics", "version_2/metrics"]
    held = read("csv", tmp_path / "logs", step="step")
    assert [*held.runs] == ["old", *names]
    assert held.values("old", "loss") == [7.0]
    # The same runs, whichever way they are named.
    pattern = read("csv", tmp_path / "logs/version_[!1]/*.csv", step="step")
    deep = read("csv", tmp_path / "logs/**/metrics.csv", step="step")
    assert [*pattern.runs] == ["version_0/metrics", "version_2/metrics"]
    assert {name: run.run_id for name, run in deep.runs.items()} == {
        name: held.runs[name].run_id for name in names
    }


def test_rows_of_a_run_may_be_anywhere_and_a_longer_file_goes_on(tmp_path: Path) -> None:
    rng = random.Random(7)
    rows = [(f"r{rng.randrange(40)}", step, rng.random()) for step in range(30_000)]
    lines = [f"{run},{step},{value!r}" for run, step, value in rows]
    first = read(
        "csv", written(tmp_path / "a.csv", "r,s,v", *lines[:20_000]), run="r", step="s"
    )
    whole = read("csv", written(tmp_path / "a.csv", "r,s,v", *lines), run="r", step="s")
    for name, run in whole.runs.items():
        expected = [(value, 0, step) for each, step, value in rows if each == name]
        assert whole.points[name, "v"] == expected
        assert first.points[name, "v"] == expected[: len(first.points[name, "v"])]
        assert first.runs[name].run_id == run.run_id
    assert read("csv", tmp_path / "a.csv", run="r").runs["r1"].run_id == whole.runs["r1"].run_id


def test_a_run_may_be_in_several_files_with_other_columns(tmp_path: Path) -> None:
    written(tmp_path / "a.csv", "run,step,loss", "x,0,1", "y,0,2")
    written(tmp_path / "b.csv", "step,acc,run,loss", "1,0.5,x,0.5")
    written(tmp_path / "c.csv", "step,acc", "1,0.5")
    held = read("csv", tmp_path, run="run", step="step")
    assert held.points["x", "loss"] == [(1.0, 0, 0), (0.5, 0, 1)]
    assert held.points["x", "acc"] == [(0.5, 0, 1)]
    (problem,) = held.problems
    assert problem.where.startswith(str(tmp_path / "c.csv"))
    assert "'run'" in problem.why


def test_a_thousand_columns(tmp_path: Path) -> None:
    names = [f"layer{n}/größe" for n in range(1_000)]
    rows = [",".join(f"{n}.{step}" for n in range(1_000)) for step in range(600)]
    held = read("csv", written(tmp_path / "wide.csv", ",".join(names), *rows))
    assert len(held.points) == 1_000
    assert held.values("wide", "layer999/größe")[-1] == 999.599
    assert held.problems == []


def test_names_that_a_lake_does_not_take_are_changed_and_reported(tmp_path: Path) -> None:
    header = "loss (train),acc%,acc_,loss,loss,,../up"
    held = read("csv", written(tmp_path / "a.csv", header, "1,2,3,4,5,6,7"))
    keys = {key: values[0][0] for (_, key), values in held.points.items()}
    mark = keys_of(["acc_", "acc%"])["acc%"]
    assert keys == {"loss _train_": 1, mark: 2, "acc_": 3, "loss": 4, "_/up": 7}
    assert mark.startswith("acc_-")
    assert [problem.is_loss for problem in held.problems] == [True, False, False, False]


def test_a_column_that_is_nowhere_is_an_error_that_says_what_is_there(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "run,loss", "x,1")
    with pytest.raises(InvalidInputError, match=r"'run_id'.*\n.*'run', 'loss'"):
        read("csv", file, run="run_id")
    with pytest.raises(InvalidInputError, match="'loss' is said to be two things"):
        read("csv", file, params=["loss"], metrics=["loss"])
    with pytest.raises(NotFoundError, match="no file"):
        read("csv", tmp_path / "none*.csv")
    with pytest.raises(InvalidInputError, match="no files can be read at 'https://"):
        read("csv", "https://tracking.example/log.csv")


def test_files_that_cannot_be_read_are_reported_and_the_others_arrive(tmp_path: Path) -> None:
    written(tmp_path / "a.csv", "loss", "1")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "quote.csv").write_bytes(b'"loss\n4\n')
    (tmp_path / "excel.csv").write_bytes("loss\n2\n".encode("utf-16"))
    (tmp_path / "zip.csv.gz").write_bytes(gzip.compress(b"loss\n" + b"3\n" * 99_999)[:-90])
    held = read("csv", tmp_path)
    assert held.values("a", "loss") == [1.0]
    # What was packed before the cut.
    assert len(held.values("zip", "loss")) > 10_000
    assert sorted(problem.where for problem in held.problems) == [
        str(tmp_path / name)
        for name in (
            "empty.csv",
            "excel.csv",
            "gone.csv",
            "pipe.csv",
            "quote.csv, line 1",
            "zip.csv.gz",
        )
    ]


def test_objects_that_are_too_deep_cost_their_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep: dict[str, object] = {}
    for _ in range(5_000):
        deep = {"a": deep}
    # Parsers of newer Pythons go deeper than calls may, and that of 3.11 does not.
    parsed = json.loads
    monkeypatch.setattr(json, "loads", lambda line: deep if "deep" in line else parsed(line))
    file = written(tmp_path / "log.jsonl", '{"deep": 1}', '{"loss": 1}')
    held = read("jsonl", file)
    assert held.values("log", "loss") == [1.0]
    assert [each.where for each in held.problems] == [f"{file}, line 1"]


def test_json_lines(tmp_path: Path) -> None:
    rows = [
        {"run": "x", "step": 0, "time": 1.7e9, "metrics": {"loss": 1}, "lr": 0.1, "on": True},
        {"run": "x", "step": 1, "metrics": {"loss": 0.5, "acc": "NaN"}, "lr": 0.1, "l": [1]},
        {"run": 7, "step": 0, "metrics": {"loss": math.nan}, "name": "\ud800", "none": None},
    ]
    lines = [json.dumps(row) for row in rows]
    file = written(tmp_path / "log.jsonl", *lines[:2], "[1]", "", lines[2], lines[0][:40])
    held = read(
        "jsonl", file, run="run", step="step", time="time", params=["lr"], ignored=["l"]
    )
    assert held.points["x", "metrics.loss"] == [
        (1.0, 1_700_000_000_000, 0),
        (0.5, 1_700_000_000_000, 1),
    ]
    assert math.isnan(held.values("7", "metrics.loss")[0])
    assert held.values("x", "on") == [1.0]
    assert held.runs["x"].params == {"lr": "0.1"}
    assert held.runs["7"].params == {"name": "\\ud800"}
    assert [problem.where for problem in held.problems] == [
        f"{file}, line 3",
        f"{file}, line 6",
    ]


def test_parquet_of_pandas_and_polars(tmp_path: Path) -> None:
    frame = pandas.DataFrame(
        {
            "run": pandas.Categorical(["a", "a", "b"]),
            "step": [0, 1, 0],
            "when": pandas.to_datetime(["2026-01-01", "2026-01-02", None]),
            "loss": [0.5, float("nan"), None],
            "seed": ["1", "1", "2"],
            "epochs": pandas.array([3, 3, None], "Int64"),
            "is_best": [True, False, True],
        },
        index=[5, 6, 7],
    )
    frame.to_parquet(tmp_path / "pandas.parquet")
    polars.DataFrame(
        {
            "run": ["c"],
            "step": [0],
            "inner": [{"acc": 0.5, "deep": {"f1": 1}}],
            "list": [[1, 2]],
            "loss": [polars.Series([1.5]).cast(polars.Float32)[0]],
        }
    ).write_parquet(tmp_path / "polars.parquet")
    held = read(
        "parquet", tmp_path, run="run", step="step", time="when", params=["epochs", "is_best"]
    )
    # What Parquet calls a text is one, also where it is a number.
    assert held.runs["a"].params == {"seed": "1", "epochs": "3"}
    assert held.runs["b"].params == {"seed": "2", "is_best": "True"}
    assert held.points["a", "loss"] == [(0.5, 1_767_225_600_000, 0)]
    assert held.points["c", "inner.acc"] == [(0.5, 0, 0)]
    assert held.points["c", "inner.deep.f1"] == [(1.0, 0, 0)]
    assert {problem.where for problem in held.problems} == {
        "column 'is_best'",
        str(tmp_path / "polars.parquet"),
    }


def test_a_parquet_file_that_is_cut_is_reported(tmp_path: Path) -> None:
    table = pyarrow.table({"loss": [1.0, 2.0]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    pyarrow.parquet.write_table(table, tmp_path / "b.parquet")
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    held = read("parquet", tmp_path)
    assert held.values("a", "loss") == [1.0, 2.0]
    assert [problem.where for problem in held.problems] == [str(tmp_path / "b.parquet")]


def test_files_at_a_url() -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/tables/x/a.csv", b"step,loss\n0,1\n")
    store.pipe("/tables/x/b.csv", b"step,loss\n0,2\n")
    frame = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table({"loss": [3.0]}), frame)
    store.pipe("/tables/c.parquet", frame.getvalue().to_pybytes())
    try:
        assert [*read("csv", "memory://tables").runs] == ["x/a", "x/b"]
        assert [*read("csv", "memory://tables/*/b.csv").runs] == ["x/b"]
        one = read("csv", "memory://tables/x/a.csv", step="step")
        assert one.points == {("a", "loss"): [(1.0, 0, 0)]}
        assert read("parquet", "memory://tables/c.parquet").values("c", "loss") == [3.0]
    finally:
        store.rm("/tables", recursive=True)


_READ_IN_BOUNDS = """
import resource, sys
from lakeflow.importing.named_columns import Columns
from lakeflow.importing.sources.tabular.source import TabularSource
source = TabularSource("csv", sys.argv[1], "trials", Columns(run="run", step="step"))
points = sum(
    len(curve.values)
    for run in source.runs(next(source.experiments()), None)
    for curve in source.curves(run)
)
source.close()
print(points, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_is_bounded(tmp_path: Path) -> None:
    used = []
    for rows in (50_000, 200_000):
        with open(tmp_path / "log.csv", "w") as file:
            file.write("run,step,loss\n")
            file.writelines(f"r{n % 100},{n},{n / 7}\n" for n in range(rows))
        answer = subprocess.run(
            [sys.executable, "-c", _READ_IN_BOUNDS, tmp_path / "log.csv"],
            capture_output=True,
            text=True,
            check=True,
        )
        points, megabytes = map(int, answer.stdout.split())
        assert points == rows
        used.append(megabytes)
    assert used[1] - used[0] < 40


def test_a_table_is_imported_and_again_when_it_is_longer(tmp_path: Path) -> None:
    file, lake = tmp_path / "log.csv", str(tmp_path / "lake")
    written(file, "run,step,ts,loss,opt", "a,0,1700000000,nan,sgd", "b,0,1700000000,1,adam")
    columns = Columns(run="run", step="step", time="ts")

    def bring() -> ImportReport:
        return lakeflow.importing.from_tables(
            "csv", file, lake, experiment="by hand", columns=columns
        )

    assert bring().is_complete
    with open(file, "a") as opened:
        opened.write("a,1,1700000001,inf,sgd\nc,0,1700000002,2,sgd\na,1,1700000001,inf,sgd\n")
    for _ in range(2):
        report = bring()
        assert report.is_complete
        assert report.tables["metrics"].lake.count == 5
    client = lakeflow.LakeflowClient(lake)
    experiment = client.get_experiment_by_name("by hand")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert {name: run.data.params["opt"] for name, run in runs.items()} == {
        "a": "sgd",
        "b": "adam",
        "c": "sgd",
    }
    points = client.get_metric_history(runs["a"].info.run_id, "loss")
    assert [(point.step, repr(point.value), point.timestamp) for point in points] == [
        (0, "nan", 1_700_000_000_000),
        (1, "inf", 1_700_000_001_000),
        (1, "inf", 1_700_000_001_000),
    ]
    assert runs["a"].info.end_time == 1_700_000_001_000


def test_the_command_says_what_could_not_be_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(
        tmp_path / "a\x1b.csv", "id,e,loss,note,lr", "x,0,1,a,2", "x,1,2", "x,2,3,b,2"
    )
    lake = str(tmp_path / "lake")
    arguments = ["import", "csv", str(file), "--lake", lake, "--experiment", "e"]
    mapping = ["--run", "id", "--step", "e", "--param", "lr"]
    assert main([*arguments, *mapping, "--dry-run"]) == 1
    assert "nothing was written" in capsys.readouterr().out
    assert main([*arguments, *mapping]) == 1
    said = capsys.readouterr().out
    assert "a\\x1b.csv, line 3: has 3 cells, and the header 5" in said
    assert "column 'note': changes within 1 runs" in said
    assert main([*arguments, *mapping, "--ignore", "note", "--since", "2020-01-01"]) == 1
    # A name that is mistyped makes no experiment.
    assert (
        main(["import", "csv", str(file), "--lake", lake, "--experiment", "f", "--run", "i"])
        == 1
    )
    assert "no column 'i'" in capsys.readouterr().err
    assert lakeflow.LakeflowClient(lake).get_experiment_by_name("f") is None
    written(file, "id,e,loss", "y,0,1")
    assert main([*arguments, "--run", "id", "--step", "e"]) == 0


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_it_may_be_tried_chosen_of_stopped_and_made_again(tmp_path: Path, kind: str) -> None:
    frame = pandas.DataFrame(
        {"run": [*"aabb"], "step": [0, 1, 0, 1], "loss": [1.0, 0.5, 2.0, 1.5], "opt": "sgd"}
    )
    path = tmp_path / f"log.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    columns = Columns(run="run", step="step")
    check_ways(lambda: TabularSource(kind, str(path), "trials", columns), has_experiments=False)
