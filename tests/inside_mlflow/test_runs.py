"""Runs, params, tags and datasets: the same programs on a lake and on SQLite."""

from __future__ import annotations

import json
import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from inside_mlflow.programs import refused, tracking
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.tracking import MlflowClient

if TYPE_CHECKING:
    from inside_mlflow.programs import Sides

IS_2 = mlflow.__version__.startswith("2.")
MISSING, INVALID = "RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"


def made(client: MlflowClient, name: str = "run", **given: Any) -> str:
    run = client.create_run(given.pop("experiment", "0"), run_name=name, **given)
    run_id: str = run.info.run_id
    return run_id


def lake_store(sides: Sides) -> Any:
    return MlflowClient(sides.lake, sides.lake)._tracking_client.store


# Runs


def test_a_run_says_what_it_was_given_and_what_came_of_it(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        tags = {"mlflow.user": "ada", "empty": ""}
        run = client.create_run("0", start_time=123, tags=tags, run_name="first")
        run_id = run.info.run_id
        client.log_metric(run_id, "loss", 0.5, timestamp=7, step=2)
        client.log_param(run_id, "depth", 3)
        client.log_param(run_id, "none", "")
        answers = [run, client.get_run(run_id)]
        client.set_terminated(run_id, "FAILED", end_time=456)
        client.update_run(run_id, name="second")
        answers += [client.get_run(run_id)]
        client.update_run(run_id, status="SCHEDULED")
        return [*answers, client.get_run(run_id).info]

    first, second, third, last = sides.clients(program)
    assert first["_info"]["_artifact_uri"] == "<artifacts>/0/<id 0>/artifacts"
    assert second["_data"]["_params"] == {"depth": "3", "none": ""}
    assert third["_data"]["_tags"]["mlflow.runName"] == "second"
    assert (last["_status"], last["_end_time"]) == ("SCHEDULED", 456)


def test_the_name_of_a_run_and_its_tag_stay_in_step(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        tagged = client.create_run("0", tags={"mlflow.runName": "tag"}).info
        run_id = made(client, "argument")

        def names() -> Any:
            run = client.get_run(run_id)
            return run.info.run_name, run.data.tags.get("mlflow.runName")

        answers = [tagged.run_name, names()]
        client.set_tag(run_id, "mlflow.runName", "set")
        answers += [names()]
        client.log_batch(run_id, tags=[RunTag("mlflow.runName", "batch")])
        answers += [names()]
        client.update_run(run_id, name="updated")
        answers += [names()]
        client.update_run(run_id, name="")
        answers += [names()]
        client.delete_tag(run_id, "mlflow.runName")
        answers += [names()]
        wrong = {"mlflow.runName": "b"}
        return [*answers, refused(client.create_run, "0", tags=wrong, run_name="a")]

    assert sides.clients(program)[-2:] == [["updated", None], INVALID]


def test_a_run_without_a_name_gets_one_and_its_tag(sides: Sides) -> None:
    client = MlflowClient(sides.lake, sides.lake)
    for name in (None, ""):
        run = client.create_run("0", run_name=name)
        assert run.info.run_name
        assert run.data.tags["mlflow.runName"] == run.info.run_name


def test_deleting_and_restoring_twice_is_fine_and_a_deleted_run_takes_nothing(
    sides: Sides,
) -> None:
    def program(client: MlflowClient) -> Any:
        run_id = made(client)
        client.log_param(run_id, "p", 1)
        client.delete_run(run_id)
        client.delete_run(run_id)
        answers = [client.get_run(run_id).info.lifecycle_stage]
        answers += [
            refused(call, run_id, *args)
            for call, args in (
                (client.log_metric, ("m", 1.0)),
                (client.log_param, ("q", 1)),
                (client.set_tag, ("t", 1)),
                (client.delete_tag, ("mlflow.runName",)),
                (client.set_terminated, ()),
                (client.update_run, ("FAILED",)),
                (client.log_batch, ([Metric("m", 1.0, 0, 0)],)),
            )
        ]
        client.restore_run(run_id)
        client.restore_run(run_id)
        client.log_metric(run_id, "m", 1.0, 5, 0)
        return [*answers, client.get_run(run_id)]

    found = sides.clients(program)
    assert found[1:-1] == [INVALID] * 7


def test_a_run_that_is_not_there_has_mlflows_code(sides: Sides) -> None:
    unknown = "0" * 32

    def program(client: MlflowClient) -> Any:
        return [
            refused(call, unknown, *args)
            for call, args in (
                (client.get_run, ()),
                (client.delete_run, ()),
                (client.restore_run, ()),
                (client.set_terminated, ()),
                (client.log_metric, ("m", 1.0)),
                (client.log_param, ("p", 1)),
                (client.set_tag, ("t", 1)),
                (client.delete_tag, ("t",)),
                (client.log_batch, ([Metric("m", 1.0, 0, 0)],)),
                (client.update_run, ("FAILED",)),
            )
        ]

    assert sides.clients(program) == [MISSING] * 10
    with pytest.raises(MlflowException, match=f"Run with id={unknown} not found"):
        MlflowClient(sides.lake, sides.lake).get_run(unknown)
    assert refused(lake_store(sides).log_batch, unknown, [], [], []) == MISSING


def test_update_run_info_leaves_alone_what_is_none(sides: Sides) -> None:
    def program(store: Any) -> Any:
        run = store.create_run("0", "ada", 5, [RunTag("a", "b")], "first")
        run_id = run.info.run_id
        return [
            run,
            store.update_run_info(run_id, None, None, "second"),
            store.update_run_info(run_id, 3, 99, None),
            store.update_run_info(run_id, None, None, ""),
            store.update_run_info(run_id, None, 7, None),
        ]

    found = sides.stores(program)
    assert found[0]["_info"]["_user_id"] == "ada"
    assert (found[3]["_status"], found[3]["_end_time"]) == ("FINISHED", 99)


# Params and tags


def test_a_param_keeps_its_value_and_a_batch_that_would_change_one_writes_nothing(
    sides: Sides,
) -> None:
    def program(client: MlflowClient) -> Any:
        run_id = made(client)
        client.log_param(run_id, "p", "1")
        client.log_param(run_id, "p", "1")
        metrics, tags = [Metric("m", 1.0, 0, 0)], [RunTag("t", "v")]
        answers = [
            refused(client.log_param, run_id, "p", "2"),
            refused(client.log_batch, run_id, metrics, [Param("p", "2")], tags),
            refused(
                client.log_batch, run_id, metrics, [Param("q", "1"), Param("q", "2")], tags
            ),
        ]
        client.log_batch(run_id, params=[Param("p", "1"), Param("new", "x")])
        return [*answers, client.get_run(run_id).data]

    *codes, data = sides.clients(program)
    assert codes == [INVALID] * 3
    assert data["_params"] == {"p": "1", "new": "x"}
    client = MlflowClient(sides.lake, sides.lake)
    (run,) = client.search_runs(["0"])
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        client.log_param(run.info.run_id, "p", "2")


def test_of_a_tag_the_last_value_stays_and_a_tag_that_is_not_there_is_not_deleted(
    sides: Sides,
) -> None:
    def program(client: MlflowClient) -> Any:
        run_id = made(client)
        client.set_tag(run_id, "t", "a")
        client.log_batch(run_id, tags=[RunTag("t", "b"), RunTag("t", "c"), RunTag("e", "")])
        client.set_tag(run_id, "gone", 1)
        client.delete_tag(run_id, "gone")
        client.log_batch(run_id)
        return [client.get_run(run_id).data.tags, refused(client.delete_tag, run_id, "gone")]

    tags, code = sides.clients(program)
    assert tags == {"mlflow.runName": "run", "t": "c", "e": ""}
    assert code == MISSING


def test_a_batch_of_a_thousand_metrics_is_logged_whole(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        run_id = made(client)
        metrics = [Metric(f"m{number}", number, 5, 0) for number in range(1_000)]
        client.log_batch(run_id, metrics)
        return sorted(client.get_run(run_id).data.metrics.items())

    assert len(sides.clients(program)) == 1_000


def test_a_store_takes_no_larger_batches_than_mlflows(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        run_id, log_batch = made(client), client._tracking_client.store.log_batch
        metrics = [Metric(f"m{number}", number, 5, 0) for number in range(1_001)]
        params = [Param(f"p{number}", "x") for number in range(101)]
        tags = [RunTag(f"t{number}", "x") for number in range(101)]
        return [
            refused(log_batch, run_id, metrics, [], []),
            refused(log_batch, run_id, [], params, []),
            refused(log_batch, run_id, [], [], tags),
            refused(log_batch, run_id, metrics[:950], params[:51], []),
            client.get_run(run_id).data.params,
        ]

    assert sides.clients(program) == [*[INVALID] * 4, {}]


def test_bad_keys_and_values_are_refused(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        run_id = made(client)
        return [
            refused(client.log_metric, run_id, "a" * 251, 1.0),
            refused(client.log_metric, run_id, "../up", 1.0),
            refused(client.log_metric, run_id, "m", "text"),
            refused(client.log_param, run_id, "bad#key", "x"),
            refused(client.set_tag, run_id, "", "x"),
            refused(client.log_batch, run_id, [Metric("m", None, 0, 0)]),
            refused(client.log_batch, run_id, params=[Param(None, "x")]),
        ]

    assert sides.clients(program) == [INVALID] * 7


def test_long_values_are_kept_whole_where_mlflow_does_not_cut_them(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(sides.lake, sides.lake)
    run_id = made(client)
    monkeypatch.setenv("MLFLOW_TRUNCATE_LONG_VALUES", "false")
    client.set_tag(run_id, "t", "x" * 100_000)
    lake_store(sides).log_param(run_id, Param("p", "x" * 100_000))
    data = client.get_run(run_id).data
    assert (len(data.tags["t"]), len(data.params["p"])) == (100_000, 100_000)


# Searches


FILTERS = [
    None,
    "",
    "metrics.loss > 0.3",
    "metrics.loss <= 0.3 AND params.depth = '3'",
    "metrics.`with space` = 1",
    "metrics.loss != 0.1",
    "params.depth != '3'",
    "params.depth LIKE '%1%'",
    "params.name ILIKE 'A%'",
    "tags.kind = 'x'",
    "tags.kind != 'x'",
    "tags.`mlflow.source.name` LIKE '%.py'",
    "attributes.status = 'FINISHED'",
    "status != 'RUNNING'",
    "attributes.run_name = 'r1'",
    "attributes.`Run name` LIKE 'r%'",
    "run_name ILIKE 'R_'",
    "attributes.start_time >= 3 and attributes.start_time < 5",
    "attributes.end_time > 0",
    "attributes.Created = 3",
    "datasets.name = 'train'",
    "dataset.context IN ('test', 'training')",
    "datasets.digest LIKE 'd%' AND dataset.context = 'test'",
    # Not of a run with NaN, which MLflow 2's SQLite takes for zero here.
    "tags.kind = 'y' AND metrics.loss < 10 AND attributes.run_name != 'r0'",
]

ORDERS = [
    None,
    ["metrics.loss"],
    ["metrics.loss DESC"],
    ["params.depth ASC"],
    ["params.depth DESC", "metrics.loss"],
    ["tags.kind"],
    ["attributes.start_time ASC"],
    ["attributes.end_time DESC"],
    ["attributes.run_name DESC"],
    ["attributes.status", "attributes.start_time"],
]


def fill(client: MlflowClient) -> list[str]:
    """Make runs in which everything that is searched for is there, and missing somewhere."""
    runs = [made(client, f"r{number}", start_time=number + 1) for number in range(7)]
    for number, value in enumerate((0.1, 0.5, math.nan, math.inf, -math.inf, 0.3)):
        client.log_metric(runs[number], "loss", value, timestamp=1, step=number)
    # The last value counts, and it is the one of the largest step.
    client.log_metric(runs[0], "loss", 0.9, timestamp=2, step=-1)
    client.log_metric(runs[1], "with space", 1.0, timestamp=1)
    for number, depth in enumerate(("3", "10", "31", "")):
        client.log_param(runs[number], "depth", depth)
    client.log_param(runs[4], "name", "Ada")
    for number, kind in enumerate("xyx"):
        client.set_tag(runs[number], "kind", kind)
    client.set_tag(runs[5], "mlflow.source.name", "train.py")
    client.set_terminated(runs[1], "FINISHED", end_time=9)
    client.set_terminated(runs[2], "FAILED", end_time=8)
    client.log_inputs(runs[3], [use("train", "d1", "training"), use("test", "d2", "test")])
    client.log_inputs(runs[4], [use("train", "d3", None)])
    client.delete_run(runs[6])
    return runs


def use(name: str, digest: str, context: str | None, source: str = "s") -> DatasetInput:
    tags = [] if context is None else [InputTag("mlflow.data.context", context)]
    return DatasetInput(Dataset(name, digest, "local", source, "schema", "profile"), tags)


def test_searches_find_the_same_runs_in_the_same_order(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        runs = fill(client)
        named = {run_id: f"r{number}" for number, run_id in enumerate(runs)}

        def found(*args: Any, **kwargs: Any) -> list[str]:
            return [named[run.info.run_id] for run in client.search_runs(*args, **kwargs)]

        ids = f"attributes.run_id IN ('{runs[1]}','{runs[3]}')"
        return [
            *[(each, found(["0"], each)) for each in FILTERS],
            *[(each, found(["0"], order_by=each)) for each in ORDERS],
            *[(view, found(["0"], run_view_type=view)) for view in (1, 2, 3)],
            found(["0"], ids),
            found(["0"], ids.replace("IN", "NOT IN").replace(",", ", ")),
            found(["1"]),
            found([]),
        ]

    answers = dict(map(tuple, sides.clients(program)[: len(FILTERS)]))
    assert answers["metrics.loss > 0.3"] == ["r3", "r1"]
    assert answers["params.depth != '3'"] == ["r3", "r2", "r1"]


def test_a_search_returns_runs_whole(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        fill(client)
        return client.search_runs(["0"], order_by=["attributes.start_time"])

    found = sides.clients(program)
    assert len(found) == 6
    assert found[3]["_inputs"]["_dataset_inputs"][0]["_dataset"]["_name"] in {"train", "test"}


def test_an_artifact_uri_is_found_as_it_is_shown(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        runs = [client.get_run(made(client, f"r{number}")) for number in range(2)]
        uri = runs[1].info.artifact_uri
        asked = (
            f"attributes.artifact_uri = '{uri}'",
            "attributes.artifact_uri LIKE '%artifacts'",
        )
        return [
            sorted(run.info.run_name for run in client.search_runs(["0"], each))
            for each in asked
        ]

    assert sides.clients(program) == [["r1"], ["r0", "r1"]]


def test_pages_of_runs_follow_one_another_to_an_end(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        for number in range(5):
            made(client, f"r{number}", start_time=number + 1)
        pages, token = [], None
        while True:
            page = client.search_runs(
                ["0"], max_results=2, order_by=["attributes.start_time"], page_token=token
            )
            pages.append([run.info.run_name for run in page])
            token = page.token
            if not token:
                return pages

    assert sides.clients(program) == [["r0", "r1"], ["r2", "r3"], ["r4"]]


def test_wrong_searches_of_runs_are_refused(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        return [
            refused(client.search_runs, ["0"], **given)
            for given in (
                {"max_results": 0},
                {"max_results": 50_001},
                {"filter_string": "metrics.loss > 'text'"},
                {"filter_string": "attributes.experiment_id = '0'"},
                {"filter_string": "attributes.lifecycle_stage = 'active'"},
                {"filter_string": "nonsense"},
                {"order_by": ["nothing.at.all"]},
                {"page_token": "evilhax"},
            )
        ]

    assert sides.clients(program) == [INVALID] * 8
    client = MlflowClient(sides.lake, sides.lake)
    # SQLite's own error comes through here.
    twice = ["metrics.a", "metrics.a DESC"]
    assert refused(client.search_runs, ["0"], order_by=twice) == INVALID


def test_a_search_without_a_size_returns_every_run(sides: Sides) -> None:
    client = MlflowClient(sides.lake, sides.lake)
    for number in range(3):
        made(client, f"r{number}")
    runs, token = lake_store(sides)._search_runs(["0"], None, ViewType.ALL, None, None, None)
    assert (len(runs), token) == (3, None)


# Datasets and models


def test_datasets_of_runs_are_kept_as_they_were_logged_first(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        first, second = made(client, "a"), made(client, "b")
        client.log_inputs(first, [use("train", "d1", "training"), use("train", "d1", "x")])
        client.log_inputs(first, [use("train", "d1", "other")])
        client.log_inputs(second, [use("train", "d1", "test")])
        client.log_inputs(second, [])
        client.log_inputs(second)
        return [client.get_run(first).inputs, client.get_run(second).inputs]

    first, second = sides.clients(program)
    assert len(first["_dataset_inputs"]) == len(second["_dataset_inputs"]) == 1
    assert second["_dataset_inputs"][0]["_tags"][0]["_value"] == "test"


LIMITS = (("name", 500), ("digest", 36), ("source", 65_535), ("schema", 1_048_575))


@pytest.mark.parametrize(("part", "limit"), LIMITS)
def test_parts_of_datasets_are_as_long_as_in_mlflow(
    sides: Sides, part: str, limit: int
) -> None:
    def program(store: Any) -> Any:
        run_id = store.create_run("0", "u", 1, [], "r").info.run_id
        given = {"name": "n", "digest": "d", "source_type": "t", "source": "s"}
        longest = Dataset(**given | {part: "x" * limit})
        store.log_inputs(run_id, [DatasetInput(longest, [])])
        longer = Dataset(**given | {part: "x" * (limit + 1)})
        return refused(store.log_inputs, run_id, [DatasetInput(longer, [])])

    assert sides.stores(program) == INVALID


def test_datasets_without_what_they_need_are_refused(sides: Sides) -> None:
    def program(store: Any) -> Any:
        run_id = store.create_run("0", "u", 1, [], "r").info.run_id
        given = {"name": "n", "digest": "d", "source_type": "t", "source": "s"}
        answers = [
            refused(store.log_inputs, run_id, [DatasetInput(Dataset(**given | {part: None}))])
            for part in given
        ]
        for tag in (InputTag(None, "v"), InputTag("k", None), InputTag("k" * 256, "v")):
            asked = [DatasetInput(Dataset(**given), [tag])]
            answers.append(refused(store.log_inputs, run_id, asked))
        return answers

    assert sides.stores(program) == [INVALID] * 7


def test_datasets_of_experiments_are_listed_with_what_they_are_for(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        other = client.create_experiment("other")
        for experiment, uses in (
            ("0", [use("train", "d1", "training"), use("test", "d2", None)]),
            ("0", [use("train", "d1", "training"), use("train", "d1", "x")]),
            (other, [use("train", "d1", "test")]),
        ):
            client.log_inputs(made(client, experiment=experiment), uses)
        store = client._tracking_client.store

        def listed(*ids: str) -> Any:
            found = store._search_datasets(list(ids))
            return sorted(
                (each.experiment_id, each.name, each.digest, str(each.context))
                for each in found
            )

        return [listed("0"), listed("0", other), listed("99")]

    found = program(MlflowClient(sides.lake, sides.lake))
    assert [len(each) for each in found] == [2, 3, 0]
    # MLflow 2's lists what another experiment uses the dataset for, too.
    if not IS_2:
        assert found == program(MlflowClient(sides.sqlite, sides.sqlite))


def test_models_of_a_run_are_listed_in_its_tag(sides: Sides) -> None:
    def program(store: Any) -> Any:
        run_id = store.create_run("0", "u", 1, [], "r").info.run_id
        for path in ("one", "two"):
            flavors = {"tf": {"a": 1, "config": {"secret": 2}}}
            model = Model(
                artifact_path=path, run_id=run_id, utc_time_created=5, flavors=flavors
            )
            model.model_uuid = "same"
            store.record_logged_model(run_id, model)
        with pytest.raises(TypeError, match="should be mlflow"):
            store.record_logged_model(run_id, {})
        return store.get_run(run_id).data.tags["mlflow.log-model.history"]

    history = sides.stores(program)
    assert history.count("artifact_path") == 2
    assert "secret" not in history


def test_models_that_threads_record_at_once_are_all_listed(sides: Sides) -> None:
    store = MlflowClient(sides.lake, sides.lake)._tracking_client.store
    run_id = store.create_run("0", "u", 1, [], "r").info.run_id
    models = [Model(artifact_path=f"m{each}", run_id=run_id) for each in range(16)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda model: store.record_logged_model(run_id, model), models))
    history = store.get_run(run_id).data.tags["mlflow.log-model.history"]
    assert {each["artifact_path"] for each in json.loads(history)} == {
        f"m{each}" for each in range(16)
    }


# Programs


def test_a_fluent_program_answers_the_same(sides: Sides) -> None:
    def program() -> Any:
        mlflow.set_experiment("digits")
        with mlflow.start_run(run_name="parent", description="what it is for") as parent:
            mlflow.log_params({"depth": 3, "rate": 0.1})
            for step in range(3):
                mlflow.log_metric("loss", 1 / (step + 1), step=step, timestamp=step)
            mlflow.log_metrics({"a": 1, "b": 2.5}, step=1)
            mlflow.set_tags({"team": "vision"})
            with mlflow.start_run(nested=True, run_name="child") as child:
                mlflow.log_metric("inner", 1.0)
        with pytest.raises(ZeroDivisionError), mlflow.start_run(run_name="broken"):
            _ = 1 / 0
        with mlflow.start_run(run_id=parent.info.run_id):
            mlflow.log_param("again", "yes")
        frame = mlflow.search_runs(order_by=["attributes.run_name"])
        found = mlflow.search_runs(
            filter_string="metrics.loss < 0.5",
            output_format="list",
            search_all_experiments=True,
        )
        child_tags = mlflow.get_run(child.info.run_id).data.tags
        return [
            sorted(frame.columns),
            frame[["status", "params.depth", "metrics.loss", "tags.team"]].to_dict("list"),
            [run.info.run_name for run in found],
            mlflow.get_parent_run(child.info.run_id).info.run_id == parent.info.run_id,
            sorted(child_tags),
            mlflow.last_active_run().info.run_name,
        ]

    found = sides.fluent(program)
    assert found[1]["status"] == ["FAILED", "FINISHED", "FINISHED"]
    assert found[2:4] == [["parent"], True]


def test_asynchronous_logging_is_there_when_it_was_waited_for(sides: Sides) -> None:
    def program() -> Any:
        with mlflow.start_run(run_name="r") as run:
            for step in range(20):
                mlflow.log_metric("loss", step, step=step, timestamp=1, synchronous=False)
            mlflow.log_params({"a": 1, "b": 2}, synchronous=False)
            mlflow.log_metrics({"x": 1.0}, synchronous=False)
            mlflow.set_tag("t", "v", synchronous=False).wait()
            mlflow.flush_async_logging()
        data = mlflow.get_run(run.info.run_id).data
        history = MlflowClient().get_metric_history(run.info.run_id, "loss")
        return [data.params, data.metrics, data.tags["t"], [each.step for each in history]]

    assert sides.fluent(program)[-1] == list(range(20))


def test_runs_that_were_removed_for_good_are_gone(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        store = client._tracking_client.store
        experiment = client.create_experiment("gone")
        own, owned, kept = made(client), made(client, experiment=experiment), made(client)
        client.delete_run(own)
        client.delete_experiment(experiment)
        answers = [
            store._get_deleted_runs() in ([own, owned], [owned, own]),
            store._get_deleted_runs(older_than=3_600_000),
        ]
        for run_id in (own, owned):
            store._hard_delete_run(run_id)
        store._hard_delete_experiment(experiment)
        answers += [refused(client.get_run, own), refused(client.get_run, owned)]
        answers += [refused(client.get_experiment, experiment)]
        answers += [refused(store._hard_delete_run, own)]
        answers += [refused(store._hard_delete_experiment, "0")]
        found = client.search_runs(["0", experiment], run_view_type=ViewType.ALL)
        return [*answers, [run.info.run_id == kept for run in found]]

    assert sides.clients(program) == [True, [], *[MISSING] * 5, [True]]


def test_a_lake_that_is_gone_says_so_when_a_run_ends(sides: Sides) -> None:
    with tracking(sides.lake):
        mlflow.start_run()
        mlflow.log_metric("m", 1.0)
        shutil.rmtree(f"{sides.folder}/lake")
        # Once: MLflow forgets the run before it tells the store.
        with pytest.raises(MlflowException, match="lake"):
            mlflow.end_run()
