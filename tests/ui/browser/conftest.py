"""A real browser, and Easel's page behind its door on a real port."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from engine.jobs import Jobs
from engine.settings import Settings
from ui.server.serve import serve

PATIENCE = 90_000
"""Milliseconds that a page may take on a busy machine. Nothing waits longer than it has to."""

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")
PLACES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

SHOWN = "figure.result .picture:visible"
"""The finished image that is shown large."""

SCRIPTED = "engine.testing:ScriptedEngine"

# Chromium says the first of an `autofocus` that finds its field focused already; Gradio the next three of the streams of a
# page that is being left, and its file field the last of itself.
_HARMLESS = re.compile(
    r"Autofocus processing was blocked|AbortError: signal is aborted|Connection errored out|Unexpected error 404: Not Found"
    r"|Method not implemented\."
)


@dataclass
class Studio:
    """A served page."""

    url: str
    settings: Settings
    jobs: Jobs | None = None


@dataclass
class Visitor:
    """One browser with its own storage, as one person's; what its pages asked for and complained about."""

    studio: Studio
    context: BrowserContext
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    expects_trouble: bool = False

    def open(self) -> Page:
        """A new tab with the studio, ready to be used."""
        # Gradio knows one folder of uploads for each process; these tests serve several pages in theirs.
        os.environ["GRADIO_TEMP_DIR"] = str(self.studio.settings.data / "uploads")
        page = self.context.new_page()
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda said: self._heard(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(self.studio.url)
        ready(page)
        return page

    def check(self) -> None:
        """No request went to another host, and no page complained."""
        foreign = [url for url in self.requests if not url.startswith((f"{self.studio.url}/", "data:", "blob:"))]
        assert self.requests and not foreign
        assert self.expects_trouble or not self.complaints

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not _HARMLESS.search(text):
            self.complaints.append(f"{kind}: {text}")


def ready(page: Page) -> None:
    """Wait until the page has its form back and knows who it is, whichever tab it opens at."""
    expect(page.locator("[role=tabpanel]:visible button").first).to_be_visible()
    expect(page.locator("html[data-text-form=ready]")).to_be_attached()


def show(page: Page, tab: str) -> None:
    """Go to the tab of that name."""
    page.get_by_role("tab", name=tab, exact=True).click()
    drawn(page)


def unfold(page: Page, title: str) -> None:
    """Open the accordion of that title in the tab that is seen."""
    page.locator("button.label-wrap:visible").filter(has_text=re.compile(f"^{re.escape(title)}")).click()
    drawn(page)


def unfold_all(page: Page) -> None:
    """Open every accordion of the tab that is seen."""
    boxes = page.locator("button.label-wrap:visible[aria-expanded=false]")
    while boxes.count():
        boxes.first.evaluate("box => box.click()")
    for panel in page.locator("[role=tabpanel]:visible .words-panel").all():
        panel.scroll_into_view_if_needed()  # what it shows is asked for when it is seen
        expect(panel.locator("> *").first).to_be_attached()
    page.evaluate("scrollTo(0, 0)")
    drawn(page)


def drawn(page: Page) -> None:
    """Wait until what was shown or unfolded can be typed into."""
    # Gradio fills what it just unfolded once more in the next frame: only a script types so fast that its words are lost.
    expect(page.locator("[role=tabpanel]:visible").locator("button, input, textarea").first).to_be_attached()
    page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


@contextmanager
def keeping(page: Page, tab: str) -> Iterator[None]:
    """For what fills the form of a tab without being typed: the browser has it in its store a moment after the fields show it."""
    key = f"easel-form-{tab}"
    before = page.evaluate("key => localStorage.getItem(key)", key)
    yield
    page.wait_for_function("([key, before]) => localStorage.getItem(key) !== before", arg=[key, before])


def browser_path() -> str | None:
    """The browser to test with; None is the one that Playwright brought."""
    named = os.environ.get("EASEL_TEST_BROWSER")
    return named or next((found for place in PLACES if (found := shutil.which(place))), None)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser. Its event loop runs in the main thread, and a thread has one at a time."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as play:
        launched = play.chromium.launch(executable_path=browser_path(), args=FLAGS, timeout=PATIENCE)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for this folder's tests, gone when others begin. Imported elsewhere it would stay to the end."""
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def more_patience(browser: Browser) -> Iterator[None]:
    """For the real engine: the first image waits for torch to be imported, which takes a busy machine minutes."""
    expect.set_options(timeout=3 * PATIENCE)
    yield
    expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The page over the scripted engine, one for all tests: each has a browser of its own."""
    folder = tmp_path_factory.mktemp("scripted")
    settings = Settings(data=folder / "data", outputs=folder / "outputs")
    with Jobs(settings, SCRIPTED) as jobs, serve(settings, jobs, port=0) as studio:
        yield Studio(studio.url, settings, jobs)


@pytest.fixture
def page_session(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Makes a visitor to a studio; afterwards every one is checked."""
    visitors: list[Visitor] = []

    def new(studio: Studio, width: int = 1280, height: int = 860, **options: str | bool) -> Visitor:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(PATIENCE)
        visitors.append(Visitor(studio, context))
        return visitors[-1]

    yield new
    for visitor in visitors:
        visitor.context.close()
        visitor.check()


def finished_pictures(settings: Settings) -> set[Path]:
    """All images in the outputs folder."""
    return set(settings.outputs.rglob("*.png"))
