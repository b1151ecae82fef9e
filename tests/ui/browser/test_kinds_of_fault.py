"""Faults that a tour of the page met, each by its kind, in a real browser over the scripted engine."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Locator, Page, expect

import engine.preferences as preferences
from engine.checkpoints.library import search_paths
from engine.checkpoints.library.search_paths import Candidates
from engine.jobs import Jobs
from engine.preferences import Preferences
from engine.settings import Settings
from tests.engine.tiny_captioners import create_tagger
from tests.ui.browser.conftest import SCRIPTED, SHOWN, Studio, Visitor, ready, show
from tests.ui.browser.drawing import pad
from ui import messages
from ui.server.serve import serve

PageSession = Callable[..., Visitor]

MOVED = """() => {
  window.moved = 0;
  new PerformanceObserver((seen) => { for (const each of seen.getEntries()) window.moved += each.value; })
    .observe({ type: "layout-shift", buffered: false });
}"""
"""Adds up how far things move on the page without anybody pressing anything (the Layout Instability API)."""

DROP = """(field, coded) => {
  const bytes = Uint8Array.from(atob(coded), (letter) => letter.charCodeAt(0)), data = new DataTransfer();
  data.items.add(new File([bytes], "theirs.png", { type: "image/png" }));
  for (const name of ["dragover", "drop"]) {
    field.dispatchEvent(new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true }));
  }
}"""

PASTE = """(field) => {
  const data = new DataTransfer();
  data.setData("text/plain", "cells of a table");
  data.setData("text/html", "<table><tr><td>cells of a table</td></tr></table>");
  data.items.add(new File([new Uint8Array([137, 80, 78, 71])], "image.png", { type: "image/png" }));
  const pasted = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
  field.dispatchEvent(pasted);
  return pasted.defaultPrevented;
}"""

POINT = """(canvas, events) => {
  Element.prototype.setPointerCapture = () => {};  // which the browser knows of no such pointer
  const box = canvas.getBoundingClientRect();
  for (const [name, pointerType, pointerId, x, y, button] of events) {
    canvas.dispatchEvent(new PointerEvent(name, {
      pointerType, pointerId, button, buttons: 1, pressure: 1, bubbles: true, cancelable: true,
      clientX: box.x + box.width * x, clientY: box.y + box.height * y,
    }));
  }
}"""

OPAQUE = """() => {
  const { data } = easelPad.drawing.layer.canvas.getContext("2d").getImageData(0, 0, 768, 768);
  return data.filter((level, index) => index % 4 === 3 && level > 200).length;
}"""
"""Counts the pixels of the layer on which something is drawn."""

HAND = "pointerdown", "touch", 2, 0.8, 0.8, 0


def prompt_of(page: Page, tab: str = "text") -> Locator:
    return page.locator(f"#{tab}-prompt textarea")


def count_changes(page: Page) -> int:
    return page.evaluate("easelPad.drawing.undoStack.length")


def test_what_was_said_of_a_form_goes_when_the_form_is_changed(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted).open()
    prompt_of(page).fill("a cat")
    page.locator("#text-seed").locator("textarea, input").fill("1.5")
    said = page.locator("#text-says .says:visible")
    seed = page.locator("#text-seed").locator("textarea, input")
    changes = {
        "typed": lambda: seed.press_sequentially("2"),
        "pasted": lambda: (prompt_of(page).focus(), page.keyboard.insert_text("pasted ")),
        "filled": lambda: page.locator("#text-count").locator("textarea, input").fill("2"),
    }
    for change in changes.values():
        page.keyboard.press("Control+Enter")
        expect(said).to_contain_text("Seed must be a whole number")
        change()
        expect(said).to_have_count(0)


def test_a_batch_moves_nothing_on_the_page(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted, width=1366, height=768).open()
    prompt_of(page).fill("one of several")
    page.locator("#text-count").locator("textarea, input").fill("4")
    generate = page.locator("button.generate:visible")
    page.evaluate(MOVED)
    before = generate.bounding_box()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#text-stage .strip:visible button")).to_have_count(4)
    expect(page.locator(".making")).to_have_count(0)
    assert generate.bounding_box() == before
    assert page.evaluate("moved") < 0.02, "a fiftieth of the window, where a hundredth is a line of text"


@pytest.mark.parametrize("tab", ["text", "sketch"])
def test_a_picture_that_is_dropped_on_the_prompt_fills_the_form(tab: str, scripted: Studio, page_session: PageSession) -> None:
    texts, stream = PngInfo(), io.BytesIO()
    texts.add_text(
        "parameters", "a whale\nNegative prompt: blurry\nSteps: 17, Sampler: Euler a, CFG scale: 6, Seed: 42, Size: 64x64"
    )
    Image.new("RGB", (64, 64)).save(stream, "PNG", pnginfo=texts)
    page = page_session(scripted).open()
    if tab == "sketch":
        show(page, "Sketch to image")
        expect(page.locator(".pad[data-ready]")).to_be_visible()
    prompt_of(page, tab).evaluate(DROP, base64.b64encode(stream.getvalue()).decode())
    expect(prompt_of(page)).to_have_value("a whale")
    expect(page.locator("#text-seed").locator("textarea, input")).to_have_value("42")


def test_cells_that_are_pasted_into_a_field_put_no_picture_on_the_pad(scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
    before = count_changes(page)
    assert not prompt_of(page, "sketch").evaluate(PASTE), "the browser itself puts the words into the field"
    assert count_changes(page) == before


@pytest.mark.parametrize("first", ["pen", "hand"])
def test_a_hand_beside_the_pen_neither_draws_nor_takes_back(first: str, scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
    before = count_changes(page)
    pen = [("pointerdown", "pen", 7, 0.2, 0.2, 0), ("pointermove", "pen", 7, 0.4, 0.4, -1)]
    hand = [HAND, ("pointermove", "touch", 2, 0.7, 0.8, -1)]
    ends = [("pointermove", "pen", 7, 0.5, 0.3, -1), ("pointerup", "touch", 2, 0.7, 0.8, 0), ("pointerup", "pen", 7, 0.5, 0.3, 0)]
    begun = [*pen[:1], *hand, *pen[1:]] if first == "pen" else [*hand, *pen]
    page.locator(".pad-view canvas").evaluate(POINT, [*begun, *ends])
    assert count_changes(page) == before + 1, "the pen's stroke, whole, and nothing of the hand's"
    assert page.evaluate("easelPad.view.zoom") == 1


def test_the_other_end_of_a_pen_erases(scripted: Studio, page_session: PageSession) -> None:
    page = pad(page_session(scripted))
    line = [("pointerdown", "pen", 7, 0.5, 0.5, 0), ("pointermove", "pen", 7, 0.6, 0.5, -1), ("pointerup", "pen", 7, 0.6, 0.5, 0)]
    canvas = page.locator(".pad-view canvas")
    canvas.evaluate(POINT, line)
    drawn = page.evaluate(OPAQUE)
    canvas.evaluate(POINT, [(name, kind, pen, x, y, 5 if button == 0 else button) for name, kind, pen, x, y, button in line])
    assert drawn > 0 and page.evaluate(OPAQUE) < drawn / 10


class HeldScan:
    """A look through the folders that takes as long as the test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._find, self.begun, self.go_on = search_paths.find_candidates, threading.Event(), threading.Event()
        monkeypatch.setattr(search_paths, "find_candidates", self.find)

    def find(self, settings: Settings) -> Candidates:
        self.begun.set()
        assert self.go_on.wait(120)
        return self._find(settings)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Studio]:
    """A studio of the test's own, with a captioner and a folder of another program's pictures."""
    create_tagger(tmp_path / "models" / "wd.onnx")
    settings = Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs")
    (tmp_path / "webui" / "outputs").mkdir(parents=True)
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "webui" / "outputs" / "theirs.png")
    preferences.write(settings.data, Preferences(extra_outputs=(str(tmp_path / "webui" / "outputs"),)))
    with Jobs(settings, SCRIPTED) as jobs, serve(settings, jobs, port=0) as studio:
        yield Studio(studio.url, settings, jobs)


def test_a_folder_that_takes_long_holds_no_page_up_and_no_second_save_is_lost(
    own: Studio, page_session: PageSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = HeldScan(monkeypatch)
    try:
        page = page_session(own).open()
        assert held.begun.wait(60) and not held.go_on.is_set(), "the folders are still being read"
        prompt_of(page).fill("while it looks")
        page.keyboard.press("Control+Enter")
        expect(page.locator(SHOWN)).to_be_visible()
        reading = threading.Event()
        monkeypatch.setattr(search_paths, "check_folder", lambda named: reading.wait(3))
        show(page, "Settings")
        quality = page.locator("#settings-quality").locator("textarea, input")
        for wanted in ("71", "72"):
            quality.fill(wanted)
            page.locator("#settings-save").click()
        reading.set()
        expect(page.locator("#settings-says")).to_contain_text(messages.SAVED)
    finally:
        held.go_on.set()
    # The first save says that it is done, too: the second one is waited for where it goes.
    end = time.monotonic() + 60
    while preferences.read(own.settings.data).quality != 72 and time.monotonic() < end:
        page.wait_for_timeout(50)
    page.reload()
    ready(page)
    show(page, "Settings")
    expect(page.locator("#settings-quality").locator("textarea, input")).to_have_value("72")
    assert preferences.read(own.settings.data).quality == 72


def test_their_picture_is_looked_at_described_and_its_words_used(own: Studio, page_session: PageSession) -> None:
    page = page_session(own).open()
    show(page, "History")
    page.locator("#history-folder input").click()
    page.get_by_role("option", name="webui/outputs").click()
    page.locator(".thumb").first.click()
    chosen = page.locator("#history-chosen")
    chosen.locator(".menu summary").click()
    expect(chosen.get_by_role("button", name=messages.TRASH)).to_have_count(0)
    chosen.get_by_role("button", name=messages.DESCRIBE, exact=True).click()
    words = page.locator("#info-words textarea")
    expect(words).to_have_value("a picture as wd sees it")
    words.fill("a teal square")
    page.locator("#info-use-words").click()
    expect(page.get_by_role("tab", name=messages.TEXT_TAB, exact=True)).to_have_attribute("aria-selected", "true")
    expect(prompt_of(page)).to_have_value("a teal square")
    show(page, "Sketch to image")
    expect(page.locator(".pad[data-ready]")).to_be_visible()
    page.locator("#sketch-describe").click()
    expect(prompt_of(page, "sketch")).to_have_value("a picture as wd sees it")
    assert (own.settings.models.parent / "webui" / "outputs" / "theirs.png").is_file()


@pytest.mark.long
def test_a_picture_is_deleted_with_a_way_back_marked_and_its_prompt_copied(
    own: Studio, page_session: PageSession, trash: Path
) -> None:
    page = page_session(own).open()
    prompt_of(page).fill("to be deleted")
    page.locator("#text-count").locator("textarea, input").fill("2")
    page.keyboard.press("Control+Enter")
    strip = page.locator("#text-stage .strip button:visible")
    expect(strip).to_have_count(2)
    before = set(own.settings.outputs.rglob("*.png"))
    shown = page.locator("#text-stage figure[data-shown]")

    def press(words: str) -> None:
        if not shown.locator("details.menu").evaluate("menu => menu.open"):
            shown.get_by_text(messages.PICTURE_MENU).click()
        shown.get_by_role("button", name=words).click()

    press(messages.COPY_PROMPT)
    expect(shown.get_by_role("button", name=messages.COPIED)).to_be_visible()
    press(messages.MARK)
    expect(page.get_by_text(messages.MARKED)).to_be_visible()
    press(messages.TRASH)
    expect(strip).to_have_count(1)
    page.locator("#undo").get_by_role("button", name=messages.UNDO).click()
    expect(strip).to_have_count(2)
    assert set(own.settings.outputs.rglob("*.png")) == before
    press(messages.TRASH)
    expect(page.get_by_text(messages.IN_TRASH)).to_be_visible(timeout=30_000)
    assert (
        len(set(own.settings.outputs.rglob("*.png"))) == 1
        and len((own.settings.outputs / "favourites.txt").read_text().split()) == 1
    )


COVERED = """(sheet) => {
  const box = sheet.getBoundingClientRect(), seen = [];
  const low = Math.min(box.bottom, innerHeight) - 4;
  for (let x = box.left + 4; x < box.right - 4; x += 12) {
    for (let y = box.top + 4; y < low; y += 6) {
      const top = document.elementFromPoint(x, y);
      if (!sheet.contains(top)) seen.push(`${Math.round(x)}, ${Math.round(y)}: ${top?.className}`);
    }
  }
  return seen;
}"""
"""Where something of the page lies over an opened sheet."""


def test_nothing_of_the_page_paints_through_what_is_opened_over_it(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted, width=1366, height=768).open()
    opener, sheet = page.locator("#head [aria-controls=queue-sheet]"), page.locator("#queue-sheet")
    for tab in page.get_by_role("tab").all():
        tab.click()
        opener.click()
        expect(sheet).to_be_visible()
        assert sheet.evaluate(COVERED) == [], tab.inner_text()
        opener.click()
        expect(sheet).to_be_hidden()
