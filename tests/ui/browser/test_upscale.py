"""The Upscale tab in a real browser: a file is chosen, its cost said, it is upscaled and compared; results are sent there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from engine.checkpoints.library.upscalers import BUILT_IN
from engine.jobs import Jobs
from engine.settings import Settings
from tests.engine.generate.upscale.tiny_networks import save_network
from tests.ui.browser.conftest import Studio, show, unfold
from ui import messages, sentences
from ui.server.serve import serve


@pytest.fixture
def with_cleaner(tmp_path: Path) -> Iterator[Studio]:
    """The page over the real engine, whose only file is a network that keeps the size."""
    settings = Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs", device="cpu")
    settings.models.mkdir()
    save_network("NAFNet", settings.models)
    with Jobs(settings) as jobs, serve(settings, jobs, port=0) as studio:
        yield Studio(studio.url, settings, jobs)


def upscale(page: Page) -> None:
    page.get_by_role("button", name="Upscale", exact=True).and_(page.locator(".generate")).click()


def test_a_chosen_file_is_upscaled_and_compared(page_session: Callable, scripted: Studio, tmp_path: Path) -> None:
    Image.radial_gradient("L").convert("RGB").save(tmp_path / "round.png")
    page = page_session(scripted).open()
    show(page, "Upscale")
    upscale(page)
    expect(page.locator("#upscale-says")).to_contain_text("There is no picture to upscale")
    page.locator("#upscale-files input[type=file]").set_input_files(tmp_path / "round.png")
    expect(page.locator("#upscale-cost")).to_contain_text("256 × 256 becomes 1,024 × 1,024 pixels")
    upscale(page)
    expect(page.locator("#upscale-stage [data-state=finished]")).to_be_visible()
    expect(page.locator("#upscale-slider img")).to_have_count(2)


def test_of_a_chosen_folder_the_pictures_are_taken(page_session: Callable, scripted: Studio, tmp_path: Path) -> None:
    folder = tmp_path / "holidays"
    folder.mkdir()
    Image.new("RGB", (40, 30)).save(folder / "b.png")
    Image.new("RGB", (20, 30)).save(folder / "a.jpg")
    (folder / "notes.txt").write_text("hello")
    page = page_session(scripted).open()
    show(page, "Upscale")
    page.locator("input[type=file][webkitdirectory]").set_input_files(folder)
    expect(page.locator("#upscale-cost")).to_contain_text("2 pictures, the largest 40 × 30 becomes 160 × 120 pixels")
    expect(page.locator("#upscale-says")).to_contain_text("1 file of the folder is not a picture")


def test_a_picture_is_upscaled_once_it_is_made(page_session: Callable, scripted: Studio) -> None:
    page = page_session(scripted).open()
    page.locator("#text-prompt textarea").fill("a boat that is upscaled")
    unfold(page, messages.SETTINGS)
    page.locator("#text-upscaler input").click()
    page.get_by_role("option", name=messages.BUILT_IN_UPSCALER).click()
    page.locator("button.generate").first.click()
    expect(page.locator("#text-stage [data-state=finished]")).to_be_visible()
    assert scripted.jobs is not None
    (job,) = (job for job in scripted.jobs.jobs() if job.request.prompt == "a boat that is upscaled")
    assert job.request.upscaler == BUILT_IN


def test_a_finished_picture_is_sent_to_be_upscaled(page_session: Callable, scripted: Studio) -> None:
    page = page_session(scripted).open()
    page.locator("#text-prompt textarea").fill("a boat")
    page.locator("button.generate").first.click()
    page.locator("#text-stage [data-state=finished] [data-send=to_upscale]").click()
    expect(page.locator("#upscale-cost")).to_contain_text("becomes")
    expect(page.get_by_role("tab", name="Upscale")).to_have_attribute("aria-selected", "true")


def test_a_picture_is_cleaned_at_its_own_size_and_recalled(with_cleaner: Studio, page_session: Callable, tmp_path: Path) -> None:
    Image.radial_gradient("L").convert("RGB").resize((48, 40)).save(tmp_path / "round.png")
    page = page_session(with_cleaner).open()
    show(page, "Upscale")
    page.locator("#upscale-files input[type=file]").set_input_files(tmp_path / "round.png")
    page.locator("#upscale-upscaler input").click()
    page.get_by_role("option", name=sentences.cleaner_label("NAFNet")).click()
    expect(page.locator("#upscale-factor")).to_be_hidden()
    expect(page.locator("#upscale-cost")).to_contain_text("48 × 40 becomes 48 × 40 pixels")
    upscale(page)
    finished = page.locator("#upscale-stage [data-state=finished]")
    expect(finished).to_be_visible()
    (path,) = with_cleaner.settings.outputs.rglob("*.png")
    with Image.open(path) as made:
        assert made.size == (48, 40)
    show(page, "History")
    page.locator(".thumb").click()
    page.locator("[data-send=reuse]").or_(page.get_by_role("button", name=messages.REUSE)).first.click()
    expect(page.locator("#upscale-upscaler input")).to_have_value(sentences.cleaner_label("NAFNet"))
    expect(page.locator("#upscale-factor")).to_be_hidden()
