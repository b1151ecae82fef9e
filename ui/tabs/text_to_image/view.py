"""What the starter can draw, as HTML."""

from __future__ import annotations

from ui.common.checkpoint_options import Repertoire
from ui.server import scripts
from ui.templates import Macros

EXAMPLES = ("a cat on the beach", "a rocket in space", "two penguins in the snow", "a red balloon at sunset")
"""Prompts that the starter can draw."""

ON_LOAD = scripts.on_load("common/prompt_chips.js", ["pick"])
"""A press on an example becomes an event."""

_HTML = Macros("tabs/text_to_image/view.html")


def render_examples(repertoire: Repertoire | None) -> str:
    """Example prompts, while the starter is chosen."""
    return _HTML.render("examples", prompts=EXAMPLES) if repertoire else ""


def render_repertoire(repertoire: Repertoire | None) -> str:
    """What the starter was trained on, in the words that it knows."""
    if repertoire is None:
        return ""
    parts = (
        ("Things", repertoire.things), ("Places and skies", repertoire.backgrounds), ("Colours", repertoire.colours),
        ("Styles", repertoire.styles),
    )  # fmt: skip
    return _HTML.render("repertoire", rows=[(name, ", ".join(words)) for name, words in parts if words])
