"""MLflow's UI over a lake in a browser: what is in the lake is on the page, and nothing fails."""

from __future__ import annotations

import io
import json
import os
import time
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from inside_mlflow.browsing import MOST_MS, Ui, browsing
from inside_mlflow.served import over_lake, wait_for
from inside_mlflow.shown import RUNS, Shown, fill
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

POINTS = 100_000
PICTURES = os.environ.get("LAKEFLOW_TEST_PICTURES")
"""A folder for pictures of some of the pages; docs/images to make those of the docs anew."""

IN_DOCS = {
    "test_charts_of_runs": "mlflow-runs.png",
    "test_the_chart_of_a_run_with_100_000_points": "mlflow-metrics.png",
    "test_a_trace_with_its_spans_and_assessments": "mlflow-trace.png",
}
"""Tests that end at a page which the docs show, and what its picture is called."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Shown]:
    folder = tmp_path_factory.mktemp("shown")
    return folder, fill(folder / "lake", points=POINTS)


@pytest.fixture(scope="module")
def shown(lake: tuple[Path, Shown]) -> Shown:
    return lake[1]


@pytest.fixture(scope="module")
def browser(lake: tuple[Path, Shown]) -> Iterator[Ui]:
    with over_lake(lake[0], "--workers", "1") as server:
        wait_for(server)
        with browsing(server.url) as ui:
            yield ui


@pytest.fixture
def ui(browser: Ui, request: pytest.FixtureRequest) -> Iterator[Ui]:
    """The UI; after each test no request has failed, and nothing was complained of."""
    browser.wrong.clear()
    yield browser
    if PICTURES and request.node.name in IN_DOCS:
        picture = Image.open(io.BytesIO(browser.page.screenshot()))
        picture.quantize(128).save(Path(PICTURES, IN_DOCS[request.node.name]), optimize=True)
    assert browser.wrong == []


# A row that moves keeps its place in the document; its number says where it is seen. Read in one
# go: the table makes its rows anew as it grows.
NAMES = """
rows => Object.values(Object.fromEntries(rows.map(
    row => [row.getAttribute('row-index'), (row.innerText.match(/tree-[0-9]{2}/) || [''])[0]]
).filter(([_, name]) => name)))
"""


def _names_become(ui: Ui, *names: str) -> None:
    """Wait until the table of runs begins with these, from top to bottom."""
    rows = ui.page.locator("[row-index]")
    end = time.monotonic() + MOST_MS / 1000
    while (found := rows.evaluate_all(NAMES)[: len(names)]) != list(names):
        assert time.monotonic() < end, found
        ui.page.wait_for_timeout(100)


def test_experiments(ui: Ui) -> None:
    ui.show("/experiments", "digits", "Default")


def test_runs(ui: Ui, shown: Shown) -> None:
    ui.show(
        f"/experiments/{shown.experiment}/runs", f"{RUNS} matching runs", "tree-00", "tree-11"
    )


def test_runs_filtered(ui: Ui, shown: Shown) -> None:
    asked = urllib.parse.quote("params.depth = '3' OR metrics.accuracy > 0.605")
    ui.show(f"/experiments/{shown.experiment}/runs?searchFilter={asked}", "2 matching runs")
    _names_become(ui, "tree-11", "tree-03")


def test_runs_sorted_by_a_metric(ui: Ui, shown: Shown) -> None:
    asked = urllib.parse.urlencode({"orderByKey": "metrics.`loss`", "orderByAsc": "false"})
    ui.show(f"/experiments/{shown.experiment}/runs?{asked}", f"{RUNS} matching runs")
    _names_become(ui, "tree-11", "tree-10", "tree-09")


def test_a_column_of_runs_that_is_chosen(ui: Ui, shown: Shown) -> None:
    ui.show(f"/experiments/{shown.experiment}/runs", f"{RUNS} matching runs", "tree-11")
    ui.page.get_by_role("button", name="Columns").first.click()
    ui.page.get_by_text("accuracy", exact=True).first.click()
    ui.page.keyboard.press("Escape")
    ui.has("0.61", "0.5")


def test_charts_of_runs(ui: Ui, shown: Shown) -> None:
    ui.show(f"/experiments/{shown.experiment}/runs?compareRunsMode=CHART", "accuracy", "loss")
    ui.page.locator(".js-plotly-plot .scatterlayer path.js-line").first.wait_for()


def test_a_run(ui: Ui, shown: Shown) -> None:
    run_id = shown.runs["tree-00"]
    ui.show(
        f"/experiments/{shown.experiment}/runs/{run_id}", "tree-00", run_id, "vision", "depth"
    )
    ui.has("Finished", "digits-tree")


def test_the_chart_of_a_run_with_100_000_points(ui: Ui, shown: Shown) -> None:
    path = f"/experiments/{shown.experiment}/runs/{shown.runs['tree-00']}/model-metrics"
    bulk = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
    with ui.page.expect_response(
        lambda it: bulk in it.url and "metric_key=long" in it.url
    ) as got:
        ui.show(path, "long")
    metrics = got.value.json()["metrics"]
    assert 100 <= len(metrics) <= 2_500
    assert (metrics[0]["step"], metrics[-1]["step"]) == (0, POINTS - 1)
    ui.has("tree-00 (long)")
    ui.page.locator(".js-plotly-plot .scatterlayer path.js-line").nth(1).wait_for()


def test_artifacts_of_a_run(ui: Ui, shown: Shown) -> None:
    path = f"/experiments/{shown.experiment}/runs/{shown.runs['tree-00']}/artifacts"
    ui.show(path, "notes.txt", "model")
    ui.page.get_by_text("notes.txt").first.click()
    ui.has("a note of a run")


def test_a_comparison_of_runs(ui: Ui, shown: Shown) -> None:
    two = json.dumps([shown.runs["tree-00"], shown.runs["tree-01"]])
    asked = urllib.parse.urlencode({"runs": two, "experiments": f'["{shown.experiment}"]'})
    ui.show(
        f"/compare-runs?{asked}", "Comparing 2 Runs", "tree-00", "tree-01", "depth", "accuracy"
    )


def test_registered_models(ui: Ui) -> None:
    ui.show("/models", "digits-tree")


def test_a_registered_model(ui: Ui) -> None:
    ui.show("/models/digits-tree", "tells digits apart", "of tree-00", "of tree-01", "champion")


def test_a_model_version(ui: Ui) -> None:
    ui.show("/models/digits-tree/versions/2", "of tree-01", "champion", "tree-01")


def test_logged_models(ui: Ui, shown: Shown) -> None:
    ui.show(f"/experiments/{shown.experiment}/models", "tree-model", "Ready")


def test_a_logged_model(ui: Ui, shown: Shown) -> None:
    path = f"/experiments/{shown.experiment}/models/{shown.model}"
    ui.show(path, "tree-model", shown.model, "depth", "Ready")


def test_traces(ui: Ui, shown: Shown) -> None:
    ui.show(f"/experiments/{shown.experiment}/traces", "what is 4?", "it is 4", "what is 0?")


def test_a_trace_with_its_spans_and_assessments(ui: Ui, shown: Shown) -> None:
    path = f"/experiments/{shown.experiment}/traces?selectedEvaluationId={shown.trace}"
    ui.show(path, "answer", "retrieve", "generate", "what is 4?", "it is 4")
    ui.page.get_by_text("Assess").last.click()
    ui.has("correct", "True", "expected", "four")


def test_a_session(ui: Ui, shown: Shown) -> None:
    path = f"/experiments/{shown.experiment}/chat-sessions/session-1"
    ui.show(path, "session-1", "what is 1?", "what is 3?")


def test_datasets(ui: Ui, shown: Shown) -> None:
    ui.show(f"/experiments/{shown.experiment}/datasets", "questions")


def test_a_dataset(ui: Ui, shown: Shown) -> None:
    path = f"/experiments/{shown.experiment}/datasets/{shown.dataset}"
    ui.show(path, "3 records", "how much is 2 and 1?")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "Recent Experiments"),
        ("/experiments/{}/overview/usage", "Latency"),
        ("/experiments/{}/chat-sessions", "Sessions"),
        ("/experiments/{}/evaluation-runs", "tree-11"),
        ("/experiments/{}/judges", "Judges"),
        ("/experiments/{}/review-queue", "Review"),
        ("/experiments/{}/prompts", "Prompts"),
        ("/prompts", "Prompts"),
        ("/settings", "Theme preference"),
    ],
)
def test_other_pages_show_no_error(path: str, text: str, ui: Ui, shown: Shown) -> None:
    ui.show(path.format(shown.experiment), text)
