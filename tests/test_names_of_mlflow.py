"""Code that was written for MLflow finds its names here, in the modules where it looks."""

from __future__ import annotations

import lakeflow as mlflow


def test_the_client_and_the_functions_are_found_by_each_of_their_names() -> None:
    from lakeflow.client import MlflowClient
    from lakeflow.tracking import MlflowClient as Tracking
    from lakeflow.tracking.client import MlflowClient as Client
    from lakeflow.tracking.fluent import ActiveRun, start_run

    assert MlflowClient is Tracking is Client is mlflow.MlflowClient
    assert ActiveRun is mlflow.ActiveRun
    assert start_run is mlflow.start_run
    for name in ("get_tracking_uri", "set_tracking_uri", "is_tracking_uri_set"):
        assert getattr(mlflow.tracking, name) is getattr(mlflow, name)
    for name in ("get_registry_uri", "set_registry_uri"):
        assert getattr(mlflow.tracking, name) is getattr(mlflow, name)
    for name in mlflow.__all__:
        assert getattr(mlflow.tracking.fluent, name) is getattr(mlflow, name)


def test_modules_are_there_as_soon_as_the_package_is() -> None:
    assert mlflow.utils.mlflow_tags.MLFLOW_PARENT_RUN_ID == "mlflow.parentRunId"
    assert mlflow.data.pandas_dataset.PandasDataset.__name__ == "PandasDataset"
    assert mlflow.exceptions.ErrorCode.Name(1) == "INTERNAL_ERROR"


def test_the_longest_value_that_code_logs_is_taken(client: mlflow.MlflowClient) -> None:
    limits = mlflow.utils.validation
    run_id = client.create_run("0").info.run_id
    value = "\N{GRINNING FACE}" * limits.MAX_PARAM_VAL_LENGTH
    key = "k" * limits.MAX_ENTITY_KEY_LENGTH
    client.log_param(run_id, key, value)
    client.set_tag(run_id, key, value[: limits.MAX_TAG_VAL_LENGTH])
    client.set_experiment_tag("0", key, value[: limits.MAX_EXPERIMENT_TAG_VAL_LENGTH])
    data = client.get_run(run_id).data
    assert data.params[key] == data.tags[key] == value
    assert client.get_experiment("0").tags[key] == value
