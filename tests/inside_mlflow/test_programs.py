"""Programs as people write them, with libraries that log by themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from click.testing import CliRunner
from inside_mlflow.programs import refused
from mlflow.cli import gc
from mlflow.tracking import MlflowClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inside_mlflow.programs import Sides

IS_2 = mlflow.__version__.startswith("2.")


@pytest.fixture(autouse=True)
def unpinned(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # MLflow would start a process for each model, to see which packages loading it imports.
    known = "mlflow.models.infer_pip_requirements"
    monkeypatch.setattr(known, lambda *_, **__: ["scikit-learn"])
    yield
    mlflow.autolog(disable=True, silent=True)


def digits() -> Any:
    from sklearn.datasets import load_digits

    # Few, and always the same.
    return tuple(each[:200] for each in load_digits(return_X_y=True))


def files(run_id: str, below: str | None = None) -> list[str]:
    """Return the paths of a run's artifacts."""
    found = []
    for each in MlflowClient().list_artifacts(run_id, below):
        found += files(run_id, each.path) if each.is_dir else [each.path]
    return sorted(found)


def logged(run_id: str) -> Any:
    """Return what a library has logged to a run, but for times and sizes of its files."""
    run = mlflow.get_run(run_id)
    # Of these each has an id of the run in it, or the time.
    volatile = {"mlflow.log-model.history", "mlflow.source.name"}
    return [
        run.data.params,
        {key: round(value, 6) for key, value in run.data.metrics.items()},
        {key: text for key, text in run.data.tags.items() if key not in volatile},
        files(run_id),
        [(use.dataset.digest, use.tags) for use in run.inputs.dataset_inputs],
        run.info.status,
    ]


def names_of_runs(**given: Any) -> list[str]:
    found = mlflow.search_runs(output_format="list", **given)
    return sorted(str(run.data.params) for run in found)


def test_scikit_learn_logs_by_itself_and_its_model_can_be_loaded(sides: Sides) -> None:
    from sklearn.linear_model import LogisticRegression

    def program() -> Any:
        mlflow.sklearn.autolog(silent=True)
        numbers, labels = digits()
        with mlflow.start_run(run_name="fit") as run:
            model = LogisticRegression(max_iter=20).fit(numbers, labels)
            model.score(numbers[:50], labels[:50])
        if IS_2:
            uri = f"runs:/{run.info.run_id}/model"
        else:
            (output,) = mlflow.get_run(run.info.run_id).outputs.model_outputs
            uri = f"models:/{output.model_id}"
        loaded = mlflow.sklearn.load_model(uri)
        generic = mlflow.pyfunc.load_model(uri)
        return [
            logged(run.info.run_id),
            (loaded.predict(numbers) == model.predict(numbers)).all(),
            (generic.predict(numbers) == model.predict(numbers)).all(),
        ]

    found, *equal = sides.fluent(program)
    assert found[0]["max_iter"] == "20"
    assert "training_score" in found[1]
    assert all(equal)


def test_a_model_is_evaluated(sides: Sides) -> None:
    import pandas
    from sklearn.linear_model import Ridge

    evaluate = mlflow.evaluate if IS_2 else mlflow.models.evaluate
    is_far = mlflow.models.make_metric(
        eval_fn=lambda predictions, targets: float((abs(predictions - targets) > 1).mean()),
        greater_is_better=False,
        name="is_far",
    )

    def far(rows: Any, *_: Any) -> dict[str, Any]:
        return {"far": rows[abs(rows["prediction"] - rows["target"]) > 1].round(6)}

    def program() -> Any:
        numbers, labels = digits()
        model = Ridge().fit(numbers, labels)
        frame = pandas.DataFrame(numbers, columns=[f"p{n}" for n in range(64)])
        frame["label"] = labels
        data = mlflow.data.from_pandas(frame, targets="label", name="digits")
        with mlflow.start_run(run_name="judged") as run:
            place = {"artifact_path": "model"} if IS_2 else {"name": "model"}
            made = mlflow.sklearn.log_model(model, **place)
            result = evaluate(
                made.model_uri,
                data,
                model_type="regressor",
                evaluators="default",
                # It takes another package, and long.
                evaluator_config={"log_model_explainability": False, "log_explainer": False},
                extra_metrics=[is_far],
                custom_artifacts=[far],
            )
        of_model = () if IS_2 else mlflow.get_logged_model(made.model_id).metrics
        return [
            {key: round(value, 6) for key, value in result.metrics.items()},
            {key: len(each.content) for key, each in result.artifacts.items()},
            logged(run.info.run_id),
            sorted((each.key, round(each.value, 6), each.dataset_name) for each in of_model),
        ]

    metrics, artifacts, (_, of_run, *_), of_model = sides.fluent(program)
    assert 0 < metrics["is_far"] < 1
    assert metrics == of_run
    assert artifacts["far"] == round(metrics["is_far"] * 200)
    assert {key for key, *_ in of_model} == (set() if IS_2 else {*metrics})


def test_a_search_of_parameters_makes_a_run_for_each(sides: Sides) -> None:
    from sklearn.model_selection import GridSearchCV
    from sklearn.tree import DecisionTreeClassifier

    def program() -> Any:
        mlflow.sklearn.autolog(silent=True, log_models=False, log_datasets=False)
        asked = {"max_depth": [2, 3], "min_samples_leaf": [1, 5]}
        with mlflow.start_run() as run:
            GridSearchCV(DecisionTreeClassifier(random_state=1), asked, cv=2).fit(*digits())
        children = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
        found = mlflow.search_runs(filter_string=children, output_format="list")
        data = mlflow.get_run(run.info.run_id).data
        return [
            names_of_runs(filter_string=children),
            min(sorted(each.data.metrics) for each in found)[:3],
            {key: data.params[key] for key in data.params if key.startswith("best_")},
        ]

    assert len(sides.fluent(program)[0]) == 4


def test_lightgbm_logs_its_curves(sides: Sides) -> None:
    import lightgbm

    def program() -> Any:
        mlflow.lightgbm.autolog(silent=True, log_models=False)
        numbers, labels = digits()
        train = lightgbm.Dataset(numbers[:150], labels[:150] % 2)
        valid = lightgbm.Dataset(numbers[150:], labels[150:] % 2, reference=train)
        given = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 1}
        with mlflow.start_run(run_name="boost") as run:
            lightgbm.train(given, train, 5, [valid], valid_names=["valid"])
        run_id = run.info.run_id
        history = MlflowClient().get_metric_history(run_id, "valid-binary_logloss")
        return [logged(run_id), [(each.step, round(each.value, 6)) for each in history]]

    found, curve = sides.fluent(program)
    assert [step for step, _ in curve] == list(range(5))
    assert "feature_importance_gain.json" in found[3]


def test_optunas_callback_logs_a_run_for_each_trial(sides: Sides) -> None:
    import optuna
    from optuna_integration.mlflow import MLflowCallback

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def program() -> Any:
        callback = MLflowCallback(
            tracking_uri=mlflow.get_tracking_uri(), metric_name="loss", create_experiment=False
        )

        @callback.track_in_mlflow()
        def objective(trial: optuna.Trial) -> float:
            x = trial.suggest_float("x", -2, 2)
            mlflow.log_metric("inside", x)
            return x**2

        study = optuna.create_study(
            study_name="parabola", sampler=optuna.samplers.RandomSampler(seed=1)
        )
        study.optimize(objective, n_trials=4, callbacks=[callback])
        found = mlflow.search_runs(order_by=["metrics.loss"], output_format="list")
        return [(run.data.params, run.data.metrics, run.info.run_name) for run in found]

    assert len(sides.fluent(program)) == 4


def test_artifacts_of_a_run_come_back(sides: Sides) -> None:
    def program() -> Any:
        with mlflow.start_run() as run:
            mlflow.log_text("text", "notes/a.txt")
            mlflow.log_dict({"b": [1, 2]}, "b.json")
            mlflow.log_table({"x": [1, 2], "y": ["a", "b"]}, "table.json")
        run_id = run.info.run_id
        table = mlflow.load_table("table.json", run_ids=[run_id])
        return [
            files(run_id),
            mlflow.artifacts.load_text(f"runs:/{run_id}/notes/a.txt"),
            mlflow.artifacts.load_dict(f"runs:/{run_id}/b.json"),
            table.to_dict("list"),
        ]

    assert sides.fluent(program)[0] == ["b.json", "notes/a.txt", "table.json"]


def test_mlflow_gc_removes_what_was_deleted_with_its_artifacts(
    sides: Sides, tmp_path: Path
) -> None:
    client = MlflowClient(sides.lake, sides.lake)
    experiment = client.create_experiment("old")
    gone, owned, kept = (client.create_run(each).info for each in ("0", experiment, "0"))
    for info in (gone, owned, kept):
        client.log_text(info.run_id, "text", "a.txt")
        client.log_metric(info.run_id, "m", 1.0)
    client.delete_run(gone.run_id)
    client.delete_experiment(experiment)
    time.sleep(0.01)
    # Its own command asks the environment where runs are.
    mlflow.set_tracking_uri(sides.lake)
    done = CliRunner().invoke(gc, ["--backend-store-uri", sides.lake])
    assert done.exit_code == 0, done.output
    for info in (gone, owned):
        assert refused(client.get_run, info.run_id) == "RESOURCE_DOES_NOT_EXIST"
    assert refused(client.get_experiment, experiment) == "RESOURCE_DOES_NOT_EXIST"
    assert client.get_run(kept.run_id).data.metrics == {"m": 1.0}
    texts = [path.parts[-3] for path in (tmp_path / "lake" / "artifacts").rglob("a.txt")]
    assert texts == [kept.run_id]
