"""The tour at three sizes: how often one presses for a job, nothing out of sight, and what of the screen a picture has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from engine.testing import GO_ON
from tests.ui.browser.conftest import SHOWN, Studio, Visitor, show
from tests.ui.browser.drawing import file_of, open_tab, stroke

PageSession = Callable[..., Visitor]

PANEL = "[role=tabpanel]:visible"


@dataclass
class Hand:
    """Presses with a mouse or a finger, and counts."""

    page: Page
    has_touch: bool
    may_scroll: bool
    presses: int = 0

    def press(self, target: Locator) -> None:
        self.presses += 1
        target.tap() if self.has_touch else target.click()
        assert self.may_scroll or self.page.evaluate("scrollY") == 0

    def finish(self) -> int:
        """The presses since the last time."""
        self.presses, presses = 0, self.presses
        return presses


def make_first_picture(hand: Hand) -> None:
    page = hand.page
    hand.press(page.locator("#chips button").first)
    hand.press(page.locator("button.generate:visible"))
    expect(page.locator(SHOWN)).to_be_visible()
    expect(page.locator(".making")).to_have_count(0)


def make_batch_and_pick(hand: Hand) -> None:
    page = hand.page
    strip = page.locator("#text-stage .strip button")
    hand.press(page.locator("#chips button").nth(1))
    hand.press(page.locator("#text-count").locator("input, textarea"))
    page.keyboard.press("Control+A")
    page.keyboard.type("4")
    hand.press(page.locator("button.generate:visible"))
    expect(strip).to_have_count(5)
    expect(page.locator(".making")).to_have_count(0)
    hand.press(strip.nth(2))
    expect(strip.nth(2)).to_have_attribute("aria-pressed", "true")
    expect(page.locator(SHOWN)).to_be_in_viewport()


def draw_and_paint(hand: Hand) -> None:
    page = hand.page
    stroke(page, (100, 100), (600, 300), (300, 600))
    hand.press(page.locator("#sketch-prompt textarea"))
    page.keyboard.type("a bird")
    hand.press(page.locator("button.generate:visible"))
    expect(page.locator(f"#sketch-stage {SHOWN}")).to_be_visible()
    expect(page.locator(f"#sketch-stage {SHOWN}")).to_be_in_viewport()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("width", "height", "options"),
    [(1366, 768, {}), (2560, 1440, {}), (360, 740, {"has_touch": True, "is_mobile": True})],
    ids=["1366 x 768", "2560 x 1440", "a phone"],
)
def test_how_often_one_presses_for_a_job(
    scripted: Studio, page_session: PageSession, width: int, height: int, options: dict[str, Any]
) -> None:
    page = page_session(scripted, width=width, height=height, **options).open()
    hand = Hand(page, has_touch=bool(options), may_scroll=bool(options))
    make_first_picture(hand)
    first = hand.finish()
    make_batch_and_pick(hand)
    batch = hand.finish()
    open_tab(page)
    draw_and_paint(hand)
    drawn = hand.finish()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    print(
        f"{width} x {height}: first picture {first} presses, a batch and one picked {batch}, draw and paint {drawn} plus strokes"
    )
    assert (first, batch, drawn) == (2, 4, 2)


def assert_in_sight(page: Page, about: str, *wanted: str) -> None:
    """Everything of these selectors that is shown is seen whole, and the page was not scrolled."""
    assert page.evaluate("scrollY") == 0, about
    for selector in wanted:
        for each in page.locator(f"{PANEL} {selector}").filter(visible=True).all():
            expect(each, f"{about}: {selector}").to_be_in_viewport(ratio=0.99)


ANSWERS = ("button.generate", "button.also", "button.stop-job", ".prompt:first-of-type textarea", ".result-side .canvas")
AFTERWARDS = (".strip", ".result-side .actions a", ".result-side .actions button")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_nothing_that_answers_is_out_of_sight(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted, width=1366, height=768).open()
    go_on = scripted.settings.data / GO_ON
    for name, tab in (("text", "Text to image"), ("sketch", "Sketch to image"), ("negative", "Negative prompts")):
        open_tab(page) if name == "sketch" else show(page, tab)
        stage, generate = page.locator(f"#{name}-stage"), page.locator("button.generate:visible")
        assert_in_sight(page, f"{tab}, idle", *ANSWERS, ".pad-view", ".pad-foot button")
        prompt = page.locator(f"#{name}-prompt textarea")
        prompt.fill("a cat, script: wait")
        generate.click()
        expect(page.locator(f"{PANEL} .under-way")).to_be_visible()
        assert_in_sight(page, f"{tab}, running", *ANSWERS, ".under-way")
        go_on.touch()
        expect(stage.locator(".picture:visible").first).to_be_visible()
        expect(page.locator(f"{PANEL} .making")).to_have_count(0)
        go_on.unlink()
        prompt.fill("another")
        before = stage.locator(".picture:visible").first.get_attribute("src") or ""
        generate.click()
        expect(stage.locator(".picture:visible").first).not_to_have_attribute("src", before)
        expect(page.locator(f"{PANEL} .making")).to_have_count(0)
        assert_in_sight(page, f"{tab}, done", *ANSWERS, *AFTERWARDS)
        prompt.fill("a cat, script: fail")
        generate.click()
        expect(stage.locator(".trouble")).to_be_visible()
        assert_in_sight(page, f"{tab}, failed", "button.generate", ".trouble")
    show(page, "Upscale")
    page.locator("button.generate:visible").click()
    expect(page.locator("#upscale-says .says")).to_be_in_viewport(ratio=0.99)
    upscale(page)
    assert_in_sight(page, "Upscale, done", "button.generate", "button.stop-job", "#upscale-slider .pair", *AFTERWARDS)
    show(page, "History")
    page.locator(".thumb").first.click()
    expect(page.locator("#history-chosen .picture")).to_be_visible()
    assert_in_sight(page, "History", "#history-words", "#history-chosen .picture", "#history-chosen .actions button")


def upscale(page: Page) -> None:
    content = file_of(Image.radial_gradient("L").convert("RGB"))
    page.set_input_files("#upscale-files input[type=file]", {"name": "round.png", "mimeType": "image/png", "buffer": content})
    expect(page.locator("#upscale-cost")).to_contain_text("pixels")
    page.locator("button.generate:visible").click()
    expect(page.locator("#upscale-slider img")).to_have_count(2)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_picture_has_its_share_of_a_large_screen(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted, width=2560, height=1440).open()
    shares: dict[str, float] = {}

    def measure(selector: str) -> float:
        expect(page.locator(selector)).to_be_in_viewport(ratio=0.99)
        box = page.locator(selector).bounding_box()
        assert box
        return 100 * box["width"] * box["height"] / (2560 * 1440)

    page.locator("#text-prompt textarea").fill("a cat")
    page.locator("button.generate:visible").click()
    expect(page.locator(SHOWN)).to_be_visible()
    shares["Text to image"] = measure(f"#text-stage {SHOWN}")
    show(page, "Upscale")
    upscale(page)
    shares["Upscale"] = measure("#upscale-slider .pair")
    show(page, "History")
    page.locator(".thumb").first.click()
    expect(page.locator("#history-chosen .picture")).to_be_visible()
    shares["History"] = measure("#history-chosen .picture")
    open_tab(page)
    page.locator("#sketch-prompt textarea").fill("a bird")
    page.locator("button.generate:visible").click()
    expect(page.locator(f"#sketch-stage {SHOWN}")).to_be_visible()
    sheet = page.locator(".pad-view").bounding_box()
    assert sheet
    # The sheet is square, and the box around it is not.
    shares["Sketch to image"] = 100 * min(sheet["width"], sheet["height"]) ** 2 / (2560 * 1440) + measure(
        f"#sketch-stage {SHOWN}"
    )
    print("; ".join(f"{tab}: {share:.1f} % of the screen" for tab, share in shares.items()))
    assert min(shares.values()) >= 40
    assert shares["Sketch to image"] >= 50
