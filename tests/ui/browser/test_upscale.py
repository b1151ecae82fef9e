"""The Upscale tab in a real browser: a file is chosen, its cost said, it is enlarged and compared; results are sent there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests.ui.browser.conftest import Studio


def enlarge(page: Page) -> None:
    page.get_by_role("button", name="Enlarge", exact=True).and_(page.locator(".generate")).click()


def test_a_chosen_file_is_enlarged_and_compared(visit: Callable, scripted: Studio, tmp_path: Path) -> None:
    Image.radial_gradient("L").convert("RGB").save(tmp_path / "round.png")
    page = visit(scripted).open()
    page.get_by_role("tab", name="Upscale").click()
    enlarge(page)
    expect(page.locator("#upscale-says")).to_contain_text("There is no picture to enlarge")
    page.locator("#upscale-files input[type=file]").set_input_files(tmp_path / "round.png")
    expect(page.locator("#upscale-cost")).to_contain_text("256 × 256 becomes 1,024 × 1,024 pixels")
    enlarge(page)
    expect(page.locator("#upscale-stage [data-state=finished]")).to_be_visible()
    expect(page.locator("#upscale-slider img")).to_have_count(2)


def test_a_finished_picture_is_sent_to_be_enlarged(visit: Callable, scripted: Studio) -> None:
    page = visit(scripted).open()
    page.locator("#text-prompt textarea").fill("a boat")
    page.locator("button.generate").first.click()
    page.locator("#text-stage [data-state=finished] [data-send=to_upscale]").click()
    expect(page.locator("#upscale-cost")).to_contain_text("becomes")
    expect(page.get_by_role("tab", name="Upscale")).to_have_attribute("aria-selected", "true")
