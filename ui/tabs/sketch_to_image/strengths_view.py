"""What Explore found, as HTML: one drawing at several strengths in a row, and the chosen one of them large below."""

from __future__ import annotations

from html import escape
from pathlib import Path

from engine.events import Result
from engine.requests import ImageToImage
from ui import messages
from ui.common import result_view
from ui.common.job_view import View
from ui.server import image_routes


def show(asked: ImageToImage, view: View, outputs: Path) -> str:
    """The stage of an exploration. The choice of what is large is the browser's own: arrow keys move it."""
    if not view.results:
        return result_view.show(view, outputs)
    middle = min(len(asked.strengths) // 2, len(view.results) - 1)
    pairs = zip(asked.strengths, view.results, strict=False)
    row = "".join(_choice(strength, result, outputs, number == middle) for number, (strength, result) in enumerate(pairs))
    figures = "".join(result_view.figure(result, outputs) for result in view.results)
    choices = f'<div class="row" role="radiogroup" aria-label="{messages.STRENGTHS_SHOWN}">{row}</div>'
    return result_view.show(view, outputs, f'<div class="strengths">{choices}{figures}</div>')


def _choice(strength: float, result: Result, outputs: Path, chosen: bool) -> str:
    words = messages.AT_STRENGTH.format(strength=strength)
    image = ""
    if result.path.is_relative_to(outputs):
        image = f'<img src="{escape(image_routes.address(outputs, result.path))}" alt="{words}">'
    checked = " checked" if chosen else ""
    return f'<label title="{words}"><input type="radio" name="strength-shown"{checked}>{image}<span>{strength:g}</span></label>'
