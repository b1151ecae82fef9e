"""The panels of words, as HTML."""

from __future__ import annotations

from dataclasses import dataclass

from ui import messages
from ui.common.checkpoint_options import Repertoire
from ui.server import scripts
from ui.templates import Macros

ON_LOAD = scripts.on_load("words/panel.js", [])
"""A panel fills itself, and its words go into the prompt in the browser."""

CHIPS = "words/chips"
"""The path of the panel's content, relative to the page."""

_HTML = Macros("words/view.html")


@dataclass(frozen=True)
class ChipGroup:
    """Words under a heading."""

    title: str
    words: tuple[str, ...]


def render_frame(tab: str, source: str) -> str:
    """The frame of a panel of the tab called ``tab``; ``source`` is the path of its content, relative to the page."""
    return _HTML.render("frame", tab=tab, source=source)


def render_chips(repertoire: Repertoire | None) -> str:
    """What the starter was trained on, as words to press; "" for any other checkpoint."""
    if repertoire is None:
        return ""
    groups = [
        ChipGroup(messages.THINGS, repertoire.things), ChipGroup(messages.PLACES, repertoire.backgrounds),
        ChipGroup(messages.COLOURS, repertoire.colours), ChipGroup(messages.STYLES, repertoire.styles),
    ]  # fmt: skip
    return _HTML.render("chips", groups=[group for group in groups if group.words])
