"""The main job for real: ``app.py``, the engine and the starter, in a real browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from engine.negative.comparison import COMPANIONS
from engine.records import metadata
from engine.settings import HOUSE, Settings
from tests.ui.browser.conftest import Studio, Visitor, finished_pictures, ready, show, unfold
from tests.ui.browser.test_negatives import field, negatives, open_tab, press
from tests.ui.browser.test_page import choose, generate, idle, result, settings, write
from ui import messages

pytestmark = pytest.mark.usefixtures("more_patience")

LONG = "600"
"""Steps that leave time to reload and to stop, at four times the starter's size: a quick machine needs few seconds at its own."""


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Easel as a person starts it."""
    folder = tmp_path_factory.mktemp("easel")
    chosen = Settings(data=folder / "data", outputs=folder / "outputs")
    command = [sys.executable, "-u", "app.py", "--no-browser", "--data", chosen.data, "--outputs", chosen.outputs]
    alone = {name: text for name, text in os.environ.items() if name != "EASEL_LAUNCHER"}
    with subprocess.Popen(command, cwd=HOUSE, env=alone, stdout=subprocess.PIPE, text=True) as app:
        try:
            assert app.stdout is not None
            said = next((found for line in app.stdout if (found := re.match(r"Easel is at (http://\S+)$", line))), None)
            assert said, "app.py ended before it said where it is"
            yield Studio(said[1], chosen)
        finally:
            app.terminate()


def page_with(visitor: Visitor, prompt: str, seed: str = "") -> Page:
    page = visitor.open()
    settings(page)
    write(page, "prompt", prompt)
    write(page, "seed", seed)
    return page


def test_type_generate_and_see_the_picture(easel: Studio, page_session: Callable[..., Visitor]) -> None:
    page = page_with(page_session(easel), "a cat on the beach", "3")
    before = finished_pictures(easel.settings)
    generate(page)
    result(page)
    idle(page)
    expect(page.locator(".facts:visible")).to_contain_text("256 × 256")
    (path,) = finished_pictures(easel.settings) - before
    record = metadata.read(path)
    assert record is not None
    made_with = record.resolved.request
    assert (made_with.prompt, made_with.seed, made_with.checkpoint) == ("a cat on the beach", 3, "starter")


def test_a_reload_in_the_middle_finds_the_picture_again_and_stop_stops(
    easel: Studio, page_session: Callable[..., Visitor]
) -> None:
    page = page_with(page_session(easel), "two penguins in the snow")
    before = finished_pictures(easel.settings)
    choose(page, "size", messages.OWN_SIZE)
    write(page, "width", "256")
    write(page, "height", "256")
    write(page, "steps", LONG)
    generate(page)
    expect(page.locator("img.preview")).to_be_visible()
    page.reload()
    ready(page)
    expect(page.locator("img.preview")).to_be_visible()
    page.locator("button.stop-job:visible").click()
    expect(page.locator("#text-stage")).to_contain_text(messages.STOPPED)
    idle(page)
    assert finished_pictures(easel.settings) == before
    settings(page)
    write(page, "steps", "10")
    generate(page)
    result(page)
    page.reload()
    result(page)


def test_before_the_press_it_is_said_whether_it_fits_and_how_long_it_takes(
    easel: Studio, page_session: Callable[..., Visitor]
) -> None:
    page = page_with(page_session(easel), "a rocket in space", "5")
    said = page.locator("#text-outlook")
    expect(said).to_contain_text(re.compile(r"It needs about [\d.]+ GB of memory, and [\d.]+ GB are free\."))
    generate(page)
    result(page)
    idle(page)
    write(page, "count", "3")
    expect(said).to_contain_text(re.compile(r"A picture takes .*, all 3 .*, judging by earlier ones here\."))


def test_a_speed_is_chosen_and_kept_in_the_record(easel: Studio, page_session: Callable[..., Visitor]) -> None:
    page = page_with(page_session(easel), "a rocket in space", "5")
    before = finished_pictures(easel.settings)
    choose(page, "speed", messages.SPEEDS["draft"])
    generate(page)
    result(page)
    idle(page)
    (path,) = set(finished_pictures(easel.settings)) - set(before)
    record = metadata.read(path)
    assert record is not None and record.resolved.request.speed == "draft"


def test_the_settings_tab_says_what_computes_and_why(easel: Studio, page_session: Callable[..., Visitor]) -> None:
    page = page_session(easel).open()
    show(page, "Settings")
    unfold(page, messages.MACHINE)
    machine = page.locator("#settings-machine")
    expect(machine).to_contain_text(messages.MACHINE_DEVICE)
    expect(machine).to_contain_text(messages.MACHINE_KIND)


def test_a_size_that_cannot_be_is_said(easel: Studio, page_session: Callable[..., Visitor]) -> None:
    page = page_with(page_session(easel), "a cat")
    choose(page, "size", messages.OWN_SIZE)
    write(page, "steps", "1")
    write(page, "width", "517")
    write(page, "height", "517")
    generate(page)
    expect(page.locator("#text-stage .says").first).to_contain_text("The width is 512 instead of 517")
    idle(page)


def test_a_negative_prompt_is_seen_to_work_and_a_reload_in_the_middle_finds_its_words(
    easel: Studio, page_session: Callable[..., Visitor]
) -> None:
    visitor = page_session(easel)
    visitor.expects_trouble = True  # The browser may say that the connection it listens on was cut by the reload.
    page = negatives(visitor, "a cat and a dog", "dog, castle")
    unfold(page, messages.SETTINGS)
    field(page, "steps").fill("3")
    press(page, messages.COMPARE)
    expect(page.locator("#negative-stage .comparison")).to_be_visible()
    shown = page.locator("#negative-stage .pair img").all()
    records = [
        metadata.read(easel.settings.outputs / (image.get_attribute("src") or "").removeprefix("/pictures/")) for image in shown
    ]
    assert [list(record.companions) for record in records if record] == [[COMPANIONS[0]], [COMPANIONS[1]]]
    field(page, "steps").fill("30")  # time to reload
    press(page, messages.EACH_WORD)
    expect(page.locator("#negative-progress .status")).to_be_visible()
    page.reload()
    open_tab(page)
    expect(page.locator("#negative-stage ol.words li")).to_have_count(2)
