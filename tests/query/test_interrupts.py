"""Signals at any moment of a read, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING

from lakeflow.query.engine import interrupts

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_HEAD = """
import os, random, signal, sys, threading, time, lakeflow
lakeflow.set_tracking_uri(sys.argv[1])
client = lakeflow.LakeflowClient()

def again():
    run = client.create_run("0")
    for step in range(5):
        client.log_metric(run.info.run_id, "m", step, step=step)
    return run.info.run_id

run_id = again()
lakeflow.compact()
again()
READS = {
    "search": lambda: client.search_runs(["0"], "metrics.m > 3 AND params.x IS NULL"),
    "history": lambda: client.get_metric_history(run_id, "m"),
    "frame": lambda: lakeflow.search_runs(["0"], output_format="arrow"),
    "series": lambda: lakeflow.metric_series([run_id], "m"),
    "sql": lambda: lakeflow.sql("FROM runs_wide"),
    "compact": lakeflow.compact,
}

def strike(after_s, *signals):
    def send():
        time.sleep(after_s)
        for number in signals:
            os.kill(os.getpid(), number)
    thread = threading.Thread(target=send)
    thread.start()
    return thread
"""


def run(script: str, *arguments: object) -> str:
    process = subprocess.run(
        [sys.executable, "-c", _HEAD + script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_an_interrupt_at_any_moment_of_a_read_is_one(tmp_path: Path) -> None:
    """It ends the read, or comes after it; and the next read answers."""
    script = """
signal.signal(signal.SIGINT, signal.default_int_handler)  # pytest's workers ignore it
times = int(sys.argv[2])
for name, read in READS.items():
    read()
    began = time.monotonic()
    read()
    took_s, heard = time.monotonic() - began, 0
    for _ in range(times):
        again()  # there is something new to lay over the tables, or to fold
        try:
            thread = strike(random.random() * took_s, signal.SIGINT)
            try:
                read()
            finally:
                thread.join()
        except KeyboardInterrupt:
            heard += 1
        read()
    print(name, heard)
"""
    times = int(os.environ.get("LAKEFLOW_TEST_INTERRUPTS", "5"))
    names = ["search", "history", "frame", "series", "sql", "compact"]
    found = run(script, tmp_path / "lake", times)
    assert found.splitlines() == [f"{name} {times}" for name in names]


def test_what_a_handler_raises_ends_a_statement(tmp_path: Path) -> None:
    """Whatever it is, and however many signals come while the statement is ended."""
    script = """
def late(*_):
    raise TimeoutError("late")

signal.signal(signal.SIGALRM, late)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
signal.signal(signal.SIGINT, signal.default_int_handler)
endless = "SELECT count(*) FROM range(10000000000000)"
for signals in ([signal.SIGALRM], [signal.SIGTERM], [signal.SIGINT] * 5,
                [signal.SIGTERM, signal.SIGINT, signal.SIGALRM]):
    try:
        thread = strike(0.1, *signals)
        try:
            lakeflow.sql(endless)
        finally:
            thread.join()
    except (TimeoutError, SystemExit, KeyboardInterrupt) as error:
        if len(signals) == 1:
            print(type(error).__name__, error)
print(lakeflow.sql("SELECT count(*) AS n FROM runs", output_format="list"))
before = time.process_time()
time.sleep(0.3)
print(time.process_time() - before < 0.2)
"""
    assert run(script, tmp_path / "lake").splitlines() == [
        "TimeoutError late",
        "SystemExit 3",
        "[{'n': 2}]",
        "True",
    ]


def test_a_handler_may_read_while_a_read_is_under_way(tmp_path: Path) -> None:
    script = """
found = []
signal.signal(signal.SIGALRM, lambda *_: found.append(lakeflow.sql("FROM runs").num_rows))
thread = strike(0.1, signal.SIGALRM)
lakeflow.sql("SELECT sum(range % 7) FROM range(300000000)")
thread.join()
print(found)
"""
    assert run(script, tmp_path / "lake") == "[2]\n"


def test_what_work_has_made_is_kept_by_nobody_but_who_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as the first connection of an engine, with all that it has in memory."""

    class Made:
        pass

    monkeypatch.setattr(interrupts, "_idle", type(interrupts._idle)())
    for _ in range(2):  # in a new thread, and in one that has worked before
        made = interrupts.undisturbed(Made, lambda: None)
        known = weakref.ref(made)
        del made
        assert known() is None
    assert len(interrupts._idle) == 1


def test_what_a_handler_raises_comes_out_of_any_call(tmp_path: Path) -> None:
    """Though to a filesystem a TimeoutError is an answer of its store, which it would retry."""
    script = """
import functools
from lakeflow.filesystem.retry import retry_until_deadline

def late(*_):
    raise TimeoutError("late")

class Late:
    def __call__(self, *_):
        late()

def signal_in(name):
    def note(frame, event, called):
        if event == "c_call" and called.__name__ == name:
            sys.setprofile(None)
            os.kill(os.getpid(), signal.SIGALRM)
    sys.setprofile(note)

open("given", "w").close()

calls = {
    "scandir": lambda: client.search_runs(["0"]),
    "link": lambda: client.create_experiment(f"e{time.time_ns()}"),
    "write": lambda: client.log_metric(run_id, "m", 1),
    "read": lambda: client.log_artifact(run_id, "given"),
    "isalnum": lambda: client.search_runs(["0"], "metrics.m > 1"),
    "time": lambda: retry_until_deadline(time.time, "cannot wait", 1, lambda: None),
}
for handler in (late, functools.partial(late), Late()):
    signal.signal(signal.SIGALRM, handler)
    for name, call in calls.items():
        call()
        signal_in(name)
        try:
            call()
            print("nothing of", name)
        except TimeoutError as error:
            assert str(error) == "late"
        except Exception as error:
            print(name, repr(error))
        finally:
            sys.setprofile(None)
        call()
"""
    assert run(script, tmp_path / "lake") == ""
