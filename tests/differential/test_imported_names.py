"""Names of modules, parameters and entities that code imports from MLflow are the same here."""

import pytest

import lakeflow
from lakeflow import entities
from lakeflow.error_codes import ErrorCode
from lakeflow.utils import mlflow_tags, validation

FUNCTIONS = [
    "delete_experiment",
    "delete_run",
    "delete_tag",
    "end_run",
    "get_artifact_uri",
    "get_experiment",
    "get_experiment_by_name",
    "get_parent_run",
    "get_registry_uri",
    "get_run",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "last_active_run",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "search_experiments",
    "set_experiment",
    "set_experiment_tag",
    "set_experiment_tags",
    "set_registry_uri",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
]

# The limits of a lake that are not MLflow's: values are longer, profiles shorter.
OTHER_LIMITS = {
    "MAX_PARAM_VAL_LENGTH",
    "MAX_TAG_VAL_LENGTH",
    "MAX_EXPERIMENT_TAG_VAL_LENGTH",
    "MAX_DATASET_PROFILE_SIZE",
}


TAKE_MORE = {
    "log_metric": ["model_id", "dataset"],
    "log_metrics": ["model_id", "dataset"],
    "log_input": ["model"],
}


def capitals(module):
    return {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, int | str)
    }


def test_functions_take_what_mlflows_take(mlflow, parameters_of):
    theirs = mlflow.ask("signatures", [FUNCTIONS])["value"]
    ours = {name: parameters_of(getattr(lakeflow, name)) for name in FUNCTIONS}
    for name, more in TAKE_MORE.items():
        # MLflow 3 has them, and there a model may stand in the place of a dataset.
        assert ours.pop(name) == [
            "dataset=None" if each == "dataset" else each for each in theirs.pop(name)
        ] + [f"{each}=None" for each in more]
    assert ours == theirs


def test_tags_have_mlflows_names(mlflow):
    assert (
        capitals(mlflow_tags) == mlflow.ask("constants", ["mlflow.utils.mlflow_tags"])["value"]
    )


def test_limits_are_mlflows_but_for_those_of_values(mlflow):
    theirs = mlflow.ask("constants", ["mlflow.utils.validation"])["value"]
    ours = {name: getattr(validation, name) for name in validation.__all__}
    assert ours.keys() <= theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == OTHER_LIMITS


def test_error_codes_have_mlflows_numbers(mlflow):
    theirs = mlflow.ask("constants", ["mlflow.protos.databricks_pb2"])["value"]
    assert {code.name: code.value for code in ErrorCode}.items() <= theirs.items()


OF_MLFLOW_3 = {
    "Metric": {"model_id", "dataset_name", "dataset_digest", "run_id"},
    "Run": {"outputs"},
    "RunInputs": {"model_inputs"},
}


@pytest.fixture(scope="module")
def run():
    lakeflow.set_tracking_uri("memory://names-of-fields")
    digits = entities.Dataset("digits", "1a2b", "local", "/data")
    with lakeflow.start_run() as active:
        lakeflow.log_metric("m", 1)
        lakeflow.log_input(digits, "training")
    return lakeflow.get_run(active.info.run_id)


def test_entities_give_the_fields_that_mlflows_do(mlflow, run):
    use = run.inputs.dataset_inputs[0]
    some = [run, run.info, run.data, run.inputs, use, use.dataset, use.tags[0]]
    some += [run.data.latest_metrics[0], lakeflow.get_experiment("0")]
    some += [
        entities.Param("p", "1"),
        entities.RunTag("t", "1"),
        entities.ExperimentTag("t", "1"),
    ]
    ours = {type(each).__name__: {*dict(each)} for each in some}
    theirs = mlflow.ask("fields", [list(ours)])["value"]
    more = {
        name: ours[name] - {*theirs[name]} for name in ours if ours[name] != {*theirs[name]}
    }
    assert more == OF_MLFLOW_3
    assert all({*theirs[name]} <= ours[name] for name in ours)
