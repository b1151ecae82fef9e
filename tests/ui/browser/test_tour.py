"""A walk through the page at 1366 x 768: everything that answers is in sight, and nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.ui.browser.conftest import SHOWN, Studio, Visitor, ready, show
from tests.ui.browser.drawing import field, press, stroke
from ui import messages

PageSession = Callable[..., Visitor]

SETTINGS = "a red fox\nNegative prompt: blurry\nSteps: 31, Sampler: Euler a, CFG scale: 6, Seed: 99, Model: starter"

PASTE = """(field, text) => {
  const data = new DataTransfer();
  data.setData("text/plain", text);
  field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


def in_sight(page: Page, *wanted: Locator) -> None:
    """All of them are seen without scrolling."""
    assert page.evaluate("scrollY") == 0
    for each in wanted:
        expect(each.first).to_be_in_viewport()


def test_from_words_to_a_drawing_and_back(scripted: Studio, page_session: PageSession) -> None:
    visitor = page_session(scripted, width=1366, height=768)
    page = visitor.open()
    prompt, button = field_of(page, "prompt"), page.locator("button.generate:visible")

    # Settings that are pasted as text fill the form; what is folded away is named.
    prompt.evaluate(PASTE, SETTINGS)
    expect(prompt).to_have_value("a red fox")
    expect(field_of(page, "seed")).to_have_value("99")
    expect(page.locator(".changed-settings:visible")).to_contain_text("Steps 31")
    page.keyboard.press("Control+Enter")
    expect(page.locator(SHOWN)).to_be_visible()
    in_sight(
        page, prompt, button, page.locator("button.stop-job:visible"), page.locator(SHOWN), page.locator(".actions a:visible")
    )

    # What is sent takes its words and settings along; sheet, words and buttons are in sight together.
    page.locator("#text-stage figure[data-shown] [data-send=to_sketch]").click()
    expect(page.locator(".pad[data-ready]")).to_be_visible()
    expect(field(page, "prompt")).to_have_value("a red fox")
    expect(page.locator(".changed-settings:visible")).to_contain_text("Steps 31")
    expect(field(page, "seed")).to_have_value("")
    in_sight(page, page.locator(".pad-view"), field(page, "prompt"), page.locator("#sketch-stage .canvas"))
    press(page, "tool", "brush")
    stroke(page, (40, 40), (200, 200))

    # The open tab stands in the address, also after a reload, and Back returns to the one before.
    assert page.url.endswith("#tab=sketch-to-image")
    page.reload()
    ready_at(page, "Sketch to image")
    page.go_back()
    ready_at(page, "Text to image")

    # Another tab of the browser has a form of its own.
    other = visitor.open()
    field_of(other, "prompt").fill("something else")
    other.wait_for_function("localStorage['easel-form-text'].length > 0")
    page.reload()
    ready(page)
    expect(prompt).to_have_value("a red fox")


def test_two_pictures_of_the_history_are_compared_and_trials_stay_out(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted, width=1366, height=768).open()
    field_of(page, "prompt").fill("a pair")
    for _ in range(2):
        page.keyboard.press("Control+Enter")
    expect(page.locator("#text-stage .strip button")).to_have_count(2)
    show(page, "History")
    page.locator("#history-words").locator("textarea, input").fill("a pair")
    expect(page.locator(".thumb")).to_have_count(2)
    chosen = page.locator("#history-chosen")
    page.locator(".thumb").first.click()
    in_sight(page, chosen.locator(".picture"), chosen.get_by_role("button", name=messages.COMPARE))
    chosen.get_by_role("button", name=messages.COMPARE).click()
    page.locator(".thumb").nth(1).click()
    expect(chosen.locator(".pair .picture")).to_have_count(2)
    expect(chosen.locator(".differences")).to_contain_text("Seed")
    chosen.get_by_role("button", name=messages.STOP_COMPARING).click()
    expect(chosen.locator(".pair")).to_have_count(0)
    expect(page.get_by_label(messages.STUDIES)).not_to_be_checked()


def field_of(page: Page, name: str) -> Locator:
    return page.locator(f"#text-{name}").locator("textarea, input").first


def ready_at(page: Page, tab: str) -> None:
    expect(page.locator("html[data-text-form=ready]")).to_be_attached()
    expect(page.get_by_role("tab", name=tab, exact=True)).to_have_attribute("aria-selected", "true")
