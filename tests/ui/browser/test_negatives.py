"""The Negative prompts tab, presets, weights and how prompts were read, in a real browser over the scripted engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from engine.jobs import Jobs
from engine.records import metadata
from engine.settings import Settings
from engine.testing import GO_ON
from tests.ui.browser.conftest import SCRIPTED, Studio, Visitor, drawn, keeping, ready, unfold
from ui import messages, sentences
from ui.server.serve import serve
from ui.tabs.negative_prompts.tab import LABEL

PageSession = Callable[..., Visitor]


def negatives(visitor: Visitor, prompt: str = "", negative: str = "") -> Page:
    """The page with the tab open and its form back, and both prompts written."""
    page = visitor.open()
    open_tab(page)
    field(page, "prompt").fill(prompt)
    field(page, "negative_prompt").fill(negative)
    return page


def open_tab(page: Page) -> None:
    # On a narrow page the later tabs are behind a button that unfolds them.
    tab, more = page.get_by_role("tab", name=LABEL), page.locator(".overflow-menu > button")
    expect(tab.or_(more).first).to_be_visible()
    if not tab.is_visible():
        more.click()
        tab = page.locator(".overflow-dropdown").get_by_text(LABEL)
    tab.click()
    expect(page.locator("html[data-negative-form=ready]")).to_be_attached()
    drawn(page)


def field(page: Page, name: str) -> Locator:
    return page.locator(f"#negative-{name}").locator("textarea, input")


def press(page: Page, words: str) -> None:
    page.get_by_role("button", name=words, exact=True).click()


def stage(page: Page) -> Locator:
    return page.locator("#negative-stage")


def compare(page: Page) -> None:
    """Press Compare and wait until this comparison, not the one before it, has ended."""
    shown = stage(page).locator(".pair img.left, .trouble")
    before = shown.first.get_attribute("src") if shown.count() else ""
    press(page, messages.COMPARE)
    expect(shown).to_have_count(1)
    expect(shown).not_to_have_attribute("src", before or "")


def test_with_and_without_under_a_slider(scripted: Studio, page_session: PageSession) -> None:
    page = negatives(page_session(scripted), "a cat", "dog, rain")
    compare(page)
    expect(stage(page).locator(".comparison")).to_be_visible()
    expect(stage(page).locator(".measured strong")).to_have_text(re.compile(r"^\d+\.\d %$"))
    assert not stage(page).locator(".measured strong").inner_text().startswith("0.0")
    expect(stage(page).locator("img.map")).to_have_attribute("src", re.compile("^data:image/png"))
    pair, bar = stage(page).locator(".pair"), stage(page).locator(".pair input")
    bar.focus()
    page.keyboard.press("Home")
    assert pair.evaluate("each => getComputedStyle(each.querySelector('.left')).clipPath") == "inset(0px 100% 0px 0px)"
    box = pair.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    assert 60 < float(pair.evaluate("each => parseFloat(each.style.getPropertyValue('--cut'))")) < 90
    paths = [scripted.settings.outputs / (image.get_attribute("src") or "").removeprefix("/pictures/")
             for image in pair.locator("img.picture").all()]  # fmt: skip
    records = [metadata.read(path) for path in paths]
    assert [record.resolved.request.negative_prompt for record in records if record] == ["dog, rain", ""]
    assert len({record.resolved.request.seed for record in records if record}) == 1


def test_words_that_do_nothing_are_taken_out(scripted: Studio, page_session: PageSession) -> None:
    page = negatives(page_session(scripted), "a cat", "dog, nothing here, (rain:1.2), nothing at all")
    press(page, messages.EACH_WORD)
    expect(stage(page)).to_contain_text(messages.DEAD_WORDS)
    button = stage(page).get_by_role("button", name=sentences.removal_button(2))
    expect(button).to_be_visible()
    expect(stage(page).locator("ol.words.dead .word")).to_have_text(["nothing here", "nothing at all"])
    expect(stage(page).locator("ol.words:not(.dead) li")).to_have_count(2)
    expect(stage(page).locator(".pair img")).to_have_count(2)
    written = stage(page).locator("ol.words:not(.dead) li > span:last-child").all_inner_texts()
    percents = [float(text.split()[0]) for text in written]
    assert percents == sorted(percents, reverse=True) and min(percents) > 0
    with keeping(page, "negative"):
        button.click()
        expect(field(page, "negative_prompt")).to_have_value("dog, (rain:1.2)")
    page.reload()
    open_tab(page)
    expect(field(page, "negative_prompt")).to_have_value("dog, (rain:1.2)")
    expect(stage(page)).to_contain_text(messages.DEAD_WORDS)
    # Where the words were changed meanwhile, what still stands there goes and the rest stays.
    field(page, "negative_prompt").fill("snow, nothing at all")
    stage(page).get_by_role("button", name=sentences.removal_button(2)).click()
    expect(field(page, "negative_prompt")).to_have_value("snow")


def test_what_was_written_is_there_though_its_tab_is_opened_late(scripted: Studio, page_session: PageSession) -> None:
    page = negatives(page_session(scripted), "a cat")
    with keeping(page, "negative"):
        field(page, "negative_prompt").fill("dog")
    page.reload()
    ready(page)
    expect(page.locator("html[data-negative-form=ready]")).to_be_attached()
    open_tab(page)
    expect(field(page, "prompt")).to_have_value("a cat")
    expect(field(page, "negative_prompt")).to_have_value("dog")


def test_only_so_many_words_are_tried(scripted: Studio, page_session: PageSession) -> None:
    page = negatives(page_session(scripted), "a cat", "dog, rain, snow")
    unfold(page, messages.SETTINGS)
    field(page, "max_terms").fill("1")
    press(page, messages.EACH_WORD)
    expect(stage(page)).to_contain_text(sentences.untried_words(1, 2))
    field(page, "max_terms").fill("0")
    press(page, messages.EACH_WORD)
    expect(page.locator("#negative-says .trouble")).to_contain_text("number of terms to try")


def test_a_reload_in_the_middle_finds_the_study_again(scripted: Studio, page_session: PageSession) -> None:
    visitor = page_session(scripted)
    visitor.expects_trouble = True  # The browser may say that the connection it listens on was cut by the reload.
    page = negatives(visitor, "a cat, script: wait", "dog, nothing here")
    press(page, messages.EACH_WORD)
    expect(page.locator("button.stop-job:visible")).to_be_enabled()
    page.reload()
    open_tab(page)
    expect(page.locator("button.stop-job:visible")).to_be_enabled()
    go_on = scripted.settings.data / GO_ON
    go_on.touch()
    expect(stage(page)).to_contain_text(messages.DEAD_WORDS)
    expect(page.locator("button.stop-job:visible")).to_be_disabled()
    go_on.unlink()


def test_what_cannot_work_is_said_before_and_after(scripted: Studio, page_session: PageSession) -> None:
    page = negatives(page_session(scripted), "a cat", "dog")
    unfold(page, messages.SETTINGS)
    expect(field(page, "guidance_scale")).to_have_attribute("placeholder", "4")  # The starter's own on this tab.
    field(page, "guidance_scale").fill("1")
    expect(page.locator("#negative-summary")).to_contain_text("CFG scale of 1 or less")
    field(page, "guidance_scale").fill("5")
    expect(page.locator("#negative-summary")).not_to_contain_text("CFG scale")
    field(page, "negative_prompt").fill(" , ")
    press(page, messages.EACH_WORD)
    expect(stage(page).locator(".trouble")).to_contain_text("no words to try")


BAD = ("(" * 300 + ")" * 7, "🐱🏽‍🚀 👩‍👩‍👧", "שלום, مرحبا", "\u200b\u200d, \u202eabc", "dog, " * 4000)


def test_whatever_is_typed_is_read_and_compared(scripted: Studio, page_session: PageSession) -> None:
    page = negatives(page_session(scripted))
    unfold(page, messages.READING)
    for text in BAD:
        field(page, "prompt").fill(text)
        field(page, "negative_prompt").fill(text)
        compare(page)
        expect(page.locator("#negative-tokens .tokens").first).to_be_visible()
    expect(page.locator("body")).not_to_contain_text("Traceback")


def test_how_both_prompts_were_read(scripted: Studio, page_session: PageSession) -> None:
    page = negatives(page_session(scripted), "a (Cat:1.2) BREAK a quokka", "NO dog")
    unfold(page, messages.READING)
    tokens = page.locator("#negative-tokens")
    expect(tokens).to_contain_text(sentences.lowered_words(["Cat"]))
    expect(tokens).to_contain_text(sentences.missing_words(["quokka"]))
    expect(tokens.locator("h3")).to_have_text([messages.PROMPT, messages.NEGATIVE])
    expect(tokens.locator("hr")).to_have_count(1)
    expect(tokens.locator(".weighted")).to_have_attribute("data-weight", "1.20")


def test_weights_by_keyboard(scripted: Studio, page_session: PageSession) -> None:
    page = negatives(page_session(scripted), "a red cat", "dog")
    expect(page.locator("#negative-prompt")).to_contain_text("Ctrl+Up")
    prompt, other = field(page, "prompt"), field(page, "negative_prompt")
    prompt.evaluate("each => { each.focus(); each.setSelectionRange(2, 9); }")
    for written in ("a (red cat:1.1)", "a (red cat:1.2)"):
        page.keyboard.press("Control+ArrowUp")
        expect(prompt).to_have_value(written)
    for written in ("a (red cat:1.1)", "a red cat", "a (red cat:0.9)"):
        page.keyboard.press("Control+ArrowDown")
        expect(prompt).to_have_value(written)
    page.keyboard.press("Control+z")
    expect(prompt).to_have_value("a red cat")
    other.focus()
    for written in ("(dog:1.1)", "(dog:1.2)"):
        page.keyboard.press("Control+ArrowUp")
        page.keyboard.press("End")
        expect(other).to_have_value(written)
    page.keyboard.press("Control+Enter")
    expect(stage(page).locator(".comparison")).to_be_visible()
    assert prompt.input_value() == "a red cat"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Callable[[], Studio]]:
    """Starts Easel on folders of this test's own; starting it again is a restart."""
    settings = Settings(data=tmp_path / "data", outputs=tmp_path / "outputs")
    running: list[tuple[Jobs, object]] = []

    def end() -> None:
        while running:
            jobs, served = running.pop()
            served.__exit__(None, None, None)  # type: ignore[attr-defined]
            jobs.close()

    def start() -> Studio:
        end()
        jobs = Jobs(settings, SCRIPTED)
        served = serve(settings, jobs, port=0)
        running.append((jobs, served))
        return Studio(served.__enter__().url, settings, jobs)

    yield start
    end()


def test_presets_are_saved_and_there_after_a_restart(own: Callable[[], Studio], page_session: PageSession) -> None:
    visitor = page_session(own())
    visitor.expects_trouble = True  # Its page is still open when the server goes.
    page = negatives(visitor, "{prompt}, at dusk", "people")
    unfold(page, messages.PRESETS)
    press(page, messages.SAVE_PRESET)
    expect(page.locator("#negative-presets-say .trouble")).to_contain_text("needs a name")
    page.locator("#negative-preset-name input, #negative-preset-name textarea").fill("Evening")
    press(page, messages.SAVE_PRESET)
    expect(page.locator("#negative-presets-say")).to_contain_text("presets.toml")
    studio = own()
    file = studio.settings.data / "presets.toml"
    file.write_text(file.read_text("utf-8") + '\n[[preset]]\nname = "broken\n', "utf-8")
    page = negatives(page_session(studio), "a cat", "dog")
    unfold(page, messages.PRESETS)
    expect(page.locator("#negative-presets-say .trouble")).to_contain_text("presets.toml")
    page.locator("#negative-preset input").click()
    page.get_by_role("option", name="Evening").click()
    page.locator("#negative-use-preset").click()
    expect(field(page, "prompt")).to_have_value("a cat, at dusk")
    expect(field(page, "negative_prompt")).to_have_value("dog, people")
    page.locator("#negative-remove-preset").click()
    expect(page.locator("#negative-presets-say")).to_contain_text(sentences.removed_preset("Evening"))
    assert "Evening" not in file.read_text("utf-8") and "broken" in file.read_text("utf-8")


def test_presets_are_on_the_other_tabs_too(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    page.locator("#text-prompt textarea").fill("a cat")
    unfold(page, messages.PRESETS)
    page.locator("#text-preset input").click()
    page.get_by_role("option", name="Painting").click()
    page.locator("#text-use-preset").click()
    expect(page.locator("#text-prompt textarea")).to_have_value(re.compile("^oil painting of a cat,"))
    expect(page.locator("#text-negative_prompt textarea")).to_have_value(re.compile("photograph"))


def test_a_narrow_dark_page_holds_it_all(scripted: Studio, page_session: PageSession) -> None:
    page = negatives(page_session(scripted, width=400, height=800, color_scheme="dark"), "a cat", "dog, nothing " + "x" * 120)
    press(page, messages.EACH_WORD)
    expect(stage(page)).to_contain_text(messages.DEAD_WORDS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
