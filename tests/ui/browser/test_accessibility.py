"""The page for every hand: checked by axe-core, by its Tab stops, and drawn on by the keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from tests.ui.browser import axe
from tests.ui.browser.conftest import Studio, Visitor, show
from tests.ui.browser.drawing import generate, open_tab, press, seen_by_the_engine
from ui import messages

PageSession = Callable[..., Visitor]

STOP = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const boxed = (each) => getComputedStyle(each).boxShadow !== "none" || getComputedStyle(each).outlineStyle !== "none";
  const around = at.closest(".pair, .under-way, label, .wrap") ?? at;
  const name = `${at.tagName} ${at.id || at.className} ${at.getAttribute("aria-label") ?? at.textContent.slice(0, 30)}`;
  return { name, seen: ring || boxed(at) || boxed(around), prompt: Boolean(at.closest(".prompt")) };
}"""


def test_by_keyboard_alone(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted, width=1366, height=768).open()
    axe.prepare(page)
    assert axe.check(page, "the first tab") == []
    expect(page.locator("#live[role=status][aria-live=polite]")).to_have_count(1)
    boxes = page.locator("button.label-wrap:visible")
    expect(boxes.first).to_have_attribute("aria-expanded", "false")
    boxes.first.focus()
    page.keyboard.press("Enter")
    expect(boxes.first).to_have_attribute("aria-expanded", "true")
    panel = page.get_by_role("tab", selected=True).first.get_attribute("aria-controls")
    expect(page.locator(f"#{panel}[role=tabpanel]")).to_be_visible()

    # The prompt is near on every tab that has one, and what has the focus is seen to have it.
    for tab in ("Text to image", "Sketch to image", "Negative prompts"):
        show(page, tab)
        expect(page.locator("[role=tabpanel]:visible h2").first).to_have_text(tab)
        stops = walk(page, 12)
        assert [stop["name"] for stop in stops if not stop["seen"]] == []
        assert any(stop["prompt"] for stop in stops[:10]), stops

    # A drawing without a mouse: a shape, a fill, a sample that is taken, undone, and a stroke.
    open_tab(page)
    drawing = page.locator(".pad-view canvas")
    page.locator("[data-act=clear]").click()
    drawing.focus()
    box = ("r", "Enter", *["ArrowRight"] * 5, *["ArrowDown"] * 5, "Enter")
    line = ("b", "Enter", "ArrowUp", "Shift+ArrowLeft", "Enter")
    for key in (*box, *line):
        page.keyboard.press(key)
    assert page.evaluate("easelPad.drawing.undoStack.length") == 3
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    assert page.evaluate("easelPad.drawing.undoStack.length") == 3
    page.locator("#sketch-prompt textarea").fill("a box")
    pixels = seen_by_the_engine(scripted, generate(page, scripted).init_image)
    assert (pixels == (28, 25, 23)).all(-1).sum() > 2000
    expect(page.locator("#live")).to_have_text(messages.PICTURE_DONE)
    press(page, "tool", "hand")


def walk(page: Page, count: int) -> list[dict[str, Any]]:
    """The first Tab stops of the page."""
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); getSelection().removeAllRanges(); }")
    page.locator("a.skip").evaluate("link => { link.focus(); }")
    stops = [page.evaluate(STOP)]
    for _ in range(count - 1):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(STOP))
    return stops


def test_a_phone_has_generate_under_the_thumb_and_can_keep_the_page(scripted: Studio, page_session: PageSession) -> None:
    visitor = page_session(scripted, width=360, height=780, has_touch=True, is_mobile=True)
    page = visitor.open()
    button = page.locator("button.generate:visible")
    for tab in ("Text to image", "Sketch to image"):
        show(page, tab)
        expect(button).to_be_in_viewport(ratio=1)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("getComputedStyle(document.querySelector('.press')).position") == "fixed"
    manifest = page.evaluate("fetch(document.querySelector('link[rel=manifest]').href).then((reply) => reply.json())")
    sizes = page.evaluate(
        "(icons) => Promise.all(icons.map(async ({ src }) => (await createImageBitmap(await (await fetch(src)).blob())).width))",
        manifest["icons"],
    )
    assert [f"{side}x{side}" for side in sizes] == [icon["sizes"] for icon in manifest["icons"]]
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in manifest["icons"]}
