"""The same program leaves the same traces in MLflow and in lakeflow, but for ids and times."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAM = HERE / "traced_programs.py"
MLFLOW = HERE.parents[1] / ".venv-mlflow" / "bin" / "python"

MASKED = {
    "request_id",
    "experiment_id",
    "timestamp_ms",
    "execution_time_ms",
    "start_time",
    "end_time",
    "timestamp",
    "trace_id",
    "exception.stacktrace",
    "mlflow.traceRequestId",
    "mlflow.sourceRun",
}
"""Ids and times, and where in the code something was raised."""

LEFT_OUT = {"mlflow.artifactLocation", "mlflow.spanStartTimeNs"}
"""A folder beside the runs, which lakeflow's traces have not, and a note of MLflow's to itself."""

OUTLINE = "mlflow.traceSpans"
MERGED = {"another_trace_within", "another_trace_alone"}
"""Programs after which MLflow's outline is that of the trace which was added."""


def masked(value, spans):
    """Return a value without ids and times; ids of spans are numbered."""
    if isinstance(value, list):
        return [masked(each, spans) for each in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, each in value.items():
        if key in LEFT_OUT:
            continue
        if key in {"span_id", "parent_id"}:
            found[key] = each and spans.setdefault(each, f"span {len(spans)}")
        elif key in MASKED:
            found[key] = each is not None
        else:
            found[key] = masked(each, spans)
    return found


def answers(python, package, uri, folder):
    """Return what the programs have left, by their names."""
    folder.mkdir()
    done = subprocess.run(
        [python, PROGRAM, package, uri],
        env={**os.environ, "MLFLOW_ENABLE_ASYNC_LOGGING": "false"},
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    found = json.loads(done.stdout)
    for name in MERGED:
        for trace in found[name][1]:
            del trace["info"]["tags"][OUTLINE]
    return {
        name: [answer, [masked(trace, {}) for trace in in_order(traces)]]
        for name, (answer, traces) in found.items()
    }


def in_order(traces):
    """Return traces in an order that does not depend on the millisecond."""
    for trace in traces:
        # Spans that begin at once are told apart by their ids alone.
        trace["data"]["spans"].sort(key=lambda span: (span["start_time"], span["name"]))

    def begin(trace):
        return trace["data"]["spans"][0]["start_time"], trace["info"]["tags"][
            "mlflow.traceName"
        ]

    return sorted(traces, key=begin)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traces")
    return (
        answers(MLFLOW, "mlflow", f"file://{folder}/mlruns", folder / "theirs"),
        answers(sys.executable, "lakeflow", str(folder / "lake"), folder / "ours"),
    )


def names():
    scope = {"__name__": "programs"}
    exec(PROGRAM.read_text(), scope)
    return list(scope["PROGRAMS"])


@pytest.mark.parametrize("name", names())
def test_a_program_leaves_the_same_traces(both, name):
    theirs, ours = (each[name] for each in both)
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]
