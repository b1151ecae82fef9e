"""axe-core over the page as it is at the moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

_SOURCE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")

# What scrolls inside the page is laid open, because no contrast can be decided for what its box hides. Of the page behind
# something that lies over it only parts are seen: it was checked before, and is hidden meanwhile.
_STYLE = """
*, ::before, ::after { transition: none !important; animation: none !important; }
.chip-groups, .cards, .sheet { max-height: none !important; }
.covered body :not([data-over], [data-over] *) { visibility: hidden !important; }
.covered [data-over] { visibility: visible !important; }
"""

_COVER = """(selector) => {
  document.documentElement.classList.toggle("covered", Boolean(selector));
  for (const each of document.querySelectorAll("[data-over]")) delete each.dataset.over;
  if (selector) document.querySelector(selector).dataset.over = "";
}"""

_CHECK = """async (rules) => {
  for (const each of document.getAnimations()) each.finish();
  const only = rules.length ? { runOnly: { type: "rule", values: rules } } : {};
  const found = await axe.run(document, { ...only, resultTypes: ["violations", "incomplete"] });
  const undecided = found.incomplete.filter((each) => each.id === "color-contrast");
  const wrong = found.violations.filter((each) => ["serious", "critical"].includes(each.impact) || each.id === "heading-order");
  return [...wrong, ...undecided].flatMap((each) => each.nodes.map((node) => {
    const why = [...node.any, ...node.all, ...node.none].map((check) => check.message);
    return `${each.id}: ${node.target.join(" ")}: ${why.join(" ")}`;
  }));
}"""


def prepare(page: Page) -> None:
    """Load axe-core into the page, and let nothing move there."""
    page.evaluate(_SOURCE)
    page.add_style_tag(content=_STYLE)


def check(page: Page, about: str, rules: Sequence[str] = ()) -> list[str]:
    """What is serious, and contrasts that could not be decided. ``rules``: only these."""
    return [f"{about}: {found}" for found in page.evaluate(_CHECK, list(rules))]


def check_in_both(page: Page, about: str, over: str = "") -> list[str]:
    """:func:`check` in light, and of whatever depends on colours in dark. ``over`` selects what lies over the page."""
    page.evaluate(_COVER, over)
    found = check(page, about)
    page.evaluate("document.body.classList.add('dark')")
    found += check(page, f"{about}, dark", ["color-contrast"])
    page.evaluate("document.body.classList.remove('dark')")
    page.evaluate(_COVER, "")
    return found
