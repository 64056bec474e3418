"""Metrics and their histories: the same programs on a lake and on SQLite."""

from __future__ import annotations

import concurrent.futures
import math
import random
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from inside_mlflow.programs import refused
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

import lakeflow

if TYPE_CHECKING:
    from inside_mlflow.programs import Sides

INVALID = "INVALID_PARAMETER_VALUE"
IS_2 = mlflow.__version__.startswith("2.")


def made(client: MlflowClient) -> str:
    run_id: str = client.create_run("0", run_name="run").info.run_id
    return run_id


def points(found: Any) -> list[Any]:
    return [(each.key, each.value, each.timestamp, each.step) for each in found]


def of_runs(found: Any) -> list[Any]:
    return [(each.run_id, each.value, each.timestamp, each.step) for each in found]


def fold(client: MlflowClient) -> None:
    """Compact the store if it is a lake."""
    uri = client._tracking_client.tracking_uri
    if uri.startswith("lakeflow"):
        lakeflow.compact(uri)


def test_the_latest_value_is_that_of_the_largest_step_then_time_then_value(
    sides: Sides,
) -> None:
    def program(client: MlflowClient) -> Any:
        run_id = made(client)
        for key, logged in {
            "step": [(1.0, 5, 3), (2.0, 9, 2), (3.0, 1, -7)],
            "time": [(1.0, 9, 0), (2.0, 5, 0)],
            "negative": [(5.0, 1, -2), (6.0, 1, -3)],
        }.items():
            client.log_batch(run_id, [Metric(key, *point) for point in logged])
        return client.get_run(run_id).data

    data = sides.clients(program)
    assert data["_metrics"] == {"step": 1.0, "time": 1.0, "negative": 5.0}


def test_nan_and_infinities_are_kept(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        run_id = made(client)
        for name, value in (("nan", math.nan), ("inf", math.inf), ("-inf", -math.inf)):
            client.log_metric(run_id, name, value, timestamp=1, step=0)
        keys = "nan", "inf", "-inf"
        histories = [points(client.get_metric_history(run_id, key)) for key in keys]
        return [client.get_run(run_id).data.metrics, histories]

    metrics, _ = sides.clients(program)
    assert metrics == {"nan": "nan", "inf": math.inf, "-inf": -math.inf}


def test_a_history_is_a_set_by_time_step_and_value(sides: Sides) -> None:
    logged = [
        *[(2.0, 5, 1), (1.0, 5, 1), (1.0, 5, 1), (math.nan, 5, 1)],
        *[(-1.0, 5, 1), (7.0, 4, 9), (7.0, 6, -9), (2.0, 5, 1)],
    ]

    # MLflow 2's SQLite takes no NaN a second time.
    again = [point for point in logged if not (IS_2 and math.isnan(point[0]))]

    def program(client: MlflowClient) -> Any:
        run_id = made(client)
        client.log_batch(run_id, [Metric("m", *point) for point in logged])
        fold(client)
        for value, timestamp, step in again:
            client.log_metric(run_id, "m", value, timestamp, step)
        return [
            points(client.get_metric_history(run_id, "m")),
            points(client.get_metric_history(run_id, "unknown")),
        ]

    history, nothing = sides.clients(program)
    assert len(history) == 6
    assert nothing == []


def test_a_history_comes_by_page(sides: Sides) -> None:
    def program(store: Any) -> Any:
        run_id = store.create_run("0", "u", 1, [], "r").info.run_id
        store.log_batch(run_id, [Metric("m", n, n, n) for n in range(5)], [], [])
        pages, token = [], None
        while True:
            page = store.get_metric_history(run_id, "m", max_results=2, page_token=token)
            pages.append(points(page))
            token = page.token
            if token is None:
                break
        whole = store.get_metric_history(run_id, "m")
        wrong = refused(store.get_metric_history, run_id, "m", 2, page_token="evilhax")
        return [pages, points(whole), whole.token, wrong]

    if IS_2:
        # It has no pages; MLflow's own loop over them ends with the first one.
        client = MlflowClient(sides.lake, sides.lake)
        run_id = made(client)
        client.log_batch(run_id, [Metric("m", n, n, n) for n in range(5)])
        assert len(client.get_metric_history(run_id, "m")) == 5
        return
    found = sides.stores(program)
    assert [len(page) for page in found[0]] == [2, 2, 1]
    assert found[-2:] == [None, INVALID]


def test_histories_of_several_runs_come_by_run_and_are_cut(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        store = client._tracking_client.store
        runs = sorted(made(client) for _ in range(3))
        for number, run_id in enumerate(runs):
            for step in range(3):
                client.log_metric(run_id, "m", number, timestamp=9 - step, step=step)
        fold(client)
        client.log_metric(runs[0], "m", 5.0, timestamp=1, step=7)
        return [
            of_runs(store.get_metric_history_bulk([*runs[::-1], "0" * 32], "m", 100)),
            of_runs(store.get_metric_history_bulk(runs, "m", 5)),
            of_runs(store.get_metric_history_bulk(runs, "nothing", 5)),
            of_runs(store.get_metric_history_bulk([], "m", 5)),
            of_runs(store.get_metric_history_bulk_interval_from_steps(runs[0], "m", [0, 7], 9)),
            of_runs(store.get_metric_history_bulk_interval_from_steps(runs[0], "m", [0, 7], 1)),
            of_runs(store.get_metric_history_bulk_interval_from_steps(runs[0], "m", [], 1)),
        ]

    found = sides.clients(program)
    assert [len(each) for each in found] == [10, 5, 0, 0, 2, 1, 0]


if not IS_2:

    def test_samples_of_histories_are_mlflows(sides: Sides) -> None:
        chance = random.Random(7)
        curves = {
            "none": [],
            "one": [(1.0, 5, 3)],
            "ten": [(number / 2, number, number) for number in range(10)],
            "all at step 0": [(float(number), number, 0) for number in range(50)],
            "equal in part": [
                (chance.choice([0.0, 1.0, -1.0, math.nan]), chance.randrange(3), step)
                for step in range(-5, 60)
                for _ in range(3)
            ],
            "backwards": [(0.5, 100 - step, 100 - step) for step in range(100)],
        }
        asked = [
            (most, *between)
            for most in (1, 2, 3, 5, 7, 10, 25, 49, 50, 51, 2_500)
            for between in ((None, None), (0, 8), (3, 3), (-5, 1_000), (500, 600))
        ]

        def program(client: MlflowClient) -> Any:
            store = client._tracking_client.store
            runs = {name: made(client) for name in curves}
            for name, logged in curves.items():
                client.log_batch(runs[name], [Metric("m", *point) for point in logged])
            fold(client)
            # One that is named twice is there twice, however far apart.
            first = runs["ten"]
            ids = [first, *runs.values(), *["0" * 32] * 16, first]
            return [
                of_runs(store.get_metric_history_bulk_interval(ids, "m", *each))
                for each in asked
            ]

        found = sides.clients(program)
        assert max(map(len, found)) > 200

    def test_one_end_of_the_steps_alone_is_refused(sides: Sides) -> None:
        def program(store: Any) -> Any:
            call = store.get_metric_history_bulk_interval
            return [refused(call, [], "m", 5, 1, None), refused(call, [], "m", 5, None, 1)]

        assert sides.stores(program) == [INVALID] * 2

    def test_a_hundred_runs_are_sampled_whole(sides: Sides) -> None:
        client = MlflowClient(sides.lake, sides.lake)
        runs = [made(client) for _ in range(100)]
        for run_id in runs:
            client.log_batch(run_id, [Metric("m", step, step, step) for step in range(30)])
        store = client._tracking_client.store
        found = store.get_metric_history_bulk_interval(runs, "m", 10, None, None)
        assert len(found) == 1_000
        assert list(dict.fromkeys(each.run_id for each in found)) == runs
        assert [each.step for each in found[:10]] == [*range(0, 27, 3), 29]


def test_threads_that_log_at_once_lose_nothing(sides: Sides) -> None:
    client = MlflowClient(sides.lake, sides.lake)
    runs = [made(client) for _ in range(4)]

    def log(run_id: str, first: int) -> None:
        for step in range(first, first + 25):
            client.log_metric(run_id, "m", step, timestamp=step, step=step)
            client.log_batch(run_id, [Metric("b", step, step, step) for _ in range(3)])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(log, runs * 2, [0] * 4 + [25] * 4))
    for run_id in runs:
        for key in "mb":
            history = client.get_metric_history(run_id, key)
            assert [each.step for each in history] == list(range(50))


def test_a_metric_without_a_value_is_refused(sides: Sides) -> None:
    def program(store: Any) -> Any:
        run_id = store.create_run("0", "u", 1, [], "r").info.run_id
        single = refused(store.log_metric, run_id, Metric("m", None, 1, 0))
        return [single, refused(store.log_batch, run_id, [Metric("m", None, 1, 0)], [], [])]

    assert sides.stores(program) == [INVALID] * 2


def test_a_program_with_unusual_keys_answers_the_same(sides: Sides) -> None:
    keys = ["a b", "x/y", "ünï", "dots.and-dashes_1", "'; DROP TABLE runs --"]

    def program(client: MlflowClient) -> Any:
        run_id = made(client)
        answers = []
        for key in keys:
            try:
                client.log_metric(run_id, key, 1.0, timestamp=1)
            except mlflow.exceptions.MlflowException as error:
                answers.append(error.error_code)
            else:
                answers.append(points(client.get_metric_history(run_id, key)))
        return answers

    assert sides.clients(program)[-1] == INVALID


@pytest.mark.parametrize("value", [1, True, 2**60, 1e-320])
def test_numbers_of_other_types_become_floats(sides: Sides, value: Any) -> None:
    def program(client: MlflowClient) -> Any:
        run_id = made(client)
        client.log_metric(run_id, "m", value, timestamp=1)
        return client.get_run(run_id).data.metrics

    sides.clients(program)
