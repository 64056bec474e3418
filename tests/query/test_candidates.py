"""Where a tag leaves few things, their documents are read, and what is found stays the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lakeflow.config import Settings
from lakeflow.entities import LifecycleStage, Metric, Param, TraceInfo, TraceState
from lakeflow.exceptions import DamagedLakeError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.kinds import MODEL_VERSION, RUN
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.query.engine.candidates import candidates
from lakeflow.schema import SPANS
from lakeflow.stores import reader
from lakeflow.stores.search import search_of
from lakeflow.stores.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeflow.kinds import Kind

RUNS = 40
FILTERS = (
    "params.kind = 'rare'",
    "params.kind = 'rare' AND metrics.loss > 10",
    "metrics.loss < 30 AND (tags.team IN ('x', 'y') AND params.lr = '1')",
    "tags.team = 'x' AND NOT params.kind = 'rare'",
    "tags.team = 'nobody'",
)


@pytest.mark.parametrize(
    ("kind", "text", "table"),
    [
        (RUN, "tags.team = 'x'", "tags"),
        (RUN, "metrics.loss > 1 AND (start_time > 1 AND params.lr IN ('1', '2'))", "params"),
        (MODEL_VERSION, "version_number = 1 AND tags.kind = 'x'", "model_version_tags"),
        (MODEL_VERSION, "name = 'a' AND tags.kind = 'x'", "registered_models"),
        (RUN, "tags.team = 'x' OR params.lr = '1'", None),
        (RUN, "NOT tags.team = 'x'", None),
        (RUN, "tags.team IS NULL", None),
        (RUN, "tags.team != 'x' AND params.lr LIKE '1%'", None),
        (RUN, "params.lr = 1 AND metrics.loss = 1 AND run_name = 'x'", None),
        (RUN, "", None),
    ],
)
def test_what_a_tag_or_a_name_must_be_tells_what_may_be_found(
    kind: Kind, text: str, table: str | None
) -> None:
    found = candidates(search_of(kind, text, 3, None), 10)
    assert (None if found is None else found.statement.tables[0]) == table


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(Lake.on(open_filesystem(tmp_path / "lake"), Settings(auto_compact=False)))
    other = store.experiments.create("other")
    for number in range(RUNS):
        experiment = other if number % 3 else "0"
        run_id = store.runs.create(
            experiment,
            start_time=number,
            run_name=f"r{number}",
            tags={"team": "xyz"[number % 3]},
        ).info.run_id
        params = [Param("kind", "often" if number % 7 else "rare"), Param("lr", "1")]
        store.runs.log_batch(run_id, [Metric("loss", number, 1, 1)], params)
    compact_lake(store.lake)
    return store


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have few things be read one by one, also in a small lake."""

    def take() -> None:
        monkeypatch.setattr(reader, "_MOST_ROWS_TO_CACHE", 0)
        monkeypatch.setattr(reader, "_ROWS_A_DOCUMENT", 1)

    return take


def names(store: Store, text: str, *, size: int = RUNS, ids: tuple[str, ...] = ()) -> list[str]:
    """Return the names of all that is found, page by page."""
    found: list[str] = []
    token: str | None = ""
    while token is not None:
        page = store.runs.search(
            list(ids) or ["0", "1"], text, 3, size, ["metrics.loss DESC"], token
        )
        found += [run.info.run_name for run in page]
        token = page.token or None
    return found


def all_found(store: Store) -> list[list[str]]:
    return [
        names(store, text, size=size, ids=ids)
        for text in FILTERS
        for size in (7, RUNS)
        for ids in ((), ("0",))
    ]


def test_documents_of_few_runs_say_what_their_tables_say(
    store: Store, few: Callable[[], None]
) -> None:
    by_tables = all_found(store)
    assert any(by_tables)
    few()
    assert all_found(store) == by_tables


def test_what_was_logged_since_is_laid_over_them(store: Store, few: Callable[[], None]) -> None:
    ids = {
        run.info.run_name: run.info.run_id for run in store.runs.search(["0", "1"], "", 3, 99)
    }
    store.runs.set_tag(ids["r1"], "team", "x")
    store.runs.set_tag(ids["r3"], "team", "z")
    store.runs.delete_tag(ids["r6"], "team")
    store.runs.log_metric(ids["r9"], "loss", 99.5, 2, 2)
    store.runs.set_stage(ids["r7"], LifecycleStage.DELETED)
    new = store.runs.create("0", start_time=99, run_name="new", tags={"team": "x"})
    store.runs.log_batch(new.info.run_id, (), [Param("kind", "rare"), Param("lr", "1")])
    by_tables = all_found(store)
    few()
    assert all_found(store) == by_tables
    assert names(store, "tags.team = 'x'")[:2] == ["r9", "r39"]
    assert "new" in names(store, "params.kind = 'rare'")


def test_tables_of_runs_are_not_read_for_them(
    store: Store, few: Callable[[], None], tmp_path: Path
) -> None:
    for file in (tmp_path / "lake/tables/runs").glob("*.parquet"):
        file.unlink()
    with pytest.raises(DamagedLakeError):
        names(store, "params.kind = 'rare'")
    few()
    assert names(store, "params.kind = 'rare'") == ["r35", "r28", "r21", "r14", "r7", "r0"]
    assert names(store, "params.kind = 'never'") == []
    # Of more than a page holds the tables are searched.
    with pytest.raises(DamagedLakeError):
        names(store, "params.kind = 'rare'", size=5)


def test_versions_with_a_tag_are_found_with_their_models(
    tmp_path: Path, few: Callable[[], None]
) -> None:
    store = Store(Lake.on(open_filesystem(tmp_path / "lake"), Settings(auto_compact=False)))
    for model in "abcd":
        store.models.create(model)
        for number in range(3):
            store.model_versions.create(
                model, f"s3://{number}", tags={"kind": "often" if number else "rare"}
            )
        store.models.set_alias(model, "champion", 1)
    compact_lake(store.lake)
    store.models.rename("a", "e")
    store.models.delete("b")
    store.model_versions.set_tag("c", 3, "kind", "rare", None)

    def found(text: str) -> list[tuple[str, int]]:
        page = store.model_versions.search(text, 100, ["name DESC"], None)
        return [(each.name, each.version) for each in page]

    texts = (
        "tags.kind = 'rare'",
        "tags.kind = 'rare' AND aliases = 'champion'",
        "tags.kind = 'rare' AND name != 'c'",
        "tags.kind = 'rare' AND aliases IS NULL",
        "name = 'e'",
        "name IN ('a', 'b', 'd') AND version_number < 3",
    )
    by_tables = [found(text) for text in texts]
    few()
    assert [found(text) for text in texts] == by_tables
    assert by_tables[0] == [("e", 1), ("d", 1), ("c", 3), ("c", 1)]
    assert by_tables[-2:] == [[("e", 3), ("e", 2), ("e", 1)], [("d", 2), ("d", 1)]]


def test_traces_with_a_tag_are_found_with_what_follows_from_their_spans(
    tmp_path: Path, few: Callable[[], None]
) -> None:
    store = Store(Lake.on(open_filesystem(tmp_path / "lake"), Settings(auto_compact=False)))
    columns = {
        name: [None] for name in SPANS.column_names if name not in {"experiment_id", "day"}
    }
    for number in range(10):
        trace_id, begun = f"tr-{number:032x}", 10**18 + number
        span = columns | {
            "trace_id": [trace_id],
            "span_id": ["a" * 16],
            "start_time_ns": [begun],
            "end_time_ns": [begun + 10**6],
            "name": [f"root {number}"],
            "span_type": ["LLM"],
            "kind": ["INTERNAL"],
            "status": ["OK"],
            "attributes": ["{}"],
        }
        store.traces.log_spans("0", span)
        tags = {"team": "rare" if number % 4 == 1 else "often"}
        store.traces.start(TraceInfo(trace_id, "0", number, TraceState.IN_PROGRESS, tags=tags))
    compact_lake(store.lake)
    store.traces.set_tag(f"tr-{2:032x}", "team", "rare")
    store.traces.delete_tag(f"tr-{9:032x}", "team")

    def found(text: str) -> list[str]:
        page = store.traces.search(["0"], text, 10, ["timestamp_ms DESC", "name"])
        return [trace.info.trace_id[-1] for trace in page]

    texts = (
        "tags.team = 'rare'",
        "tags.team = 'rare' AND name = 'root 5'",
        "tags.team = 'rare' AND span.name LIKE '%1'",
        "tags.team = 'nobody'",
    )
    by_tables = [found(text) for text in texts]
    few()
    assert [found(text) for text in texts] == by_tables
    assert by_tables == [["5", "2", "1"], ["5"], ["1"], []]
