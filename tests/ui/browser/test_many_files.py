"""200 files dropped at once in a real browser: what becomes of each is seen on the page."""

from __future__ import annotations

import base64

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.ui.browser.conftest import Studio, show
from tests.ui.browser.drawing import PageSession, file_of, open_tab
from ui import messages, sentences
from ui.server import body_budget

COUNT = 200
DROP = """(target, [count, content]) => {
    const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0)), carried = new DataTransfer();
    for (let i = 0; i < count; i++) carried.items.add(new File([bytes], `${i}.png`, { type: "image/png" }));
    target.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: carried }));
}"""


def drop(target: Locator, content: bytes) -> None:
    target.evaluate(DROP, [COUNT, base64.b64encode(content).decode()])


@pytest.fixture
def picture() -> bytes:
    return file_of(Image.new("RGB", (64, 48), "teal"))


def test_what_becomes_of_each_is_seen(scripted: Studio, page_session: PageSession, picture: bytes) -> None:
    visitor = page_session(scripted)
    visitor.expects_trouble = True
    page = visitor.open()
    open_tab(page)
    drop(page.locator(".pad-view"), picture)
    others = messages.PAD_SAYS["others"].format(name="0.png", count=COUNT)
    expect(page.locator(".pad-says")).to_have_text(others)
    drop(page.locator(".pad-view"), b"no picture")
    expect(page.locator(".pad-says.trouble")).to_contain_text(others)
    show(page, "Image info")
    drop(page.locator("#info-file button").first, picture)
    expect(page.locator("#info-shown")).to_contain_text(sentences.dropped_files(COUNT, "0.png"))
    page.locator("#info-file .file-preview tr").nth(150).locator(".filename").click()
    expect(page.locator("#info-shown")).to_contain_text(sentences.dropped_files(COUNT, "150.png"))


def test_an_upload_that_is_too_large_says_so_on_the_page(
    scripted: Studio, page_session: PageSession, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_budget, "UPLOAD_LIMIT", 2**20)
    visitor = page_session(scripted)
    visitor.expects_trouble = True
    page = visitor.open()
    show(page, "Upscale")
    drop(page.locator("#upscale-files button").first, picture + bytes(2**18))
    expect(page.get_by_text(body_budget.TOO_LARGE.format(megabytes=1))).to_be_visible()
