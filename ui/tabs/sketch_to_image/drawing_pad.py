"""The drawing pad's HTML and scripts. Its scripts are in ``pad/``; docs/decisions explains why Easel has its own pad."""

from __future__ import annotations

from dataclasses import dataclass

from ui import messages
from ui.server import scripts
from ui.templates import Macros

ON_LOAD = scripts.on_load("tabs/sketch_to_image/pad/pad.js", ["drawn", "sample"])
"""The script of the component that holds :func:`render_pad`. Gradio takes the names of its events from this text."""

HAND_IN = "async () => [await window.easelPad.upload()]"
"""Uploads the drawing; its value is JSON for :func:`ui.tabs.sketch_to_image.form.read_drawing`."""

TAKE = "(address) => { if (address) window.easelPad.attempt((pad) => pad.take(address, '')); return ['']; }"
RESTORE = "(made) => { if (made) window.easelPad.attempt((pad) => pad.restore(JSON.parse(made))); return ['']; }"
"""Puts the image at an address onto the pad, or a drawing back as it was handed in (see
:func:`ui.tabs.sketch_to_image.form.describe_drawing`), once."""

PALETTE = (
    ("#1c1917", "Black"), ("#6b645e", "Grey"), ("#ffffff", "White"), ("#d9262b", "Red"), ("#e8792b", "Orange"),
    ("#f2c94c", "Yellow"), ("#8ac94a", "Light green"), ("#3f8f3a", "Green"), ("#4f9bd9", "Light blue"), ("#1f4fa3", "Blue"),
    ("#7a4fb5", "Purple"), ("#e58bb6", "Pink"), ("#f1c9a5", "Skin"), ("#7a4a21", "Brown"),
)  # fmt: skip
"""The colours of the palette, with their names."""

SAMPLES = {"bird": "a bird", "boat": "a boat", "house": "a house", "balloon": "a red balloon"}
"""Sketch of ``samples.js`` -> its words on the button and, where the prompt is empty, in the prompt."""

_ICONS = {
    "brush": "M4 20c3 0 5-1 5-4l9-11 2 2-11 9M9 16l-2-2",
    "eraser": "M8 20h12M5 15l9-10 6 6-8 9H8z",
    "line": "M5 19L19 5",
    "rectangle": "M4 6h16v12H4z",
    "ellipse": "M12 6c5 0 8 3 8 6s-3 6-8 6-8-3-8-6 3-6 8-6z",
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
    "layer-add": "M12 5v14M5 12h14",
    "layer-remove": "M5 12h14",
    "layer-up": "M6 15l6-6 6 6",
    "layer-down": "M6 9l6 6 6-6",
}  # fmt: skip
"""Name of a tool or an action -> its icon, a path on a square of 24."""


_HTML = Macros("tabs/sketch_to_image/pad.html")


@dataclass(frozen=True)
class Icon:
    """A button of the pad: its action, its label and its icon."""

    name: str
    words: str
    path: str


def render_pad() -> str:
    """The empty pad."""
    return _HTML.render(
        "pad",
        tools=_list_icons("brush", "eraser", "line", "rectangle", "ellipse", "fill", "pick", "mask", "unmask", "hand"),
        undoing=_list_icons("undo", "redo", "clear"),
        zooming=_list_icons("zoom-out", "zoom-whole", "zoom-in"),
        layers=_list_icons("layer-add", "layer-remove", "layer-up", "layer-down"),
        palette=PALETTE,
        samples=[(name, words.capitalize()) for name, words in SAMPLES.items()],
    )


def _list_icons(*names: str) -> list[Icon]:
    return [Icon(name, messages.PAD_TOOLS[name], _ICONS[name]) for name in names]
