"""Shows a page of MLflow's UI in a browser, again and again, and says when it was there.

The program of the UI is loaded before: what is measured is from the click to the content.
"""

from __future__ import annotations

import argparse
import json
import shutil
from statistics import median
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Page

CLOSED = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');"

PAGES = {
    "runs": ("a page of the runs table", "/experiments/0/runs", "[row-index='5'] a"),
    "curves": (
        "the chart of 10 runs",
        "/experiments/0/runs?compareRunsMode=CHART",
        # Each run has its line.
        ".js-plotly-plot .scatterlayer .trace:nth-child(10) path.js-line",
    ),
}
"""What a page is called, where it is, and what is on it when it is there."""

SHOWN = """
([path, found]) => new Promise((resolve, reject) => {
  performance.clearResourceTimings();
  const began = performance.now();
  const look = () => {
    if (document.querySelector(found)) {
      const asked = performance.getEntriesByType('resource')
        .filter((each) => each.name.includes('/mlflow/') || each.name.includes('graphql'));
      resolve({shown: performance.now() - began,
               asked: Math.max(0, ...asked.map((each) => each.duration))});
    } else if (performance.now() - began > 60000) reject(new Error('not shown'));
    else requestAnimationFrame(look);
  };
  location.hash = path;
  look();
})
"""
"""Goes to a page; returns the milliseconds until it is drawn, and of its longest request."""


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("library", "uri", "step", "browser"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    title, path, found = PAGES[options.step]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which(options.browser), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(CLOSED)
        page.goto(f"{options.uri}/#/experiments")
        times = [shown(page, path, found) for _ in range(options.repeats + 1)][1:]
        browser.close()
    middle = {name: median(each[name] for each in times) / 1000 for name in ("shown", "asked")}
    print(json.dumps({"title": title, **middle}), flush=True)


def shown(page: Page, path: str, found: str) -> Any:
    """Return how long a page takes that comes after that of all experiments."""
    page.evaluate("location.hash = '/experiments'")
    page.get_by_role("link", name="Default").first.wait_for()
    page.wait_for_timeout(500)
    return page.evaluate(SHOWN, [path, found])


if __name__ == "__main__":
    main()
