"""Real processes on one local lake: killed at random, forked, racing each other."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.exceptions import LakeflowException
from lakeflow.log.positions import CONTROL

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

KILLS = int(os.environ.get("LAKEFLOW_TEST_KILLS", "100"))

WRITER = """
from lakeflow import LakeflowClient
from lakeflow.entities import Metric, Param, RunTag
client = LakeflowClient(lake)
with open(said, "w") as said:
    run_id = client.create_run("0", tags={"writer": number}).info.run_id
    print("run", run_id, file=said, flush=True)
    for step in range(1_000_000):
        client.log_metric(run_id, "loss", step / 2, timestamp=step, step=step)
        print("m", step, file=said, flush=True)
        if step % 7 == 0:
            points = [Metric(f"b{i}", step, step, step) for i in range(50)]
            client.log_batch(run_id, points, [Param(f"p{step}", "v")], [RunTag("t", str(step))])
            print("b", step, file=said, flush=True)
"""

COMPACTOR = """
import sys
import lakeflow
sys.stderr = open(errors, "a")
while True:
    lakeflow.compact(lake)
"""

# Small numbers, so that in seconds segments rotate, folds come in steps and vacuum deletes.
ENVIRONMENT = {
    "LAKEFLOW_SEGMENT_BYTES": "100000",
    "LAKEFLOW_FOLD_BYTES": "300000",
    "LAKEFLOW_AUTO_COMPACT": "false",
    "LAKEFLOW_VACUUM_GRACE_S": "0",
    "LAKEFLOW_RETENTION_S": "2",
}


def spawn(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | ENVIRONMENT,
        text=True,
        **options,
    )


class Acknowledged:
    """What a writer said had returned before it was killed."""

    def __init__(self, path: Path) -> None:
        lines = [
            line.split() for line in path.read_text().splitlines(keepends=True) if "\n" in line
        ]
        self.run_id = next((line[1] for line in lines if line[0] == "run"), None)
        self.metrics = {int(line[1]) for line in lines if line[0] == "m"}
        self.batches = {int(line[1]) for line in lines if line[0] == "b"}


def check_run(client: LakeflowClient, said: Acknowledged) -> None:
    assert said.run_id is not None
    run = client.get_run(said.run_id)
    steps = [metric.step for metric in client.get_metric_history(said.run_id, "loss")]
    assert max(Counter(steps).values(), default=1) == 1
    assert said.metrics <= set(steps)
    assert set(steps) <= said.metrics | {max(said.metrics, default=-1) + 1}
    batches = [
        {m.step for m in client.get_metric_history(said.run_id, f"b{i}")} for i in (0, 49)
    ]
    assert batches[0] == batches[1], "a batch is there in part"
    assert said.batches <= batches[0]
    assert {int(key[1:]) for key in run.data.params} == batches[0]


def fork(code: str, **names: object) -> ForkServerProcess:
    """Run a program in a fork of a process that has imported what it needs.

    A Python of its own would be killed while it imports as often as while it works.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["lakeflow.cli", "lakeflow.compaction", "deltalake", "duckdb", "sqlglot"]
    )
    told = f"import os; os.environ |= {ENVIRONMENT}\n"
    process = context.Process(target=exec, args=(told + code, names))
    process.start()
    return process


def test_random_kills_lose_and_double_nothing(
    tmp_path: Path, table_rows: Callable[..., list[dict[str, Any]]]
) -> None:
    lake, chance, errors = str(tmp_path / "lake"), random.Random(7), tmp_path / "errors"
    LakeflowClient(lake).create_experiment("warm")
    errors.touch()
    said: list[Path] = []

    def writer() -> ForkServerProcess:
        said.append(tmp_path / f"said-{len(said)}")
        return fork(WRITER, lake=lake, number=len(said), said=str(said[-1]))

    def compactor() -> ForkServerProcess:
        return fork(COMPACTOR, lake=lake, errors=str(errors))

    running = [(make, make()) for make in (writer, writer, writer, compactor, compactor)]
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.02, 0.4))
        make, victim = running.pop(chance.randrange(len(running)))
        assert victim.is_alive(), errors.read_text()
        victim.kill()
        victim.join()
        running.append((make, make()))
    for _, process in running:
        process.kill()
        process.join()
    reports = [Acknowledged(path) for path in said if path.exists()]
    logged = [each for each in reports if each.run_id is not None]
    assert len(logged) > KILLS / 4
    client = LakeflowClient(lake)
    for each in logged:
        check_run(client, each)
    lakeflow.compact(lake)
    for each in logged:
        check_run(client, each)
    for table, key in (
        ("runs", ("run_id",)),
        ("metrics", ("run_id", "key", "step", "timestamp", "value")),
        ("latest_metrics", ("run_id", "key")),
        ("params", ("run_id", "key")),
        ("tags", ("run_id", "key")),
    ):
        rows = Counter(tuple(row[c] for c in key) for row in table_rows(lake, table))
        assert max(rows.values()) == 1, f"{table} holds a row twice"
    summaries = {
        (r["run_id"], r["key"]): r["count"] for r in table_rows(lake, "latest_metrics")
    }
    points = Counter((r["run_id"], r["key"]) for r in table_rows(lake, "metrics"))
    assert summaries == dict(points)


READER = """
import os, sys
from lakeflow import LakeflowClient
sys.stderr = open(errors, "a")
client = LakeflowClient(lake)
seen = 0
while not os.path.exists(done):
    steps = [m.step for m in client.get_metric_history(run_id, "loss")]
    assert len(steps) == len(set(steps)) and len(steps) >= seen, (len(steps), seen)
    seen = len(steps)
    client.get_run(run_id)
"""

SHARED_WRITER = """
import sys
from lakeflow import LakeflowClient
sys.stderr = open(errors, "a")
client = LakeflowClient(lake)
for step in range(count):
    client.log_metric(run_id, "loss", step, timestamp=step, step=number * 1_000_000 + step)
    if step % 100 == 0:
        client.set_tag(run_id, f"tag-{number}", step)
"""


def test_two_compactors_eight_writers_and_four_readers_agree(tmp_path: Path) -> None:
    lake, count, errors = str(tmp_path / "lake"), 3_000, tmp_path / "errors"
    client = LakeflowClient(lake)
    run_id = client.create_run("0").info.run_id
    errors.touch()
    told = {"lake": lake, "errors": str(errors), "run_id": run_id, "count": count}
    done = tmp_path / "done"
    compactors = [fork(COMPACTOR, **told) for _ in range(2)]
    readers = [fork(READER, **told, done=str(done)) for _ in range(4)]
    writers = [fork(SHARED_WRITER, **told, number=number) for number in range(8)]
    for process in writers:
        process.join(300)
    done.touch()
    for process in readers:
        process.join(300)
    assert {each.exitcode for each in [*writers, *readers]} == {0}, errors.read_text()
    for process in compactors:
        assert process.is_alive(), errors.read_text()
        process.kill()
        process.join()
    assert len(client.get_metric_history(run_id, "loss")) == 8 * count
    lakeflow.compact(lake)
    assert len(client.get_metric_history(run_id, "loss")) == 8 * count
    tags = client.get_run(run_id).data.tags
    assert {tags[f"tag-{number}"] for number in range(8)} == {str(count - 100)}


def test_processes_that_race_for_a_name_make_one_experiment(tmp_path: Path) -> None:
    code = "import sys, lakeflow; lakeflow.set_tracking_uri(sys.argv[1]);" + (
        "print(lakeflow.set_experiment('shared').experiment_id,"
        " lakeflow.create_experiment(sys.argv[2]))"
    )
    racers = [
        spawn(code, tmp_path / "lake", f"own-{n}", stdout=subprocess.PIPE) for n in range(6)
    ]
    answers = [process.communicate(timeout=120)[0].split() for process in racers]
    assert all(process.returncode == 0 for process in racers)
    assert len({shared for shared, _ in answers}) == 1
    assert len({own for _, own in answers}) == 6


# Python 3.12 warns of any fork of a process with threads; DuckDB's are such threads.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_logs_to_a_segment_of_its_own(
    tmp_path: Path, forked: Callable[..., int]
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "parent", 1)
    lakeflow.compact(tmp_path / "lake")
    assert client.get_run(run_id).data.metrics == {"parent": 1}

    def child() -> None:
        client.log_metric(run_id, "child", 2)
        client.log_param(run_id, "p", "from the child")
        client.log_metric(run_id, "queued", 3, synchronous=False).wait()
        made = client.create_run("0").info.run_id
        assert client.get_run(made).info.status == "RUNNING"
        assert client.get_run(run_id).data.metrics == {"parent": 1, "child": 2, "queued": 3}

    assert forked(child) == 0
    client.log_metric(run_id, "parent", 4, step=1)
    assert client.get_run(run_id).data.metrics == {"parent": 4, "child": 2, "queued": 3}
    found = (tmp_path / "lake" / "log").glob("*/*.jsonl")
    segments = [segment for segment in found if segment.parent.name != CONTROL]
    assert len({segment.parent for segment in segments}) == 2
    for segment in segments:
        sequence = [json.loads(line)["seq"] for line in segment.read_text().splitlines()]
        assert sequence == sorted(set(sequence))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_changes_experiments_and_is_told_where_it_cannot_compact(
    tmp_path: Path, forked: Callable[..., int]
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    client.create_experiment("before")
    lakeflow.compact(tmp_path / "lake")

    def child() -> None:
        assert client.create_experiment("in the child") == "2"
        with pytest.raises(LakeflowException, match="spawn") as caught:
            lakeflow.compact(tmp_path / "lake")
        assert caught.value.error_code == "BAD_REQUEST"

    assert forked(child) == 0
    assert client.create_experiment("after") == "3"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_end_its_parents_run(tmp_path: Path) -> None:
    lakeflow.set_tracking_uri(tmp_path / "lake")
    with lakeflow.start_run() as run:
        child = multiprocessing.get_context("fork").Process(
            target=lakeflow.log_metric, args=("child", 1.0)
        )
        child.start()
        child.join()
        assert child.exitcode == 0
        assert lakeflow.get_run(run.info.run_id).info.status == "RUNNING"
    found = lakeflow.get_run(run.info.run_id)
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"child": 1.0})


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("pass", "FINISHED"),
        ("raise ValueError", "FAILED"),
        ("raise KeyboardInterrupt", "KILLED"),
    ],
)
def test_a_block_that_ends_marks_its_run(tmp_path: Path, ending: str, status: str) -> None:
    code = f"""
import sys, lakeflow
lakeflow.set_tracking_uri(sys.argv[1])
with lakeflow.start_run() as run:
    print(run.info.run_id, flush=True)
    lakeflow.log_metric("loss", 1, synchronous=False)
    {ending}
"""
    process = spawn(code, tmp_path / "lake", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run_id = process.communicate(timeout=60)[0].strip()
    run = LakeflowClient(tmp_path / "lake").get_run(run_id)
    assert (run.info.status, run.data.metrics) == (status, {"loss": 1.0})


def test_a_process_that_exits_ends_its_run_and_drains_its_queue(tmp_path: Path) -> None:
    code = """
import sys, lakeflow
lakeflow.set_tracking_uri(sys.argv[1])
print(lakeflow.start_run().info.run_id, flush=True)
for step in range(2000):
    lakeflow.log_metric("loss", step, step=step, synchronous=False)
"""
    process = spawn(code, tmp_path / "lake", stdout=subprocess.PIPE)
    run_id = process.communicate(timeout=60)[0].strip()
    client = LakeflowClient(tmp_path / "lake")
    assert client.get_run(run_id).info.status == "FINISHED"
    assert len(client.get_metric_history(run_id, "loss")) == 2000
