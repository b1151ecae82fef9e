"""What Explore found, as HTML: one drawing at several strengths in a row, and the chosen one of them large below."""

from __future__ import annotations

from html import escape
from pathlib import Path

from engine.events import Result
from engine.requests import ImageToImage
from ui import messages, pictures, stage
from ui.updates import View


def show(asked: ImageToImage, view: View, outputs: Path) -> str:
    """The stage of an exploration. The choice of what is large is the browser's own: arrow keys move it."""
    if not view.results:
        return stage.show(view, outputs)
    middle = min(len(asked.strengths) // 2, len(view.results) - 1)
    pairs = zip(asked.strengths, view.results, strict=False)
    row = "".join(_choice(strength, result, outputs, number == middle) for number, (strength, result) in enumerate(pairs))
    figures = "".join(stage.figure(result, outputs) for result in view.results)
    choices = f'<div class="row" role="radiogroup" aria-label="{messages.STRENGTHS_SHOWN}">{row}</div>'
    return stage.show(view, outputs, f'<div class="strengths">{choices}{figures}</div>')


def _choice(strength: float, result: Result, outputs: Path, chosen: bool) -> str:
    words = messages.AT_STRENGTH.format(strength=strength)
    image = ""
    if result.path.is_relative_to(outputs):
        image = f'<img src="{escape(pictures.address(outputs, result.path))}" alt="{words}">'
    checked = " checked" if chosen else ""
    return f'<label title="{words}"><input type="radio" name="strength-shown"{checked}>{image}<span>{strength:g}</span></label>'
