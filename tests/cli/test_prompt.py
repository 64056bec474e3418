"""The prompt of ``lakeflow sql``, through a terminal and with keys."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

from lakeflow import LakeflowClient
from lakeflow.query.engine.sandbox import ended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENTER, TAB, UP, CTRL_A, CTRL_C, CTRL_D = "\r", "\t", "\x1b[A", "\x01", "\x03", "\x04"
ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[()].|[=>78])")
PATIENCE_S = 60


class Terminal:
    """A terminal that a command runs on: takes keys, gives what is shown without its colours."""

    def __init__(self, command: list[str], columns: int = 80, **variables: str) -> None:
        self._keys, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}}
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment | {"TERM": "xterm"} | variables,
            preexec_fn=self._as_of_a_shell,
            start_new_session=True,
        )
        os.close(theirs)
        self._bytes = b""
        self.raw = ""

    @staticmethod
    def _as_of_a_shell() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # pytest's workers ignore it

    def press(self, keys: str) -> None:
        os.write(self._keys, keys.encode())

    def until(self, text: str, pressing: str = "") -> str:
        """Return what is shown up to a text, which is forgotten with it.

        Args:
            text: The text.
            pressing: A key to press every second until then.
        """
        ends = time.monotonic() + PATIENCE_S
        presses = time.monotonic() + 1
        while text not in (shown := self.shown()):
            assert time.monotonic() < ends, f"no {text!r} in {shown!r}"
            if time.monotonic() > presses:
                self.press(pressing)
                presses = time.monotonic() + 1
            try:
                self._read()
            except OSError as error:
                raise AssertionError(f"no {text!r} but an end in {shown!r}") from error
        before, _, self.raw = shown.partition(text)
        return before

    def ends(self) -> int:
        """Return the status with which the command ends."""
        ends = time.monotonic() + PATIENCE_S
        with contextlib.suppress(OSError):
            while self._read():
                assert time.monotonic() < ends, f"it goes on after {self.shown()!r}"
        return self.process.wait(PATIENCE_S)

    def shown(self) -> str:
        return ESCAPES.sub("", self.raw).replace("\r", "")

    def _read(self) -> bool:
        if not select.select([self._keys], [], [], 0.5)[0]:
            return True
        data = os.read(self._keys, 65_536)
        # A terminal tells where its cursor is when it is asked.
        if b"\x1b[6n" in data:
            os.write(self._keys, b"\x1b[1;1R")
        self._bytes += data
        with contextlib.suppress(UnicodeDecodeError):
            self.raw += self._bytes.decode()
            self._bytes = b""
        return bool(data)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._keys)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0", run_name="r").info.run_id
    for step in range(10):
        client.log_metric(run_id, "loss", step, step=step)
    client.log_param(run_id, "hostile", "\x1b]0;owned\x07")
    return tmp_path / "lake"


@pytest.fixture
def start(lake: Path, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Return a function that starts the command on a terminal, with a home of its own."""
    started: list[Terminal] = []

    def run(*arguments: str, code: str | None = None, **options: object) -> Terminal:
        program = ["-c", code] if code else ["-m", "lakeflow"]
        command = [sys.executable, *program, "sql", "--uri", str(lake), *arguments]
        started.append(Terminal(command, **{"HOME": str(tmp_path), **options}))  # type: ignore[arg-type]
        return started[-1]

    yield run
    for terminal in started:
        terminal.close()


def test_statements_are_answered_until_the_input_ends(start: Callable[..., Terminal]) -> None:
    terminal = start()
    terminal.until("lake>")
    terminal.press("SELECT count(*) AS many" + ENTER)
    terminal.until("...>")
    terminal.press("FROM range(100), metrics;" + ENTER)
    assert "1000" in terminal.until("(1 row)")
    terminal.until("lake>")
    terminal.press("SELECT 11 AS a; SELECT 22 AS b;" + ENTER)
    assert "11" in terminal.until("(1 row)")
    assert "22" in terminal.until("(1 row)")
    terminal.until("lake>")
    terminal.press("FROM range(100);" + ENTER)
    terminal.until("(100 rows, the first 40 shown)")
    terminal.until("lake>")
    terminal.press(CTRL_D)
    assert terminal.ends() == 0


@pytest.mark.parametrize("word", ["exit", "quit", "EXIT;"])
def test_a_word_ends_it(word: str, start: Callable[..., Terminal]) -> None:
    terminal = start()
    terminal.until("lake>")
    terminal.press(word + ENTER)
    assert terminal.ends() == 0


def test_an_error_does_not_end_it(start: Callable[..., Terminal]) -> None:
    terminal = start()
    terminal.until("lake>")
    terminal.press("SELEC 1;" + ENTER)
    terminal.until("syntax error")
    terminal.until("lake>")
    terminal.press("DELETE FROM runs;" + ENTER)
    terminal.until("written through the client")
    terminal.until("lake>")
    terminal.press("SELECT 40 + 2 AS answer;" + ENTER)
    assert "42" in terminal.until("(1 row)")


def test_a_semicolon_in_a_text_or_a_comment_ends_nothing(
    start: Callable[..., Terminal],
) -> None:
    terminal = start()
    terminal.until("lake>")
    terminal.press("SELECT 'first;" + ENTER)
    terminal.until("...>")
    terminal.press("second' AS text -- third;" + ENTER)
    terminal.until("...>")
    terminal.press(";" + ENTER)
    assert r"first;\nsecond" in terminal.until("(1 row)")


def test_ctrl_c_clears_what_is_typed_and_stops_what_runs(
    start: Callable[..., Terminal],
) -> None:
    terminal = start()
    terminal.until("lake>")
    terminal.press("SELECT nonsense" + ENTER)
    terminal.until("...>")
    terminal.press("FROM nowhere" + CTRL_C)
    terminal.until("lake>")
    terminal.press("SELECT count(*) FROM range(10000000000000);" + ENTER)
    terminal.until("range(10000000000000);\n")
    # It is the terminal that writes so, where a key interrupts what runs.
    terminal.until("^C", pressing=CTRL_C)
    terminal.until("lake>", pressing=CTRL_C)
    terminal.press("SELECT 40 + 2 AS answer;" + ENTER)
    assert "42" in terminal.until("(1 row)")


def test_tab_completes_keywords_views_and_columns(start: Callable[..., Terminal]) -> None:
    terminal = start()

    def complete(typed: str, added: str) -> None:
        terminal.press(typed + TAB)
        terminal.until(typed[-3:])
        terminal.until(added)

    terminal.until("lake>")
    complete("SELE", "CT")
    complete(" DISTIN", "CT")
    complete(" latest_metrics.cou", "nt")
    complete(" AS many FROM latest_m", "etrics")
    terminal.press(";" + ENTER)
    assert "10" in terminal.until("(1 row)")
    terminal.until("lake>")
    complete("select lifecycle_", "stage")
    complete(" from runs_w", "ide")
    terminal.press(";" + ENTER)
    assert "active" in terminal.until("(1 row)")
    terminal.until("lake>")
    complete("select r.run_na", "me")
    terminal.press(" from runs r;" + ENTER)
    assert "run_name" in terminal.until("(1 row)")
    terminal.until("lake>")
    complete("select experiments.creation_t", "creation_time_at")


def test_history_is_there_in_the_next_session(
    start: Callable[..., Terminal], tmp_path: Path
) -> None:
    first = start()
    first.until("lake>")
    first.press("SELECT 40" + ENTER + "+ 2 AS first;" + ENTER)
    assert "42" in first.until("(1 row)")
    first.until("lake>")
    first.press(CTRL_D)
    assert first.ends() == 0
    file = tmp_path / ".lakeflow_history"
    assert file.stat().st_mode & 0o777 == 0o600

    second = start()
    second.until("lake>")
    second.press(UP)
    second.until("first;")
    second.press(ENTER)
    assert "42" in second.until("(1 row)")
    second.until("lake>")
    second.press("SELECT 7 AS second;" + ENTER)
    second.until("(1 row)")
    second.until("lake>")
    second.press(UP + UP)
    second.until("first;")
    second.press(ENTER)
    assert "42" in second.until("(1 row)")


def test_no_history_is_no_error(start: Callable[..., Terminal], tmp_path: Path) -> None:
    terminal = start(HOME=str(tmp_path / "no home"))
    terminal.until("lake>")
    terminal.press("SELECT 42 AS answer;" + ENTER)
    terminal.until("(1 row)")
    terminal.until("lake>")
    terminal.press(UP + ENTER)
    assert "42" in terminal.until("(1 row)")


def test_bytes_that_are_no_text_end_nothing(start: Callable[..., Terminal]) -> None:
    terminal = start()
    terminal.until("lake>")
    os.write(terminal._keys, b"SELECT '\xff' AS odd, 6 * 7 AS answer;\r")
    assert "42" in terminal.until("(1 row)")
    terminal.until("lake>")


def test_the_width_of_the_terminal_decides_what_is_cut(start: Callable[..., Terminal]) -> None:
    query = "SELECT repeat('x', 100) AS long"
    narrow = start(query, columns=30).until("(1 row)")
    assert "x" * 27 + "..." in narrow
    assert "x" * 28 not in narrow
    assert "x" * 100 in start(query, columns=120).until("(1 row)")


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
def test_a_terminal_never_gets_a_control_character_from_the_lake(
    form: str, start: Callable[..., Terminal]
) -> None:
    terminal = start("SELECT 'at' || value AS v FROM params", "--format", form)
    assert terminal.ends() == 0
    assert re.search(r"at\\(x|u00)1[bB]\]0;owned\\(x|u00)07", terminal.raw)
    assert "\x1b" not in terminal.raw
    assert "\x07" not in terminal.raw
    wrong = start("SELECT value::INT FROM params")
    assert wrong.ends() == 1
    assert r"\x1b]0;owned" in wrong.raw
    assert "\x1b" not in wrong.raw


def test_without_its_package_a_prompt_says_what_to_do(start: Callable[..., Terminal]) -> None:
    code = (
        "import sys; sys.modules['prompt_toolkit'] = None; from lakeflow.cli import main; "
        "sys.exit(main())"
    )
    terminal = start(code=code)
    assert terminal.ends() == 1
    assert "FEATURE_DISABLED" in terminal.raw
    assert "pip install 'lakeflow[prompt]'" in terminal.raw
    assert "--file" in terminal.raw
    assert start("SELECT 42", code=code).ends() == 0


@pytest.mark.parametrize("arguments", [("--output", "rows.csv"), ("--param", "1")])
def test_what_is_for_one_statement_is_not_for_a_prompt(
    arguments: tuple[str, str], start: Callable[..., Terminal]
) -> None:
    terminal = start(*arguments)
    assert terminal.ends() == 1
    assert "for one statement" in terminal.raw


def test_a_prompt_on_no_lake_ends_at_once_and_makes_none(
    tmp_path: Path, start: Callable[..., Terminal]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    terminal = start("--uri", str(tmp_path / "mistyped"))
    assert terminal.ends() == 1
    assert "RESOURCE_DOES_NOT_EXIST" in terminal.raw
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("SELECT 1;", ["SELECT 1;"]),
        ("SELECT 1; -- done;", ["SELECT 1;"]),
        ("SELECT 1;\n\n", ["SELECT 1;"]),
        ("SELECT 'é;'; SELECT 2 ;", ["SELECT 'é;';", " SELECT 2 ;"]),
        ("SELECT 'it''s;';", ["SELECT 'it''s;';"]),
        ("SELECT $$ ; $$;", ["SELECT $$ ; $$;"]),
        ('SELECT ";";', ['SELECT ";";']),
        ("SELEC ];", ["SELEC ];"]),
        ("/* a /* ; */ */ SELECT 1;", ["/* a /* ; */ */ SELECT 1;"]),
        (";", []),
        (";;", []),
        ("SELECT 1", None),
        ("SELECT 1; SELECT 2", None),
        ("SELECT 'a;", None),
        ("SELECT 'a;'", None),
        ("SELECT E'a\\';", None),
        ('SELECT "a;', None),
        ("SELECT $x$ ;", None),
        ("SELECT 1 -- ;", None),
        ("SELECT 1 /* ;", None),
        ("-- ;", None),
        ("", None),
    ],
)
def test_a_statement_ends_where_duckdb_says(text: str, statements: list[str] | None) -> None:
    assert ended(text) == statements
