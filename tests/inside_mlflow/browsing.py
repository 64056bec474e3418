"""Debian's Chromium without a screen, and pages of MLflow's UI in it."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright
from servers import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page, Request, Response

SIZE = {"width": 1280, "height": 800}
MOST_MS = 60_000

CHOSEN = """
localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');
localStorage.setItem('_mlflow_user_setting_dismiss_next_model_registry_ui', 'false');
"""
"""What somebody who has been here before has closed."""

TOLERATED = re.compile(
    # The app that knows users is not there unless somebody asks for it.
    r"404 GET /ajax-api/2\.0/mlflow/users/current"
    r"|console: Failed to load resource: the server responded with a status of 404 \(Not Found\)"
    r"|console: .*ResizeObserver loop completed with undelivered notifications\."
)
"""What goes wrong in the UI over SQLite too."""


@dataclass
class Ui:
    """The UI of a server in a browser.

    Attributes:
        url: The server's.
        page: The browser's tab.
        wrong: What has gone wrong in it so far.
    """

    url: str
    page: Page
    wrong: list[str] = field(default_factory=list)

    def show(self, path: str, *texts: str) -> None:
        """Go to a page of the UI, and wait until it has some texts."""
        self.page.goto(f"{self.url}/#{path}")
        self.has(*texts)

    def has(self, *texts: str) -> None:
        """Wait until some texts can be seen."""
        for text in texts:
            found = self.page.get_by_text(text).locator("visible=true")
            found.first.wait_for(timeout=MOST_MS)

    def part(self, name: str) -> Any:
        """Return a part of the page by the name that MLflow gives it."""
        return self.page.locator(f"[data-component-id='{name}']")


@contextlib.contextmanager
def browsing(url: str) -> Iterator[Ui]:
    """Start a browser that sees one server, and nothing else of the network."""
    path, environment = chromium.program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            env=environment,
            # Root has no sandbox; what is shown is ours.
            args=["--no-sandbox", "--disable-dev-shm-usage"],
        )
        page = browser.new_page(viewport=SIZE, locale="en-US", timezone_id="UTC")
        page.set_default_timeout(MOST_MS)
        page.add_init_script(CHOSEN)
        page.route(lambda asked: not asked.startswith(url), lambda route: route.abort())
        ui = Ui(url, page)
        _watch(ui)
        try:
            yield ui
        finally:
            browser.close()


def _watch(ui: Ui) -> None:
    """Note each answer that is an error, each request without one, and what is complained of."""

    def note(text: str) -> None:
        if not TOLERATED.fullmatch(text):
            ui.wrong.append(text)

    def answered(response: Response) -> None:
        if response.status >= 400:
            request = response.request
            note(f"{response.status} {request.method} {request.url.removeprefix(ui.url)}")

    def failed(request: Request) -> None:
        # A page that is left lets go of what it has asked for.
        if request.url.startswith(ui.url) and request.failure != "net::ERR_ABORTED":
            note(f"{request.failure} {request.method} {request.url.removeprefix(ui.url)}")

    ui.page.on("response", answered)
    ui.page.on("requestfailed", failed)
    ui.page.on("pageerror", lambda error: note(f"page: {error}"))
    ui.page.on(
        "console", lambda said: note(f"console: {said.text}") if said.type == "error" else None
    )
