"""Runs of Weights & Biases, logged offline by its client, become runs of a lake."""

from __future__ import annotations

import json
import math
import shutil
import struct
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from importing.sources import PYTHON, make, read
from importing.ways import check_ways
from wandb.proto.wandb_internal_pb2 import Record

import lakeflow
from lakeflow import importing
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.importing.sources.wandb.records import records
from lakeflow.importing.sources.wandb.source import WandbSource

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 3,000 steps that said that it failed."""
    folder = tmp_path_factory.mktemp("failed")
    make("make_wandb_runs.py", folder, "fail")
    return folder


def log_of(folder: Path) -> Path:
    (log,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    return log


def copied(folder: Path, to: Path, data: bytes) -> Path:
    """Copy a run with another content of its log."""
    shutil.copytree(folder, to, symlinks=True)
    log_of(to).write_bytes(data)
    return log_of(to)


def framed(*messages: dict[str, Any]) -> bytes:
    """Return a short log of some records."""
    log = struct.pack("<4sHB", b":W&B", 0xBEE1, 0)
    for message in messages:
        body = Record(**message).SerializeToString()
        log += struct.pack("<IHB", zlib.crc32(body, zlib.crc32(b"\x01")), len(body), 1) + body
    return log


def written(folder: Path, *messages: dict[str, Any]) -> Path:
    """Write a log as W&B names it."""
    path = folder / "offline-run-20260101_000000-abc" / "run-abc.wandb"
    path.parent.mkdir(parents=True)
    path.write_bytes(framed(*messages))
    return path


RUN = {"run": {"run_id": "abc", "project": "p", "start_time": {"seconds": 1_000}}}


def test_a_run_arrives_with_all_that_it_logged(finished: Path) -> None:
    report = importing.from_wandb(finished / "wandb", "lake")

    lakeflow.set_tracking_uri("lake")
    (run,) = lakeflow.search_runs(experiment_names=["digits"], output_format="list")
    assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
    assert run.data.params == {
        "lr": "0.1",
        "optimizer.name": "adam",
        "optimizer.betas": "[0.9, 0.99]",
        "none": "None",
        "later": "yes",
    }
    tags = run.data.tags
    assert tags["mlflow.note.content"] == "of an evening"
    assert tags["wandb.entity"] == "team"
    assert (tags["wandb.group"], tags["wandb.job_type"]) == ("sweep", "train")
    assert json.loads(tags["wandb.tags"]) == ["baseline", "größe"]
    assert tags["wandb.summary.best"] == "0.75"
    assert tags["wandb.summary.text"] == "step 19"
    assert "wandb.summary.loss" not in tags
    history = lakeflow.metric_history(run.info.run_id, "loss").to_pylist()
    assert [(each["step"], each["value"]) for each in history] == [
        (step, 1 / (step + 1)) for step in range(20)
    ]
    assert all(run.info.start_time <= each["timestamp"] for each in history)
    assert run.data.metrics["val.acc"] == 19
    assert run.data.metrics["val.best.f1"] == 0.5
    assert run.data.metrics["odd_name"] == 7
    assert (run.data.metrics["flag"], run.data.metrics["inf"]) == (1, -math.inf)
    assert math.isnan(run.data.metrics["nan"])
    assert lakeflow.metric_history(run.info.run_id, "sparse").to_pylist()[0]["step"] == 1000
    assert any(key.startswith("system/") for key in run.data.metrics)
    assert {problem.why.split(" is ")[0] for problem in report.problems} == {
        "the metric 'odd@name'",
        "artifacts/model/data.csv",
    }
    assert report.loss_count == 1


def test_files_media_and_what_is_no_number_become_artifacts(finished: Path) -> None:
    files = read(WandbSource(finished)).files["first"]

    assert "printed by the run" in files["output.log"].text
    assert files["artifacts/model/weights.bin"].text == "weights"
    assert any(path.startswith("media/images/shown_") for path in files)
    assert any(path.startswith("media/table/rows_") for path in files)
    lines = [json.loads(line) for line in files["wandb-history.jsonl"].text.splitlines()]
    assert lines[3]["_step"] == 3
    assert (lines[3]["text"], lines[3]["list"]) == ("step 3", [1, 3])
    assert [each["shown"]["caption"] for each in lines if "shown" in each] == ["black"]
    assert [each["bars"]["_type"] for each in lines if "bars" in each] == ["histogram"]


def test_an_import_that_is_made_again_writes_nothing(finished: Path) -> None:
    def held() -> list[object]:
        return lakeflow.sql(
            "SELECT (SELECT count(*) FROM metrics), (SELECT count(*) FROM artifacts), "
            "(SELECT max(log_time) FROM artifacts), (SELECT count(*) FROM runs)"
        ).to_pylist()

    lakeflow.set_tracking_uri("lake")
    importing.from_wandb(finished, "lake")
    before = held()
    importing.from_wandb(finished, "lake")
    assert held() == before


def test_an_older_version_is_read_alike(finished: Path, tmp_path: Path) -> None:
    make("make_wandb_runs.py", tmp_path / "old", "finish", python=PYTHON)

    old, new = read(WandbSource(tmp_path / "old")), read(WandbSource(finished))
    assert old.runs["first"].params == new.runs["first"].params

    def plain(points: dict[str, list[tuple[float, int, int]]]) -> dict[str, str]:
        return {
            key: str([(value, step) for value, _, step in each])
            for key, each in points.items()
            if not key.startswith("system/")
        }

    assert plain(old.points["first"]) == plain(new.points["first"])
    assert old.files["first"].keys() & {"output.log", "wandb-history.jsonl"}
    assert "artifacts/model/weights.bin" in old.files["first"]


def test_an_exit_code_makes_a_run_failed(failed: Path) -> None:
    found = read(WandbSource(failed))
    assert found.runs["first"].status == "FAILED"
    assert not found.losses
    assert [value for value, *_ in found.points["first"]["loss"]] == [
        step / 8 for step in range(3000)
    ]


def test_a_killed_run_keeps_what_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make("make_wandb_runs.py", tmp_path, "kill") == -9
    found = read(WandbSource(tmp_path))
    assert found.runs["first"].status == "RUNNING"
    points = found.points["first"].get("loss", [])
    assert [value for value, *_ in points] == [step / 8 for step in range(len(points))]
    # Nobody has written to it for a while.
    monkeypatch.setattr("lakeflow.importing.sources.wandb.source._RUNNING_S", -1)
    assert read(WandbSource(tmp_path)).runs["first"].status == "KILLED"


def test_a_log_that_is_cut_anywhere_keeps_what_comes_before(
    failed: Path, tmp_path: Path
) -> None:
    data = log_of(failed).read_bytes()
    whole: list[str] = []
    everything = list(records(str(log_of(failed)), whole.append))
    assert not whole
    log, least = tmp_path / "run-cut.wandb", 0
    for size in [*range(0, 2_000, 37), *range(30_000, len(data), 9_973), len(data) - 1]:
        log.write_bytes(data[:size])
        complaints: list[str] = []
        found = list(records(str(log), complaints.append))
        assert found == everything[: len(found)]
        assert least <= len(found) < len(everything)
        least = len(found)
        # A cut between two records leaves a log that is whole.
        assert complaints or size == 7 or len(b"".join(found)) + 7 * len(found) <= size


def test_a_cut_log_is_reported_with_its_path_and_caught_up(
    failed: Path, tmp_path: Path
) -> None:
    data = log_of(failed).read_bytes()
    log = copied(failed, tmp_path / "cut", data[: len(data) // 2])

    report = importing.from_wandb(tmp_path / "cut", "lake")
    assert [problem.where for problem in report.problems if problem.is_loss] == [str(log)]
    assert not report.is_complete
    lakeflow.set_tracking_uri("lake")
    (half,) = lakeflow.sql("SELECT count(*) AS n FROM metrics WHERE key = 'loss'").to_pylist()
    assert 500 < half["n"] < 3000

    log.write_bytes(data)
    assert importing.from_wandb(tmp_path / "cut", "lake").is_complete
    (run,) = lakeflow.search_runs(experiment_names=["digits"], output_format="list")
    assert run.info.status == "FAILED"
    history = lakeflow.metric_history(run.info.run_id, "loss").to_pylist()
    assert [each["value"] for each in history] == [step / 8 for step in range(3000)]


def test_damage_in_a_log_costs_a_block(failed: Path, tmp_path: Path) -> None:
    data = bytearray(log_of(failed).read_bytes())
    data[50_000] ^= 255
    log = copied(failed, tmp_path / "damaged", bytes(data))

    found = read(WandbSource(tmp_path / "damaged"))
    assert found.losses[0].where == str(log)
    assert "bad checksum" in found.losses[0].why
    values = [value for value, *_ in found.points["first"]["loss"]]
    assert values == sorted(values)
    assert 2500 < len(values) < 3000
    assert values[-1] == 2999 / 8


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut before its first record"),
        (b"a picture of a cat", "no log of a W&B run"),
        (struct.pack("<4sHB", b":W&B", 0xBEE1, 9), "version 9"),
        (framed(), "which run it is of"),
    ],
    ids=["empty", "other", "newer", "headless"],
)
def test_a_log_that_cannot_be_read_is_reported_and_others_arrive(
    failed: Path, tmp_path: Path, data: bytes, why: str
) -> None:
    shutil.copytree(failed, tmp_path / "runs", symlinks=True)
    bad = tmp_path / "runs" / "wandb" / "offline-run-20200101_000000-bad" / "run-bad.wandb"
    bad.parent.mkdir()
    bad.write_bytes(data)

    found = read(WandbSource(tmp_path / "runs"))
    assert found.runs.keys() == {"first"}
    assert {problem.where for problem in found.losses} == {str(bad)}
    assert any(why in problem.why for problem in found.losses)


def test_a_resumed_run_is_one_run(tmp_path: Path) -> None:
    def step(number: int) -> dict[str, Any]:
        item = {"nested_key": ["loss"], "value_json": str(number)}
        return {"history": {"step": {"num": number}, "item": [item]}}

    first = written(tmp_path, RUN, step(0), step(1))
    second = tmp_path / "offline-run-20260102_000000-abc" / first.name
    second.parent.mkdir()
    second.write_bytes(framed(RUN, step(2), {"exit": {"exit_code": 0}}))

    found = read(WandbSource(tmp_path))
    assert [step for *_, step in found.points["abc"]["loss"]] == [0, 1, 2]
    assert found.runs["abc"].status == "FINISHED"


def test_times_may_be_relative_to_the_beginning(tmp_path: Path) -> None:
    items = [
        {"key": "_runtime", "value_json": "2.5"},
        {"key": "loss", "value_json": "1e-3"},
        {"key": "spelt", "value_json": '"NaN"'},
    ]
    written(tmp_path, RUN, {"history": {"step": {"num": 4}, "item": items}})

    points = read(WandbSource(tmp_path)).points["abc"]
    assert points["loss"] == [(0.001, 1_002_500, 4)]
    assert math.isnan(points["spelt"][0][0])


def test_a_log_of_a_stranger_cannot_name_a_file_of_this_machine(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    entry = {"path": "x", "local_path": str(secret), "digest": "bm9uZQ==", "size": 6}
    artifact = {"name": "a", "type": "model", "manifest": {"contents": [entry]}}
    log = written(tmp_path / "wandb", RUN, {"artifact": artifact})

    found = read(WandbSource(tmp_path / "wandb"))
    assert found.files == {"abc": {}}
    assert [problem.where for problem in found.losses] == [str(log)]


@pytest.mark.parametrize("local", ["/dev/null", "zero\0byte"])
def test_what_a_log_names_is_read_only_where_it_is_a_file(tmp_path: Path, local: str) -> None:
    # Of nothing, which is what this device gives; others have no end.
    digest = "1B2M2Y8AsgTpgAmY7PhCfg=="
    entry = {"path": "x", "local_path": str(tmp_path / local), "digest": digest, "size": 0}
    artifact = {"name": "a", "type": "model", "manifest": {"contents": [entry]}}
    log = written(tmp_path / "wandb", RUN, {"artifact": artifact})

    found = read(WandbSource(tmp_path / "wandb"))
    assert found.files == {"abc": {}}
    assert [problem.where for problem in found.losses] == [str(log)]


def test_runs_since_a_time_are_read(tmp_path: Path) -> None:
    written(tmp_path, RUN)
    assert read(WandbSource(tmp_path), since=1_000_000).runs
    assert not read(WandbSource(tmp_path), since=1_000_001).runs


def test_a_folder_without_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no runs of W&B"):
        WandbSource(tmp_path)


def test_without_the_package_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb.proto.wandb_internal_pb2", None)
    with pytest.raises(InvalidInputError, match=r"lakeflow\[wandb\]"):
        WandbSource(tmp_path)


def test_it_may_be_tried_chosen_of_stopped_and_made_again(failed: Path) -> None:
    check_ways(lambda: WandbSource(failed))
