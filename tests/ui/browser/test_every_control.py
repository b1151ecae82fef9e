"""Every control of every tab: large enough, seen to have the focus, and there at 320 pixels and at 200 and 400 %."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.ui.browser import axe
from tests.ui.browser.conftest import SHOWN, Studio, Visitor, show, unfold_all
from ui import interface

PageSession = Callable[..., Visitor]
Size = dict[str, Any]

PHONE: Size = {"has_touch": True, "is_mobile": True}

LIBRARY = """() => {
  const answers = "button, a[href], input:not([type=file]), select, textarea, summary, canvas, [role=tab], [role=button], "
    + "[tabindex='0']";
  // What is hidden, or there for readers alone, is no control of the page that is seen.
  const isThere = (each) => {
    const { width, height } = each.getBoundingClientRect(), how = { opacityProperty: true, visibilityProperty: true };
    return each.checkVisibility(how) && width > 1 && height > 1 && !each.matches(".skip");
  };
  const name = (each) => {
    const words = each.getAttribute("aria-label") || each.textContent.trim().slice(0, 30);
    return `${each.tagName} ${each.id || each.className} “${words}”`;
  };
  // The part of an element that its boxes do not cut off; what can be scrolled to counts as seen.
  const isScrolled = ({ overflowX, overflowY }) => [overflowX, overflowY].some((each) => ["auto", "scroll"].includes(each));
  const seenPart = (each) => {
    let { left, right, top, bottom } = each.getBoundingClientRect();
    for (let at = each.parentElement; at && at !== document.body; at = at.parentElement) {
      const style = getComputedStyle(at), edge = at.getBoundingClientRect();
      if (isScrolled(style)) break;
      if (style.overflowX !== "visible") [left, right] = [Math.max(left, edge.left), Math.min(right, edge.right)];
      if (style.overflowY !== "visible") [top, bottom] = [Math.max(top, edge.top), Math.min(bottom, edge.bottom)];
    }
    return { width: right - left, height: bottom - top };
  };
  const scrolls = (each) => {
    for (let at = each.parentElement; at && at !== document.body; at = at.parentElement) {
      if (isScrolled(getComputedStyle(at))) return true;
    }
    return false;
  };
  window.controls = { name, seenPart, scrolls, list: () => [...document.querySelectorAll(answers)].filter(isThere) };
}"""

SMALL = """(least) => controls.list().flatMap((each) => {
  // Links inside a sentence have the sentence's height; a field answers with all of its frame, a box with its label.
  if (each.matches("a") && getComputedStyle(each).display === "inline") return [];
  const frame = each.closest(each.matches("[type=checkbox], [type=radio]") ? "label" : ".wrap-inner, .input-container");
  const { width, height } = controls.seenPart(frame ?? each), isSmall = Math.min(width, height) < least - 0.5;
  return isSmall ? [`${controls.name(each)}: ${Math.round(width)} x ${Math.round(height)}`] : [];
})"""

UNSEEN_FOCUS = """() => {
  const look = (each) => {
    const { outlineStyle, outline, boxShadow, borderColor, textDecorationLine } = getComputedStyle(each);
    return [outlineStyle === "none" ? "" : outline, boxShadow, borderColor, textDecorationLine].join();
  };
  // A frame around the element, or words beside it, may say it too.
  const around = ({ parentElement: near }) => [...near.children, near, near.parentElement, near.parentElement?.parentElement];
  const looks = (each) => around(each).filter(Boolean).map(look).join(";");
  return controls.list().filter((each) => each.tabIndex >= 0 && !each.disabled).flatMap((each) => {
    document.activeElement.blur();
    const before = looks(each);
    each.focus({ focusVisible: true });
    if (document.activeElement !== each) return [];
    return looks(each) === before ? [controls.name(each)] : [];
  });
}"""

LOST = """() => {
  const width = document.documentElement.clientWidth, page = document.documentElement.scrollWidth;
  const lost = page > width + 1 ? [`the page is ${page} pixels wide`] : [];
  for (const each of controls.list()) {
    if (controls.scrolls(each)) continue;
    const box = each.getBoundingClientRect(), part = controls.seenPart(each);
    if (box.left < -1 || box.right > width + 1) lost.push(`${controls.name(each)} is beyond the edge`);
    else if (part.width < box.width - 2 || part.height < box.height - 2) lost.push(`${controls.name(each)} is cut off`);
    else if (each.matches("button, summary, a") && each.innerText && each.scrollWidth > each.clientWidth + 1) {
      lost.push(`the words of ${controls.name(each)} do not fit`);
    }
  }
  return lost;
}"""

MOVING = """() => document.getAnimations().filter((each) => {
  const { duration, iterations } = each.effect.getComputedTiming();
  return duration > 20 || iterations === Infinity;
}).map((each) => each.animationName ?? each.transitionProperty)"""


def open_page(visitor: Visitor) -> Page:
    """The page with a picture on it, and what the checks below call."""
    page = visitor.open()
    page.evaluate(LIBRARY)
    page.locator("#text-prompt textarea").fill("a cat")
    page.locator("button.generate:visible").click()
    expect(page.locator(SHOWN)).to_be_visible()
    return page


def tabs(page: Page) -> Iterator[str]:
    """Each tab with everything unfolded, History with a picture that is chosen."""
    for tab in interface.TABS:
        show(page, tab)
        unfold_all(page)
        if tab == "History":
            page.locator(".thumb").first.click()
            expect(page.locator("#history-chosen .picture")).to_be_visible()
        yield tab


def find_on_every_tab(page: Page, look: str, *arguments: int) -> list[str]:
    return [f"{tab}: {found}" for tab in tabs(page) for found in page.evaluate(look, *arguments)]


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("width", "least", "options"), [(1366, 24, {}), (360, 44, PHONE)])
def test_what_is_pressed_is_large_enough(
    scripted: Studio, page_session: PageSession, width: int, least: int, options: Size
) -> None:
    page = open_page(page_session(scripted, width=width, height=780, **options))
    assert find_on_every_tab(page, SMALL, least) == []


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_has_the_focus_is_seen_to_have_it(scripted: Studio, page_session: PageSession, scheme: str) -> None:
    page = open_page(page_session(scripted, width=1366, height=768, color_scheme=scheme))
    axe.prepare(page)
    page.keyboard.press("Tab")
    assert find_on_every_tab(page, UNSEEN_FOCUS) == []


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("width", "height", "options"),
    [(320, 640, PHONE), (683, 384, {"device_scale_factor": 2}), (320, 256, {"device_scale_factor": 4})],
    ids=["320 pixels", "200 %", "400 %"],
)
def test_nothing_is_lost_when_the_page_is_narrow(
    scripted: Studio, page_session: PageSession, width: int, height: int, options: Size
) -> None:
    page = open_page(page_session(scripted, width=width, height=height, **options))
    assert find_on_every_tab(page, LOST) == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_nothing_moves_for_those_who_asked_for_it(scripted: Studio, page_session: PageSession) -> None:
    page = page_session(scripted, reduced_motion="reduce").open()
    page.locator("#text-prompt textarea").fill("a cat, script: slow")
    page.locator("button.generate:visible").click()
    expect(page.locator(".under-way")).to_be_visible()
    assert page.evaluate(MOVING) == []
    for tab in tabs(page):
        assert page.evaluate(MOVING) == [], tab
