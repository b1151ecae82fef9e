"""The page for every hand: checked by axe-core, by its Tab stops, and drawn on by the keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Page, expect

from tests.ui.browser.conftest import SHOWN, Studio, Visitor, show
from tests.ui.browser.drawing import generate, open_tab, press, seen_by_the_engine
from ui import interface, messages

PageSession = Callable[..., Visitor]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")

CHECK = """async (rules) => {
  const only = rules.length ? { runOnly: { type: "rule", values: rules } } : {};
  const found = await axe.run(document, { ...only, resultTypes: ["violations", "incomplete"] });
  const undecided = found.incomplete.filter((each) => each.id === "color-contrast");
  const wrong = found.violations.filter((each) => ["serious", "critical"].includes(each.impact) || each.id === "heading-order");
  return [...wrong, ...undecided].flatMap((each) => each.nodes.map((node) => {
    const why = [...node.any, ...node.all, ...node.none].map((check) => check.message);
    return `${each.id}: ${node.target.join(" ")}: ${why.join(" ")}`;
  }));
}"""

STILL = "*, ::before, ::after { transition: none !important; animation: none !important; }"

STOP = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const boxed = (each) => getComputedStyle(each).boxShadow !== "none" || getComputedStyle(each).outlineStyle !== "none";
  const around = at.closest(".pair, .under-way, label, .wrap") ?? at;
  const name = `${at.tagName} ${at.id || at.className} ${at.getAttribute("aria-label") ?? at.textContent.slice(0, 30)}`;
  return { name, seen: ring || boxed(at) || boxed(around), prompt: Boolean(at.closest(".prompt")) };
}"""

TARGETS = """(least) => {
  const answers = "button, a[href], input:not([type=file]), select, textarea, summary, [role=tab], [role=button]";
  const small = [];
  for (const each of document.querySelectorAll(answers)) {
    const target = each.matches("input[type=checkbox], input[type=radio]") ? each.closest("label") ?? each : each;
    const { width, height } = target.getBoundingClientRect();
    // What is not there for fingers (hidden, or for readers alone), and links inside a sentence.
    if (!each.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || width <= 1 || height <= 1) continue;
    if (each.matches("a") && getComputedStyle(each).display === "inline" || each.matches(".skip")) continue;
    const field = each.matches("input") && each.closest(".wrap-inner, .input-container");
    const box = field ? field.getBoundingClientRect() : { width, height };
    if (box.width < least - 0.5 || box.height < least - 0.5) {
      const words = each.getAttribute("aria-label") ?? each.textContent.trim().slice(0, 30);
      small.push(`${each.tagName} ${each.id || each.className} ${words}: ${Math.round(box.width)} x ${Math.round(box.height)}`);
    }
  }
  return small;
}"""


def check(page: Page, about: str, *rules: str) -> list[str]:
    """What axe-core finds in what is seen; ``rules``: only these."""
    page.add_style_tag(content=STILL)
    return [f"{about}: {found}" for found in page.evaluate(CHECK, list(rules))]


def check_in_both(page: Page, about: str) -> list[str]:
    """In light, and whatever depends on colours in dark."""
    found = check(page, about)
    page.evaluate("document.body.classList.add('dark')")
    found += check(page, f"{about}, dark", "color-contrast")
    page.evaluate("document.body.classList.remove('dark')")
    return found


def unfold_all(page: Page) -> None:
    boxes = page.locator("button.label-wrap:visible[aria-expanded=false]")
    while boxes.count():
        boxes.first.click()


def states(page: Page) -> Iterator[str]:
    """Leads the page of the first tab from state to state."""
    prompt, large = page.locator("#text-prompt textarea"), page.locator("#text-stage figure[data-shown] a.frame")
    yield "idle"
    prompt.fill("a cat, script: slow")
    page.keyboard.press("Control+Enter")
    expect(page.locator("img.preview")).to_be_visible()
    page.locator(".queue-button").click()
    yield "running, the queue open"
    page.keyboard.press("Escape")
    expect(page.locator(SHOWN)).to_be_visible()
    yield "done"
    large.click()
    yield "the large picture"
    page.keyboard.press("Escape")
    page.locator("[data-shortcuts]").click()
    yield "shortcuts"
    page.keyboard.press("Escape")
    page.evaluate("document.querySelector('#when-done').hidden = false")
    yield "the question about notifications"
    page.evaluate("document.querySelector('#when-done').hidden = true")
    prompt.fill("a cat, script: fail")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#text-stage .trouble")).to_be_visible()
    yield "failed"


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_axe_finds_nothing_serious_on_any_tab_in_any_state(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted, width=1366, height=768).open()
    page.evaluate(AXE)
    found: list[str] = []
    for state in states(page):
        found += check_in_both(page, state)
    for tab in interface.TABS:
        show(page, tab)
        unfold_all(page)
        if tab == "History":
            page.locator(".thumb").first.click()
            expect(page.locator("#history-chosen .picture")).to_be_visible()
        found += check_in_both(page, tab)
    assert found == []


def test_by_keyboard_alone(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted, width=1366, height=768).open()
    page.evaluate(AXE)
    assert check(page, "the first tab") == []
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


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("width", "least", "options"), [(1366, 24, {}), (360, 44, {"has_touch": True, "is_mobile": True})])
def test_what_is_pressed_is_large_enough(
    scripted: Studio, page_session: PageSession, width: int, least: int, options: dict[str, Any]
) -> None:
    page = page_session(scripted, width=width, height=780, **options).open()
    small: list[str] = []
    for tab in interface.TABS:
        show(page, tab)
        unfold_all(page)
        small += [f"{tab}: {each}" for each in page.evaluate(TARGETS, least)]
    assert small == []


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
