"""A lake that somebody else wrote to: every reader, a compaction and a vacuum walk over it.

One good lake is made, and copied for each case; in the copy something is planted. Whatever it is,
each walk works or says what is wrong, soon and in a few words, and nothing beside the lake changes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow
import pytest
from pyarrow import parquet

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.config import Settings
from lakeflow.entities import Metric, Param, RunTag, ViewType
from lakeflow.exceptions import DamagedLakeError, LakeflowException
from lakeflow.filesystem.location import open_filesystem
from lakeflow.kinds import EXPERIMENT
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.maintenance.vacuum import vacuum
from lakeflow.stores.documents import thing_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Plant = Callable[[Path], object]

OLD_S = 3 * 24 * 3600
"""Age of all that is in the lake: old enough for a vacuum to delete what it may."""


def opened(uri: Path | str) -> Lake:
    settings = Settings(auto_compact=False, vacuum_grace_s=0, retention_s=0)
    return Lake.on(open_filesystem(str(uri)), settings)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with two folds, a segment beyond them, and events beyond them."""
    root = tmp_path_factory.mktemp("good") / "lake"
    client = LakeflowClient(str(root))
    for turn in range(3):
        experiment = client.create_experiment(f"experiment {turn}")
        for _ in range(2):
            run = client.create_run(experiment)
            metrics = [Metric("m", step / 2, 1, step) for step in range(5)]
            client.log_batch(run.info.run_id, metrics, [Param("p", "v")], [RunTag("t", "v")])
        if turn < 2:
            compact_lake(opened(root))
    client._store.lake.close()
    shutil.rmtree(root / ".staging", ignore_errors=True)
    return root


@pytest.fixture
def lake(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKEFLOW_AUTO_COMPACT", "false")
    shutil.copytree(good, tmp_path / "place" / "lake")
    canary = tmp_path / "place" / "canary"
    canary.mkdir()
    for name in ("file", "lock", "clock", "deleted.json", "00000001.jsonl", "a.parquet"):
        (canary / name).write_text('{"seq":1,"clock":1}\n')
    (canary / "folder").mkdir()
    (canary / "folder" / "file").write_text("inner")
    age(tmp_path / "place")
    return tmp_path / "place" / "lake"


def age(folder: Path) -> None:
    then = time.time() - OLD_S
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            with contextlib.suppress(FileNotFoundError):
                os.utime(Path(path, name), (then, then), follow_symlinks=False)


def beside(lake: Path) -> dict[str, Any]:
    """Return all that is in the folder around a lake, but for the lake."""
    return {
        str(path.relative_to(lake.parent)): (
            path.stat().st_mtime_ns,
            path.is_file() and path.read_bytes(),
        )
        for path in sorted(lake.parent.rglob("*"))
        if lake not in (path, *path.parents)
    }


# Walks


def readers(uri: str) -> Iterator[Callable[[], object]]:
    client = LakeflowClient(uri)
    yield lambda: client.search_runs(["0", "1", "2", "3"], "metrics.m > 0", ViewType.ALL)
    yield lambda: [client.get_run(each) for each in RUNS[uri]]
    yield lambda: [client.get_metric_history(each, "m") for each in RUNS[uri]]
    yield lambda: client.search_experiments(ViewType.ALL)
    yield lambda: client.get_experiment_by_name("experiment 1")
    yield lambda: lakeflow.sql("SELECT * FROM runs_wide", tracking_uri=uri).num_rows
    yield lambda: lakeflow.sql("SELECT * FROM metrics", tracking_uri=uri).num_rows
    yield lambda: lakeflow.metric_series(RUNS[uri], "m", 3, tracking_uri=uri)
    yield lambda: lakeflow.scan_runs(tracking_uri=uri)
    yield lambda: lakeflow.scan_metrics(tracking_uri=uri)


RUNS: dict[str, list[str]] = {}


def outcome(call: Callable[[], object]) -> str | None:
    """Return the code of the error of a call; None if it works."""
    try:
        call()
    except LakeflowException as error:
        failure = error
    else:
        return None
    # What is wrong with a file is said of the file, in a few words.
    assert failure.error_code != "INTERNAL_ERROR", failure
    assert len(failure.message) < 1_500, failure.message[:3000]
    assert "SELECT" not in failure.message
    return failure.error_code


def walk(lake: Path) -> dict[str, list[str | None]]:
    """Read, compact, vacuum and copy a lake; return what became of each."""
    uri = str(lake)
    before = beside(lake)
    found = {"read": [outcome(call) for call in readers(uri)]}
    found["compact"] = [outcome(lambda: compact_lake(opened(lake)))]
    age_folds(lake)
    found["vacuum"] = [outcome(lambda: vacuum(opened(lake)))]
    found["again"] = [outcome(call) for call in islice(readers(uri), 3)]
    assert beside(lake) == before, "something beside the lake was touched"
    return found


def age_folds(lake: Path) -> None:
    if not (lake / "folds").is_symlink():
        age(lake / "folds")


@pytest.fixture(scope="module")
def run_ids(good: Path) -> list[str]:
    client = LakeflowClient(str(good))
    return [run.info.run_id for run in client.search_runs([str(n) for n in range(4)])]


# What is planted


def newest_done(lake: Path) -> Path:
    return max((lake / "folds").glob("??????????.done.json"))


def edit(change: Callable[[dict[str, Any]], object]) -> Plant:
    def plant(lake: Path) -> None:
        path = newest_done(lake)
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return plant


def link(name: str, target: str = "../canary") -> Plant:
    """Put a link in the place of a folder, to a folder beside the lake."""

    def plant(lake: Path) -> None:
        path = lake / name
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
        path.symlink_to(lake / target)

    return plant


def writer(lake: Path, name: str | bytes = "stranger") -> Path:
    folder = Path(os.fsdecode(os.path.join(os.fsencode(lake / "log"), os.fsencode(name))))
    folder.mkdir()
    return folder


def segment(
    content: bytes, name: str = "00000001.jsonl", of: str | bytes = "stranger"
) -> Plant:
    return lambda lake: (writer(lake, of) / name).write_bytes(content)


def sparse(lake: Path, of: str = "stranger", name: str = "00000001.jsonl") -> None:
    folder = lake / "log" / of
    folder.mkdir(exist_ok=True)
    with (folder / name).open("wb") as file:
        file.truncate(2**40)


def set_grace(lake: Path, grace_s: int) -> None:
    content = json.loads((lake / "lake.json").read_text())
    (lake / "lake.json").write_text(json.dumps({**content, "event_grace_s": grace_s}))


def socket_in(lake: Path) -> None:
    folder = writer(lake)
    here = os.getcwd()
    os.chdir(folder)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("00000001.jsonl")
    os.chdir(here)


def delta_log(lake: Path, path: str) -> None:
    """Let the Delta log of the tables name a file."""
    for folder in (lake / "tables").iterdir():
        log = folder / "_delta_log"
        last = max(int(each.name[:20]) for each in log.glob("*.json"))
        add = {
            "path": path,
            "partitionValues": {},
            "size": 20,
            "modificationTime": 1,
            "dataChange": True,
        }
        (log / f"{last + 1:020d}.json").write_text(json.dumps({"add": add}) + "\n")


def flip(pattern: str, place: float) -> Plant:
    def plant(lake: Path) -> None:
        for path in lake.glob(pattern):
            data = bytearray(path.read_bytes())
            at = min(int(len(data) * place), len(data) - 1)
            data[at : at + 8] = bytes(each ^ 0xFF for each in data[at : at + 8])
            path.write_bytes(data)

    return plant


def replace_column(change: Callable[[pyarrow.Table], pyarrow.Table]) -> Plant:
    """Change the columns of all files of one table, and what the fold says of their size."""

    def plant(lake: Path) -> None:
        done = newest_done(lake)
        content = json.loads(done.read_text())
        for row in content["files"]["runs"]:
            path = lake / "tables" / "runs" / row[0]
            parquet.write_table(change(parquet.read_table(path)), path)
            row[1] = path.stat().st_size
        done.write_text(json.dumps(content))

    return plant


def folder_for_file(pattern: str) -> Plant:
    def plant(lake: Path) -> None:
        for path in list(lake.glob(pattern)):
            path.unlink()
            path.mkdir()

    return plant


def file_for_folder(name: str) -> Plant:
    def plant(lake: Path) -> None:
        if (lake / name).exists():
            shutil.rmtree(lake / name)
        (lake / name).write_text("a file")

    return plant


LINE = (
    b'{"seq":1,"clock":1,"experiment_id":"1","run_id":"x","tags":{"key":["a"],"value":["b"]}}\n'
)

WRITERS = (
    "a\nb",
    "*",
    "[a]",
    "?",
    "²",
    " ",
    "a\\b",
    ".hidden",
    "é",
    b"\xff\xfe",
    "%2e%2e",
    "$(id)",
    "'; DROP",
    "x" * 255,
)

SEGMENTS = (
    "²²²²²²²².jsonl",
    "1.jsonl",
    "00000001.jsonl.jsonl",
    "-0000001.jsonl",
    "0000000a.jsonl",
    "*.jsonl",
    "9" * 30 + ".jsonl",
)

CASES: dict[str, Plant] = {
    "removed": edit(lambda done: done["removed"].update({"tables/runs": ["../../../canary/file"]})),
    "removed absolute": edit(lambda done: done["removed"].update({"tables/runs": ["/etc/canary"]})),
    "removed folder": edit(lambda done: done["removed"].update({"../canary": ["file"]})),
    "removed folder below": edit(lambda done: done["removed"].update({"tables/../../canary": ["file"]})),
    "file above": edit(lambda done: done["files"]["runs"].append(["../../../canary/a.parquet", 20, 1, {}])),
    "table above": edit(lambda done: done["files"].update({"../canary": [["file", 20, 1, {}]]})),
    "index above": edit(lambda done: done["indexes"].update({"../../canary": [["file", 20, 1, "a", "b"]]})),
    "index file above": edit(lambda done: done["indexes"]["run"].append(["../../../canary/file", 20, 1, "a", "b"])),
    "position above": edit(lambda done: done["positions"].update({"../../canary": [5, 0, 1]})),
    "delta log above": lambda lake: delta_log(lake, "../../../canary/a.parquet"),
    "delta encoded": lambda lake: delta_log(lake, "%2e%2e/%2e%2e/%2e%2e/canary/a.parquet"),
    "delta absolute": lambda lake: delta_log(lake, f"{lake.parent}/canary/a.parquet"),
    "delta url": lambda lake: delta_log(lake, f"file://{lake.parent}/canary/a.parquet"),
    "delta garbage": lambda lake: delta_log(lake, "x\x00y"),
    "staging link": link(".staging"),
    "log link": link("log"),
    "writer link": link("log/stranger"),
    "folds link": link("folds"),
    "lock link": link("folds/lock", "../canary/lock"),
    "clock link": link("folds/clock", "../canary/clock"),
    "table link": link("tables/runs"),
    "tables link": link("tables"),
    "index link": link("index/run"),
    "rejected link": link("rejected"),
    "lake file link": link("lake.json", "../canary/file"),
    "segment link": lambda lake: (writer(lake) / "00000001.jsonl").symlink_to(lake.parent / "canary" / "file"),
    "fifo": lambda lake: os.mkfifo(writer(lake) / "00000001.jsonl"),
    "fifo in folds": lambda lake: os.mkfifo(lake / "folds" / "0000000099.done.json"),
    "fifo for lake file": lambda lake: ((lake / "lake.json").unlink(), os.mkfifo(lake / "lake.json")),
    "fifo for lock": lambda lake: ((lake / "folds/lock").unlink(missing_ok=True), os.mkfifo(lake / "folds/lock")),
    "fifo in an index": lambda lake: [(each.unlink(), os.mkfifo(each)) for each in (lake / "index/run").iterdir()],
    "device": lambda lake: (writer(lake) / "00000001.jsonl").symlink_to("/dev/zero"),
    "socket": socket_in,
    "folder for segment": lambda lake: (writer(lake) / "00000001.jsonl").mkdir(),
    "folder for event": lambda lake: (lake / "log" / "control" / f"{9:08d}.jsonl").mkdir(),
    "folder for fold": lambda lake: (lake / "folds" / "0000000099.done.json").mkdir(),
    "folders for index files": folder_for_file("index/run/*"),
    "folders for data": folder_for_file("tables/runs/*.parquet"),
    "folder for lake file": folder_for_file("lake.json"),
    **{f"file for {name}": file_for_folder(name) for name in ("log", "folds", "tables", "index", ".staging", "rejected", "log/stranger", "tables/runs", "tables/runs/_delta_log", "log/control")},
    "sparse segment": sparse,
    "zeros": segment(b"\x00" * 70_000_000),
    "deep line": segment(b"[" * 100_000 + b"\n" + LINE),
    "deep object": segment(b'{"seq":1,"clock":1,"a":' * 5000 + b"\n" + LINE),
    "long number": segment(b'{"seq":' + b"1" * 1_000_000 + b',"clock":1}\n' + LINE),
    "long line": segment(b'{"seq":1,"clock":1,"a":"' + b"x" * 70_000_000 + b'"}\n' + LINE),
    "empty segments": lambda lake: [(folder / f"{n:08d}.jsonl").touch() for folder in [writer(lake)] for n in range(1, 2001)],
    "names of writers": lambda lake: [segment(LINE, of=name)(lake) for name in WRITERS],
    "names of segments": lambda lake: [segment(LINE, name, f"w{at}")(lake) for at, name in enumerate(SEGMENTS)],
    "position beyond the end": edit(lambda done: [each.__setitem__(1, 10**9) for each in done["positions"].values()]),
    "position of wrong types": edit(lambda done: done["positions"].update({"w": [1.0, "x", None]})),
    "position below": edit(lambda done: done["positions"].update({"w": [-1, -1, -1]})),
    "huge position": edit(lambda done: done["positions"].update({"w": [10**30, 10**30, 1]})),
    "huge fold": lambda lake: shutil.copy(newest_done(lake), lake / "folds" / "9999999999.done.json"),
    "huge plan": lambda lake: (lake / "folds" / "9999999999.json").write_text("{}"),
    "large fold": lambda lake: shutil.copy(newest_done(lake), lake / "folds" / f"{2**31 - 1}.done.json"),
    "fold of digits": lambda lake: shutil.copy(newest_done(lake), lake / "folds" / "²²²²²²²²²².done.json"),
    "empty plan": lambda lake: (lake / "folds" / "0000000003.json").touch(),
    "plan of garbage": lambda lake: (lake / "folds" / "0000000003.json").write_text('{"mark":1}'),
    "plan beyond": lambda lake: (lake / "folds" / "0000000003.json").write_text(json.dumps({"mark": 3 << 32, "base": 2, "positions": {each.name: [1, 10**12, 3] for each in (lake / "log").iterdir()}, "latest_clock": 2**62})),
    "plan far beyond": lambda lake: (lake / "folds" / "0000000003.json").write_text(json.dumps({"mark": 3 << 32, "base": 2, "positions": {each.name: [10**12, 0, 3] for each in (lake / "log").iterdir()}, "latest_clock": 2**62})),
    "plan on itself": lambda lake: (lake / "folds" / "0000000003.json").write_text(json.dumps({"mark": 3 << 32, "base": 3, "positions": {}, "latest_clock": 1})),
    "fold on itself": edit(lambda done: done.update({"base": 2})),
    "many entries": lambda lake: newest_done(lake).write_text('{"files":{"runs":[' + '["part.parquet",1,1,{}],' * 1_500_000),
    "many removed": edit(lambda done: done["removed"].update({"tables/runs": [f"part-{n}.parquet" for n in range(20_000)]})),
    "wrong counts": edit(lambda done: [row.__setitem__(2, 10**15) for rows in done["files"].values() for row in rows]),
    "wrong sizes": edit(lambda done: [row.__setitem__(1, 10**15) for rows in done["files"].values() for row in rows]),
    "bounds of one": edit(lambda done: [row.__setitem__(3, {"run_id": ["a"]}) for rows in done["files"].values() for row in rows]),
    "bounds of other types": edit(lambda done: [row.__setitem__(3, {"run_id": [1, 2], "experiment_id": [0.5, 1.5]}) for rows in done["files"].values() for row in rows]),
    "entries of an index": edit(lambda done: [row.__setitem__(2, 10**15) for rows in done["indexes"].values() for row in rows]),
    "versions of text": edit(lambda done: done.update({"versions": {"runs": "x"}})),
    "no versions": edit(lambda done: done.update({"versions": {}})),
    "huge marks": edit(lambda done: done.update({"marks": dict.fromkeys(done["marks"], 2**63 - 1)})),
    "huge numbers": edit(lambda done: done.update({"numbers": {"experiment": 10**40}})),
    "deep fold": lambda lake: newest_done(lake).write_text('{"base":' + "[" * 100_000),
    "fold of a long number": lambda lake: newest_done(lake).write_text('{"base":' + "1" * 1_000_000 + "}"),
    "fold of a list": lambda lake: newest_done(lake).write_text("[]"),
    "deep deletions": lambda lake: (lake / "folds" / "deleted.json").write_text("[" * 100_000),
    "deep lake file": lambda lake: (lake / "lake.json").write_text("[" * 100_000),
    "huge grace": lambda lake: set_grace(lake, 10**400),
    "long grace": lambda lake: set_grace(lake, 2**62),
    "infinite grace": lambda lake: (lake / "lake.json").write_text('{"format_version":5,"event_grace_s":1e999}'),
    "torn event": lambda lake: (lake / "log" / "control" / f"{5:08d}.jsonl").write_bytes(b'{"seq":1'),
    "sparse event": lambda lake: sparse(lake, "control", "00000005.jsonl"),
    "empty event": lambda lake: (lake / "log" / "control" / f"{5:08d}.jsonl").touch(),
    **{f"flipped {pattern} at {place}": flip(pattern, place) for pattern in ("tables/runs/*.parquet", "tables/metrics/*.parquet", "index/run/*", "index/experiment.name/*", "tables/runs/_delta_log/*.json") for place in (0.5, 0.99)},
    "column missing": replace_column(lambda table: table.drop_columns(["status"])),
    "column of another type": replace_column(lambda table: table.set_column(table.schema.get_field_index("start_time"), "start_time", pyarrow.array(["x"] * table.num_rows))),
    "more fields": edit(lambda done: (done.update(new=[1]), [row.append("new") for rows in done["files"].values() for row in rows], [row.append("new") for rows in done["indexes"].values() for row in rows])),
    "more tables": edit(lambda done: [done[name].update(new=value) for name, value in (("files", [["a.parquet", 1, 1, {}]]), ("versions", 3), ("marks", 0))]),
    "more columns": replace_column(lambda table: table.append_column("new", pyarrow.array([1] * table.num_rows))),
}  # fmt: skip

WORKS = {
    "more columns", "more fields", "more tables", "fifo", "socket", "device", "writer link", "segment link", "empty plan", "plan of garbage",
    "plan beyond", "plan far beyond", "plan on itself", "huge fold", "huge plan", "fold of digits", "sparse segment",
    "zeros", "deep line", "deep object", "long number", "long line", "empty segments", "folder for segment",
    "wrong counts", "names of writers", "names of segments",
}  # fmt: skip
"""What is set aside, or is no part of the lake: all else of it is read and compacted."""


@pytest.mark.parametrize("case", CASES)
def test_a_planted_lake_is_read_or_refused(case: str, lake: Path, run_ids: list[str]) -> None:
    RUNS[str(lake)] = run_ids
    CASES[case](lake)
    age(lake)
    found = walk(lake)
    codes = {code for some in found.values() for code in some if code is not None}
    # Where the log itself was taken away, its runs are not there.
    gone = {"RESOURCE_DOES_NOT_EXIST"} if case in {"log link", "file for log"} else set()
    assert codes <= {"DATA_LOSS", "INVALID_STATE", *gone}, found
    if case in WORKS:
        assert not codes, found
    left = (
        list((lake / "log" / "stranger").glob("*"))
        if (lake / "log" / "stranger").is_dir()
        else []
    )
    assert case != "empty segments" or not left


def test_nothing_is_folded_of_a_lake_with_more_tables(lake: Path) -> None:
    compact_lake(opened(lake))
    CASES["more tables"](lake)
    assert not compact_lake(opened(lake)).folds
    # Whoever misses a file looks whether the tables were rewritten.
    for file in (lake / "tables" / "metrics").glob("*.parquet"):
        file.unlink()
    with pytest.raises(DamagedLakeError, match="metrics"):
        compact_lake(opened(lake))


def test_a_document_may_have_more_than_is_known() -> None:
    document = {
        "experiment_id": "0", "name": "n", "artifact_location": "a", "lifecycle_stage": "active",
        "creation_time": 1, "last_update_time": 1, "lifecycle_clock": None,
    }  # fmt: skip
    known = {"experiment_id": "0", "clocks": {"made": 1}, "experiments": document}
    more = {
        **known,
        "new": [1],
        "clocks": {"made": 1, "new": 2},
        "experiments": {**document, "new": 1},
    }
    assert thing_of(EXPERIMENT, more).row(EXPERIMENT) == thing_of(EXPERIMENT, known).row(
        EXPERIMENT
    )
