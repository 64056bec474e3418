"""How a process dies decides the status of the runs that it leaves open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lakeflow import LakeflowClient

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = """
import asyncio, os, signal, sys, threading, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs this may have left it ignored
import lakeflow
client = lakeflow.LakeflowClient()
lakeflow.start_run(run_name="outer")
lakeflow.start_run(run_name="inner", nested=True)
lakeflow.log_metric("m", 1)

def signal_in(name, number=signal.SIGTERM, then=lambda: None, profile=sys.setprofile):
    def note(frame, event, _):
        if event == "call" and frame.f_code.co_qualname == name:
            profile(None)
            os.kill(os.getpid(), number)
            then()
    profile(note)

"""

# Of each program: what it does, the status of its runs, its exit code.
PROGRAMS = {
    "returns": ("pass", "FINISHED", 0),
    "exception": ("1 / 0", "FAILED", 1),
    "in a function": ("def f(): raise OSError\nf()", "FAILED", 1),
    "in a task": ("async def f(): raise OSError\nasyncio.run(f())", "FAILED", 1),
    "interrupt": ("signal.raise_signal(signal.SIGINT)", "KILLED", -signal.SIGINT),
    "exit 3": ("sys.exit(3)", "FAILED", 3),
    "exit text": ("sys.exit('no data')", "FAILED", 1),
    "exit of the prompt": ("exit(code=3)", "FAILED", 3),
    "quit": ("quit()", "FINISHED", 0),
    "SystemExit": ("if client: raise SystemExit(3)", "FAILED", 3),
    "SystemExit with a text": ("raise SystemExit('no data')", "FAILED", 1),
    "SystemExit without a status": ("raise SystemExit", "FINISHED", 0),
    "SystemExit with 0": ("raise SystemExit(0)", "FINISHED", 0),
    "SystemExit that is caught": (
        "try: raise SystemExit(3)\nexcept SystemExit: pass",
        "FINISHED",
        0,
    ),
    # Python tells nobody what it was.
    "SystemExit with a result": ("raise SystemExit(bool(client))", "FINISHED", 1),
    "exit 0": ("sys.exit(0)", "FINISHED", 0),
    "exit": ("sys.exit()", "FINISHED", 0),
    "exit that is caught": ("try: sys.exit(3)\nexcept SystemExit: pass", "FINISHED", 0),
    "exit of a thread": (
        "t = threading.Thread(target=sys.exit, args=(3,)); t.start(); t.join()",
        "FINISHED",
        0,
    ),
    "reported, and on": (
        "import code; code.InteractiveInterpreter().runsource('1 / 0')",
        "FINISHED",
        0,
    ),
    "an own excepthook": ("sys.excepthook = lambda *_: print('own')\n1 / 0", "FAILED", 1),
    "terminated": ("os.kill(os.getpid(), signal.SIGTERM)", "KILLED", -signal.SIGTERM),
    "hung up": ("os.kill(os.getpid(), signal.SIGHUP)", "KILLED", -signal.SIGHUP),
    # Of each of these the main thread was in the middle, with locks in hand.
    "terminated in a write": (
        "signal_in('LogWriter._append'); lakeflow.log_metric('m', 2); time.sleep(60)",
        "KILLED",
        -signal.SIGTERM,
    ),
    "terminated as a call is queued": (
        "signal_in('CallQueue._is_started')\n"
        "lakeflow.log_metric('m', 2, synchronous=False); time.sleep(60)",
        "KILLED",
        -signal.SIGTERM,
    ),
    # The thread of the queue needs what the main thread has in hand.
    "terminated, and the program's own handler ends it": (
        "def end(*_): lakeflow.log_metric('m', 3, synchronous=False); lakeflow.end_run(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "signal_in('LogWriter._append'); lakeflow.log_metric('m', 2)",
        "FINISHED",
        0,
    ),
    "interrupted as a call is queued": (
        "signal_in('CallQueue._is_started', signal.SIGINT)\n"
        "lakeflow.log_metric('m', 2, synchronous=False)",
        "KILLED",
        -signal.SIGINT,
    ),
    "terminated as a run begins": (
        "signal_in('LogWriter._append'); lakeflow.start_run(nested=True); time.sleep(60)",
        "KILLED",
        -signal.SIGTERM,
    ),
    "terminated as a run ends": (
        "signal_in('LogWriter._append'); lakeflow.end_run('KILLED'); time.sleep(60)",
        "KILLED",
        -signal.SIGTERM,
    ),
    "terminated, and begins more": (
        "signal_in('LogWriter._append')\n"
        "while lakeflow.start_run(nested=True): lakeflow.log_metric('m', 2)",
        "KILLED",
        -signal.SIGTERM,
    ),
    "terminated, and ends": (
        "signal_in('LogWriter._append'); lakeflow.log_metric('m', 2)",
        "KILLED",
        -signal.SIGTERM,
    ),
    "terminated twice": (
        "signal_in('Store.terminate', profile=threading.setprofile)\n"
        "os.kill(os.getpid(), signal.SIGTERM)",
        "KILLED",
        -signal.SIGTERM,
    ),
    "terminated where a write hangs": (
        "lakeflow.fluent.endings._MOST_SECONDS_TO_END_RUNS = 0.1\n"
        "signal_in('LogWriter._append', then=lambda: time.sleep(60))\n"
        "lakeflow.log_metric('m', 2)",
        "RUNNING",
        -signal.SIGTERM,
    ),
    "interrupted as a run ends": (
        "signal_in('LogWriter._append', signal.SIGINT); lakeflow.end_run('KILLED')",
        "KILLED",
        -signal.SIGINT,
    ),
    "an own handler from before": (
        "lakeflow.end_run(); lakeflow.end_run()\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
        "for run in client.search_runs(['0']): client.delete_run(run.info.run_id)\n"
        "lakeflow.start_run(); os.kill(os.getpid(), signal.SIGTERM)",
        "FAILED",
        3,
    ),
    "an own handler": (
        "signal.signal(signal.SIGTERM, lambda *_: print('own'))\n"
        "os.kill(os.getpid(), signal.SIGTERM)",
        "FINISHED",
        0,
    ),
    "an own handler that calls the one before": (
        "before = signal.signal(signal.SIGTERM, lambda *a: (print('own'), before(*a)))\n"
        "os.kill(os.getpid(), signal.SIGTERM)",
        "FINISHED",
        0,
    ),
    "ignored": (
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nlakeflow.end_run()\n"
        "lakeflow.start_run(nested=True)\nos.kill(os.getpid(), signal.SIGHUP)",
        "FINISHED",
        0,
    ),
    "a forked child is terminated": (
        "child = os.fork()\n"
        "if not child: time.sleep(60)\n"
        "assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL\n"
        "os.kill(child, signal.SIGTERM)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM",
        "FINISHED",
        0,
    ),
    "nothing is left of it": (
        "lakeflow.end_run(); lakeflow.end_run()\n"
        "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL",
        "FINISHED",
        0,
    ),
    "a thread dies": (
        "lakeflow.end_run(); lakeflow.end_run()\n"
        "for run in client.search_runs(['0']): client.delete_run(run.info.run_id)\n"
        "def work():\n    lakeflow.start_run()\n    1 / 0\n"
        "t = threading.Thread(target=work); t.start(); t.join()",
        "FAILED",
        0,
    ),
}


# The same of programs that have no run before.
IN_A_CHILD = """
import multiprocessing, os, signal, sys, lakeflow
def work():
    lakeflow.start_run()
    {}
if __name__ == "__main__":
    {}
    child = multiprocessing.get_context("{}").Process(target=work)
    child.start(); child.join(); sys.exit(child.exitcode)
"""
IN_A_THREAD = """
import os, signal, threading, time, lakeflow
def work():
    lakeflow.start_run()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
lakeflow.set_experiment("Default")
with lakeflow.start_run() as run: pass
lakeflow.delete_run(run.info.run_id)
# then
thread = threading.Thread(target=work); thread.start(); thread.join()
"""
WITHOUT_RUNS = {
    "exit with what main returns": (
        "import sys, lakeflow\n"
        "def main():\n    lakeflow.start_run()\n    return 3\n"
        "sys.exit(main())",
        "FAILED",
        3,
    ),
    "exit by a name from before": (
        "from sys import exit\nimport lakeflow\n"
        "def main():\n    lakeflow.start_run()\n    return 3\n"
        "exit(main())",
        "FAILED",
        3,
    ),
    "terminated while only threads have runs": (IN_A_THREAD, "KILLED", -signal.SIGTERM),
    "terminated in a thread after a fork": (
        IN_A_THREAD.replace("# then", "if not os.fork(): os._exit(0)"),
        "KILLED",
        -signal.SIGTERM,
    ),
    "an exception in a spawned child": (IN_A_CHILD.format("1 / 0", "", "spawn"), "FAILED", 1),
    "exit that is caught in a spawned child": (
        IN_A_CHILD.format("try: sys.exit(3)\n    except SystemExit: pass", "", "spawn"),
        "FINISHED",
        0,
    ),
    "an interrupt in a forked child": (
        IN_A_CHILD.format("signal.raise_signal(signal.SIGINT)", "", "fork"),
        "KILLED",
        1,
    ),
    # What is asked for once a process counts in the child as well.
    "SystemExit in a forked child, and the parent had a run": (
        IN_A_CHILD.format(
            "raise SystemExit(int('3'))",
            "with lakeflow.start_run() as run: pass\n    lakeflow.delete_run(run.info.run_id)",
            "fork",
        ),
        "FAILED",
        3,
    ),
}
ALL = {name: (BEGIN + text, *rest) for name, (text, *rest) in PROGRAMS.items()} | WITHOUT_RUNS


@pytest.fixture(scope="module")
def died(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, int]]:
    """Return for each program its folder and its exit code; they are started at once."""
    folders = {name: tmp_path_factory.mktemp("died") for name in ALL}

    def run(name: str) -> int:
        program = folders[name] / "program.py"
        program.write_text(ALL[name][0])
        environment = {k: v for k, v in os.environ.items() if "TRACKING" not in k}
        options = {"cwd": program.parent, "env": environment, "capture_output": True}
        return subprocess.run([sys.executable, program], **options, timeout=60).returncode

    with ThreadPoolExecutor(2) as pool:
        codes = pool.map(run, ALL)
    return {name: (folders[name], code) for name, code in zip(ALL, codes, strict=True)}


@pytest.mark.parametrize("name", ALL)
def test_a_run_ends_as_its_process_does(name: str, died: dict[str, tuple[Path, int]]) -> None:
    _, status, code = ALL[name]
    folder, exit_code = died[name]
    runs = LakeflowClient(folder / "lake").search_runs(["0"])
    assert {run.info.status for run in runs} == {status}
    assert all(run.info.end_time for run in runs) == (status != "RUNNING")
    assert exit_code == code
