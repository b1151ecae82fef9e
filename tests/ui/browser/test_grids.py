"""Grids and variations in a real browser, over the scripted engine: from the form to the sheet, and four more like one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from engine.records import metadata
from engine.requests import AXES, GenerationRequest
from tests.ui.browser.conftest import SHOWN, Studio, Visitor, finished_pictures, unfold
from ui import messages
from ui.common.generate_button import VARIATIONS


def vary(page: Page, side: str, field: str, values: str) -> None:
    page.locator(f"#text-grid_{side} input").click()
    page.get_by_role("option", name=AXES[field].label, exact=True).click()
    expect(page.locator(".option-list")).to_have_count(0)
    page.locator(f"#text-grid_{side}_values textarea").fill(values)


@pytest.mark.long
def test_a_grid_from_the_form_to_its_sheet_and_back(scripted: Studio, page_session: Callable[..., Visitor]) -> None:
    page = page_session(scripted).open()
    before = set(finished_pictures(scripted.settings))
    page.locator("#text-prompt textarea").fill("a cat on the beach")
    unfold(page, messages.GRID_BOX)
    vary(page, "x", "seed", "1-3")
    vary(page, "y", "guidance_scale", "2, 6")
    page.locator("button.generate:visible").click()
    strip = page.locator(".strip:visible button")
    expect(strip.nth(6)).to_be_attached()
    expect(page.locator("button.stop-job:visible")).to_be_disabled()
    made = {path: metadata.read(path) for path in set(finished_pictures(scripted.settings)) - before}
    requests = [record.resolved.request for record in made.values() if record]
    sheets = [each for each in requests if isinstance(each, GenerationRequest) and each.axes]
    assert len(made) == 7 and len(sheets) == 1
    assert {(each.seed, each.guidance_scale) for each in requests if each not in sheets} == {
        (s, c) for s in (1, 2, 3) for c in (2.0, 6.0)
    }

    expect(page.locator(SHOWN)).to_be_visible()
    page.locator("#text-grid_x_values textarea").fill("9")
    page.locator("figure.result:visible").get_by_role("button", name=messages.REUSE).click()
    expect(page.locator("#text-grid_x_values textarea")).to_have_value("1, 2, 3")

    strip.nth(1).click()
    page.locator("figure.result:visible details.menu summary").click()
    page.get_by_role("button", name=messages.VARY).click()
    expect(page.locator(".strip:visible button").nth(VARIATIONS - 1)).to_be_attached()
    expect(page.locator("button.stop-job:visible")).to_be_disabled()
    jobs = scripted.jobs
    assert jobs is not None
    varied = jobs.jobs(limit=1)[0].request
    assert isinstance(varied, GenerationRequest) and varied.variation_strength and varied.count == VARIATIONS and not varied.axes
