"""What a training loop pays for at every step, in functions: a timing would decide nothing."""

from __future__ import annotations

import pytest
from budget.entered import functions_entered

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.entities import Metric


@pytest.fixture
def run_id(uri: str) -> str:
    """Return the id of an active run to which everything was logged once."""
    lakeflow.set_tracking_uri(uri)
    run = lakeflow.start_run()
    lakeflow.log_metrics({"loss": 0.5, "accuracy": 0.9})
    return run.info.run_id


def test_a_warm_log_metric_enters_few_functions(run_id: str) -> None:
    client = LakeflowClient()
    client.log_metric(run_id, "loss", 0.25, step=1)
    fluent = functions_entered(lambda: lakeflow.log_metric("loss", 0.125, step=2))
    assert len(fluent) <= 20, fluent
    own = functions_entered(lambda: client.log_metric(run_id, "loss", 0.0625, step=3))
    assert len(own) <= 18, own


def test_a_metric_more_in_a_call_enters_no_function_more(run_id: str) -> None:
    lakeflow.log_metrics({"loss": 0.5}, step=0)
    one = functions_entered(lambda: lakeflow.log_metrics({"loss": 0.5}, step=1))
    two = functions_entered(
        lambda: lakeflow.log_metrics({"loss": 0.5, "accuracy": 0.9}, step=2)
    )
    assert two == one
    client, point = LakeflowClient(), Metric("loss", 0.5, 1_700_000_000_000, 3)
    client.log_batch(run_id, metrics=[point])
    batch = functions_entered(lambda: client.log_batch(run_id, metrics=[point]))
    assert len(batch) <= 19, batch
