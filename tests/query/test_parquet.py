"""How rows become row groups."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise

import pyarrow
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow.query.folding.parquet import row_groups
from lakeflow.schema import SPANS

ROWS = 16
LEAST, MOST = ROWS // 4, ROWS * 5 // 4
PARTED = replace(SPANS, row_group_rows=ROWS)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), max_size=150))
def test_row_groups_end_where_what_they_are_parted_by_changes(days: list[tuple[str, int]]):
    days.sort()
    whole = pyarrow.RecordBatch.from_pydict(
        {
            "experiment_id": [experiment for experiment, _ in days],
            "day": [day for _, day in days],
            "place": list(range(len(days))),
        }
    )
    batches = [whole.slice(start, ROWS) for start in range(0, len(days), ROWS)]

    groups = [group.column("place").to_pylist() for group in row_groups(PARTED, batches)]

    assert [place for group in groups for place in group] == list(range(len(days)))
    ends = list(accumulate(map(len, groups)))
    changes = {at for at, (one, next_) in enumerate(pairwise(days), 1) if one != next_}
    for start, end in pairwise((0, *ends)):
        assert 0 < end - start <= MOST
        may_end = changes & set(range(start + LEAST, start + MOST + 1))
        # Only where nothing changes in time a row group is full, or the last one.
        assert end in changes or (not may_end and (end - start == ROWS or end == len(days)))


def test_rows_that_are_parted_by_nothing_stay_as_they_come():
    batch = pyarrow.RecordBatch.from_pydict({"key": ["a", "b", "c"]})

    assert list(row_groups(replace(SPANS, parted_by=()), [batch, batch])) == [batch, batch]
