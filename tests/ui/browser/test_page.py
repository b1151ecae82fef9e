"""The text-to-image tab in a real browser, over the scripted engine."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from engine.records import metadata
from engine.requests import TextToImage
from tests.ui.browser.conftest import SHOWN, Studio, Visitor, finished_pictures, keeping, ready, unfold
from ui import messages, sentences
from ui.common.send_to import read_request

PageSession = Callable[..., Visitor]

SLOW = "a cat, script: slow"
"""Half a second a step."""

ENDLESS = "900"
"""Steps that nobody waits for."""


def write(page: Page, field: str, text: str) -> None:
    page.locator(f"#text-{field}").locator("textarea, input").fill(text)


def value(page: Page, field: str) -> str:
    return page.locator(f"#text-{field}").locator("textarea, input").input_value()


def choose(page: Page, field: str, option: str) -> None:
    page.locator(f"#text-{field} input").click()
    page.get_by_role("option", name=option).click()


def settings(page: Page) -> None:
    unfold(page, messages.SETTINGS)
    expect(page.locator("#text-steps input, #text-steps textarea")).to_be_visible()


def generate(page: Page) -> None:
    page.locator("button.generate:visible").click()


def result(page: Page) -> Locator:
    """The finished image, once the browser has decoded it."""
    image = page.locator(SHOWN)
    expect(image).to_be_visible()
    expect(image).not_to_have_js_property("naturalWidth", 0)
    return image


def idle(page: Page) -> None:
    expect(page.locator("button.stop-job:visible")).to_be_disabled()
    expect(page.locator(".making")).to_have_count(0)


def test_from_words_to_a_picture(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    expect(page.get_by_text(messages.FIRST_HINT)).to_be_visible()
    write(page, "prompt", SLOW)
    generate(page)
    expect(page.locator("img.preview")).to_be_visible()
    expect(page.locator(".status")).to_contain_text(re.compile(r"Step \d of 20"))
    expect(page.locator(".status")).to_contain_text(re.compile(r"left|almost"))
    expect(page).to_have_title(re.compile(rf"^(\d+ %|…) · {messages.TITLE}$"))
    expect(page.locator("button.stop-job:visible")).to_be_enabled()
    picture = result(page)
    idle(page)
    expect(page).to_have_title(messages.TITLE)
    assert picture.get_attribute("alt") == SLOW
    assert picture.bounding_box()["width"] > 300  # pyright: ignore[reportOptionalSubscript]
    expect(page.locator(".facts:visible")).to_contain_text("256 × 256")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    saved = next(p for p in finished_pictures(scripted.settings) if p.name == download.value.suggested_filename)
    assert Path(download.value.path()).read_bytes() == saved.read_bytes()
    record = metadata.read(saved)
    assert record is not None
    page.locator("#text-seed [data-seed=keep]").click()
    expect(page.locator("#text-seed input, #text-seed textarea")).to_have_value(str(record.resolved.request.seed))
    page.locator("#text-seed [data-seed=random]").click()
    expect(page.locator("#text-seed input, #text-seed textarea")).to_have_value("")


def test_stop_leaves_nothing_half_done_and_the_next_one_works(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    before = finished_pictures(scripted.settings)
    settings(page)
    write(page, "prompt", SLOW)
    write(page, "steps", ENDLESS)
    generate(page)
    expect(page.locator("img.preview")).to_be_visible()
    page.locator("button.stop-job:visible").click()
    expect(page.locator("#text-stage")).to_contain_text(messages.STOPPED)
    idle(page)
    assert finished_pictures(scripted.settings) == before
    write(page, "prompt", "a dog")
    write(page, "steps", "")
    generate(page)
    result(page)


def test_a_reload_in_the_middle_finds_form_and_preview(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    settings(page)
    write(page, "prompt", SLOW)
    write(page, "negative_prompt", "rain")
    write(page, "seed", "77")
    write(page, "steps", ENDLESS)
    choose(page, "size", "Portrait")
    generate(page)
    expect(page.locator("img.preview")).to_be_visible()
    page.reload()
    ready(page)
    expect(page.locator("img.preview")).to_be_visible()
    expect(page.locator("#text-prompt textarea")).to_have_value(SLOW)
    settings(page)
    assert [value(page, field) for field in ("negative_prompt", "seed", "steps")] == ["rain", "77", ENDLESS]
    assert value(page, "size").startswith("Portrait")
    page.locator("button.stop-job:visible").click()
    expect(page.locator("#text-stage")).to_contain_text(messages.STOPPED)


def test_presses_queue_and_stop_stops_one_of_them(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    settings(page)
    write(page, "prompt", SLOW)
    write(page, "steps", ENDLESS)
    place = page.locator("button.stop-job:visible").bounding_box()
    for _ in range(3):
        page.keyboard.press("Control+Enter")
    waiting, stage = page.locator("#text-waiting"), page.locator("#text-stage")
    expect(waiting).to_contain_text(sentences.waiting_jobs(2))
    expect(page.locator("img.preview")).to_be_visible()
    assert page.locator("button.stop-job:visible").bounding_box() == place, "nothing moves under the pointer"
    page.locator("button.stop-job:visible").click()
    expect(waiting).to_contain_text(sentences.waiting_jobs(1))
    waiting.get_by_role("button").click()
    expect(waiting).to_be_empty()
    page.locator("button.stop-job:visible").click()
    expect(stage).to_contain_text(messages.STOPPED)
    idle(page)
    # Until told: each picture is followed by another one, and the earlier ones stay in the strip.
    write(page, "steps", "2")
    page.get_by_label(messages.KEEP_GENERATING).and_(page.locator(":visible")).check()
    generate(page)
    expect(page.locator("#text-stage .strip button").nth(2)).to_be_visible()
    page.locator("button.stop-job:visible").click()
    expect(page.get_by_label(messages.KEEP_GENERATING).and_(page.locator(":visible"))).not_to_be_checked()


def test_words_that_were_pasted_and_deleted_are_kept_too(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    page.locator("#text-prompt textarea").focus()
    for change in (lambda: page.keyboard.insert_text("a cat in a boat"), lambda: page.keyboard.press("Control+Backspace")):
        before = page.evaluate("localStorage['easel-form-text']")
        change()
        page.wait_for_function("(before) => localStorage['easel-form-text'] !== before", arg=before)
        left = value(page, "prompt")
        page.reload()
        ready(page)
        expect(page.locator("#text-prompt textarea")).to_have_value(left)
        page.locator("#text-prompt textarea").focus()
        page.keyboard.press("End")
    assert left == "a cat in a "


def test_a_reload_after_the_end_finds_the_result(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    write(page, "prompt", "a cat")
    generate(page)
    address = result(page).get_attribute("src")
    page.reload()
    assert result(page).get_attribute("src") == address


def test_a_second_tab_and_a_stop_from_there(scripted: Studio, page_session: PageSession) -> None:
    visitor = page_session(scripted)
    first = visitor.open()
    settings(first)
    write(first, "prompt", SLOW)
    write(first, "steps", ENDLESS)
    generate(first)
    expect(first.locator("img.preview")).to_be_visible()
    second = visitor.open()
    expect(second.locator("img.preview")).to_be_visible()
    second.locator("button.stop-job:visible").click()
    for page in (first, second):
        expect(page.locator("#text-stage")).to_contain_text(messages.STOPPED)
        idle(page)


def test_the_job_goes_on_while_the_connection_is_lost(scripted: Studio, page_session: PageSession) -> None:
    visitor = page_session(scripted)
    visitor.expects_trouble = True
    page = visitor.open()
    write(page, "prompt", SLOW)
    generate(page)
    expect(page.locator("img.preview")).to_be_visible()
    visitor.context.set_offline(True)
    page.evaluate("fetch('/config').catch(() => null)")
    visitor.context.set_offline(False)
    result(page)
    expect(page.locator("#text-prompt textarea")).to_have_value(SLOW)


def test_a_failure_is_a_sentence_and_the_next_one_works(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    prompt = "a cat, script: fail"
    write(page, "prompt", prompt)
    generate(page)
    expect(page.locator("#text-stage .trouble")).to_contain_text("The script says")
    expect(page.locator("body")).not_to_contain_text("Traceback")
    idle(page)
    assert value(page, "prompt") == prompt
    write(page, "prompt", "a dog")
    generate(page)
    result(page)


BAD = [
    ("steps", "0", "Steps must be from 1 to 1000"),
    ("steps", "10000", "Steps must be from 1 to 1000"),
    ("seed", "abc", "not “abc”"),
    ("guidance_scale", "NaN", "The CFG scale must be from 0 to 100"),
    ("count", "0", "The number of pictures must be from 1"),
]


def test_what_cannot_be_used_is_said_and_the_next_one_works(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    settings(page)
    write(page, "prompt", "a cat")
    for field, text, said in BAD:
        before = value(page, field)
        write(page, field, text)
        generate(page)
        expect(page.locator("#text-says .trouble")).to_contain_text(said)
        assert (value(page, field), value(page, "prompt")) == (text, "a cat")
        write(page, field, before)
    generate(page)
    result(page)
    expect(page.locator("#text-says .trouble")).to_have_count(0)


def test_an_empty_prompt_and_a_very_long_one(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    generate(page)
    expect(page.locator("#text-says")).to_contain_text(messages.EMPTY_PROMPT)
    result(page)
    write(page, "prompt", "cat " * 5000)
    generate(page)
    expect(page.locator("#text-says")).not_to_contain_text(messages.EMPTY_PROMPT)
    expect(page.locator(SHOWN)).to_have_attribute("alt", re.compile("^cat cat"))


def test_an_outputs_folder_in_trouble_is_said_and_the_next_one_works(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    outputs = scripted.settings.outputs
    outputs.mkdir(exist_ok=True)
    aside = outputs.rename(outputs.with_name("aside"))
    outputs.write_text("a file where the folder should be")
    write(page, "prompt", "a cat")
    generate(page)
    expect(page.locator("#text-stage .trouble")).to_contain_text(str(outputs))
    idle(page)
    outputs.unlink()
    aside.rename(outputs)
    write(page, "prompt", "a cat, script: disk full script: once")
    generate(page)
    expect(page.locator("#text-stage")).to_contain_text("The queue waits until there is room.")
    result(page)


def test_notices_stay_with_the_picture(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    write(page, "prompt", "a cat, script: notice")
    generate(page)
    result(page)
    expect(page.locator("#text-stage")).to_contain_text("The script says hello.")


def test_the_keyboard_is_enough(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    expect(page.locator("#text-prompt textarea")).to_be_focused()
    expect(page.locator("#text-prompt")).to_contain_text("Ctrl+Enter")
    page.keyboard.type("a cat")
    page.keyboard.press("Control+Enter")
    picture = result(page)
    assert picture.get_attribute("alt") == "a cat"
    assert value(page, "prompt") == "a cat"
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim()"))
    assert {"Generate", "Download", "Reuse these settings", messages.PICTURE_MENU} <= reached


def test_several_pictures_are_a_gallery(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    settings(page)
    write(page, "prompt", "a cat")
    write(page, "count", "3")
    write(page, "seed", "10")
    generate(page)
    strip, facts = page.locator("#text-stage .strip button"), page.locator(".facts:visible")
    expect(strip).to_have_count(3)
    idle(page)
    for place, seed in enumerate(("10", "11", "12")):
        strip.nth(place).click()
        expect(facts).to_contain_text(seed)
    page.keyboard.press("ArrowLeft")
    expect(facts).to_contain_text("11")
    page.locator(SHOWN).click()
    large = page.locator("#lightbox img")
    expect(large).to_be_visible()
    before = large.get_attribute("src")
    page.keyboard.press("ArrowRight")
    expect(large).not_to_have_attribute("src", before or "")
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()


def test_settings_come_back_from_a_picture(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    settings(page)
    write(page, "prompt", "a cat")
    write(page, "steps", "9")
    generate(page)
    result(page)
    write(page, "prompt", "something else")
    write(page, "steps", "")
    page.get_by_text(messages.PICTURE_MENU).click()
    page.get_by_role("button", name="Keep this seed").click()
    expect(page.locator("#text-seed").locator("textarea, input")).to_have_value(re.compile(r"^\d+$"))
    assert value(page, "prompt") == "something else"
    with keeping(page, "text"):
        page.get_by_role("button", name="Reuse these settings").click()
        expect(page.locator("#text-prompt textarea")).to_have_value("a cat")
        assert value(page, "steps") == "9"
    page.reload()
    ready(page)
    expect(page.locator("#text-prompt textarea")).to_have_value("a cat")


def test_the_starter_says_what_it_knows(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    page.locator("#chips button").first.click()
    expect(page.locator("#text-prompt textarea")).not_to_have_value("")
    write(page, "prompt", "a cat and a quokka")
    expect(page.locator("#text-summary")).to_contain_text("does not know “quokka”")
    expect(page.locator("#text-summary")).to_contain_text(str(scripted.settings.models))
    unfold(page, messages.READING)
    expect(page.locator("#text-tokens .unknown")).to_have_text(re.compile("·?".join("quokka")))  # in pieces
    unfold(page, messages.REPERTOIRE)
    page.locator("#text-chips input[type=search]").fill("peng")
    write(page, "prompt", "a cat")
    page.locator("#text-chips").get_by_role("button", name="penguin", exact=True).click()
    expect(page.locator("#text-prompt textarea")).to_have_value("a cat, penguin")
    write(page, "prompt", "a cat")
    expect(page.locator("#text-summary")).not_to_contain_text("quokka")


def test_words_are_completed_while_they_are_typed(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    prompt, listed = page.locator("#text-prompt textarea"), page.get_by_role("option")
    prompt.press_sequentially("a peng")
    expect(listed.first).to_contain_text("penguin")
    prompt.press("Enter")  # nothing is chosen yet: a line
    expect(prompt).to_have_value("a peng\n")
    expect(listed).to_have_count(0)
    prompt.press("Backspace")
    expect(listed.first).to_contain_text("penguin")
    prompt.press("ArrowDown")
    expect(listed.first).to_have_attribute("aria-selected", "true")
    prompt.press("Enter")
    expect(prompt).to_have_value("a penguin")
    prompt.press("Shift+Enter")
    expect(prompt).to_have_value("a penguin\n")
    # An input method composes: its text may be part of a word, and Enter belongs to it.
    typing = page.context.new_cdp_session(page)
    typing.send("Input.imeSetComposition", {"text": "peng", "selectionStart": 4, "selectionEnd": 4})
    page.wait_for_timeout(400)
    expect(listed).to_have_count(0)
    typing.send("Input.insertText", {"text": "peng"})
    expect(listed.first).to_contain_text("penguin")
    prompt.press("Escape")
    expect(listed).to_have_count(0)
    page.locator("[data-shortcuts]").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name=messages.SHORTCUTS)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_has_everything_in_one_column(scheme: str, scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted, width=400, height=800, color_scheme=scheme).open()
    settings(page)
    write(page, "prompt", "a cat, " + "x" * 200)
    generate(page)
    result(page)
    expect(page.locator(SHOWN)).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_markup_in_a_prompt_is_text(scripted: Studio, page_session: PageSession) -> None:
    hostile = "<img src=x onerror=\"document.title='taken'\"> {{#if}} ${1+1}"
    page = page_session(scripted).open()
    write(page, "prompt", hostile)
    unfold(page, messages.READING)
    expect(page.locator("#text-tokens")).to_contain_text("onerror")
    generate(page)
    assert result(page).get_attribute("alt") == hostile
    expect(page).to_have_title(messages.TITLE)


def test_a_job_of_an_earlier_easel_is_found_by_its_page(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    write(page, "prompt", "first")
    generate(page)
    result(page)
    assert scripted.jobs is not None
    mine = scripted.jobs.jobs(limit=1)[0]
    scripted.jobs.submit(TextToImage(prompt="from elsewhere", steps=2), mine.page)
    page.reload()
    ready(page)
    expect(page.locator(SHOWN)).to_have_attribute("alt", "from elsewhere")
    assert read_request(scripted.jobs.jobs(limit=1)[0].results[0].path) is not None
