"""What single calls of one process pay for, in functions: a timing would decide nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from budget.entered import asked_of_the_system, functions_entered

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.entities import Metric
from lakeflow.exceptions import InvalidInputError
from lakeflow.stores.runs import PARAM_STALENESS_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeflow.stores.store import Store


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
    lakeflow.log_metric("loss", 0.5, step=1)  # the first time its name is looked up
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


def test_a_run_is_made_with_three_looks_and_a_write(tmp_path: Path) -> None:
    client = LakeflowClient(tmp_path / "lake")
    client.create_run("0")
    asked = asked_of_the_system(lambda: client.create_run("0"))
    assert asked == [
        "lstat",  # is there a later change of an experiment,
        "stat",  # is this still the lake,
        "fstat",  # and has the open segment a name?
        "urandom",
        "write",
    ]
    entered = functions_entered(lambda: client.create_run("0"))
    assert len(entered) <= 125, entered


def test_a_change_alone_waits_for_the_disk_once_and_reads_nothing(tmp_path: Path) -> None:
    client = LakeflowClient(tmp_path / "lake")
    client.create_registered_model("model")
    changes = [
        lambda: client.create_model_version("model", "s3://b/m"),
        lambda: client.set_registered_model_alias("model", "champion", 1),
        lambda: client.set_model_version_tag("model", 1, "key", "value"),
    ]
    most = [410, 310, 310]
    for change, functions in zip(changes, most, strict=True):
        change()
        asked = asked_of_the_system(change)
        assert asked.count("fsync") == asked.count("link") == 1
        assert asked.count("open") <= 1, "the new file"
        assert len(asked) <= 20, asked
        entered = functions_entered(change)
        assert len(entered) <= functions, entered


def test_a_param_is_logged_without_parsing_what_others_log_about_other_runs(
    another_process: Callable[..., Store], uri: str
) -> None:
    mine, theirs = (another_process(uri) for _ in range(2))
    run_id, other_id = (each.runs.create("0").info.run_id for each in (mine, theirs))

    def log(key: str) -> list[str]:
        time.sleep(PARAM_STALENESS_S)
        return functions_entered(lambda: mine.runs.log_param(run_id, key, 1))

    log("first")  # reads the event that has made the lake
    for step in range(10):
        theirs.runs.log_metric(other_id, "loss", 0.5, 1, step)
    entered = log("a")
    assert "Memtable.told_of" in entered
    assert "Declarations.fitting" not in entered
    theirs.runs.log_param(run_id, "b", 2)
    with pytest.raises(InvalidInputError, match="'b' was already logged with value '2'"):
        log("b")
    # What was read and not parsed is there for whoever reads.
    theirs.runs.log_metric(other_id, "loss", 0.5, 1, 10)
    log("c")
    assert len(mine.runs.history(other_id, "loss")) == 11
    assert mine.runs.get(run_id).data.params == {"first": "1", "a": "1", "b": "2", "c": "1"}
