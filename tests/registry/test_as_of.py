"""The registry as it was at any moment: what was answered then is answered again."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lakeflow
from lakeflow.exceptions import InvalidInputError, LakeflowException, NotFoundError
from lakeflow.open_store import open_store
from lakeflow.stores.registry.approvals import approval
from lakeflow.stores.registry.replay import replay

if TYPE_CHECKING:
    from lakeflow import LakeflowClient
    from lakeflow.stores.store import Store

NAMES = ("a", "b")
VERSIONS = (1, 2, 3)
ALIASES = ("x", "y")
EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "15"))
_NUMBERS = itertools.count()

names, versions = st.sampled_from("aab"), st.sampled_from((1, 1, 2, 2, 3))
aliases, texts = st.sampled_from(ALIASES), st.sampled_from(["", "one", "zwei ü"])
stages = st.sampled_from(["None", "staging", "Production", "Archived"])
tags = st.dictionaries(st.sampled_from(["k", "l"]), texts, max_size=2)
CALLS: dict[str, tuple[Any, ...]] = {
    "models.create": (names, tags, st.none() | texts),
    "models.rename": (names, names),
    "models.update": (names, texts),
    "models.delete": (names,),
    "models.set_tag": (names, st.just("k"), texts),
    "models.delete_tag": (names, st.just("k")),
    "models.set_alias": (names, aliases, versions),
    "models.delete_alias": (names, aliases),
    "models.require_approval": (names, st.booleans()),
    "model_versions.create": (names, st.just("s3://b/m"), st.none() | texts, tags),
    "model_versions.copy": (st.sampled_from(["models:/a/1", "models:/b@x"]), names),
    "model_versions.update": (names, versions, texts),
    "model_versions.transition": (names, versions, stages, st.booleans()),
    "model_versions.delete": (names, versions),
    "model_versions.set_tag": (names, versions, st.just("k"), texts, st.none()),
    "model_versions.delete_tag": (names, versions, st.just("k"), st.none()),
    "model_versions.sign": (names, versions, texts),
    "approve": (names, versions, st.sampled_from(["approved", "rejected"]), texts, texts),
}
calls = st.lists(
    st.sampled_from(list(CALLS)).flatmap(
        lambda name: st.tuples(st.just(name), st.tuples(*CALLS[name]))
    ),
    min_size=10,
    max_size=25,
)
# There is something to change from the beginning on.
FIRST: list[tuple[str, tuple[Any, ...]]] = [
    ("models.create", ("a", {}, None)),
    *[("model_versions.create", ("a", "s3://b/m", None, {}))] * 2,
]


def make(store: Store, name: str, values: tuple[Any, ...]) -> None:
    if name == "approve":
        store.models.change(approval(*values))
        return
    noun, verb = name.split(".")
    getattr(getattr(store, noun), verb)(*values)


def answers(store: Store, as_of: int | None = None) -> dict[tuple[Any, ...], Any]:
    """Return all that can be asked, and what is answered; nothing for an error."""
    asked: list[Any] = [((name,), store.models.get) for name in NAMES]
    asked += [((name, None), store.models.latest_versions) for name in NAMES]
    for name in NAMES:
        asked += [((name, each), store.model_versions.get) for each in VERSIONS]
        asked += [((name, each), store.model_versions.get_by_alias) for each in ALIASES]
    found = {}
    for values, get in asked:
        with contextlib.suppress(NotFoundError, InvalidInputError):
            found[values] = get(*values, as_of)
    return found


SEARCHES: dict[str, list[tuple[str | None, list[str] | None]]] = {
    "models": [
        (None, ["last_updated_timestamp DESC"]),
        ("tags.k = 'one' OR aliases = 'x' OR description ILIKE 'Z%'", None),
    ],
    "model_versions": [
        (None, None),
        ("name = 'a' AND aliases = 'x'", None),
        ("NOT tags.k = 'one' OR approval IS NULL", ["creation_timestamp", "description"]),
        ("current_stage != 'Archived' AND version_number < 3", ["last_updated_timestamp"]),
    ],
}


def found(store: Store, as_of: int | None = None) -> list[Any]:
    """Return what searches find, page by page."""
    return [
        walked(getattr(store, noun), each, as_of)
        for noun, asked in SEARCHES.items()
        for each in asked
    ]


def walked(
    kind: Any, asked: tuple[str | None, list[str] | None], as_of: int | None, size: int = 2
) -> list[Any]:
    entities, token = [], None
    while True:
        page = kind.search(asked[0], size, asked[1], token, as_of)
        entities += page
        token = page.token
        if token is None:
            return entities


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(calls, st.data())
def test_what_was_answered_then_is_answered_again(made: list[Any], data: st.DataObject) -> None:
    store = open_store(f"memory://as-of-{next(_NUMBERS)}", create=True)
    then: dict[int, dict[tuple[Any, ...], Any]] = {}
    chosen = data.draw(st.integers(len(FIRST), len(FIRST) + len(made) - 1))
    for place, (name, values) in enumerate([*FIRST, *made]):
        with contextlib.suppress(LakeflowException):
            make(store, name, values)
        now = store.lake.clock.next() // 1000
        then[now] = answers(store)
        if place == chosen:
            moment, was_found = now, found(store)
        # Of what is changed within one millisecond only the last state can be told.
        later(store)
    assert answers(store, moment) == then[moment]
    assert found(store, moment) == was_found
    rows = lakeflow.scan_registry_events(store.lake.fs.uri).sort("event_id").collect()
    for moment, known in then.items():
        shown: dict[tuple[Any, ...], Any] = {}
        for model in replay(row for row in rows.to_dicts() if row["time"] <= moment):
            shown[model.name,] = model.model()
            asked = [each for each in VERSIONS if each in model.versions]
            shown |= {(model.name, each): model.version(each) for each in asked}
        assert shown == {key: known[key] for key in known if key[-1] not in {None, *ALIASES}}


@pytest.fixture
def store(client: LakeflowClient, uri: str) -> Store:
    """Return the store of a lake, which is the one of the process."""
    lakeflow.set_tracking_uri(uri)
    return open_store(uri, create=False)


def last_time(name: str) -> datetime.datetime:
    *_, last = lakeflow.registry.history(name, output_format="list")
    time: datetime.datetime = last["time"]
    return time


def later(store: Store) -> None:
    """Wait for the next millisecond of the lake's clock."""
    before = store.lake.clock.next() // 1000
    while store.lake.clock.next() // 1000 == before:
        pass


def test_who_was_champion_on_the_day_of_the_incident(store: Store, uri: str) -> None:
    store.models.create("a")
    for _ in range(2):
        store.model_versions.create("a", "s3://bucket/model")
    store.models.set_alias("a", "champion", 1)
    then = last_time("a")
    later(store)
    store.models.set_alias("a", "champion", 2)
    lakeflow.compact(uri)
    champion = store.model_versions.get_by_alias
    assert champion("a", "champion").version == 2
    for as_of in (then, int(then.timestamp() * 1000), then.astimezone().replace(tzinfo=None)):
        assert champion("a", "champion", as_of).version == 1
    store.models.delete("a")
    assert champion("a", "champion", then).version == 1
    with pytest.raises(NotFoundError):
        champion("a", "champion", last_time("a"))


def test_a_search_of_the_past_stays_what_it_was(store: Store, uri: str) -> None:
    for name in ("a", "b", "c"):
        store.models.create(name, {"team": name})
        store.model_versions.create(name, "s3://bucket/model", tags={"k": name})
        later(store)
    store.models.set_alias("b", "champion", 1)
    then = last_time("b")
    later(store)
    search = store.model_versions.search
    future = then + datetime.timedelta(days=1)
    page = search(None, 1, None, None, future)
    store.models.rename("a", "d")
    store.models.set_tag("c", "team", "a")
    store.models.delete("b")
    # Pages go on with what was there at the first one, also of a time that is not over.
    names, token = [each.name for each in page], page.token
    while token is not None:
        page = search(None, 1, None, token, future)
        names, token = [*names, *(each.name for each in page)], page.token
    assert names == ["c", "b", "a"]
    for _ in range(2):
        assert [each.name for each in store.models.search(None, 9, None, None, then)] == [
            *"abc"
        ]
        by_tag = store.models.search("tags.team = 'a'", 9, None, None, then)
        assert [each.name for each in by_tag] == ["a"]
        (champion,) = search("name = 'b' AND aliases = 'champion'", 9, None, None, then)
        assert (champion.version, champion.tags) == (1, {"k": "b"})
        assert search("name IN ('d', 'x')", 9, None, None, then) == []
        lakeflow.compact(uri)
    assert store.models.search(None, 9, None, None, 0) == []
    token = search(None, 1, None, None, then).token
    with pytest.raises(InvalidInputError, match="belongs to another search"):
        search(None, 1, None, token, future)
    for wrong in (True, "today", 1.5, 2**63):
        with pytest.raises(InvalidInputError, match="as_of"):
            search(None, 1, None, None, wrong)  # type: ignore[arg-type]


def test_a_name_means_the_model_that_had_it_then(store: Store) -> None:
    store.models.create("a", description="first")
    first = last_time("a")
    later(store)
    store.models.rename("a", "b")
    store.models.create("a", description="second")
    second = last_time("a")
    later(store)
    store.models.rename("b", "c")
    assert store.models.get("a", first).description == "first"
    assert store.models.get("a", second).description == "second"
    assert store.models.get("b", second).description == "first"
    for name, time in (("b", first), ("c", second)):
        with pytest.raises(NotFoundError, match=f"name={name}"):
            store.models.get(name, time)


def test_before_a_thing_was_there_it_is_not_found(store: Store) -> None:
    store.models.create("a")
    made = last_time("a")
    before = made - datetime.timedelta(milliseconds=1)
    later(store)
    store.model_versions.create("a", "s3://bucket/model")
    store.models.set_alias("a", "x", 1)
    with pytest.raises(NotFoundError, match="Registered Model"):
        store.models.get("a", before)
    with pytest.raises(NotFoundError, match="Registered Model"):
        store.model_versions.get("a", 1, before)
    with pytest.raises(NotFoundError, match="Model Version"):
        store.model_versions.get("a", 1, made)
    with pytest.raises(InvalidInputError, match="alias x not found"):
        store.model_versions.get_by_alias("a", "x", made)
    for wrong in (True, "today", 1.5, 2**63):
        with pytest.raises(InvalidInputError, match="as_of"):
            store.models.get("a", wrong)  # type: ignore[arg-type]
