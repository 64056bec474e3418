"""Runs by the client: what is kept, what wins, what is refused and leaves nothing."""

from __future__ import annotations

import math
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.entities import Dataset, DatasetInput, Metric, Param, RunTag
from lakeflow.exceptions import InvalidInputError, LakeflowException, NotFoundError
from lakeflow.stores import arguments
from lakeflow.stores.runs import PARAM_STALENESS_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.lake import Lake
    from lakeflow.stores.store import Store


def test_a_new_run_says_what_it_was_given(client: LakeflowClient, uri: str) -> None:
    run = client.create_run("0", 123, {"mlflow.user": "ada", "n": 1}, "first")
    info = run.info
    assert re.fullmatch("[0-9a-f]{32}", info.run_id)
    assert (info.run_name, info.user_id, info.start_time) == ("first", "ada", 123)
    assert (info.status, info.end_time, info.lifecycle_stage) == ("RUNNING", None, "active")
    assert info.artifact_uri == f"{client.tracking_uri}/artifacts/0/{info.run_id}/artifacts"
    assert run.data.tags == {"mlflow.user": "ada", "n": "1", "mlflow.runName": "first"}
    assert client.get_run(info.run_id) == run
    lakeflow.compact(uri)
    assert client.get_run(info.run_id) == run
    assert dict(info)["run_id"] == info.run_uuid == info.run_id
    assert run.to_dictionary()["info"]["run_name"] == "first"


def test_a_run_without_a_name_gets_one(client: LakeflowClient) -> None:
    run = client.create_run("0", start_time=0)
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d+", run.info.run_name)
    assert run.info.start_time > 10**12
    assert client.create_run("0", tags={"mlflow.runName": "tag"}).info.run_name == "tag"
    with pytest.raises(InvalidInputError, match="different values"):
        client.create_run("0", tags={"mlflow.runName": "a"}, run_name="b")


@pytest.mark.parametrize(
    ("location", "below"),
    [
        ("artifacts/0", "artifacts/0/r/artifacts"),
        ("/data/x/", "/data/x/r/artifacts"),
        ("s3://b/p?x=y#f", "s3://b/p/r/artifacts?x=y#f"),
        ("lakeflow:///data/x", "lakeflow:///data/x/r/artifacts"),
        ("#a?", "#a?/r/artifacts"),
    ],
)
def test_artifacts_of_a_run_are_below_its_experiment(location: str, below: str) -> None:
    assert arguments.below(location, "r/artifacts") == below


def test_the_latest_point_is_by_step_then_time_then_the_order_of_logging(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    points = [
        (1.0, 5, 2),
        (9.0, 9, 1),
        (3.0, 7, 2),
        (math.nan, 7, 2),
        (2.0, 7, 2),
        (8.0, 1, -5),
    ]
    for value, timestamp, step in points:
        client.log_metric(run_id, "m", value, timestamp, step)
        client.log_metric(run_id, "only nan", math.nan, timestamp, step)
    for _ in range(2):
        run = client.get_run(run_id)
        assert run.data.metrics["m"] == 2.0
        assert math.isnan(run.data.metrics["only nan"])
        latest = {metric.key: metric for metric in run.data.latest_metrics}
        assert latest["m"] == Metric("m", 2.0, 7, 2)
        lakeflow.compact(uri)


def test_a_history_has_each_call_in_order(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    for value, timestamp, step in [(2.0, 3, 0), (1.0, 3, 0), (5.0, 1, 9), (2.0, 3, 0)]:
        client.log_metric(run_id, "m", value, timestamp, step)
    for _ in range(2):
        assert client.get_metric_history(run_id, "m") == [
            Metric("m", 5.0, 1, 9),
            Metric("m", 2.0, 3, 0),
            Metric("m", 1.0, 3, 0),
            Metric("m", 2.0, 3, 0),
        ]
        lakeflow.compact(uri)
    assert client.get_metric_history(run_id, "none") == []
    with pytest.raises(NotFoundError):
        client.get_metric_history("f" * 32, "m")


def test_what_is_logged_within_a_millisecond_stays_in_order(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    """Falling losses and hits, without steps, before a fold, after it, and half of each."""
    lakeflow.set_tracking_uri(uri)
    falling = [0.9, 0.5, 0.1, 0.0]
    for count in (1, 2):
        for value in falling:
            client.log_metric(run_id, "loss", value, timestamp=7)
        for _ in range(50):
            client.log_metric(run_id, "hit", 1, timestamp=7)
        for _ in range(2):
            run = client.get_run(run_id)
            assert run.data.metrics == {"loss": 0.0, "hit": 1.0}
            history = client.get_metric_history(run_id, "loss")
            assert [point.value for point in history] == falling * count
            assert len(client.get_metric_history(run_id, "hit")) == 50 * count
            assert client.search_runs(["0"], "metrics.loss = 0 AND metrics.loss < 0.1")
            (row,) = lakeflow.sql(
                """SELECT "value", "count" FROM latest_metrics WHERE "key" = 'loss'"""
            ).to_pylist()
            assert row == {"value": 0.0, "count": 4 * count}
            ordered = lakeflow.sql(
                """SELECT "value" FROM metrics WHERE "key" = 'loss'
                ORDER BY step, "timestamp", clock, writer, seq, place"""
            )
            assert ordered["value"].to_pylist() == falling * count
            if count == 1:
                lakeflow.compact(uri)
    lakeflow.compact(uri)
    assert client.get_run(run_id).data.metrics["loss"] == 0.0


def test_a_param_keeps_its_first_value(client: LakeflowClient, run_id: str, uri: str) -> None:
    value = object()
    assert client.log_param(run_id, "p", value) is value
    client.log_param(run_id, "p", str(value))
    for _ in range(2):
        with pytest.raises(
            InvalidInputError, match="Changing param values is not allowed"
        ) as caught:
            client.log_param(run_id, "p", "other")
        assert str(value) in str(caught.value)
        assert "nested=True" in str(caught.value)
        lakeflow.compact(uri)
    assert client.get_run(run_id).data.params == {"p": str(value)}


def test_a_param_of_another_process_is_known(
    client: LakeflowClient, run_id: str, uri: str, another_process: Callable[..., Store]
) -> None:
    other = another_process(uri)
    client.log_param(run_id, "mine", 1)
    other.runs.log_param(run_id, "theirs", 1)
    time.sleep(PARAM_STALENESS_S)
    with pytest.raises(InvalidInputError, match="Changing param"):
        client.log_param(run_id, "theirs", 2)
    with pytest.raises(InvalidInputError, match="Changing param"):
        other.runs.log_param(run_id, "mine", 2)
    lakeflow.compact(uri)
    other.runs.log_param(run_id, "after", 1)
    time.sleep(PARAM_STALENESS_S)
    with pytest.raises(InvalidInputError, match="Changing param"):
        client.log_param(run_id, "after", 2)


def test_of_params_that_race_the_first_one_stays(
    client: LakeflowClient,
    run_id: str,
    uri: str,
    another_process: Callable[..., Store],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However slow the machine is, the second value comes before the next look.
    monkeypatch.setattr("lakeflow.stores.runs.PARAM_STALENESS_S", 60.0)
    client.log_param(run_id, "look", 1)
    another_process(uri).runs.log_param(run_id, "p", "first")
    client.log_param(run_id, "p", "second")
    for _ in range(2):
        assert client.get_run(run_id).data.params["p"] == "first"
        lakeflow.compact(uri)


def test_threads_that_race_for_a_param_agree_on_one(
    client: LakeflowClient, run_id: str
) -> None:
    def attempt(value: int) -> bool:
        try:
            client.log_param(run_id, "p", value)
        except InvalidInputError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(8)))
    assert won.count(True) == 1
    assert client.get_run(run_id).data.params == {"p": str(won.index(True))}


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        ({"metrics": [Metric("ok", 1, 1), Metric("../x", 1, 1)]}, r"metrics\[1\]\.name"),
        ({"metrics": [Metric("ok", "x", 1)]}, r"metrics\[0\]\.value"),
        ({"metrics": [Metric("ok", 1, -1)]}, r"metrics\[0\]\.timestamp"),
        ({"params": [Param("a//b", "v")]}, r"params\[0\]\.key"),
        ({"params": [Param("a", "1"), Param("a", "1")]}, r"Duplicate parameter keys.*'a'"),
        ({"params": [Param("old", "changed")]}, "Changing param values"),
        ({"tags": [RunTag("t", "v"), RunTag(None, "v")]}, r"tags\[1\]\.key"),
        ({"tags": [RunTag("t", "v" * 2_000_000)]}, r"tags\[0\]\.value"),
    ],
)
def test_a_bad_batch_leaves_nothing(
    client: LakeflowClient, run_id: str, bad: dict[str, Any], place: str
) -> None:
    client.log_param(run_id, "old", "value")
    before, size = client.get_run(run_id), client._store.lake.listing().unfolded_bytes
    good = {
        "metrics": [Metric("good", 1, 1)],
        "params": [Param("good", "v")],
        "tags": [RunTag("good", "v")],
    }
    with pytest.raises(InvalidInputError, match=place):
        client.log_batch(run_id, **good | bad)
    assert client.get_run(run_id) == before
    assert client._store.lake.listing().unfolded_bytes == size


def test_a_very_large_batch_is_logged_whole(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    """No call fits a line of the log, and some values alone are longer than one should be."""
    points = [Metric(f"m{n % 3}", n, n, n) for n in range(120_000)]
    params = [Param(f"p{n}", "v" * 6000) for n in range(250)]
    tags = [RunTag(f"t{n}", "\1ü" * 300_000) for n in range(3)]
    client.log_batch(run_id, points, params, tags)
    long = "k" * 250
    client.log_batch(run_id, [Metric(long, n, n, n) for n in range(15_000)])
    inputs = [
        DatasetInput(
            Dataset(f"d{n}", "1", "t", "s" * 65_535, "\1" * 1_048_575, "\2" * 1_048_576)
        )
        for n in range(2)
    ]
    client.log_inputs(run_id, inputs)
    made = client.create_run("0", tags={f"t{n}": "\1" * 1_048_576 for n in range(2)})
    assert lines_of(client._store.lake) >= 4 * 2, "none of the four calls fits one line"
    for _ in range(2):
        assert len(client.get_metric_history(run_id, "m1")) == 40_000
        assert len(client.get_metric_history(run_id, long)) == 15_000
        run = client.get_run(run_id)
        assert (len(run.data.params), len(run.data.tags)) == (250, 4)
        assert run.data.tags["t2"] == "\1ü" * 300_000
        assert run.inputs.dataset_inputs == inputs
        assert client.get_run(made.info.run_id) == made
        assert lakeflow.compact(uri).rejected == 0


def lines_of(lake: Lake) -> int:
    """Return how many records there are in the log."""
    return sum(
        lake.fs.read(path, *span).count(b"\n") for path, span in lake.listing().unfolded.items()
    )


def test_an_empty_batch_asks_for_nothing(client: LakeflowClient) -> None:
    assert client.log_batch("f" * 32) is None


def test_a_run_and_its_name_tag_stay_in_step(client: LakeflowClient, run_id: str) -> None:
    def names() -> tuple[str, str | None]:
        run = client.get_run(run_id)
        return run.info.run_name, run.data.tags.get("mlflow.runName")

    client.update_run(run_id, name="one")
    assert names() == ("one", "one")
    client.set_tag(run_id, "mlflow.runName", "two")
    assert names() == ("two", "two")
    client.log_batch(run_id, tags=[RunTag("mlflow.runName", "three")])
    assert names() == ("three", "three")
    client.update_run(run_id, name="")
    client.delete_tag(run_id, "mlflow.runName")
    assert names() == ("three", None)


def test_a_deleted_run_is_read_and_not_written(client: LakeflowClient, run_id: str) -> None:
    client.delete_run(run_id)
    client.delete_run(run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    for write in (
        lambda: client.log_metric(run_id, "m", 1),
        lambda: client.log_param(run_id, "p", 1),
        lambda: client.set_tag(run_id, "t", 1),
        lambda: client.log_batch(run_id, tags=[RunTag("t", "v")]),
        lambda: client.log_inputs(run_id, [DatasetInput(Dataset("n", "d", "t", "s"))]),
        lambda: client.update_run(run_id, "FINISHED"),
        lambda: client.set_terminated(run_id),
        lambda: client.delete_tag(run_id, "mlflow.runName"),
    ):
        with pytest.raises(InvalidInputError, match="'active' state"):
            write()
    client.restore_run(run_id)
    client.restore_run(run_id)
    client.log_metric(run_id, "m", 1)
    assert client.get_run(run_id).data.metrics == {"m": 1}


def test_unknown_runs_are_not_found(client: LakeflowClient) -> None:
    unknown = "0" * 32
    for call in (
        lambda: client.get_run(unknown),
        lambda: client.log_metric(unknown, "m", 1),
        lambda: client.set_tag(unknown, "t", 1),
        lambda: client.delete_run(unknown),
        lambda: client.restore_run(unknown),
        lambda: client.set_terminated(unknown),
        lambda: client.update_run(unknown, "FAILED"),
        lambda: client.create_run("77"),
    ):
        with pytest.raises(NotFoundError) as caught:
            call()
        assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    client.update_run(unknown)
    with pytest.raises(InvalidInputError):
        client.get_run("../../etc/passwd")


@pytest.mark.parametrize("status", ["DONE", "finished", 3])
def test_an_unknown_status_lists_the_known_ones(
    client: LakeflowClient, run_id: str, status: Any
) -> None:
    for call in (client.update_run, client.set_terminated):
        with pytest.raises(LakeflowException, match="SCHEDULED"):
            call(run_id, status)
    assert client.get_run(run_id).info.status == "RUNNING"


def test_a_name_that_looks_like_sql_is_only_a_name(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    hostile = "'); DROP TABLE runs; -- \" $1 {x} %s"
    client.set_tag(run_id, "t", hostile)
    client.update_run(run_id, name=hostile)
    lakeflow.compact(uri)
    run = client.get_run(run_id)
    assert (run.data.tags["t"], run.info.run_name) == (hostile, hostile)


def test_a_dataset_is_kept_once_a_run(client: LakeflowClient, run_id: str, uri: str) -> None:
    one = DatasetInput(Dataset("d", "1", "local", "/first", "schema", "profile"))
    for _ in range(2):
        client.log_inputs(run_id, [one, DatasetInput(Dataset("d", "1", "local", "/second"))])
        assert client.get_run(run_id).inputs.dataset_inputs == [one]
        lakeflow.compact(uri)
    with pytest.raises(TypeError, match="tuple"):
        client.log_inputs(run_id, (one,))
    assert client.log_inputs(run_id) is None


def test_each_run_keeps_the_source_that_it_logged(client: LakeflowClient) -> None:
    """MLflow shows the first source in every run of an experiment; a run knows better."""
    runs = [client.create_run("0").info.run_id for _ in range(2)]
    for number, run in enumerate(runs):
        client.log_inputs(run, [DatasetInput(Dataset("d", "1", "local", f"/{number}"))])
    sources = [client.get_run(run).inputs.dataset_inputs[0].dataset.source for run in runs]
    assert sources == ["/0", "/1"]


def test_an_empty_name_is_none(client: LakeflowClient, run_id: str) -> None:
    before = client.get_run(run_id)
    client.set_tag(run_id, "mlflow.runName", "")
    client.update_run(run_id, status="", name="")
    client.log_batch(run_id, tags=[RunTag("mlflow.runName", "")])
    assert client.get_run(run_id) == before
    with pytest.raises(NotFoundError):
        client.update_run("0" * 32, name="")
    with pytest.raises(InvalidInputError, match="not a string"):
        client.update_run(run_id, name=["x"])


def test_zero_has_one_sign(client: LakeflowClient, run_id: str, uri: str) -> None:
    client.log_metric(run_id, "m", -0.0, 1, 1)
    client.log_batch(run_id, [Metric("m", 0.0, 1, 1), Metric("m", -0.0, 2, 0)])
    for _ in range(2):
        assert str([m.value for m in client.get_metric_history(run_id, "m")]) == str([0.0] * 3)
        assert str(client.get_run(run_id).data.metrics) == "{'m': 0.0}"
        lakeflow.compact(uri)


def test_a_history_of_what_is_no_text_is_refused(client: LakeflowClient, run_id: str) -> None:
    with pytest.raises(InvalidInputError, match="Unicode"):
        client.get_metric_history(run_id, "a\udc80")


def test_a_parent_is_found_by_its_tag(client: LakeflowClient, run_id: str) -> None:
    assert client.get_parent_run(run_id) is None
    client.set_tag(run_id, "mlflow.parentRunId", "0" * 32)
    with pytest.raises(NotFoundError):
        client.get_parent_run(run_id)


def test_an_id_that_names_nothing_is_called_by_its_argument(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    missing = "f" * 32
    calls: dict[str, Callable[[], object]] = {
        "run_id names no run": lambda: client.get_run(missing),
        "run_id is '../x'": lambda: client.log_metric("../x", "m", 1.0),
        "run_id is None": lambda: client.get_metric_history(None, "m"),  # type: ignore[arg-type]
        "the tag mlflow.parentRunId names no run": lambda: client.get_parent_run(
            client.create_run("0", tags={"mlflow.parentRunId": missing}).info.run_id
        ),
        r"run_ids\[1\] is 'a b'": lambda: lakeflow.metric_series(
            [run_id, "a b"], "m", tracking_uri=uri
        ),
        "experiment_id names none": lambda: client.get_experiment("99"),
        "experiment_id is 'a b'": lambda: client.create_run("a b"),
        r"experiment_ids\[1\] is '.'": lambda: client.search_runs(["0", "."]),
    }
    for text, call in calls.items():
        with pytest.raises(LakeflowException, match=text):
            call()
    lakeflow.set_tracking_uri(uri)
    with pytest.raises(LakeflowException, match="parent_run_id names no run"):
        lakeflow.start_run(parent_run_id=missing)


def test_only_a_conflict_of_params_explains_params(client: LakeflowClient, run_id: str) -> None:
    client.log_param(run_id, "p", 1)
    with pytest.raises(InvalidInputError, match="keeps its first value"):
        client.log_param(run_id, "p", 2)
    twice = [Param("a", "1"), Param("a", "2")]
    for call in (
        lambda: client.log_param(run_id, "a*b", 1),
        lambda: client.log_param(run_id, "long", "x" * 2_000_000),
        lambda: client.log_param("f" * 32, "p", 1),
        lambda: client.log_batch(run_id, params=twice),
    ):
        with pytest.raises(LakeflowException) as caught:
            call()
        assert "keeps its first value" not in str(caught.value)
