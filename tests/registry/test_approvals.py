"""Approvals and comparisons: who has decided what on a version, and what two versions differ in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow import cli
from lakeflow.entities import Dataset, DatasetInput, InputTag
from lakeflow.exceptions import InvalidInputError, InvalidStateError, NotFoundError

if TYPE_CHECKING:
    from lakeflow import LakeflowClient

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def model(client: LakeflowClient, uri: str) -> LakeflowClient:
    """Return a client of a lake that has a model ``a`` with two versions."""
    lakeflow.set_tracking_uri(uri)
    client.create_registered_model("a")
    for _ in range(2):
        client.create_model_version("a", "s3://bucket/model")
    return client


def test_an_alias_moves_to_approved_versions_only(model: LakeflowClient) -> None:
    model.set_registered_model_alias("a", "old", 1)
    lakeflow.registry.require_approval("a")
    assert model.get_model_version_by_alias("a", "old").version == 1, "it stays"
    with pytest.raises(InvalidStateError, match="not approved"):
        model.set_registered_model_alias("a", "champion", 2)
    lakeflow.approve_model_version("a", 2, decision="rejected")
    with pytest.raises(InvalidStateError, match="rejected"):
        model.set_registered_model_alias("a", "champion", 2)
    assert lakeflow.approve_model_version("a", 2).approval == "approved"
    model.set_registered_model_alias("a", "champion", 2)
    lakeflow.approve_model_version("a", 2, decision="rejected")
    assert model.get_model_version_by_alias("a", "champion").version == 2, "it stays, too"
    lakeflow.registry.require_approval("a", False)
    model.set_registered_model_alias("a", "champion", 1)


def test_a_copy_is_not_approved(model: LakeflowClient) -> None:
    lakeflow.approve_model_version("a", 1)
    assert model.copy_model_version("models:/a/1", "b").approval is None


def test_an_approval_is_an_event(model: LakeflowClient) -> None:
    lakeflow.approve_model_version("a", "1", note="fair", evidence="s3://reports/1.pdf")
    *_, event = lakeflow.registry.history("a", output_format="list")
    assert (event["action"], event["version"]) == ("approve_model_version", 1)
    assert json.loads(event["before"]) == {"approval": None}
    assert json.loads(event["after"]) == {
        "approval": "approved",
        "note": "fair",
        "evidence": "s3://reports/1.pdf",
    }
    with pytest.raises(InvalidInputError, match="'approved' and 'rejected'"):
        lakeflow.approve_model_version("a", 1, decision="maybe")  # type: ignore[arg-type]
    with pytest.raises(NotFoundError):
        lakeflow.approve_model_version("a", 9)


def test_the_command_approves(model: LakeflowClient, uri: str, capsys: Captured) -> None:
    command = ["registry", "approve", "a", "2", "--note", "unfair", "--reject", "--uri", uri]
    assert cli.main(command) == 0
    assert capsys.readouterr().out == "version 2 of a is rejected\n"
    assert model.get_model_version("a", 2).approval == "rejected"


def test_two_versions_are_compared_with_their_runs(
    model: LakeflowClient, uri: str, capsys: Captured
) -> None:
    for number in (1, 2):
        run_id = model.create_run("0", run_name="same").info.run_id
        model.log_param(run_id, "lr", number / 10)
        model.log_param(run_id, "same", "x")
        model.log_metric(run_id, "loss", 1 / number)
        model.set_tag(run_id, "mlflow.source.git.commit", f"c{number}")
        dataset = Dataset("digits", f"d{number}", "local", "{}")
        tags = [InputTag("mlflow.data.context", "training")]
        model.log_inputs(run_id, [DatasetInput(dataset, tags)])
        model.create_model_version("a", "s3://bucket/model", run_id, {"t": number})
    model.set_registered_model_alias("a", "champion", 4)
    rows = lakeflow.registry.diff("a", 3, "@champion", output_format="list")
    found = {(row["part"], row["key"]): (row["a"], row["b"]) for row in rows}
    assert ("param", "same") not in found
    assert found["param", "lr"] == ("0.1", "0.2")
    assert found["metric", "loss"] == ("1.0", "0.5")
    assert found["run", "source commit"] == ("c1", "c2")
    assert found["dataset", "digits"] == ("d1 (training)", "d2 (training)")
    assert found["version tag", "t"] == ("1", "2")
    assert found["version", "aliases"] == (None, "champion")
    command = ["registry", "diff", "a", "3", "@champion", "--uri", uri, "--format", "json"]
    assert cli.main([*command, "--all"]) == 0
    assert {"part": "param", "key": "same", "a": "x", "b": "x"} in json.loads(
        capsys.readouterr().out
    )


def test_a_run_that_is_not_there_is_said_to_be_missing(model: LakeflowClient) -> None:
    model.create_model_version("a", "s3://bucket/model", "0" * 32)
    deleted = model.create_run("0").info.run_id
    model.delete_run(deleted)
    model.create_model_version("a", "s3://bucket/model", deleted)
    rows = lakeflow.registry.diff("a", 3, 4, output_format="list")
    assert {"part": "run", "key": "state", "a": "missing", "b": "deleted"} in rows
    same = lakeflow.registry.diff("a", 3, 3, output_format="list")
    assert same == [{"part": "run", "key": "state", "a": "missing", "b": "missing"}]
    assert lakeflow.registry.diff("a", 1, 1).num_rows == 0
