"""Lines that no fold can take: refused when they are given, else set aside whole and counted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lakeflow import records
from lakeflow.entities import Dataset, DatasetInput, InputTag
from lakeflow.exceptions import InvalidInputError
from lakeflow.log.clock import Clock
from lakeflow.maintenance.compact import compact_lake
from lakeflow.maintenance.staging import REJECTED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeflow.stores.store import Store

DAY_US = 24 * 3600 * 1_000_000


def rejected_lines(store: Store) -> list[str]:
    fs = store.lake.fs
    return [
        json.loads(line)["line"]
        for path in sorted(fs.sizes(REJECTED))
        for line in fs.read(path).splitlines()
    ]


def inject(store: Store, *lines: str) -> None:
    """Add lines to the log as the only writer of that name."""
    store.lake.fs.create(
        "log/stranger/00000001.jsonl", "".join(f"{x}\n" for x in lines).encode()
    )


def about(run_id: str) -> str:
    return f'"experiment_id":"0","run_id":"{run_id}"'


@pytest.mark.parametrize("clock", [2**63 - 1, 2**62])
def test_a_clock_from_the_far_future_is_nobody_elses_clock(
    another_process: Callable[..., Store], uri: str, clock: int
) -> None:
    store = another_process(uri)
    run_id = store.runs.create("0").info.run_id
    tag = '"tags":{"key":["who"],"value":["stranger"]}'
    inject(store, f'{{"seq":1,"clock":{clock},{about(run_id)},{tag}}}')
    reader = another_process(uri)
    assert reader.runs.get(run_id).data.tags["who"] == "stranger"
    assert reader.lake.clock.next() <= Clock().next() + DAY_US + 10**6
    ours = [reader.runs.create("0").info.run_id for _ in range(3)]
    reader.lake.close()
    report = compact_lake(another_process(uri, vacuum_grace_s=0).lake)
    assert (report.records, report.rejected) == (1 + 1 + 1 + 3, 0)
    after = another_process(uri)
    assert {run.info.run_id for run in after.runs.search(["0"])} == {run_id, *ours}
    assert after.runs.get(run_id).data.tags["who"] == "stranger"


@pytest.mark.parametrize(
    "line",
    [
        '{"seq":1,"clock":9223372036854775808,ABOUT,"tags":{"key":["a"],"value":["b"]}}',
        '{"seq":1,"clock":1e400,ABOUT,"tags":{"key":["a"],"value":["b"]}}',
        '{"seq":1,"clock":1,ABOUT,"metrics":{"key":["a"],"value":["x"],"timestamp":[1],"step":[1]}}',
        '{"seq":1,"clock":1,ABOUT,"tags":{"key":["a"],"value":["\\ud800"]}}',
        '{"seq":1,"clock":1,"padding":"' + "x" * 3 * records.LONGEST_LINE_BYTES + '"}',
    ],
    ids=range(5),
)
def test_what_a_fold_does_not_take_it_sets_aside_and_counts(
    another_process: Callable[..., Store], tmp_path: Path, line: str
) -> None:
    store = another_process(str(tmp_path / "lake"), vacuum_grace_s=0)
    run_id = store.runs.create("0").info.run_id
    line = line.replace("ABOUT", about(run_id))
    kept = f'{{"seq":2,"clock":2,{about(run_id)},"tags":{{"key":["kept"],"value":["yes"]}}}}'
    inject(store, line, kept)
    report = compact_lake(store.lake)
    assert (report.records, report.rejected) == (3, 1)
    assert rejected_lines(store) == [line]
    assert another_process(str(tmp_path / "lake")).runs.get(run_id).data.tags["kept"] == "yes"


def test_what_is_too_long_for_a_fold_is_refused_when_it_is_given(
    another_process: Callable[..., Store], uri: str
) -> None:
    store = another_process(uri)
    run_id = store.runs.create("0").info.run_id
    tags = [InputTag(f"k{number}", "v" * 500) for number in range(70_000)]
    dataset = Dataset("n", "d", "t", "s")
    with pytest.raises(InvalidInputError, match="one row may take 15,728,640"):
        store.runs.log_inputs(run_id, [DatasetInput(dataset, tags)])
    store.runs.log_inputs(run_id, [DatasetInput(dataset, tags[:20_000])])
    many = {f"k{number}": "v" * 5_000 for number in range(1_500)}
    with pytest.raises(InvalidInputError, match="one change"):
        store.experiments.create("large", tags=many)
    store.experiments.create("small", tags=dict(list(many.items())[:1_000]))
    report = compact_lake(store.lake)
    assert report.rejected == 0
    (used,) = another_process(uri).runs.get(run_id).inputs.dataset_inputs
    assert len(used.tags) == 20_000
