"""Keep my lines: the drawn lines guide the image through a ControlNet, with or without the colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from engine.errors import RequestError
from engine.requests import MOST_WEIGHT, Control, ImageToImage
from ui import messages, sentences
from ui.common import form
from ui.common.checkpoint_options import Checkpoint
from ui.common.fields import Fields
from ui.compat.listeners import QUIET, Update, on

BLANK: dict[str, Any] = {
    "keep_colours": True, "keep_lines": False, "lines_model": "", "lines_weight": 1.0, "lines_start": 0.0, "lines_end": 1.0,
}  # fmt: skip
"""Every field, by name, with its initial value. An empty model is the one of the checkpoint's that reads lines best."""

_SLIDERS = {"lines_weight": MOST_WEIGHT, "lines_start": 1, "lines_end": 1}


def create_lines(tab: str, chosen: Checkpoint) -> Fields:
    """The two choices beside each other, and what belongs to the lines, which shows while they are kept."""
    made: Fields = {}
    with gr.Row(elem_classes="settings-line"):
        for name in ("keep_lines", "keep_colours"):
            made[name] = gr.Checkbox(BLANK[name], label=form.LABELS[name], elem_id=f"{tab}-{name}")
    with gr.Column(visible=False) as more:
        made["lines_model"] = gr.Dropdown(
            list_models(chosen), value="", label=form.LABELS["lines_model"], elem_id=f"{tab}-lines_model",
            allow_custom_value=True, info=messages.LINES_HELP,
        )  # fmt: skip
        with gr.Row():
            for name, most in _SLIDERS.items():
                made[name] = gr.Slider(0, most, BLANK[name], step=0.05, label=form.LABELS[name], elem_id=f"{tab}-{name}")
    on(made["keep_lines"], "change")(lambda kept: gr.update(visible=kept), made["keep_lines"], more, **QUIET)
    return made


def list_models(chosen: Checkpoint) -> list[tuple[str, str]]:
    """The networks that read lines beside a checkpoint, the best first."""
    best = sentences.best_for_lines(chosen.line_controls[0]) if chosen.line_controls else messages.NO_CONTROL_FITS
    return [(best, ""), *((name, name) for name in chosen.line_controls)]


def offer_models(chosen: Checkpoint) -> Update:
    """The choices of networks for another checkpoint."""
    return gr.update(choices=list_models(chosen))


def read_lines(written: Mapping[str, Any], checkpoint: Checkpoint, lines: str) -> tuple[Control, ...]:
    """The control by the drawn ``lines``, a hash; none where lines are not kept. Raises RequestError if nothing reads them."""
    if not written["keep_lines"]:
        return ()
    model = str(written["lines_model"] or "") or next(iter(checkpoint.line_controls), "")
    if not model:
        raise RequestError(sentences.no_control_for_lines(checkpoint.label))
    weight, start, end = (round(float(written[name]), 3) for name in _SLIDERS)
    return (Control(model=model, image=lines, preprocessor="lines", weight=weight, start=start, end=end),)


def fill_lines(request: ImageToImage) -> dict[str, Any]:
    """The fields that ask for the lines of a request again."""
    found = find_lines(request)
    if found is None:
        return {"keep_lines": False}
    return {
        "keep_lines": True, "keep_colours": request.strength < 1, "lines_model": found.model, "lines_weight": found.weight,
        "lines_start": found.start, "lines_end": found.end,
    }  # fmt: skip


def find_lines(request: ImageToImage) -> Control | None:
    """The control of a request by drawn lines."""
    return next((control for control in request.controls if control.preprocessor == "lines"), None)
