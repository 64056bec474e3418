"""Lines that others wrote: what they mean before a fold is what they mean after it.

Every field of every kind takes every kind of value. The lines stand in one log, each about a run of
its own, so that one fold tells for all of them.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.config import Settings
from lakeflow.entities import ViewType
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.maintenance.staging import REJECTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pytest

VALUES = [
    None, True, False, 0, 7, -1, 2**63 - 1, 2**63, -(2**63) - 1, 1.0, 0.5, -0.0, 1e300,
    float("nan"), float("inf"), "", "1", " 1", "x", "é", "\u0000", "[]", "{}", '{"a":1}', '{"a":"b"}',
    "active", [], [1], ["x"], [[]], {}, {"a": 1},
]  # fmt: skip

GOOD: dict[str, dict[str, list[Any]]] = {
    "runs": {
        "start_time": [1], "status": ["RUNNING"], "lifecycle_stage": ["active"], "run_name": ["n"],
        "user_id": ["u"], "artifact_uri": ["a"], "end_time": [2],
    },
    "params": {"key": ["k", "l"], "value": ["v", "w"]},
    "tags": {"key": ["k", "l"], "value": ["v", None]},
    "metrics": {"key": ["m", "m"], "value": [1.5, 2.5], "timestamp": [1, 2], "step": [1, 2]},
    "inputs": {
        "name": ["n"], "digest": ["d"], "source_type": ["t"], "source": ["s"], "schema": [None],
        "profile": ["p"], "tags": ['{"a":"b"}'],
    },
    "removed": {"kind": ["run"], "id": ["r"]},
    "experiments": {
        "experiment_id": ["7"], "name": ["seven"], "artifact_location": ["a"],
        "lifecycle_stage": ["active"], "creation_time": [1], "last_update_time": [1],
    },
    "experiment_tags": {"experiment_id": ["0"], "key": ["k"], "value": ["v"]},
    "control_events": {
        "number": ["0000000009"], "event_id": ["e"], "time": [1], "user_id": ["u"], "changes": ["[{}]"],
    },
}  # fmt: skip
"""A good field of each kind."""

IN_EVENTS = ("experiments", "experiment_tags", "control_events")

RAW: list[Callable[[bytes], bytes]] = [
    lambda line: b"\xef\xbb\xbf" + line,
    lambda line: b"  " + line + b" \t",
    lambda line: line + b"\r",
    lambda line: line + b"\x0b",
    lambda line: line + b"x",
    lambda line: line + line,
    lambda line: line[:-1] + b",}",
    lambda line: line[:-1],
    lambda line: line.replace(b'"v"', b'"\xff"'),
    lambda line: line.replace(b'"v"', b'"\xed\xa0\x80"'),
    lambda line: line.replace(b'"v"', b'"\\ud800"'),
    lambda line: line.replace(b'"v"', b'"\\ud83d\\ude00"'),
    lambda line: line.replace(b'"v"', b'"\x01"'),
    lambda line: line.replace(b'"v"', b'"\\q"'),
    lambda line: line.replace(b'"v"', b'"' + b"x" * 100_000 + b'"'),
    lambda line: line.replace(b'"tags"', b'"\\u0074ags"'),
    lambda line: line.replace(b'"tags"', b'"TAGS"'),
    lambda line: line.replace(b'"clock"', b'"clock":5,"clock"'),
    lambda line: line[:-1] + b',"tags":{"key":["twice"],"value":["x"]}}',
    lambda line: line[:-1] + b',"unknown":{"a":[1,{"b":null}]}}',
    lambda line: line[:-1] + b',"unknown":' + b"[" * 90 + b"]" * 90 + b"}",
    lambda line: line[:-1] + b',"unknown":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    lambda line: line[:-1] + b',"unknown":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}",
    lambda line: line[:-1] + b',"unknown":' + b"1" * 1_000_000 + b"}",
    lambda line: line[:-1] + b',"unknown":1.' + b"1" * 1_000_000 + b"}",
    lambda line: line[:-1] + b',"unknown":nan}',
    lambda line: line[:-1] + b',"unknown":Inf}',
    lambda line: line[:-1] + b',"unknown":01}',
    lambda line: line.decode().encode("utf-16"),
    lambda line: b"[" + line + b"]",
    lambda line: b"null",
    lambda line: b"\x00" * 50,
    lambda line: b"\r",
]  # fmt: skip


def wrong_fields(good: dict[str, list[Any]], values: Sequence[Any] = VALUES) -> Iterator[Any]:
    """Yield what may stand in the place of a good field."""
    yield from (good, None, 1, "x", [], [good], {})
    yield {**good, "unknown": ["x"]}
    for column in good:
        yield {each: good[each] for each in good if each != column}
        for value in values:
            changed = copy.deepcopy(good)
            changed[column][0] = value
            yield changed
        for value in (None, 1, "x", {}, [], good[column] * 2, good[column][:-1]):
            yield {**good, column: value}


def wrong_records() -> Iterator[dict[str, Any]]:
    for name, good in GOOD.items():
        yield from ({name: field} for field in wrong_fields(good))
    tags = {"tags": GOOD["tags"]}
    for name in ("seq", "clock", "experiment_id", "run_id", "copied_from"):
        # A text for the experiment is another experiment, which is as good.
        values = [each for each in VALUES if name != "experiment_id" or type(each) is not str]
        yield from ({**tags, name: value} for value in values)
    copy_of = {"copied_at": 1, "copied_from": "w", "copied_place": 1}
    for name in copy_of:
        yield from ({**tags, **copy_of, name: value} for value in (*VALUES, -1, 2**31))
        yield {**tags, **{each: copy_of[each] for each in copy_of if each != name}}


def write_log(lake: Path) -> list[str]:
    """Add the lines as one writer, each after one that makes its run; return the ids."""
    ids, lines = [], []
    for number, wrong in enumerate([*wrong_records(), *RAW]):
        run_id, seq, clock = f"{number:032x}", 2 * number + 1, 1_000_000 + 2 * number
        about: dict[str, Any] = {"experiment_id": "0", "run_id": run_id}
        made = {
            key: [f"{value[0]}{number}" if key == "run_name" else value[0]]
            for key, value in GOOD["runs"].items()
        }
        lines.append(json.dumps({"seq": seq, "clock": clock, **about, "runs": made}).encode())
        head = {"seq": seq + 1, "clock": clock + 1, **about}
        if callable(wrong):
            good = json.dumps({**head, "tags": GOOD["tags"]}, separators=(",", ":"))
            lines.append(wrong(good.encode()))
        else:
            lines.append(json.dumps({**head, **wrong}).encode())
        ids.append(run_id)
    folder = lake / "log" / "stranger"
    folder.mkdir()
    (folder / "00000001.jsonl").write_bytes(b"\n".join([*lines, b""]))
    return ids


def write_events(lake: Path) -> None:
    """Add wrong events to the control log, with good ones between."""
    wrong: list[dict[str, Any]] = []
    for name in IN_EVENTS:
        wrong += ({name: field} for field in wrong_fields(GOOD[name], VALUES[::3]))
    for number, fields in enumerate(wrong, 2):
        row = {**GOOD["control_events"], "number": [f"{number:010d}"]}
        if "control_events" in fields and isinstance(fields["control_events"], dict):
            row = fields["control_events"]
            if row.get("number") == GOOD["control_events"]["number"]:
                row = {**row, "number": [f"{number:010d}"]}
        other = {} if "control_events" in fields else fields
        line = {"seq": number << 20, "clock": 10 + number, "control_events": row, **other}
        if "control_events" in fields and not isinstance(fields["control_events"], dict):
            line["control_events"] = fields["control_events"]
        path = lake / "log" / "control" / f"{number:08d}.jsonl"
        path.write_text(json.dumps(line) + "\n")


def answers(uri: str, ids: list[str]) -> dict[str, Any]:
    """Return what every way of reading says about a lake."""
    client = LakeflowClient(uri)
    found: dict[str, Any] = {}
    pages = {
        "all": None,
        "named": "tags.k = 'v'",
        "low": "metrics.m < 2",
        "param": "params.k = 'v'",
    }
    for name, text in pages.items():
        runs = client.search_runs(["0"], text, ViewType.ALL, max_results=10_000)
        found[name] = sorted(repr(run) for run in runs)
    some = ids[:: len(ids) // 20]
    found["runs"] = [repr(client.get_run(run_id)) for run_id in some]
    found["history"] = [repr(client.get_metric_history(run_id, "m")) for run_id in some]
    experiments = client.search_experiments(ViewType.ALL, max_results=10_000)
    found["experiments"] = sorted(map(repr, experiments))
    named = [client.get_experiment_by_name(each.name) for each in experiments[:5]]
    found["single"] = list(map(repr, named))
    for view in (
        "runs",
        "params",
        "tags",
        "metrics",
        "latest_metrics",
        "inputs",
        "experiments",
        "control_events",
    ):
        rows = lakeflow.sql(f"FROM {view}", tracking_uri=uri).to_pylist()
        found[f"sql {view}"] = sorted(map(repr, rows))
    for scan in ("runs", "params", "tags", "metrics", "latest_metrics", "inputs"):
        frame = getattr(lakeflow, f"scan_{scan}")(tracking_uri=uri).collect()
        found[f"frame {scan}"] = sorted(map(repr, frame.rows()))
    return found


def test_a_line_means_the_same_before_and_after_a_fold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEFLOW_AUTO_COMPACT", "false")
    uri = str(tmp_path / "lake")
    lake = Lake.on(open_filesystem(uri), Settings())
    ids = write_log(Path(uri))
    write_events(Path(uri))
    before = answers(uri, ids)
    report = compact_lake(lake)
    after = answers(uri, ids)
    for name in before:
        different = [
            pair for pair in zip(before[name], after[name], strict=False) if pair[0] != pair[1]
        ]
        assert not different, (name, different[:3])
        assert len(before[name]) == len(after[name]), name
    logged = sum(
        1
        for path, size in lake.fs.sizes("log").items()
        for line in lake.fs.read(path, 0, size).split(b"\n")
        if line.strip()
    )
    assert report.records + report.rejected == logged
    aside = [
        line for path in lake.fs.sizes(REJECTED) for line in lake.fs.read(path).splitlines()
    ]
    assert len(aside) == report.rejected > 500
    # What is not set aside has an effect: each of these lines is in the tables.
    assert report.records > len(ids) + 100
