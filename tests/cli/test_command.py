"""The command line: what it prints, and what it says when something is wrong."""

from __future__ import annotations

import contextlib
import csv
import datetime
import errno
import io
import json
import os
import pathlib
import pty
import resource
import shlex
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import deltalake
import duckdb
import pyarrow
import pyarrow.parquet
import pytest

import lakeflow
from lakeflow import LakeflowClient, cli
from lakeflow.cli.repeating import repeat
from lakeflow.exceptions import ConflictError, NotFoundError, OutOfMemoryError

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
    command = [sys.executable, "-m", "lakeflow", "compact", str(lake), "--every", "0.3s"]
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


def test_every_says_in_one_line_that_it_failed_and_tries_again(lake: Path) -> None:
    command = [sys.executable, "-m", "lakeflow", "compact", str(lake), "--every", "0.1s"]
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, most)),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    for _ in range(2):
        line = process.stderr.readline()
        assert line.startswith("lakeflow: RESOURCE_EXHAUSTED: ")
        assert line.endswith("ulimit -f; trying again\n")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))
    assert process.stdout.readline().startswith("folded 12 records")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130


SHOWN = "SELECT 'ü𠮷' AS \"é\""


@pytest.mark.parametrize(
    ("command", "status"),
    [
        *(
            (f"PYTHONIOENCODING=ascii {{}} sql {{}} --format {each}", 0)
            for each in ("table", "csv", "json", "jsonl")
        ),
        ("PYTHONIOENCODING=ascii {} sql 'SELECT ü'", 1),
        ("LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {} sql {}", 1),
        ("{} sql 'FROM range(100000)' | true", 0),
        ("{} sql {} > /dev/full", 1),
        ("{} sql 'SELECT nope' 2> /dev/full", 1),
        ("{} sql {} >&-", 0),
        ("{} sql <&-", 1),
        ("{} sql $'SELECT \\xff'", 1),
        ("{} sql {} --format parquet --output /dev/full", 1),
        ("{} compact > /dev/full", 1),
        ("{} compact | true", 0),
        ("{} compact >&- 2>&-", 0),
        ("{} --help | true", 0),
        ("{} sql --help | (exec <&-; sleep 1)", 0),
        ("{} --help > /dev/full", 1),
        ("{} --version > /dev/full", 1),
    ],
)
def test_no_traceback_is_shown(lake: Path, command: str, status: int) -> None:
    line = command.replace("{}", f"{sys.executable} -m lakeflow", 1)
    line = line.replace("{}", shlex.quote(SHOWN))
    process = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        # Nothing that is set here for all programs may write for it.
        env={**os.environ, "LAKEFLOW_TRACKING_URI": str(lake), "PYTHONUNBUFFERED": ""},
        capture_output=True,
        check=False,
    )
    assert process.returncode == status, process.stderr
    assert b"Traceback" not in process.stderr
    assert b"ignored" not in process.stderr
    if " > /dev/full" in command:
        assert process.stderr.startswith(b"lakeflow: RESOURCE_EXHAUSTED: cannot write")
    assert (status == 0) == (process.stderr == b"") or "/dev/full" in command
    if "json" in command:
        text = process.stdout.decode("ascii")
        assert json.loads(text) in ({"é": "ü𠮷"}, [{"é": "ü𠮷"}])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ImportError("lib.so: cannot open shared object file: Too many open files"),
            "RESOURCE_EXHAUSTED: cannot run the command: Too many open files",
        ),
        (RuntimeError("odd"), "INTERNAL_ERROR: RuntimeError: odd"),
    ],
)
def test_what_nobody_has_foreseen_is_a_plain_error(
    error: Exception,
    said: str,
    lake: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(lakeflow, "compact", fail)
    assert cli.main(["compact", str(lake)]) == 1
    first, hint = capsys.readouterr().err.splitlines()
    assert first == f"lakeflow: {said}"
    assert hint.startswith("Hint: ")


def test_a_warning_is_a_line(lake: Path, tmp_path: Path) -> None:
    """Such as that of the compaction when a command has ended."""
    (tmp_path / "file").write_text("x")
    (run,) = LakeflowClient(lake).search_runs(["0"])
    command = ["artifacts", "put", "--uri", str(lake), run.info.run_id, str(tmp_path / "file")]
    done = subprocess.run(
        [sys.executable, "-m", "lakeflow", *command],
        env={**os.environ, "LAKEFLOW_AUTO_COMPACT_BYTES": "1"},
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000)),
        check=True,
    )
    (line,) = set(done.stderr.splitlines())
    assert line.startswith(f"lakeflow: cannot compact {lake}: ")
    assert line.endswith("ulimit -f")


def test_any_error_that_passes_is_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    passing = [OutOfMemoryError("no memory"), ConflictError("another", "RESOURCE_CONFLICT")]

    def step() -> bool:
        if passing:
            raise passing.pop()
        return False

    repeat(step, 0)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "RESOURCE_CONFLICT",
        "RESOURCE_EXHAUSTED",
    ]
    with pytest.raises(NotFoundError):
        repeat(lambda: LakeflowClient("none").get_run("f" * 32) is None, 0)


def test_a_terminal_is_shown_progress(lake: Path) -> None:
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "lakeflow", "compact", str(lake)]
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


def test_sql_writes_csv_json_and_parquet(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = (
        "SELECT 'a,\"b' AS t, NULL AS n, 'nan'::DOUBLE AS x, MAP {'k': 1} AS m, 2::HUGEINT AS h"
    )
    assert ask(lake, query, "--format", "csv") == 0
    assert capsys.readouterr().out == 't,n,x,m,h\n"a,""b",,nan,"{""k"":1}",2\n'
    assert ask(lake, f"{query} FROM range(2)", "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["t"], row["n"], row["m"], row["h"]) for row in rows] == [
        ('a,"b', None, {"k": 1}, 2)
    ] * 2
    assert ask(lake, f"{query} FROM range(2)", "--format", "jsonl") == 0
    assert len(list(map(json.loads, capsys.readouterr().out.splitlines()))) == 2
    target = tmp_path / "rows.parquet"
    assert ask(lake, POINTS, "--format", "parquet", "--output", str(target)) == 0
    assert pyarrow.parquet.read_table(target).column("step").to_pylist() == [0, 1]
    assert ask(lake, POINTS, "--format", "parquet") == 1
    assert "needs an --output" in capsys.readouterr().err
    assert ask(lake, POINTS, "--output", str(tmp_path / "no" / "such.csv")) == 1
    assert "cannot write" in capsys.readouterr().err
    for kind in ("csv", "parquet"):
        assert ask(lake, POINTS, "--format", kind, "--output", "/dev/full") == 1
        said = capsys.readouterr().err
        assert said.startswith("lakeflow: RESOURCE_EXHAUSTED: cannot write /dev/full: No space")
        most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, most[1]))
        try:
            assert ask(lake, POINTS, "--output", str(tmp_path / f"half.{kind}")) == 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, most)
        assert capsys.readouterr().err.endswith("ulimit -f\n")
        assert [*tmp_path.glob("half.*")] == []


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
    with pytest.raises(SystemExit):
        ask(lake, POINTS, "--file", str(file))
    assert ask(lake, "--file", str(tmp_path / "none.sql")) == 1
    assert "cannot read" in capsys.readouterr().err
    file.write_bytes(b"SELECT '\xff'")
    assert ask(lake, "--file", str(file)) == 1
    assert "cannot read" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["rows.csv", "rows.JSON", "rows.jsonl", "rows.txt"])
def test_the_ending_of_the_output_says_what_is_written(
    name: str, lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    form = name.partition(".")[2].lower().replace("txt", "table")
    assert ask(lake, POINTS, "--format", form) == 0
    wanted = capsys.readouterr().out
    assert ask(lake, POINTS, "--output", str(tmp_path / name)) == 0
    assert (tmp_path / name).read_text() == wanted
    assert ask(lake, POINTS, "--output", str(tmp_path / "rows.dat"), "--format", form) == 0
    assert (tmp_path / "rows.dat").read_text() == wanted


def test_parquet_is_known_by_its_ending(lake: Path, tmp_path: Path) -> None:
    assert ask(lake, POINTS, "--output", str(tmp_path / "rows.parquet")) == 0
    assert pyarrow.parquet.read_table(tmp_path / "rows.parquet").num_rows == 2


@pytest.mark.parametrize("name", ["rows", "rows.xlsx", ".csv"])
def test_an_unknown_ending_is_refused_with_the_known_ones(
    name: str, lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(lake, POINTS, "--output", str(tmp_path / name)) == 1
    assert ".csv, .json, .jsonl, .parquet and .txt" in capsys.readouterr().err
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
def test_nothing_is_cut_that_does_not_go_to_a_terminal(
    form: str, lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "SELECT repeat('x', 100000) AS t, range AS n FROM range(100)"
    assert ask(lake, query, "--format", form) == 0
    assert capsys.readouterr().out.count("x" * 100_000) == 100
    assert ask(lake, query, "--format", form, "--output", str(tmp_path / "rows")) == 0
    assert (tmp_path / "rows").read_text().count("x" * 100_000) == 100


def test_in_csv_an_empty_text_is_not_null(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = "'' AS a, NULL AS b, E'two\\nlines' AS c, E'\\r' AS d, ' x ' AS e"
    assert ask(lake, f"SELECT {odd}", "--format", "csv") == 0
    text = capsys.readouterr().out
    assert text == 'a,b,c,d,e\n"",,"two\nlines","\r", x \n'
    assert list(csv.reader(io.StringIO(text, newline="")))[1] == [
        "",
        "",
        "two\nlines",
        "\r",
        " x ",
    ]
    assert ask(lake, "SELECT unnest(['a', NULL]) AS a", "--format", "csv") == 0
    assert capsys.readouterr().out == 'a\na\n""\n', "readers skip empty lines"


def test_a_shell_may_append_and_may_stop_reading(lake: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m lakeflow sql --uri {lake} --format csv"
    target = tmp_path / "rows.csv"
    target.write_text("before\n")
    subprocess.run(f"{command} 'SELECT 1 AS a' >> {target}", shell=True, check=True)
    assert target.read_text() == "before\na\n1\n"
    head = subprocess.run(
        f"{command} 'FROM range(1000000)' | head -n 2",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (head.stdout, head.stderr) == ("range\n0\n", "")


def test_a_full_disk_is_a_plain_error(lake: Path) -> None:
    command = [sys.executable, "-m", "lakeflow", "sql", "--uri", str(lake), "SELECT 1"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("lakeflow: RESOURCE_EXHAUSTED: cannot write standard")
    assert len(done.stderr.splitlines()) == 2, "and a hint"


def test_what_parquet_cannot_hold_is_a_plain_error(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "rows.parquet"
    assert ask(lake, "SELECT INTERVAL 1 MONTH AS i", "--output", str(target)) == 1
    assert "cannot write" in capsys.readouterr().err
    assert not target.exists()


def test_a_file_that_cannot_be_opened_is_not_deleted(
    lake: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = tmp_path / "rows.parquet"
    target.write_bytes(b"mine")
    opened = pathlib.Path.open

    # To root the system refuses no file for its mode.
    def refuse(path: Path, *args: Any, **named: Any) -> Any:
        if path == target:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "open", refuse)
        assert ask(lake, POINTS, "--output", str(target)) == 1
    assert "cannot write" in capsys.readouterr().err
    assert target.read_bytes() == b"mine"


def test_values_are_bound_by_name_or_by_place(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(query: str, *values: str) -> str:
        params = [f"--param={value}" for value in values]
        assert ask(lake, query, "--format", "csv", *params) == 0
        return capsys.readouterr().out.partition("\n")[2].strip()

    count = "SELECT count(*) FROM metrics WHERE key = $key AND step < $step"
    assert answer(count, "key=loss", "step=4") == "4"
    assert answer(count, "key=' OR true --", "step=4") == "0"
    assert (
        answer("SELECT count(*) FROM metrics WHERE key = ? AND value >= ?", "loss", "8") == "2"
    )
    assert answer("SELECT $2, $1", "a b", "") == '"",a b'
    assert answer("SELECT $text", "text=a=b\nc") == '"a=b\nc"'
    assert answer("SELECT ?", "1=a=b") == "a=b"
    assert answer("SELECT ?", "-x=y") == "-x=y"
    assert answer("SELECT typeof($n), $n::DOUBLE * 2", "n=5") == "VARCHAR,10.0"
    assert answer("FROM range(100) LIMIT $n", "n=1") == "0"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a=1", "2"], "some of --param have a name and others have none"),
        (["a=1", "a=2"], "two of --param have one name"),
        (["b=1"], "following parameters: a"),
        ([], "following parameters: a"),
        (["a=1", "b=2"], "excess parameters: b"),
    ],
)
def test_values_that_do_not_fit_are_refused(
    values: list[str], message: str, lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = [text for value in values for text in ("--param", value)]
    assert ask(lake, "SELECT $a", *params) == 1
    assert message in capsys.readouterr().err


def test_as_of_is_a_time_or_a_version(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def points(*as_of: str) -> str:
        assert ask(lake, "SELECT count(*) AS n FROM metrics", "--format", "csv", *as_of) == 0
        return capsys.readouterr().out.removeprefix("n\n").strip()

    client = LakeflowClient(lake)
    run_id = client.search_runs(["0"])[0].info.run_id
    lakeflow.compact(lake)
    version = deltalake.DeltaTable(lake / "tables" / "runs").version()
    time.sleep(0.05)
    between = datetime.datetime.now(datetime.UTC)
    time.sleep(0.05)
    client.log_metric(run_id, "loss", 10.0, step=10)
    client.create_run("0")
    lakeflow.compact(lake)
    client.log_metric(run_id, "loss", 11.0, step=11)
    assert points() == "12"
    for zone in (datetime.UTC, datetime.timezone(datetime.timedelta(hours=-7))):
        assert points("--as-of", between.astimezone(zone).isoformat()) == "10"
    assert points("--as-of", between.astimezone().replace(tzinfo=None).isoformat()) == "10"
    assert points("--as-of", str(version)) == "10"
    assert points("--as-of", "2000-01-01") == "0"
    assert ask(lake, "SELECT 1", "--as-of", str(version + 1000)) == 1
    assert "there is no version" in capsys.readouterr().err


def test_a_time_without_a_zone_is_local(lake: Path) -> None:
    """In a zone a day ahead, midnight of tomorrow there has come and that of Greenwich not."""
    lakeflow.compact(lake)
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    command = [sys.executable, "-m", "lakeflow", "sql", "--uri", str(lake)]
    counts = {}
    for zone, hours in {"AHEAD-14": 14, "BEHIND12": -12}.items():
        moment = now + datetime.timedelta(hours=hours, minutes=-30)
        counts[zone] = [
            subprocess.run(
                [
                    *command,
                    "SELECT count(*) FROM runs",
                    "--as-of",
                    (moment + later).isoformat(),
                ],
                env=os.environ | {"TZ": zone},
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()[-3]
            for later in (datetime.timedelta(), datetime.timedelta(hours=1))
        ]
    assert counts == {"AHEAD-14": ["0", "1"], "BEHIND12": ["0", "1"]}


@pytest.mark.parametrize("moment", ["yesterday", "-1", "1.5", "2026-13-01", "", "12:00"])
def test_what_is_no_moment_is_refused(
    moment: str, lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        ask(lake, "SELECT 1", f"--as-of={moment}")
    assert "no time such as" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["SELECT 1"],
        ["FROM runs", "--output", "rows.csv"],
        ["FROM runs", "--output", "rows.parquet"],
        ["FROM runs", "--as-of", "0"],
        ["--print-setup", "--output", "setup.sql"],
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_a_mistyped_location_stays_as_it_is(
    arguments: list[str],
    exists: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    if exists:
        (tmp_path / "mistyped").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert ask(tmp_path / "mistyped", *arguments) == 1
    assert "RESOURCE_DOES_NOT_EXIST" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    assert cli.main(["sql", "--uri", "memory://mistyped", *arguments]) == 1
    assert "RESOURCE_DOES_NOT_EXIST" in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--as-of", "0"), ("--param", "1"), ("--format", "csv")])
def test_a_script_takes_nothing_that_is_for_rows(
    option: tuple[str, str], lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(lake, "--print-setup", *option) == 1
    assert "--print-setup takes no" in capsys.readouterr().err


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


HOSTILE = "\x1b]0;owned\x07 \x9b31m \u202e \r end"


def test_what_others_have_logged_does_nothing_to_a_terminal(tmp_path: Path) -> None:
    LakeflowClient(tmp_path / "l").create_run("0", run_name=HOSTILE, tags={"t": HOSTILE})
    code = f"""
import sys
from lakeflow import cli
asks = ["sql", "--uri", sys.argv[1]]
for kind in ("csv", "json", "jsonl", "table"):
    cli.main([*asks, "--format", kind, "SELECT run_name, metrics, tags FROM runs_wide"])
cli.main([*asks, "SELECT " + {HOSTILE!r}])
cli.main([*asks, "--uri", {HOSTILE!r}, "SELECT 1"])
"""
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-c", code, str(tmp_path / "l")]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    # Once nobody has the other end any more, reading fails.
    with contextlib.suppress(OSError):
        while read := os.read(terminal, 65_536):
            shown += read
    os.close(terminal)
    assert process.wait(60) == 0
    text = shown.decode().replace("\r\n", "\n")
    assert text.count("owned") >= 10
    assert "\n(1 row)\n" in text
    assert text.replace("\n", "").isprintable()


def test_a_file_and_a_pipe_have_what_was_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LakeflowClient(tmp_path / "l").create_run("0", run_name=HOSTILE)
    query = "SELECT run_name FROM runs"
    output = tmp_path / "rows.csv"
    assert ask(tmp_path / "l", "--output", str(output), query) == 0
    with output.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1] == [HOSTILE]
    assert ask(tmp_path / "l", "--format", "json", query) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed) == [{"run_name": HOSTILE}]
    assert printed.replace("\n", "").isprintable()
    assert ask(tmp_path / "l", query) == 0
    assert capsys.readouterr().out.replace("\n", "").isprintable(), "a table is for eyes"


def test_json_has_no_word_that_its_readers_do_not_take(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "SELECT 'nan'::DOUBLE AS n, map {'k': '-inf'::DOUBLE} AS m, 1.5 AS x"
    wanted = {"n": "NaN", "m": {"k": "-Infinity"}, "x": 1.5}
    for kind, read in (("json", lambda each: each[0]), ("jsonl", lambda each: each)):
        assert ask(lake, "--format", kind, query) == 0
        found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
        assert read(found) == wanted
