"""What the starter can draw, and the results of the tab, as HTML."""

from __future__ import annotations

from pathlib import Path

from engine.requests import Request
from ui.common import result_view
from ui.common.checkpoint_options import Repertoire
from ui.common.job_view import View
from ui.grid.grid_fields import choose_shown
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


def render_results(asked: Request, view: View, outputs: Path) -> str:
    """The result view of the tab's jobs: pictures, or a grid with its sheet first."""
    return result_view.render_stage(choose_shown(asked, view), outputs)
