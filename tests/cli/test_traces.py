"""Traces on the command line: listed, shown, counted, followed; all of it as text."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lakeflow import LakeflowClient, cli
from lakeflow.entities import TraceInfo, TraceState
from lakeflow.open_store import open_store
from lakeflow.schema import SPANS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lakeflow.stores.store import Store

Captured = pytest.CaptureFixture[str]

MS = 10**6
BEGAN_MS = 1_700_000_000_000
COLUMNS = [each.name for each in SPANS.columns if each.name not in {"experiment_id", "day"}]
HOSTILE = "red \x1b[31m<b>[bold]"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("LAKEFLOW_TRACKING_URI", str(tmp_path / "lake"))
    return open_store(tmp_path / "lake", create=True)


def trace_id(number: int) -> str:
    return f"tr-{number:032x}"


def log(store: Store, number: int, state: str = "OK", experiment_id: str = "0") -> None:
    """Log a trace of two spans, the second of which has a hostile name."""
    info = TraceInfo(
        trace_id(number),
        experiment_id,
        BEGAN_MS + number,
        TraceState(state),
        100 + number,
        {"mlflow.trace.user": "kim"},
        {"mlflow.traceName": "agent"},
        request_preview="why?",
    )
    columns: dict[str, list[object]] = {name: [None, None] for name in COLUMNS}
    began = (BEGAN_MS + number) * MS
    columns |= {
        "trace_id": [trace_id(number)] * 2,
        "span_id": [f"{each:016x}" for each in (1, 2)],
        "parent_span_id": [None, f"{1:016x}"],
        "start_time_ns": [began, began + MS],
        "end_time_ns": [began + 100 * MS, began + 3 * MS],
        "name": ["agent", HOSTILE],
        "span_type": ["AGENT", "UNKNOWN"],
        "kind": ["INTERNAL"] * 2,
        "status": ["OK", "ERROR"],
        "status_message": [None, "no answer"],
        "attributes": ["{}"] * 2,
    }
    store.traces.log_trace(info, columns)


def ask(*arguments: object) -> int:
    return cli.main(["traces", *map(str, arguments)])


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "lakeflow", "traces", *map(str, arguments)]


def ids(capsys: Captured, *arguments: object) -> list[int]:
    assert ask("ls", *arguments, "--format", "json") == 0
    return [
        int(each["trace_id"].removeprefix("tr-"), 16)
        for each in json.loads(capsys.readouterr().out)
    ]


def test_ls_lists_those_that_began_last_first(store: Store, capsys: Captured) -> None:
    for number in (1, 2):
        log(store, number)
    assert ask("ls") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{'trace_id':35}  {'began (UTC)':23}      took  state        name, request",
        f"{trace_id(2)}  2023-11-14 22:13:20.002    102 ms  OK           agent  why?",
        f"{trace_id(1)}  2023-11-14 22:13:20.001    101 ms  OK           agent  why?",
        "(2 traces)",
    ]
    assert ask("ls", "--max", 1) == 0
    assert capsys.readouterr().out.endswith("(1 trace, and there are more: --max N)\n")
    assert ask("ls", "--format", "jsonl") == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["request_time"].startswith("2023-11-14")
    assert (first["user_id"], first["execution_duration"]) == ("kim", 102)


def test_ls_and_count_take_conditions_and_an_order(store: Store, capsys: Captured) -> None:
    other = LakeflowClient(store.lake.fs.uri).create_experiment("other")
    for number in range(1, 6):
        log(store, number, "ERROR" if number > 3 else "OK", other if number == 5 else "0")
    assert ids(capsys) == [5, 4, 3, 2, 1]
    assert ids(capsys, "--filter", "status = 'ERROR'") == [5, 4]
    assert ids(capsys, "--experiment", 0, "--order", "execution_time_ms ASC") == [1, 2, 3, 4]
    assert ids(capsys, "--experiment", 0, "--experiment", other, "--max", 2) == [5, 4]
    for arguments, count in (
        ((), 5),
        (("--experiment", other), 1),
        (("--filter", "status = 'ERROR'", "--experiment", 0), 1),
        (("--run-id", "f" * 32), 0),
    ):
        assert ask("count", *arguments) == 0
        assert capsys.readouterr().out == f"{count}\n"


def test_show_draws_a_tree_or_writes_json_or_a_page(
    store: Store, tmp_path: Path, capsys: Captured
) -> None:
    log(store, 1)
    assert ask("show", trace_id(1)) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "└─ agent  AGENT  100 ms",
        "   └─ red \\x1b[31m<b>[bold]  2 ms  ERROR: no answer",
    ]
    assert ask("show", trace_id(1), "--max-spans", 1) == 0
    assert capsys.readouterr().out.endswith("   └─ ... 1 more span\n")
    assert ask("show", trace_id(1), "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["info"]["request_id"] == trace_id(1)
    assert [each["name"] for each in shown["data"]["spans"]] == ["agent", HOSTILE]
    page = tmp_path / "trace.html"
    assert ask("show", trace_id(1), "--html", page) == 0
    assert capsys.readouterr().out == ""
    assert "red \\x1b[31m&lt;b&gt;[bold]" in page.read_text()


def test_what_is_not_there_is_a_plain_error(
    store: Store, tmp_path: Path, capsys: Captured
) -> None:
    log(store, 1)
    assert ask("show", trace_id(9)) == 1
    assert "RESOURCE_DOES_NOT_EXIST" in capsys.readouterr().err
    assert ask("ls", "--filter", "nothing = 1") == 1
    assert "INVALID_PARAMETER_VALUE" in capsys.readouterr().err
    assert ask("show", trace_id(1), "--html", tmp_path / "no" / "such.html") == 1
    assert "cannot write" in capsys.readouterr().err
    for verb in ("ls", "count", "tail"):
        assert ask(verb, "--uri", tmp_path / "none") == 1
        assert "there is no lake" in capsys.readouterr().err
    for wrong in (("ls", "--max", "0"), ("tail", "--every", "0s"), ("show",)):
        with pytest.raises(SystemExit) as ended:
            ask(*wrong)
        assert ended.value.code == 2
    capsys.readouterr()


def test_a_terminal_gets_a_tree_in_colours_and_nothing_of_strangers(store: Store) -> None:
    log(store, 1)
    terminal, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"}
    environment.pop("NO_COLOR", None)
    shown = []
    for arguments in (("show", trace_id(1)), ("ls",)):
        subprocess.run(
            command(*arguments), stdout=theirs, env=environment, check=True, timeout=60
        )
        shown.append(os.read(terminal, 100_000).decode())
    os.close(terminal)
    os.close(theirs)
    tree, listed = shown
    # Only rich's own sequences, which set a style.
    styles = r"\x1b\[[\d;]*m"
    assert re.search(styles, tree)
    plain = re.sub(styles, "", tree).replace("\r\n", "\n")
    assert "└── red \\x1b[31m<b>[bold]  2 ms  ERROR: no answer" in plain
    assert plain.replace("\n", "").isprintable()
    assert listed.replace("\r\n", "").isprintable()


def test_without_rich_a_terminal_gets_a_plain_tree(store: Store, tmp_path: Path) -> None:
    log(store, 1)
    (tmp_path / "rich.py").write_text("raise ImportError('not installed')")
    terminal, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    subprocess.run(
        command("show", trace_id(1)), stdout=theirs, env=environment, check=True, timeout=60
    )
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    os.close(theirs)
    assert "   └─ red \\x1b[31m<b>[bold]  2 ms" in shown


@pytest.fixture
def tail() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give what starts ``tail``; nothing of it goes on after the test."""
    started = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command("tail", "--every", "0.1s", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


def test_tail_follows_until_it_is_interrupted(
    store: Store, tail: Callable[..., subprocess.Popen[str]]
) -> None:
    for number in (1, 2, 3):
        log(store, number)
    process = tail("--max", 2)
    assert process.stdout is not None
    found = [process.stdout.readline().split()[0] for _ in range(2)]
    assert found == [trace_id(2), trace_id(3)]
    log(store, 4, "IN_PROGRESS")
    line = process.stdout.readline()
    assert line.split()[0] == trace_id(4)
    assert "IN_PROGRESS" in line
    ended = TraceInfo(trace_id(4), "0", BEGAN_MS + 4, TraceState.OK, 7)
    store.traces.end(ended, {name: [] for name in COLUMNS})
    assert process.stdout.readline().split()[3:6] == ["7", "ms", "OK"]
    process.send_signal(signal.SIGINT)
    rest, complaints = process.communicate(timeout=20)
    assert (rest, complaints, process.returncode) == ("", "", 130)


def test_tail_ends_when_nobody_reads_it_any_more(
    store: Store, tail: Callable[..., subprocess.Popen[str]]
) -> None:
    log(store, 1)
    process = tail("--format", "jsonl")
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["trace_id"] == trace_id(1)
    process.stdout.close()
    log(store, 2)
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == ""
