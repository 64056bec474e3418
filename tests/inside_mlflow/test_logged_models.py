"""Logged models of a lake are what MLflow's own store makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from inside_mlflow.programs import a_moment
from mlflow.entities import (
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
)

import lakeflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODELS: list[dict[str, Any]] = [
    {"name": "small", "model_type": "agent", "params": {"lr": "0.1", "depth": "3"}},
    {"name": "large", "model_type": "agent", "params": {"lr": "0.01"}, "tags": {"team": "sea"}},
    {"name": "large", "params": {"lr": "0.10"}, "tags": {"team": "sky", "odd": "50%"}},
    {"name": "other name", "tags": {"team": "Sea"}},
    {"name": "deleted", "params": {"lr": "0.1"}, "tags": {"team": "sea"}},
]
# Of a model by its place: metric, value, step, dataset.
POINTS = [
    (0, "acc", 0.5, 0, None),
    (0, "acc", 0.7, 1, ("train", "1")),
    (0, "acc", 0.6, 2, ("test", "1")),
    (1, "acc", 0.9, 0, ("train", "1")),
    (1, "acc", 0.8, 1, ("train", "2")),
    (1, "val/loss", 0.25, 1, ("test", "1")),
    (2, "acc", 0.65, 0, ("test", "2")),
    (2, "val/loss", -1.0, 0, None),
    (4, "acc", 1.0, 0, None),
    # With values that are neither the last, the least nor the largest of their series.
    *((2, "middle", value, step, ("train", "1")) for step, value in enumerate((1, 2, 3, 4))),
    *((3, "middle", value, step, None) for step, value in enumerate((1, 2.5, 4))),
    *((1, "middle", 3.0, step, None) for step in range(2)),
]


class Told:
    """The same models in both stores, each known by its place."""

    def __init__(self, pair: Any) -> None:
        self.pair = pair
        self.experiments = [store.create_experiment("models", None, []) for store in pair]
        self.runs = [
            store.create_run(experiment, "me", 1_790_000_000_000, [], "r").info.run_id
            for store, experiment in zip(pair, self.experiments, strict=True)
        ]
        self.ids = [self.make(**model) for model in MODELS]
        self.places = {each: place for place, both in enumerate(self.ids) for each in both}
        for now, (place, key, value, step, dataset) in enumerate(POINTS, 1_790_000_000_000):
            name, digest = dataset or (None, None)
            self.of_both(
                place,
                lambda store, run_id, model_id, point: store.log_metric(
                    run_id, Metric(*point[:4], model_id, *point[4:])
                ),
                (key, value, now, step, name, digest),
            )
        self.of_both(4, lambda store, _, model_id: store.delete_logged_model(model_id))
        ready = LoggedModelStatus.READY
        self.of_both(1, lambda store, _, model: store.finalize_logged_model(model, ready))

    def make(
        self, name: str, model_type: str | None = None, params: Any = None, tags: Any = None
    ) -> tuple[str, ...]:
        # No two in one millisecond: between these the ids decide, which are random.
        a_moment()
        made = [
            store.create_logged_model(
                experiment,
                name,
                run_id,
                [LoggedModelTag(*each) for each in (tags or {}).items()],
                [LoggedModelParameter(*each) for each in (params or {}).items()],
                model_type,
            )
            for store, experiment, run_id in zip(
                self.pair, self.experiments, self.runs, strict=True
            )
        ]
        return tuple(model.model_id for model in made)

    def of_both(self, place: int, call: Any, *args: Any) -> list[Any]:
        """Return what a call returns for the run and a model of each store; or its error."""
        found = []
        for store, run_id, model_id in zip(self.pair, self.runs, self.ids[place], strict=True):
            try:
                found.append(call(store, run_id, model_id, *args))
            except mlflow.exceptions.MlflowException as error:
                found.append(error.error_code)
        return found

    def search(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Return the places of what a search finds, or its error, in each store."""
        found = []
        for store, experiment in zip(self.pair, self.experiments, strict=True):
            try:
                page = store.search_logged_models([experiment], *args, **kwargs)
                found.append([self.places[model.model_id] for model in page])
            except mlflow.exceptions.MlflowException as error:
                found.append(error.error_code)
        return found


@pytest.fixture(scope="module")
def told(pair: Any) -> Told:
    return Told(pair)


@pytest.fixture(scope="module", params=["hot", "folded"])
def searched(request: pytest.FixtureRequest, told: Told) -> Told:
    if request.param == "folded":
        lakeflow.compact(told.pair.lake.uri)
    return told


def as_dict(model: Any, ids: set[str]) -> dict[str, Any]:
    """Return a model without what the time, a place or chance have made of it."""
    found = model.to_dictionary()
    assert found["artifact_location"].endswith(f"/models/{model.model_id}/artifacts")
    for name in ("artifact_location", "creation_timestamp", "last_updated_timestamp"):
        del found[name]
    for name in ("model_id", "source_run_id", "experiment_id"):
        found[name] = type(found[name]).__name__
    points = found["metrics"]
    if points is not None:
        assert {point.model_id for point in points} == {model.model_id}
        found["metrics"] = sorted(
            (p.key, p.value, p.timestamp, p.step, str(p.dataset_name), str(p.dataset_digest))
            for p in points
        )
        assert {point.run_id for point in points} <= ids
    return found


@pytest.mark.parametrize("place", range(len(MODELS)))
def test_a_model_is_read_as_it_was_made(searched: Told, place: int) -> None:
    ids = {*searched.runs}
    ours, theirs = searched.of_both(
        place,
        lambda store, _, model_id: as_dict(store.get_logged_model(model_id, True), ids),
    )
    assert ours == theirs


def test_a_deleted_model_is_found_only_by_who_asks_for_it(told: Told) -> None:
    get = told.of_both(4, lambda store, _, model_id: store.get_logged_model(model_id))
    assert get == ["RESOURCE_DOES_NOT_EXIST"] * 2
    assert told.of_both(
        4, lambda store, _, model_id: model_id in store._get_deleted_logged_models()
    ) == [True, True]
    assert told.of_both(
        4, lambda store, _, model_id: model_id in store._get_deleted_logged_models(60_000)
    ) == [False, False]


FILTERS = [
    None,
    "",
    "name = 'large'",
    "name != 'large'",
    "name LIKE 'l%'",
    "name ILIKE 'L%'",
    "name like 'L%'",
    "name IN ('small', 'large')",
    "name NOT IN ('small', 'large')",
    "name = 'deleted'",
    "attributes.name = 'small'",
    "model_type = 'agent'",
    "model_type != 'agent'",
    "model_type = 'agent' AND name = 'large'",
    "source_run_id = 'nobody'",
    "creation_timestamp > 0",
    "creation_timestamp < 1000",
    "last_updated_timestamp >= 1000 AND creation_time > 5",
    "params.lr = '0.1'",
    "params.lr LIKE '0.1%'",
    "params.lr != '0.1'",
    "params.`lr` = '0.01' and params.lr = '0.01'",
    "params.nothing = '1'",
    "tags.team = 'sea'",
    "tags.team ILIKE 'SEA'",
    "tags.team != 'sea'",
    "tags.odd = '50%'",
    "metrics.acc > 0.65",
    "metrics.acc >= 0.65",
    "metrics.acc < 0.6",
    "metrics.acc = 0.9",
    "metrics.acc != 0.65",
    "metrics.acc > 0.5 AND metrics.acc < 0.6",
    "metrics.`val/loss` < 0",
    "metrics.acc > 0.6 AND tags.team = 'sky' AND params.lr = '0.10'",
    "metrics.nothing > 0",
    "metrics.middle = 2",
    "metrics.middle = 3",
    "metrics.middle = 2 AND metrics.middle = 3",
    "metrics.middle != 3",
    "metrics.middle > 2 AND metrics.middle = 2.5",
    # And what is none.
    "name = 'a' OR name = 'b'",
    "spans.name = 'a'",
    "name > 'a'",
    "metrics.acc LIKE '1'",
]
DATASETS = [
    None,
    [],
    [{"dataset_name": "train"}],
    [{"dataset_name": "train", "dataset_digest": "1"}],
    [{"dataset_name": "train", "dataset_digest": "2"}, {"dataset_name": "test"}],
    [{"dataset_name": "nowhere"}],
    [{"dataset_digest": "1"}],
]


def test_filters_mean_what_they_mean_to_mlflow(
    searched: Told, subtests: pytest.Subtests
) -> None:
    for text in FILTERS:
        with subtests.test(text):
            ours, theirs = searched.search(text)
            # We take more: OR among it.
            assert ours == theirs or (theirs == "INVALID_PARAMETER_VALUE" and " OR " in text)


def test_metrics_are_those_of_the_datasets_that_are_asked_for(
    searched: Told, subtests: pytest.Subtests
) -> None:
    for datasets in DATASETS:
        for text in (
            "", "metrics.acc > 0.65", "metrics.acc < 0.7", "tags.team = 'sea'",
            "metrics.middle = 2",
        ):  # fmt: skip
            with subtests.test(f"{text} {datasets}"):
                ours, theirs = searched.search(text, datasets)
                assert ours == theirs


ORDERS: list[Any] = [
    None,
    [{"field_name": "creation_timestamp"}],
    [{"field_name": "creation_time", "ascending": False}],
    [{"field_name": "name"}],
    [{"field_name": "name", "ascending": False}, {"field_name": "creation_timestamp"}],
    [{"field_name": "model_type"}],
    [{"field_name": "model_type", "ascending": False}],
    [{"field_name": "metrics.acc"}],
    [{"field_name": "metrics.acc", "ascending": False}],
    [{"field_name": "metrics.val/loss", "ascending": False}],
    [{"field_name": "metrics.acc", "dataset_name": "train"}],
    [{"field_name": "metrics.acc", "dataset_name": "train", "dataset_digest": "1"}],
    [{"field_name": "metrics.acc", "ascending": False, "dataset_name": "test"}],
    [
        {"field_name": "metrics.acc", "dataset_name": "train", "dataset_digest": "2"},
        {"field_name": "metrics.acc"},
    ],
    [{"field_name": "nothing"}],
    [{"field_name": "metrics.nothing"}],
]


def test_models_are_sorted_as_mlflow_sorts_them(
    searched: Told, subtests: pytest.Subtests
) -> None:
    for order in ORDERS:
        with subtests.test(repr(order)):
            ours, theirs = searched.search(order_by=order)
            assert ours == theirs
            ours, theirs = searched.search("metrics.acc > 0.6", order_by=order)
            assert ours == theirs


@pytest.mark.parametrize("order", [ORDERS[0], ORDERS[8], ORDERS[13]])
def test_pages_are_cut_as_mlflow_cuts_them(searched: Told, order: Any) -> None:
    pages = []
    for store, experiment in zip(searched.pair, searched.experiments, strict=True):
        token, found = None, []
        while True:
            page = store.search_logged_models(
                [experiment], "name != 'x'", None, 2, order, token
            )
            found.append([searched.places[model.model_id] for model in page])
            token = page.token
            if not token:
                break
            for args in (([experiment], "name != 'y'", None, 2, order, token),):
                with pytest.raises(mlflow.exceptions.MlflowException) as raised:
                    store.search_logged_models(*args)
                assert raised.value.error_code == "INVALID_PARAMETER_VALUE"
        pages.append(found)
    assert pages[0] == pages[1]
    assert [len(page) for page in pages[0]] == [2, 2]


def test_bad_calls_have_the_codes_of_mlflow(pair: Any, subtests: pytest.Subtests) -> None:
    unknown = "m-" + "0" * 32
    calls = {
        "get": lambda store: store.get_logged_model(unknown),
        "finalize": lambda store: store.finalize_logged_model(unknown, LoggedModelStatus.READY),
        "delete": lambda store: store.delete_logged_model(unknown),
        "tag": lambda store: store.set_logged_model_tags(unknown, [LoggedModelTag("a", "b")]),
        "untag": lambda store: store.delete_logged_model_tag(unknown, "a"),
        "params": lambda store: store.log_logged_model_params(
            unknown, [LoggedModelParameter("a", "b")]
        ),
        "remove": lambda store: store._hard_delete_logged_model(unknown),
        "experiment": lambda store: store.create_logged_model("987654"),
        **{
            name: lambda store, name=name: store.create_logged_model("0", name)
            for name in ("", "a/b", "a:b", "a.b", "a%b", "a'b", 'a"b')
        },
    }
    for name, call in calls.items():
        with subtests.test(name):
            ours, theirs = pair.each(call)
            assert ours == theirs
            assert isinstance(ours, str)


def test_tags_params_and_status_change_as_in_mlflow(told: Told) -> None:
    def change(store: Any, run_id: str, model_id: str) -> Any:
        before = store.get_logged_model(model_id).last_updated_timestamp
        store.set_logged_model_tags(
            model_id,
            [LoggedModelTag("a", "1"), LoggedModelTag("b", "2"), LoggedModelTag("a", "3")],
        )
        store.delete_logged_model_tag(model_id, "b")
        store.log_logged_model_params(model_id, [LoggedModelParameter("late", "1")])
        store.set_model_versions_tags("registered", "1", model_id)
        store.set_model_versions_tags("registered", "2", model_id)
        tagged = store.get_logged_model(model_id)
        done = store.finalize_logged_model(model_id, LoggedModelStatus.FAILED)
        return (
            tagged.tags,
            tagged.params,
            tagged.last_updated_timestamp == before,
            str(done.status),
            done.last_updated_timestamp > before,
        )

    ours, theirs = told.of_both(3, change)
    assert ours == theirs
    missing = told.of_both(
        3, lambda store, _, model_id: store.delete_logged_model_tag(model_id, "b")
    )
    assert missing == ["RESOURCE_DOES_NOT_EXIST"] * 2


def test_a_run_names_the_models_that_it_used_and_made(told: Told) -> None:
    def tie(store: Any, run_id: str, model_id: str) -> Any:
        store.log_inputs(run_id, None, [LoggedModelInput(model_id)])
        store.log_inputs(run_id, [], [LoggedModelInput(model_id)])
        store.log_outputs(run_id, [LoggedModelOutput(model_id, 3)])
        run = store.get_run(run_id)
        used, made = run.inputs.model_inputs, run.outputs.model_outputs
        assert {each.model_id for each in (*used, *made)} == {model_id}
        return len(used), [each.step for each in made], list(run.to_dictionary())

    ours, theirs = told.of_both(0, tie)
    assert ours == theirs
    assert ours[:2] == (1, [3])


def test_a_batch_is_of_the_run_and_of_the_models_that_it_names(told: Told) -> None:
    def log(store: Any, run_id: str, model_id: str) -> Any:
        store.log_batch(
            run_id,
            [
                Metric("batch", 1.0, 10, 1, model_id, "d", "1"),
                Metric("batch", 2.0, 11, 2, model_id),
                Metric("batch", 3.0, 12, 3),
            ],
            [],
            [],
        )
        model = store.get_logged_model(model_id)
        history = store.get_metric_history(run_id, "batch")
        return (
            sorted((p.value, p.step) for p in model.metrics if p.key == "batch"),
            sorted((p.value, p.step) for p in history),
            store.get_run(run_id).data.metrics["batch"],
        )

    ours, theirs = told.of_both(3, log)
    assert ours == theirs
    assert ours[1:] == ([(1.0, 1), (2.0, 2), (3.0, 3)], 3.0)


def test_a_model_that_is_removed_for_good_is_gone(told: Told) -> None:
    def remove(store: Any, *_: str) -> Any:
        model_id = store.create_logged_model("0", "short").model_id
        store.delete_logged_model(model_id)
        store._hard_delete_logged_model(model_id)
        return model_id in store._get_deleted_logged_models(), store.get_logged_model(
            model_id, True
        )

    assert told.of_both(0, remove) == ["RESOURCE_DOES_NOT_EXIST"] * 2


@pytest.fixture
def uris(
    pair: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, str]]:
    # Beside a database MLflow keeps artifacts below the folder that it is in.
    monkeypatch.chdir(tmp_path)
    yield pair.uris
    mlflow.clear_active_model()


def measured(uri: str) -> Any:
    """Measure an external model and others as programs do, and return what is known then."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.set_experiment("fluent models")
    with mlflow.start_run() as run:
        agent = mlflow.create_external_model("agent", params={"size": "1"}, model_type="agent")
        with mlflow.set_active_model(name="agent") as active:
            assert active.model_id == agent.model_id
            mlflow.log_metric("quality", 0.25)
            mlflow.log_metrics({"quality": 0.5, "cost": 2.0}, step=1)
        mlflow.log_metric("quality", 1.0, step=2)
        pending = mlflow.initialize_logged_model("pending", tags={"k": "v"})
        mlflow.log_model_params({"late": "1"}, pending.model_id)
        mlflow.set_logged_model_tags(pending.model_id, {"x": "y"})
        mlflow.delete_logged_model_tag(pending.model_id, "k")
        mlflow.log_outputs([LoggedModelOutput(pending.model_id, 5)])
        mlflow.finalize_logged_model(pending.model_id, "READY")
    ids = {agent.model_id: "agent", pending.model_id: "pending"}
    frame = mlflow.search_logged_models(order_by=[{"field_name": "name"}])
    best = mlflow.search_logged_models(
        filter_string="metrics.quality > 0.3", output_format="list"
    )
    logged = mlflow.get_run(run.info.run_id)
    points = mlflow.get_logged_model(agent.model_id).metrics
    return (
        [
            (name, str(status))
            for name, status in zip(frame["name"], frame["status"], strict=True)
        ],
        sorted(frame.columns),
        [ids[each.model_id] for each in best],
        sorted((point.key, point.value, point.step) for point in points),
        [ids[each.model_id] for each in logged.inputs.model_inputs],
        [(ids[each.model_id], each.step) for each in logged.outputs.model_outputs],
        mlflow.get_logged_model(pending.model_id).params,
        {k: v for k, v in mlflow.last_logged_model().tags.items() if "." not in k},
        logged.data.metrics,
    )


def test_a_program_measures_models_on_a_lake_as_on_sqlite(uris: tuple[str, str]) -> None:
    ours, theirs = map(measured, uris)
    assert ours == theirs


def logged_and_loaded(uri: str) -> Any:
    """Log a model of scikit-learn, load it, register it, and return what is known then."""
    import numpy
    from sklearn.linear_model import LinearRegression

    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.set_experiment("sklearn models")
    features, targets = numpy.array([[0.0], [1.0], [2.0]]), numpy.array([1.0, 3.0, 5.0])
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(
            LinearRegression().fit(features, targets),
            name="line",
            params={"kind": "linear"},
            pip_requirements=[],
        )
        mlflow.log_metric("mse", 0.0, model_id=info.model_id)
    loaded = mlflow.sklearn.load_model(f"models:/{info.model_id}")
    again = mlflow.pyfunc.load_model(info.model_uri)
    version = mlflow.register_model(info.model_uri, "registered line")
    model = mlflow.get_logged_model(info.model_id)
    found = mlflow.search_logged_models(
        filter_string="params.kind = 'linear' AND metrics.mse < 0.5", output_format="list"
    )
    files = mlflow.artifacts.list_artifacts(f"models:/{info.model_id}")
    return (
        [round(float(each), 6) for each in loaded.predict(numpy.array([[3.0]]))],
        [round(float(each), 6) for each in again.predict(numpy.array([[4.0]]))],
        str(model.status),
        model.params,
        [each.name for each in found],
        sorted(each.path for each in files),
        [each.step for each in mlflow.get_run(run.info.run_id).outputs.model_outputs],
        (version.version, version.model_id == info.model_id),
        [point.key for point in model.metrics],
    )


def test_a_model_is_logged_loaded_and_registered_as_on_sqlite(uris: tuple[str, str]) -> None:
    ours, theirs = map(logged_and_loaded, uris)
    assert ours == theirs
