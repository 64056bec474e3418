"""Copies of a record, whole or in chunks that overlap, count once: before a fold and after it."""

from __future__ import annotations

import itertools
import os

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lakeflow import records
from lakeflow.config import Settings
from lakeflow.entities import validation
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.log.positions import list_segments, writer_of
from lakeflow.maintenance.compact import compact_lake
from lakeflow.records import Origin, about, copied
from lakeflow.stores.store import Store

LENGTH = 12
EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "25"))
_LAKES = itertools.count()

chunks = st.tuples(st.integers(0, LENGTH - 1), st.integers(1, LENGTH)).filter(
    lambda chunk: chunk[0] < chunk[1]
)
steps = st.lists(st.one_of(chunks, st.sampled_from(["fold", "look", "original"])), max_size=9)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.generate],
)
@given(steps)
def test_each_point_of_a_record_counts_once(order: list[tuple[int, int] | str]) -> None:
    fs = open_filesystem(f"memory://copies-{next(_LAKES)}")
    store = Store(Lake.on(fs, Settings(vacuum_grace_s=0, auto_compact=False)))
    run_id = store.runs.create("0", 1, {}, "run").info.run_id
    (writer,) = {writer_of(path) for path in list_segments(fs)} - {"control"}
    # The record itself is the next one of this writer, if it is logged at all.
    points = [("loss", place / 2, 5, place) for place in range(LENGTH)]

    def metrics(first: int, last: int) -> str:
        return records.metrics(validation.by_column(points[first:last]))[0]

    head = about("0", run_id)
    others = Lake.on(fs, Settings(auto_compact=False))
    known: set[int] = set()
    # A copy is made of what the log has, so a fold that takes the copy has taken that before.
    is_logged = is_folded = False
    for step in order:
        if step == "fold":
            compact_lake(store.lake)
            is_folded = True
        elif step == "original" and not is_logged and not is_folded:
            is_logged = True
            store.lake.append([f"{head},{metrics(0, LENGTH)}"])
            known = {*range(LENGTH)}
        elif type(step) is tuple:
            first, last = step
            origin = Origin(writer, 2, 1_000_000, first)
            others.append([copied(origin, f"{head},{metrics(first, last)}")])
            known |= {*range(first, last)}
        history = store.reader.history(run_id, "loss")
        assert sorted(history.column("step").to_pylist()) == sorted(known)
    compact_lake(store.lake)
    found = store.reader.run(run_id).metrics
    assert {key: (each.value, each.count) for key, each in found.items()} == (
        {"loss": (max(known) / 2, len(known))} if known else {}
    )
