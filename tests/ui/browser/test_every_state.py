"""axe-core finds nothing serious on any tab in any state: idle, running, done, failed, with each dialog open, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from engine.testing import GO_ON
from tests.ui.browser import axe
from tests.ui.browser.conftest import SHOWN, Studio, Visitor, show, unfold_all
from tests.ui.browser.drawing import file_of, open_tab, press
from ui import interface, messages

State = tuple[str, str]
"""Its name, and a selector of what lies over the page then, if anything does."""

PANEL = "[role=tabpanel]:visible"


def lead_through_a_job(page: Page, studio: Studio, name: str, tab: str) -> Iterator[State]:
    """A job of the tab that runs, is done, and fails."""
    go_on = studio.settings.data / GO_ON
    prompt, generate = page.locator(f"#{name}-prompt textarea"), page.locator("button.generate:visible")
    result = page.locator(f"{PANEL} .result-side")
    prompt.fill("a cat, script: wait")
    generate.click()
    expect(result.locator(".under-way")).to_be_visible()
    yield f"{tab}, running", ""
    page.locator(".queue-button").click()
    expect(page.locator(".line .running")).to_be_visible()
    yield f"{tab}, the queue while a job runs", ".sheet"
    page.keyboard.press("Escape")
    go_on.touch()
    expect(result.locator(".picture:not(.preview):visible").first).to_be_visible()
    expect(result.locator(".making")).to_have_count(0)
    go_on.unlink()
    yield f"{tab}, done", ""
    prompt.fill("a cat, script: fail")
    generate.click()
    expect(result.locator(".trouble")).to_be_visible()
    yield f"{tab}, failed", ""


def lead_through_dialogs(page: Page) -> Iterator[State]:
    """What lies over the first tab: lists, dialogs, the question about notifications."""
    prompt = page.locator("#text-prompt textarea")
    prompt.fill("")
    prompt.press_sequentially("a peng")
    expect(page.get_by_role("option").first).to_be_visible()
    yield "words that are offered", ".completions"
    page.keyboard.press("Escape")
    prompt.fill("")
    page.locator("#text-size input").click()
    expect(page.locator(".option-list")).to_be_visible()
    yield "a list that is open", ".option-list"
    page.keyboard.press("Escape")
    page.locator("#text-stage .strip button").first.click()
    page.locator("#text-stage figure[data-shown] a.frame").click()
    yield "the large picture", "#lightbox"
    page.keyboard.press("Escape")
    page.locator("[data-shortcuts]").click()
    yield "the shortcuts", "#shortcuts"
    page.keyboard.press("Escape")
    page.evaluate("document.querySelector('#when-done').hidden = false")
    yield "the question about notifications", "#when-done"
    page.evaluate("document.querySelector('#when-done').hidden = true")
    page.locator(".queue-button").click()
    expect(page.locator(".sheet .ended").first).to_be_visible()
    yield "the queue after a failure", ".sheet"
    page.keyboard.press("Escape")


def lead_through_history(page: Page) -> Iterator[State]:
    """One picture, several, and two that are compared."""
    page.locator(".thumb").first.click()
    chosen = page.locator("#history-chosen")
    expect(chosen.locator(".picture")).to_be_visible()
    yield "History, one picture", ""
    chosen.get_by_role("button", name=messages.COMPARE).click()
    expect(page.locator(".toast-body")).to_be_visible()
    yield "a message", ".toast-wrap"
    page.locator(".thumb").nth(1).click()
    expect(chosen.locator(".pair .picture")).to_have_count(2)
    expect(page.locator(".toast-body")).to_have_count(0)
    yield "History, two pictures", ""
    page.locator(".selection button").first.click()
    page.locator(".thumb").first.click()
    yield "History, many", ""


def lead_through_tabs(page: Page, studio: Studio) -> Iterator[State]:
    """Every tab with everything unfolded; where something can be brought, with that."""
    for tab in interface.TABS:
        show(page, tab)
        unfold_all(page)
        yield f"{tab}, all unfolded", ""
        if tab == "History":
            yield from lead_through_history(page)
        if tab == "Upscale":
            page.locator("button.generate:visible").click()
            expect(page.locator("#upscale-says .says")).to_be_visible()
            yield "Upscale without a picture", ""
            content = file_of(Image.radial_gradient("L").convert("RGB"))
            page.set_input_files("#upscale-files input[type=file]", {"name": "a.png", "mimeType": "image/png", "buffer": content})
            page.locator("button.generate:visible").click()
            expect(page.locator("#upscale-slider img")).to_have_count(2)
            yield "Upscale, done", ""
        if tab == "Image info":
            page.set_input_files("#info-file input[type=file]", next(studio.settings.outputs.rglob("*.png")))
            expect(page.locator("#info-shown .prompt").first).to_be_visible()
            yield "Image info of a picture", ""


def states(page: Page, studio: Studio) -> Iterator[State]:
    """Leads the page from state to state, each once."""
    yield "idle", ""
    yield from lead_through_a_job(page, studio, "text", "Text to image")
    page.locator("#text-count").locator("input, textarea").fill("2")
    page.locator("#text-prompt textarea").fill("two cats")
    page.locator("button.generate:visible").click()
    expect(page.locator(f"#text-stage {SHOWN}")).to_have_attribute("alt", "two cats")
    yield from lead_through_dialogs(page)
    open_tab(page)
    yield "Sketch to image, idle", ""
    page.locator("[data-sample=house]").click()
    press(page, "tool", "mask")
    yield from lead_through_a_job(page, studio, "sketch", "Sketch to image")
    show(page, "Negative prompts")
    page.locator("#negative-negative_prompt textarea").fill("rain")
    yield from lead_through_a_job(page, studio, "negative", "Negative prompts")
    yield from lead_through_tabs(page, studio)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_axe_finds_nothing_serious(scripted: Studio, page_session: Callable[..., Visitor]) -> None:
    page = page_session(scripted, width=1366, height=768).open()
    axe.prepare(page)
    found: list[str] = []
    count = 0
    for name, over in states(page, scripted):
        new = axe.check_in_both(page, name, over)
        print(f"{name}: {len(new)} found")
        found += new
        count += 1
    print(f"{count} states in light and dark: {len(found)} found that are serious or undecided")
    assert found == []
