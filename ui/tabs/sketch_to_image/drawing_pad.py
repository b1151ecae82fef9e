"""The drawing pad's HTML and scripts. What it does is in ``pad/`` beside it; why it is Easel's own: docs/decisions/0003."""

from __future__ import annotations

from html import escape

from ui import messages
from ui.server import scripts

ON_LOAD = scripts.on_load("tabs/sketch_to_image/pad/pad.js", ["drawn", "sample"])
"""What the component that holds :func:`html` does when it is there. Gradio takes its events' names from this text."""

HAND_IN = "async () => [await window.easelPad.upload()]"
"""Gives the drawing to the engine's folder of pictures; its value is JSON for :func:`ui.tabs.sketch_to_image.form.handed_in`."""

TAKE = "(address) => { if (address) window.easelPad.attempt((pad) => pad.take(address, '')); return ['']; }"
RESTORE = "(made) => { if (made) window.easelPad.attempt((pad) => pad.restore(JSON.parse(made))); return ['']; }"
"""Puts the picture at an address onto the pad, or a drawing back as it was handed in (see
:func:`ui.tabs.sketch_to_image.form.drawn`), once."""

PALETTE = (
    *("#1c1917", "#6b645e", "#ffffff", "#d9262b", "#e8792b", "#f2c94c", "#8ac94a", "#3f8f3a"),
    *("#4f9bd9", "#1f4fa3", "#7a4fb5", "#e58bb6", "#f1c9a5", "#7a4a21"),
)
"""The colours that are one press away."""

SAMPLES = {"bird": "a bird", "boat": "a boat", "house": "a house", "balloon": "a red balloon"}
"""Sketch of ``samples.js`` -> its words on the button and, where the prompt is empty, in the prompt."""

_ICONS = {
    "brush": "M4 20c3 0 5-1 5-4l9-11 2 2-11 9M9 16l-2-2",
    "eraser": "M8 20h12M5 15l9-10 6 6-8 9H8z",
    "fill": "M4 12l8-8 7 7-8 8zM12 4L9 1M20 15c1.5 2 1.5 4 0 4s-1.5-2 0-4",
    "pick": "M14 6l4 4M4 20l1-4 9-9 3 3-9 9zM15 5c2-3 6 1 4 4",
    "hand": "M12 3v18M3 12h18M12 3l-2 2M12 3l2 2M12 21l-2-2M12 21l2-2M3 12l2-2M3 12l2 2M21 12l-2-2M21 12l-2 2",
    "mask": "M4 4h16v16H4zM4 12h16M12 4v16",
    "unmask": "M4 4h16v16H4zM7 7l10 10M17 7L7 17",
    "undo": "M9 7L4 12l5 5M4 12h10a6 6 0 0 1 6 6",
    "redo": "M15 7l5 5-5 5M20 12H10a6 6 0 0 0-6 6",
    "clear": "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
    "zoom-in": "M10 4a6 6 0 1 0 0 12 6 6 0 0 0 0-12M14.5 14.5L20 20M10 7v6M7 10h6",
    "zoom-out": "M10 4a6 6 0 1 0 0 12 6 6 0 0 0 0-12M14.5 14.5L20 20M7 10h6",
    "zoom-whole": "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
    "upload": "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
    "layer-add": "M12 5v14M5 12h14",
    "layer-remove": "M5 12h14",
    "layer-up": "M6 15l6-6 6 6",
    "layer-down": "M6 9l6 6 6-6",
}  # fmt: skip
"""Name of a tool or an action -> its icon, a path on a square of 24."""


def html() -> str:
    """The pad, still without a drawing."""
    told = " ".join(f'data-{name}="{escape(words)}"' for name, words in messages.PAD_SAYS.items())
    return (
        f'<div class="pad" {told}>{_bar()}{_view()}{_colours()}{_masking()}'
        f'<p class="pad-says says note" role="status" hidden></p>{_foot()}'
        '<input type="file" accept="image/*,.heic,.heif,.tif,.tiff" hidden></div>'
    )


def _bar() -> str:
    tools = "".join(_button("tool", name) for name in ("brush", "eraser", "fill", "pick", "mask", "unmask", "hand"))
    acts = "".join(_button("act", name) for name in ("undo", "redo", "clear"))
    zooms = "".join(_button("act", name) for name in ("zoom-out", "zoom-whole", "zoom-in"))
    width = (
        f'<label class="pad-width">{messages.PAD_WIDTH}<input type="range" name="pad-width" min="1" max="200" value="14">'
        "<output>14 px</output></label>"
    )
    return f'<div class="pad-bar" role="toolbar"><div>{tools}</div>{width}<div>{acts}</div><div>{zooms}</div></div>'


def _view() -> str:
    label = escape(messages.PAD_LABEL)
    return (
        f'<div class="pad-view"><canvas tabindex="0" role="img" aria-label="{label}"></canvas>'
        '<div class="pad-ring" hidden></div></div>'
    )


def _colours() -> str:
    swatches = "".join(
        f'<button type="button" data-colour="{colour}" style="--colour:{colour}" title="{colour}"></button>' for colour in PALETTE
    )
    own = f'<label title="{messages.PAD_COLOUR}"><input type="color" name="pad-colour" value="{PALETTE[0]}"></label>'
    paper = f'<label class="pad-paper">{messages.PAD_PAPER}<input type="color" name="pad-paper" value="#ffffff"></label>'
    return f'<div class="pad-colours">{swatches}{own}{paper}</div>'


def _masking() -> str:
    options = "".join(f'<option value="{value}">{words}</option>' for value, words in messages.MASKED_PARTS.items())
    return (
        f'<div class="pad-masking" hidden><label>{messages.MASKED_PART}<select name="pad-kept">{options}</select></label>'
        f'<button type="button" data-act="clear-mask">{messages.CLEAR_MASK}</button></div>'
    )


def _foot() -> str:
    pressed = f"{_icon('upload')}{messages.UPLOAD}"
    samples = "".join(
        f'<button type="button" data-sample="{name}">{escape(words.capitalize())}</button>' for name, words in SAMPLES.items()
    )
    shapes = "".join(f'<option value="{value}">{words}</option>' for value, words in messages.PAD_SHAPES.items())
    layers = "".join(_button("act", f"layer-{name}") for name in ("add", "remove", "up", "down"))
    return (
        f'<div class="pad-foot"><button type="button" data-act="upload" class="pad-upload">{pressed}</button>'
        f'<span class="pad-samples"><span class="lead">{messages.EXAMPLES}</span>{samples}</span></div>'
        f'<details class="pad-layers"><summary>{messages.LAYERS}</summary><div>{layers}'
        f'<label>{messages.PAD_SHAPE}<select name="pad-shape">{shapes}</select></label><span class="pad-size"></span></div>'
        "<ol></ol></details>"
    )


def _button(kind: str, name: str) -> str:
    words = escape(messages.PAD_TOOLS[name])
    return f'<button type="button" data-{kind}="{name}" title="{words}" aria-label="{words}">{_icon(name)}</button>'


def _icon(name: str) -> str:
    drawn = 'fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"'
    return f'<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{_ICONS[name]}" {drawn}/></svg>'
