"""Scorers: versions have numbers of their own, whoever registers and folds."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeflow.stores.store import Store


@pytest.fixture
def store(uri: str) -> Store:
    return open_store(uri, create=True)


def test_versions_stay_as_they_are_when_they_are_folded(uri: str, store: Store) -> None:
    scorers = store.scorers
    other = store.experiments.create("other")
    for number, name in enumerate(["b", "a", "b"]):
        scorers.register("0", name, f'{{"n": {number}}}')
    scorers.register(other, "b", "{}")
    for _ in range(2):
        latest = scorers.latest("0")
        assert [(each.scorer_name, each.scorer_version) for each in latest] == [
            ("a", 1),
            ("b", 2),
        ]
        assert [each.serialized_scorer for each in scorers.versions("0", "b")] == [
            '{"n": 0}', '{"n": 2}',
        ]  # fmt: skip
        assert scorers.get("0", "b", 1).serialized_scorer == '{"n": 0}'
        both = scorers.latest_of([other, "0"])
        assert [each.experiment_id for each in both] == ["0", "0", other]
        lakeflow.compact(uri)
    rows = lakeflow.scan_scorer_versions(uri).collect()
    assert len(rows) == 4


def test_a_name_is_free_again_once_its_scorer_is_deleted(
    uri: str, store: Store, another_process: Callable[..., Store]
) -> None:
    scorers = store.scorers
    first = scorers.register("0", "s", "{}")
    scorers.set_online("0", "s", 0.5, "name = 'a'")
    lakeflow.compact(uri)
    scorers.delete("0", "s")
    with pytest.raises(NotFoundError):
        scorers.get("0", "s")
    second = scorers.register("0", "s", "[]")
    assert (second.scorer_version, second.scorer_id) == (1, first.scorer_id)
    for _ in range(2):
        assert another_process(uri).scorers.get("0", "s") == second
        assert scorers.active_online() == []
        assert scorers.online([first.scorer_id, second.scorer_id]) == []
        lakeflow.compact(uri)


def test_a_scorer_without_versions_is_not_there(uri: str, store: Store) -> None:
    scorers = store.scorers
    scorers.register("0", "s", "{}")
    scorers.set_online("0", "s", 1)
    scorers.delete("0", "s", 1)
    for _ in range(2):
        assert scorers.latest("0") == scorers.active_online() == []
        for call in (scorers.get, scorers.versions, scorers.delete):
            with pytest.raises(NotFoundError):
                call("0", "s")
        lakeflow.compact(uri)
    assert scorers.register("0", "s", "{}").scorer_version == 1


def test_processes_that_register_get_a_number_each(tmp_path: Path) -> None:
    open_store(tmp_path, create=True).scorers.register("0", "s", "{}")
    lines = (
        "import sys\nfrom lakeflow.open_store import open_store\n"
        "scorers = open_store(sys.argv[1], create=False).scorers\n"
        "for _ in range(5): scorers.register('0', 's', '{}')"
    )
    with ThreadPoolExecutor(3) as pool:
        command = [sys.executable, "-c", lines, str(tmp_path)]
        done = [pool.submit(subprocess.run, command, check=True) for _ in range(3)]
        lakeflow.compact(tmp_path)
        for each in done:
            each.result()
    found = open_store(tmp_path, create=False).scorers.versions("0", "s")
    assert [each.scorer_version for each in found] == [*range(1, 17)]


def test_what_is_set_of_scoring_traces_is_the_last(uri: str, store: Store) -> None:
    scorers = store.scorers
    made = scorers.register("0", "s", "{}")
    for rate, text in ((0.25, "name = 'a'"), (0.5, None)):
        scorers.set_online("0", "s", rate, text)
        for _ in range(2):
            ((version, config),) = scorers.active_online()
            assert (version, config.sample_rate, config.filter_string) == (made, rate, text)
            assert scorers.online([made.scorer_id]) == [config]
            lakeflow.compact(uri)
    scorers.set_online("0", "s", 0)
    assert scorers.active_online() == []


@pytest.mark.parametrize("name", ["", "  ", None, "x" * 257, 7])
def test_what_is_no_name_is_refused(store: Store, name: object) -> None:
    with pytest.raises(InvalidInputError):
        store.scorers.register("0", name, "{}")


@pytest.mark.parametrize("rate", [-0.1, 1.1, "a", None, float("nan")])
def test_what_is_no_rate_is_refused(store: Store, rate: object) -> None:
    store.scorers.register("0", "s", "{}")
    with pytest.raises(InvalidInputError):
        store.scorers.set_online("0", "s", rate)


def test_a_deleted_experiment_takes_no_scorer(store: Store) -> None:
    experiment = store.experiments.create("gone")
    store.scorers.register(experiment, "s", "{}")
    store.delete_experiment(experiment)
    for call in (store.scorers.latest, lambda each: store.scorers.register(each, "s", "{}")):
        with pytest.raises(InvalidInputError):
            call(experiment)
