"""The queue panel, the History tab and Image info in a real browser, over the scripted engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import expect

from engine.jobs import Jobs
from engine.requests import TextToImage
from engine.settings import Settings
from tests.ui.browser.conftest import SCRIPTED, Studio, Visitor, finished_pictures, show, unfold
from ui import messages
from ui.server.serve import serve

PageSession = Callable[..., Visitor]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio whose outputs hold what these tests put there."""
    folder = tmp_path_factory.mktemp("history")
    settings = Settings(data=folder / "data", outputs=folder / "outputs")
    with Jobs(settings, SCRIPTED) as jobs, serve(settings, jobs, port=0) as studio:
        yield Studio(studio.url, settings, jobs)


def make(studio: Studio, prompt: str, **asked: object) -> None:
    assert studio.jobs
    list(studio.jobs.watch(studio.jobs.submit(TextToImage(prompt=prompt, checkpoint="starter", **asked))))  # type: ignore[arg-type]


def test_search_look_mark_reuse_and_delete(own: Studio, page_session: PageSession, trash: Path) -> None:
    make(own, "a cat on the beach", seed=41, steps=7)
    make(own, "a dog", seed=42)
    page = page_session(own).open()
    show(page, "History")
    expect(page.locator(".thumb")).to_have_count(2)
    page.locator("#history-words").locator("textarea, input").fill("BEACH")
    expect(page.locator(".thumb")).to_have_count(1)
    page.locator(".thumb").click()
    chosen = page.locator("#history-chosen")
    expect(chosen).to_contain_text("a cat on the beach")
    expect(chosen).to_contain_text("41")
    chosen.get_by_role("button", name=messages.MARK).click()
    expect(page.locator(".thumb .star")).to_have_count(1)
    chosen.get_by_role("button", name=messages.REUSE).click()
    expect(page.locator("#text-prompt textarea")).to_be_visible()
    expect(page.locator("#text-prompt textarea")).to_have_value("a cat on the beach")
    unfold(page, messages.SETTINGS)
    expect(page.locator("#text-seed").locator("textarea, input")).to_have_value("41")
    show(page, "History")
    before = finished_pictures(own.settings)
    page.on("dialog", lambda dialog: dialog.accept())
    chosen.locator(".menu summary").click()
    chosen.get_by_role("button", name=messages.TRASH).click()
    expect(page.locator(".thumb")).to_have_count(0)
    gone = before - finished_pictures(own.settings)
    assert len(gone) == 1 and {path.name for path in trash.rglob("*.png")} == {path.name for path in gone}


def test_several_pictures_are_selected_and_the_arrow_keys_go_through_them(
    own: Studio, page_session: PageSession, trash: Path
) -> None:
    for number in range(3):
        make(own, f"one of several, {number}", seed=number)
    page = page_session(own).open()
    show(page, "History")
    page.locator("#history-words").locator("textarea, input").fill("one of several")
    thumbs, chosen = page.locator(".thumb"), page.locator("#history-chosen")
    expect(thumbs).to_have_count(3)
    expect(page.locator("h3.day")).to_have_count(1)
    thumbs.first.click()
    expect(chosen).to_contain_text("one of several, 2")
    page.keyboard.press("ArrowRight")
    expect(chosen).to_contain_text("one of several, 1")
    page.get_by_role("button", name=messages.SELECT_MANY).click()
    thumbs.nth(1).click()
    thumbs.nth(2).click()
    page.locator("[data-many=mark]").click()
    expect(page.locator(".thumb .star")).to_have_count(2)
    page.on("dialog", lambda dialog: dialog.accept())
    thumbs.nth(1).click()
    thumbs.nth(2).click()
    page.locator("[data-many=trash_many]").click()
    expect(thumbs).to_have_count(1)
    assert len(list(trash.rglob("*.png"))) == 2


def test_any_picture_tells_and_its_settings_are_used(own: Studio, page_session: PageSession, tmp_path: Path) -> None:
    texts = PngInfo()
    settings = "Steps: 31, Sampler: Euler a, CFG scale: 6, Seed: 99, Size: 64x64, Model: startr"
    texts.add_text("parameters", f"a fox, watercolour\nNegative prompt: text\n{settings}")
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "fox.png", pnginfo=texts)
    visitor = page_session(own)
    page = visitor.open()
    show(page, "Image info")
    page.set_input_files("#info-file input[type=file]", tmp_path / "fox.png")
    shown = page.locator("#info-shown")
    expect(shown).to_contain_text("a fox, watercolour")
    expect(shown).to_contain_text("“startr” is not here; “starter” comes nearest")
    page.get_by_role("button", name=messages.USE_SETTINGS).click()
    expect(page.locator("#text-prompt textarea")).to_have_value("a fox, watercolour")
    show(page, "Image info")
    (tmp_path / "no.png").write_bytes(b"nothing of the kind")
    page.locator("#info-file").get_by_role("button", name=re.compile("clear|remove", re.IGNORECASE)).first.click()
    page.set_input_files("#info-file input[type=file]", tmp_path / "no.png")
    expect(shown.locator(".trouble")).to_contain_text("not a picture")


def test_the_queue_is_seen_ordered_and_cancelled(own: Studio, page_session: PageSession) -> None:
    assert own.jobs
    page = page_session(own).open()
    prompts = ("script: slow", "the second", "the third")
    jobs = [own.jobs.submit(TextToImage(prompt=prompt, steps=900), "elsewhere") for prompt in prompts]
    page.locator(".queue-button").click()
    line = page.locator(".line li")
    expect(line).to_have_count(3)
    expect(line.first).to_contain_text(re.compile(r"Step \d+ of 900"))
    line.nth(2).get_by_role("button", name=messages.TO_FRONT).click()
    expect(line.nth(1)).to_contain_text("the third")
    line.nth(2).get_by_role("button", name=messages.CANCEL).click()
    expect(line).to_have_count(2)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=messages.CANCEL_ALL).click()
    expect(page.locator(".sheet")).to_contain_text(messages.QUEUE_EMPTY)
    assert {own.jobs.state(job).state for job in jobs} == {"cancelled"}


def many_pictures(studio: Studio, page_session: PageSession, count: int) -> None:
    page = page_session(studio).open()
    before, uploads = finished_pictures(studio.settings), handed_in(studio)
    page.locator("#text-prompt textarea").fill("a cat")
    unfold(page, messages.SETTINGS)
    page.locator("#text-count").locator("textarea, input").fill(str(count))
    page.locator("button.generate").first.click()
    expect(page.locator("#text-stage .strip button")).to_have_count(count)
    assert len(finished_pictures(studio.settings) - before) == count
    assert handed_in(studio) == uploads


def handed_in(studio: Studio) -> set[Path]:
    """Gradio's own copies of files."""
    return {path for path in (studio.settings.data / "uploads").rglob("*") if path.is_file()}


def test_results_leave_no_second_copy(own: Studio, page_session: PageSession) -> None:
    many_pictures(own, page_session, 5)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_five_hundred_results_leave_no_second_copy(own: Studio, page_session: PageSession) -> None:
    many_pictures(own, page_session, 500)
