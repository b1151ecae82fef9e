"""Many tabs of one browser, and a connection that is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.ui.browser.conftest import SHOWN, Studio, Visitor, ready, unfold
from tests.ui.browser.wire import wire
from ui import messages

PageSession = Callable[..., Visitor]
SLOW = "a cat, script: slow"


def begin(page: Page, steps: int) -> None:
    """A job of half a second a step, whose preview is seen."""
    unfold(page, messages.SETTINGS)
    expect(page.locator("#text-steps input, #text-steps textarea")).to_be_visible()
    page.locator("#text-prompt textarea").fill(SLOW)
    page.locator("#text-steps").locator("textarea, input").fill(str(steps))
    page.locator("button.generate").click()
    expect(page.locator("img.preview")).to_be_visible()


@pytest.mark.long
def test_seven_tabs_of_one_browser_listen_at_once(scripted: Studio, page_session: PageSession) -> None:
    """A browser keeps six connections to a server at most, so what streams must not take one for each tab."""
    visitor = page_session(scripted)
    first = visitor.open()
    begin(first, steps=900)
    tabs = [first, *(visitor.open() for _ in range(6))]
    for page in tabs:
        expect(page.locator("img.preview")).to_be_visible()
        expect(page.locator(".queue-button")).to_contain_text("1")
    tabs[-1].locator("button.stop-job:visible").click()
    for page in tabs:
        expect(page.locator("#text-stage")).to_contain_text(messages.STOPPED)


def lost_for(seconds: float, scripted: Studio, page_session: PageSession) -> None:
    """Gradio loads the page anew once it can; it then has its form, the running job, its preview and its result."""
    with wire(scripted.url) as between:
        visitor = page_session(Studio(between.url, scripted.settings, scripted.jobs))
        visitor.expects_trouble = True
        page = visitor.open()
        begin(page, steps=int(2 * seconds) + 60)
        page.evaluate("window.before = true")
        between.cut()
        page.wait_for_timeout(1000 * seconds)
        between.mend()
        page.wait_for_function("!window.before")
        ready(page)
        expect(page.locator("#text-prompt textarea")).to_have_value(SLOW)
        expect(page.locator("img.preview")).to_be_visible()
        expect(page.locator(SHOWN)).to_be_visible()
        expect(page.locator("button.generate")).to_be_enabled()


def test_a_connection_that_is_lost_for_seconds(scripted: Studio, page_session: PageSession) -> None:
    lost_for(5, scripted, page_session)


@pytest.mark.long
def test_a_connection_that_is_lost_for_a_minute(scripted: Studio, page_session: PageSession) -> None:
    lost_for(60, scripted, page_session)
