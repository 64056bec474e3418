"""The command line: what it prints, and what it says when something is wrong."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import duckdb
import pyarrow
import pyarrow.parquet
import pytest

import lakeflow
from lakeflow import LakeflowClient, cli
from lakeflow.prompt import format_table

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    for step in range(10):
        client.log_metric(run_id, "loss", step, step=step)
    return tmp_path / "lake"


def test_compact_prints_a_report(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compact", str(lake), "--dry-run"]) == 0
    assert "would fold" in capsys.readouterr().out
    assert cli.main(["compact", str(lake)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("folded 12 records")
    assert [line.split()[:3] for line in lines if line.startswith("metrics")] == [
        ["metrics", "10", "1"]
    ]
    assert cli.main(["compact", str(lake)]) == 0
    assert capsys.readouterr().out.startswith("folded 0 records")


def test_an_error_is_one_plain_text_and_a_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compact", str(tmp_path / "typo")]) == 1
    assert capsys.readouterr().err.startswith(
        "lakeflow: RESOURCE_DOES_NOT_EXIST: there is no lake"
    )


@pytest.mark.parametrize("every", ["0s", "1e3", "soon", "5 m"])
def test_a_time_that_is_none_is_refused(every: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["compact", "--every", every])
    assert "such as 30s, 5m or 1h" in capsys.readouterr().err


def test_every_goes_on_until_it_is_interrupted(lake: Path) -> None:
    command = [sys.executable, "-m", "lakeflow.cli", "compact", str(lake), "--every", "0.3s"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folded = []
    while len(folded) < 3:
        line = process.stdout.readline()
        assert line, "the command has ended"
        if line.startswith("folded"):
            folded.append(line)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert "12 records" in folded[0]
    assert "0 records" in folded[1]


def test_a_terminal_is_shown_progress(lake: Path) -> None:
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "lakeflow.cli", "compact", str(lake)]
    subprocess.run(command, stderr=theirs, stdout=subprocess.DEVNULL, check=True, timeout=60)
    time.sleep(0.1)
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)
    os.close(theirs)
    assert "fold metrics" in shown


POINTS = "SELECT key, step, value FROM metrics WHERE step < 2 ORDER BY step"


def ask(lake: Path, *arguments: str) -> int:
    return cli.main(["sql", "--uri", str(lake), *arguments])


def test_sql_prints_a_table(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(lake, POINTS) == 0
    assert capsys.readouterr().out.splitlines() == [
        "key   step  value",
        "----  ----  -----",
        "loss     0    0.0",
        "loss     1    1.0",
        "(2 rows)",
    ]


def test_a_table_shows_null_and_cuts_what_is_long() -> None:
    rows = pyarrow.table(
        {
            "text": ["a" * 100, None, "two\nlines"],
            "map": pyarrow.array([[("k", 1.5)], [], None], pyarrow.map_("string", "double")),
        }
    )
    lines = format_table(rows, limit=2).splitlines()
    assert lines[2] == "a" * 47 + '...  {"k": 1.5}'
    assert lines[3].split() == ["NULL", "{}"]
    assert lines[4] == "(3 rows, the first 2 shown)"
    assert "two\N{REPLACEMENT CHARACTER}lines" in format_table(rows)
    assert format_table(rows.slice(0, 0)).endswith("(0 rows)\n")


def test_sql_writes_csv_json_and_parquet(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = (
        "SELECT 'a,\"b' AS t, NULL AS n, 'nan'::DOUBLE AS x, MAP {'k': 1} AS m, 2::HUGEINT AS h"
    )
    assert ask(lake, query, "--format", "csv") == 0
    assert capsys.readouterr().out == 't,n,x,m,h\n"a,""b",,nan,"{""k"": 1}",2\n'
    assert ask(lake, query, "--format", "json") == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["t"], row["n"], row["m"]) == ('a,"b', None, {"k": 1})
    target = tmp_path / "rows.parquet"
    assert ask(lake, POINTS, "--format", "parquet", "--output", str(target)) == 0
    assert pyarrow.parquet.read_table(target).column("step").to_pylist() == [0, 1]
    assert ask(lake, POINTS, "--format", "parquet") == 1
    assert "needs an --output" in capsys.readouterr().err
    assert ask(lake, POINTS, "--output", str(tmp_path / "no" / "such")) == 1
    assert "cannot write" in capsys.readouterr().err


def test_sql_takes_a_file_or_standard_input(
    lake: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "query.sql"
    file.write_text("-- how many\nSELECT count(*) AS n FROM metrics;\n")
    assert ask(lake, "--file", str(file), "--format", "csv") == 0
    assert capsys.readouterr().out == "n\n10\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(file.read_text()))
    assert ask(lake, "--format", "csv") == 0
    assert capsys.readouterr().out == "n\n10\n"
    assert ask(lake, POINTS, "--file", str(file)) == 1
    assert ask(lake, "--file", str(tmp_path / "none.sql")) == 1
    assert "cannot read" in capsys.readouterr().err


def test_sql_refuses_to_write(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(lake, "DELETE FROM runs") == 1
    assert "INVALID_PARAMETER_VALUE" in capsys.readouterr().err
    assert ask(lake.parent / "typo", "SELECT 1") == 1
    assert "RESOURCE_DOES_NOT_EXIST" in capsys.readouterr().err


def test_the_printed_script_works_without_lakeflow(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lakeflow.compact(lake)
    assert ask(lake, "--print-setup") == 0
    bare = duckdb.connect()
    bare.execute(capsys.readouterr().out)
    found = bare.sql(
        "SELECT sum(step), any_value(run_name) FROM metrics JOIN runs_wide USING (run_id)"
    )
    name = LakeflowClient(lake).search_runs(["0"])[0].info.run_name
    assert found.fetchall() == [(45, name)]


def test_a_terminal_has_a_prompt_that_survives_errors(lake: Path, tmp_path: Path) -> None:
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "lakeflow.cli", "sql", "--uri", str(lake)]
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"HOME": str(tmp_path), "TERM": "dumb"},
        start_new_session=True,
    )
    os.close(theirs)
    seen = ""

    def until(text: str) -> None:
        nonlocal seen
        while text not in seen:
            seen += os.read(terminal, 10_000).decode().replace("\r\n", "\n")
        seen = seen.partition(text)[2]

    def say(line: str) -> None:
        os.write(terminal, line.encode())

    until("lake> ")
    say("SELEC 1;\n")
    until("syntax error")
    say("SELECT count(*) AS many\n")
    until("...> ")
    say("FROM range(100), metrics;\n")
    until("1000")
    until("(1 row)")
    say("FROM range(100);\n")
    until("(100 rows, the first 40 shown)")
    until("lake> ")
    say("quit\n")
    assert process.wait(timeout=20) == 0
    os.close(terminal)
    assert "SELEC 1;" in (tmp_path / ".lakeflow_history").read_text()
