"""What the Sketch tab shows, as HTML: what the engine will see of a drawing, and the results of Explore."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.errors import EaselError
from engine.generate.tasks.input_image import preview_canvas
from engine.records.blobs import Blobs
from engine.requests import ImageToImage, Request
from ui import messages
from ui.common import result_view
from ui.common.checkpoint_options import Checkpoint
from ui.common.job_view import View
from ui.grid.grid_fields import choose_shown
from ui.server import image_routes
from ui.templates import Macros, render_notice

_HTML = Macros("tabs/sketch_to_image/view.html")
_LONGEST = 512
"""Pixels of the longer side of the preview."""


@dataclass(frozen=True)
class StrengthChoice:
    """One strength that was explored; ``address`` is "" for an image that is gone."""

    strength: str
    words: str
    address: str
    chosen: bool


def render_results(asked: Request, view: View, outputs: Path) -> str:
    """The stage of the tab's jobs. For Explore, the browser itself switches the image shown large: arrow keys move it."""
    if not (isinstance(asked, ImageToImage) and asked.strengths and view.results):
        return result_view.render_stage(choose_shown(asked, view), outputs)
    middle = min(len(asked.strengths) // 2, len(view.results) - 1)
    choices = [
        StrengthChoice(
            strength=f"{strength:g}",
            words=messages.AT_STRENGTH.format(strength=strength),
            address=image_routes.locate_path(outputs, result.path) if result.path.is_relative_to(outputs) else "",
            chosen=number == middle,
        )
        for number, (strength, result) in enumerate(zip(asked.strengths, view.results, strict=False))
    ]
    figures = result_view.render_figures(view.results, outputs)
    return result_view.render_stage(view, outputs, _HTML.render("strengths", choices=choices, figures=figures))


def render_input(asked: ImageToImage, checkpoint: Checkpoint, blobs: Blobs) -> str:
    """What the engine will see of a drawing: fitted, cropped to the mask where asked, what is masked tinted, with its size;
    or the reason why there is none."""
    try:
        seen = preview_canvas(asked, blobs, checkpoint.native_size, checkpoint.size_multiple, _LONGEST)
    except EaselError as error:
        return render_notice(str(error), "trouble")
    source = result_view.encode_data_url(seen.png, "image/png")
    return _HTML.render("input", source=source, size=f"{seen.width} × {seen.height}", sentences=seen.notices)


def render_strength_words(strength: float) -> str:
    """What a denoising strength does to the drawing, in words."""
    words = next(words for least, words in reversed(messages.STRENGTHS.items()) if strength >= least)
    return _HTML.render("strength_words", words=words)
