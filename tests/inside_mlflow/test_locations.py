"""Where artifacts are, and how their locations are shown to MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mlflow.entities import ExperimentTag

from lakeflow import LakeflowClient
from lakeflow.mlflow.tracking_store import TrackingStore

if TYPE_CHECKING:
    from pathlib import Path

PROXY = "mlflow-artifacts:/"


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return f"{tmp_path}/a lake"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says what MLflow's server says to its processes."""

    def serve(destination: str, *, serves: bool = True) -> None:
        monkeypatch.setenv("_MLFLOW_SERVER_SERVE_ARTIFACTS", str(serves).lower())
        monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", destination)

    return serve


def uri_of(lake: str) -> str:
    return f"lakeflow://{lake}".replace(" ", "%20")


def shown(lake: str, root: str | None, location: str | None = None) -> tuple[str, str]:
    """Return the locations of a new experiment and of a run in it, as MLflow sees them."""
    store = TrackingStore(uri_of(lake), root)
    made = store.create_experiment("made", location, [ExperimentTag("k", "v")])
    run = store.create_run(made, "ada", 1, [], "run")
    location = store.get_experiment(made).artifact_location
    assert (
        store.search_experiments(filter_string="name = 'made'")[0].artifact_location == location
    )
    return location, run.info.artifact_uri.replace(run.info.run_id, "run")


def stored(lake: str) -> str:
    """Return the location of that experiment as the lake itself tells it."""
    found = LakeflowClient(lake).get_experiment_by_name("made")
    assert found is not None
    return found.artifact_location


def test_a_location_in_the_lake_is_shown_so_that_mlflow_calls_lakeflow_for_it(
    lake: str,
) -> None:
    location, run = shown(lake, None)
    assert location == f"{uri_of(lake)}/artifacts/1"
    assert run == f"{location}/run/artifacts"
    assert stored(lake) == f"{lake}/artifacts/1"


def test_a_lake_elsewhere_is_shown_with_its_own_scheme() -> None:
    store = TrackingStore("lakeflow+memory://shown")
    assert store.get_experiment("0").artifact_location == "lakeflow+memory://shown/artifacts/0"


def test_a_server_that_hands_out_the_lakes_artifacts_is_asked_for_them(
    lake: str, server: Any
) -> None:
    server(f"{uri_of(lake)}/artifacts")
    location, run = shown(lake, PROXY)
    assert (location, run) == ("mlflow-artifacts:/1", "mlflow-artifacts:/1/run/artifacts")
    # The lake may be moved, or be used without a server: it knows nothing of this.
    assert stored(lake) == f"{lake}/artifacts/1"
    assert TrackingStore(uri_of(lake)).get_experiment("1").artifact_location.startswith("lake")


@pytest.mark.parametrize("serves", [True, False])
def test_a_server_that_hands_out_something_else_is_not_asked(
    lake: str, server: Any, tmp_path: Path, serves: bool
) -> None:
    server(f"{tmp_path}/elsewhere" if serves else f"{lake}/artifacts", serves=serves)
    location, _ = shown(lake, PROXY)
    assert location == f"{uri_of(lake)}/artifacts/1"


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("s3://bucket/root", "s3://bucket/root/1"),
        ("s3://bucket/root?x=y#f", "s3://bucket/root/1?x=y#f"),
        ("/data/elsewhere", "/data/elsewhere/1"),
        ("mlflow-artifacts:/below", "mlflow-artifacts:/below/1"),
    ],
)
def test_a_root_that_was_chosen_is_used(lake: str, root: str, expected: str) -> None:
    location, run = shown(lake, root)
    assert location == stored(lake) == expected
    assert run.replace("/run/artifacts", "") == expected


def test_a_location_that_is_given_stands_before_any_root(lake: str, server: Any) -> None:
    server(f"{lake}/artifacts")
    location, _ = shown(lake, PROXY, "s3://bucket/mine")
    assert location == stored(lake) == "s3://bucket/mine"


def test_what_is_shown_can_be_given_back(lake: str, tmp_path: Path) -> None:
    given = f"{uri_of(lake)}/mine"
    location, run = shown(lake, None, given)
    assert location == given
    assert run == f"{given}/run/artifacts"
    run_id = LakeflowClient(lake).search_runs(["1"])[0].info.run_id
    LakeflowClient(lake).log_text(run_id, "text", "a.txt")
    assert (tmp_path / "a lake" / "mine" / run_id / "artifacts" / "a.txt").read_text() == "text"
