"""Lines become the same copies by their bytes as they do when they are parsed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lakeflow.kinds import KINDS
from lakeflow.stores.lines import Declarations
from lakeflow.syncing.lines import Lines

EXPERIMENTS = {"0": "0", "5": "12", "12": "5"}
DECLARED = Declarations(KINDS)

texts = st.sampled_from(
    [
        "",
        "x",
        '"experiment_id":"5"',
        '","experiment_id":"5',
        '"artifacts":{',
        '],"',
        "☃\\",
        "a\nb",
    ]
)
ids = st.sampled_from(["0", "5", "12", "77"])
numbers = st.integers(1, 2**40)
origins = st.none() | st.tuples(texts, numbers, numbers).map(list)


def by_column(count: int, **columns: Any) -> Any:
    return st.fixed_dictionaries(
        {name: st.lists(each, min_size=count, max_size=count) for name, each in columns.items()}
    )


of_runs = st.fixed_dictionaries(
    {"experiment_id": ids, "run_id": texts},
    optional={
        "tags": by_column(2, key=texts, value=texts),
        "artifacts": by_column(
            1, path=texts, size=numbers, sha256=texts, log_time=numbers, kind=texts,
            key=st.none(), step=st.none(), timestamp=st.none(),
        ),
    },
)  # fmt: skip
of_traces = st.fixed_dictionaries(
    {"trace_tags": by_column(2, experiment_id=ids, trace_id=texts, key=texts, value=texts)}
)
records = of_runs | of_traces


def written(
    record: dict[str, Any], origin: Any, seq: int, clock: int, *, plainly: bool
) -> bytes:
    named = {} if origin is None else {"origin": origin}
    line = {"seq": seq, "clock": clock, **named, **record}
    separators = (",", ":") if plainly else (", ", ": ")
    return json.dumps(line, ensure_ascii=not plainly, separators=separators).encode()


@given(records, origins, numbers, numbers, st.booleans())
def test_a_copy_says_what_its_record_said(
    record: dict[str, Any], origin: Any, seq: int, clock: int, plainly: bool
) -> None:
    line = written(record, origin, seq, clock, plainly=plainly)
    used = {record["experiment_id"]} if "experiment_id" in record else set()
    used |= {*record.get("trace_tags", {}).get("experiment_id", ())}
    copied = Lines(DECLARED, EXPERIMENTS).copied(line + b"\n", 'w"☃', 99)
    if not used <= {*EXPERIMENTS}:
        assert (copied.data, copied.lines, copied.left) == (b"", 0, 1)
        return
    assert (copied.lines, copied.left) == (1, 0)
    found = json.loads(copied.data)
    assert found.pop("clock") == 99
    assert found.pop("origin") == (origin or ['w"☃', seq, clock])
    del found["seq"]
    mine = json.loads(json.dumps(record))
    for fields in (mine, *(each for each in mine.values() if type(each) is dict)):
        if "experiment_id" in fields:
            here = fields["experiment_id"]
            fields["experiment_id"] = (
                EXPERIMENTS[here] if type(here) is str else [EXPERIMENTS[each] for each in here]
            )
    assert found == mine
    assert len(copied.with_files) == ("artifacts" in record)


@given(st.binary(max_size=60))
def test_what_is_no_record_becomes_none(noise: bytes) -> None:
    copied = Lines(DECLARED, EXPERIMENTS).copied(noise.replace(b"\n", b"") + b"\n", "w", 9)
    assert copied.data.count(b"\n") == copied.lines
