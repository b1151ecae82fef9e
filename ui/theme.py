"""How the page looks: one palette in light and dark, the system's own fonts, and nothing fetched from anywhere."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import sizes
from gradio.themes.utils.colors import Color

from ui.server import scripts

_HERE = Path(__file__).parent
STYLE = _HERE / "style.css"
ICON = _HERE / "easel.png"

EMBER = Color(
    *("#fff7ed", "#ffedd5", "#fed7aa", "#fdba74", "#fb923c", "#ea580c"),
    *("#c2410c", "#9a3412", "#7c2d12", "#611f0c", "#431407"),
    name="ember",
)
PAPER = Color(
    *("#faf8f5", "#f3f0eb", "#e7e2dc", "#d3ccc4", "#a8a099", "#7b736c"),
    *("#58514b", "#3a342f", "#211d1a", "#171412", "#0d0b0a"),
    name="paper",
)
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONOSPACE = ("ui-monospace", "Cascadia Mono", "Menlo", "Consolas", "monospace")

_COLOURS: dict[str, tuple[str, str]] = {
    "body_background_fill": ("#faf8f5", "#171412"),
    "body_text_color": ("#1c1917", "#f1ece6"),
    "body_text_color_subdued": ("#6b645e", "#a8a099"),
    "background_fill_primary": ("#ffffff", "#211d1a"),
    "background_fill_secondary": ("#f3f0eb", "#2a2521"),
    "block_background_fill": ("#ffffff", "#211d1a"),
    "block_info_text_color": ("#6b645e", "#a8a099"),
    "block_title_text_color": ("#3a342f", "#d3ccc4"),
    "block_label_text_color": ("#3a342f", "#d3ccc4"),
    "border_color_primary": ("#e7e2dc", "#3a342f"),
    "block_border_color": ("#e7e2dc", "#3a342f"),
    "border_color_accent": ("#c2410c", "#fb923c"),
    "color_accent_soft": ("#fff1e6", "#3b2415"),
    "input_background_fill": ("#fdfcfa", "#1b1815"),
    "input_background_fill_focus": ("#ffffff", "#1b1815"),
    "input_border_color": ("#ddd6ce", "#3f3832"),
    "input_border_color_focus": ("#c2410c", "#fb923c"),
    "input_placeholder_color": ("#6b645e", "#a8a099"),
    "button_primary_background_fill": ("#c2410c", "#fb923c"),
    "button_primary_background_fill_hover": ("#9a3412", "#fdba74"),
    "button_primary_border_color": ("#c2410c", "#fb923c"),
    "button_primary_border_color_hover": ("#9a3412", "#fdba74"),
    "button_primary_text_color": ("#ffffff", "#231107"),
    "button_primary_text_color_hover": ("#ffffff", "#231107"),
    "button_secondary_background_fill": ("#ffffff", "#2a2521"),
    "button_secondary_background_fill_hover": ("#f3f0eb", "#3a342f"),
    "button_secondary_border_color": ("#ddd6ce", "#4a433c"),
    "button_secondary_text_color": ("#3a342f", "#e7e2dc"),
    "button_cancel_background_fill": ("#ffffff", "#2a2521"),
    "button_cancel_background_fill_hover": ("#fef2f2", "#45201d"),
    "button_cancel_border_color": ("#b91c1c", "#f87171"),
    "button_cancel_border_color_hover": ("#b91c1c", "#f87171"),
    "button_cancel_text_color": ("#b91c1c", "#f87171"),
    "button_cancel_text_color_hover": ("#b91c1c", "#fca5a5"),
    "link_text_color": ("#c2410c", "#fb923c"),
    "link_text_color_hover": ("#9a3412", "#fdba74"),
    "link_text_color_visited": ("#c2410c", "#fb923c"),
}
"""Theme variable -> (in light, in dark)."""

_SHAPES: dict[str, str] = {
    "block_radius": "14px",
    "container_radius": "14px",
    "input_radius": "10px",
    "button_large_radius": "10px",
    "button_medium_radius": "10px",
    "button_small_radius": "8px",
    "block_shadow": "none",
    "input_shadow": "none",
    "input_shadow_focus": "0 0 0 3px color-mix(in srgb, var(--input-border-color-focus) 22%, transparent)",
    "block_border_width": "0px",
    "input_border_width": "1px",
    "block_title_text_weight": "600",
    "button_large_text_weight": "600",
    "layout_gap": "20px",
}


def create() -> gr.themes.Base:
    """Easel's theme."""
    theme = gr.themes.Base(
        primary_hue=EMBER,
        secondary_hue=EMBER,
        neutral_hue=PAPER,
        spacing_size=sizes.spacing_lg,
        radius_size=sizes.radius_lg,
        text_size=sizes.text_md,
        font=FONT,
        font_mono=MONOSPACE,
    )
    light = {name: pair[0] for name, pair in _COLOURS.items()}
    dark = {f"{name}_dark": pair[1] for name, pair in _COLOURS.items()}
    return theme.set(**light, **dark, **_SHAPES)


def head() -> str:
    """What Easel adds to the page's head."""
    return scripts.render_head()
