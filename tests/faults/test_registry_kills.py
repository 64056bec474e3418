"""Real processes that change one registry are killed and stopped at random, others fold it."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from faults.test_processes import COMPACTOR, ENVIRONMENT, KILLS, fork

import lakeflow
from lakeflow import LakeflowClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

    from lakeflow.stores.store import Store

ALIASES = ("champion", "challenger")

# Says what it is about to do and what has returned. The first word of a line is the action by
# which the history knows it; then come the names, versions and keys of its row.
CHANGER = """
import random
from lakeflow import LakeflowClient
from lakeflow.exceptions import LakeflowException
client, chance = LakeflowClient(lake), random.Random(seed)
names, aliases = ["a", "b", "c", "d"], ["champion", "challenger"]

def version_of(name):
    newest = max(int(each.version) for each in client.get_registered_model(name).latest_versions)
    return chance.randint(max(1, newest - 5), newest)

def create():
    begun("create_registered_model", name)
    client.create_registered_model(name, {"made": str(seed)})

def rename():
    begun("rename_registered_model", other)
    client.rename_registered_model(name, other)

def delete():
    begun("delete_registered_model", name)
    client.delete_registered_model(name)

def register():
    begun("create_model_version", name)
    return client.create_model_version(name, f"s3://bucket/{seed}").version

def copy():
    source = f"models:/{name}/{version_of(name)}"
    begun("create_model_version", other)
    return client.copy_model_version(source, other).version

def move():
    version = version_of(name)
    begun("set_registered_model_alias", name, version)
    client.set_registered_model_alias(name, chance.choice(aliases), version)

def transition():
    # Who archives others changes these too: all of it is one change.
    client.transition_model_version_stage(name, version_of(name), "Production", True)

def drop():
    version = version_of(name)
    begun("delete_model_version", name, version)
    client.delete_model_version(name, version)

def begun(*what):
    global doing
    doing = what
    print("begun", *what, file=said, flush=True)

calls = [create, rename, copy, transition, drop] + 3 * [register] + 3 * [move]
with open(said, "w") as said:
    while True:
        # A model that is deleted often would have few versions.
        call = delete if chance.random() < 0.03 else chance.choice(calls)
        (name, other), doing = chance.sample(names, 2), ()
        try:
            made = call()
        except (LakeflowException, ValueError) as error:
            # Nothing of this name is there, or another process was quicker.
            if getattr(error, "error_code", "") in CODES:
                raise
            print("refused", file=said, flush=True)
        else:
            print("done", *doing, *([made] if made else ()), file=said, flush=True)
"""

CODES = ("DATA_LOSS", "TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED")
"""What none of these calls is ever answered."""

COUNTED = (
    "create_model_version",
    "delete_model_version",
    "delete_registered_model",
    "rename_registered_model",
    "set_registered_model_alias",
)
"""What no other call does besides: each row of the history is one call's."""


def said_by(path: Path) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Return what a process was told to be done, and what was under way when it was killed."""
    done: list[tuple[str, ...]] = []
    begun: tuple[str, ...] = ()
    for line in path.read_text().splitlines(keepends=True):
        what, *words = line.split()
        if not line.endswith("\n"):
            break
        if what == "done":
            done.append(tuple(words))
        begun = tuple(words) if what == "begun" else ()
    return [each for each in done if each], begun


class Model(NamedTuple):
    """A model as its history tells it."""

    name: str
    versions: dict[int, str]
    aliases: dict[str, int]
    last: list[int]


def told(events: list[dict[str, Any]]) -> dict[str, Model]:
    """Return the models after some events, each of which fits what was there before it."""
    models: dict[str, Model] = {}
    ids: set[int] = set()
    for event in events:
        identity, action = event["model_id"], event["action"]
        before, after = (json.loads(event[each] or "null") for each in ("before", "after"))
        if action in {"create_registered_model", "rename_registered_model"}:
            other = {each.name for key, each in models.items() if key != identity}
            assert event["name"] == after["name"] not in other, "two models with one name"
        if action == "create_registered_model":
            assert int(identity) == max(ids, default=-1) + 1, "an id is missing, or used again"
            ids.add(int(identity))
            models[identity] = Model(event["name"], {}, {}, [0])
        elif action == "rename_registered_model":
            assert before["name"] == models[identity].name
            models[identity] = models[identity]._replace(name=after["name"])
        elif action == "delete_registered_model":
            model = models.pop(identity)
            assert (before["last_version"], before["aliases"]) == (*model.last, model.aliases)
        else:
            assert event["name"] == models[identity].name
            change(models[identity], event, before or {}, after or {})
    return models


def change(
    model: Model, event: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Change a version or an alias of a model as an event tells it."""
    number = event["version"]
    if event["action"].endswith("_alias"):
        assert model.aliases.pop(event["key"], None) == before.get("version")
        if after:
            assert after["version"] in model.versions, "an alias of no version"
            model.aliases[event["key"]] = after["version"]
        return
    if event["action"] == "create_model_version":
        assert number == model.last[0] + 1, "a number is missing, or used again"
        model.last[0] = number
    else:
        assert model.versions.pop(number) == before["current_stage"]
    if after:
        model.versions[number] = after["current_stage"]
    assert {*model.aliases.values()} <= model.versions.keys(), "an alias of no version"


def seen(store: Store) -> dict[str, tuple[dict[int, str], dict[str, int], dict[str, int]]]:
    """Return the registry as searches find it, which is as single looks find it."""
    found = {
        each.name: (
            {},
            each.aliases,
            {v.current_stage: v.version for v in each.latest_versions},
        )
        for each in store.models.search(None, 100, None, None)
    }
    for version in every_version(store):
        found[version.name][0][version.version] = version.current_stage
        assert store.model_versions.get(version.name, version.version) == version
    for name, (_, aliases, _) in found.items():
        for alias, version in aliases.items():
            assert store.model_versions.get_by_alias(name, alias).version == version
    return found


def every_version(store: Store) -> Iterator[Any]:
    token = None
    while True:
        page = store.model_versions.search(None, 1000, None, token)
        yield from page
        token = page.token
        if token is None:
            return


def stop_or_kill(victim: ForkServerProcess, chance: random.Random, grace_s: float) -> bool:
    """Return whether a process is killed; it may have slept, for longer than events are kept."""
    if chance.random() < 0.3:
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGSTOP)
        time.sleep(chance.uniform(0, 1.5 * grace_s + 0.3))
        os.kill(victim.pid, signal.SIGCONT)
        return False
    victim.kill()
    victim.join()
    return True


# Without a grace each change is checked again after it is made; with one it is not.
@pytest.mark.parametrize("grace_s", [0, 2])
def test_random_kills_leave_a_registry_that_its_history_tells(
    tmp_path: Path,
    another_process: Callable[..., Store],
    monkeypatch: pytest.MonkeyPatch,
    grace_s: int,
) -> None:
    lake, errors, chance = str(tmp_path / "lake"), tmp_path / "errors", random.Random(grace_s)
    monkeypatch.setitem(ENVIRONMENT, "LAKEFLOW_VACUUM_GRACE_S", str(grace_s))
    monkeypatch.setenv("LAKEFLOW_VACUUM_GRACE_S", str(grace_s))
    LakeflowClient(lake).create_registered_model("a")
    said: list[Path] = []

    def changer() -> ForkServerProcess:
        said.append(tmp_path / f"said-{len(said)}")
        code = f"import sys; sys.stderr = open({str(errors)!r}, 'a')\n" + CHANGER
        return fork(code, lake=lake, seed=len(said), said=str(said[-1]), CODES=CODES)

    def compactor() -> ForkServerProcess:
        return fork(COMPACTOR, lake=lake, errors=str(errors))

    running = [(make, make()) for make in (*[changer] * 4, compactor, compactor)]
    try:
        for _ in range(max(1, KILLS // 10)):
            time.sleep(chance.uniform(0.02, 0.3))
            place = chance.randrange(len(running))
            make, victim = running[place]
            assert victim.is_alive(), errors.read_text()
            if stop_or_kill(victim, chance, grace_s):
                running[place] = make, make()
        assert all(process.is_alive() for _, process in running), errors.read_text()
    finally:
        for _, process in running:
            process.kill()
            process.join()
    reports = [said_by(path) for path in said if path.exists()]
    check(lake, another_process, reports)


def check(
    lake: str,
    another_process: Callable[..., Store],
    reports: list[tuple[list[tuple[str, ...]], tuple[str, ...]]],
) -> None:
    store = another_process(lake)
    found = seen(store)
    events = lakeflow.sql(
        "SELECT * FROM registry_events ORDER BY event_id", tracking_uri=lake
    ).to_pylist()
    models = {each.name: each for each in told(events).values()}
    assert {name: (each.versions, each.aliases) for name, each in models.items()} == {
        name: (versions, aliases) for name, (versions, aliases, _) in found.items()
    }
    for versions, _, latest in found.values():
        assert latest == {stage: number for number, stage in sorted(versions.items())}
        assert list(versions.values()).count("Production") <= 1, "others were not archived"
    for name in models:
        now = store.lake.clock.next() // 1000
        assert store.models.get(name, now) == store.models.get(name)
    numbers = lakeflow.sql(
        "SELECT CAST(number AS INTEGER) FROM control_events ORDER BY 1", tracking_uri=lake
    )
    assert numbers.column(0).to_pylist() == [*range(1, numbers.num_rows + 1)]

    happened = Counter(
        (event["action"], event["name"], *([str(event["version"])] if event["version"] else ()))
        for event in events
        if event["action"] in COUNTED
    )
    done = Counter(each for told_done, _ in reports for each in told_done if each[0] in COUNTED)
    assert sum(done.values()) > 0
    assert not done - happened, "a change that was acknowledged is lost"
    # What was under way when its process was killed may be made or not, but once at most.
    extra = Counter(each[:2] for each in (happened - done).elements())
    assert not extra - Counter(begun[:2] for _, begun in reports), "a change was made twice"

    lakeflow.compact(lake)
    assert seen(another_process(lake)) == seen(store) == found
