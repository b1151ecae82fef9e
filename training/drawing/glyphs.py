"""Reads images from Noto Color Emoji. Glyphs of several code points (a farmer) are looked up in the font's own ligature table,
so that the result does not depend on the build of Pillow."""

from __future__ import annotations

import os
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from fontTools.ttLib import TTFont
from PIL import Image

FONT_FILES = (  # where operating systems install the font; EASEL_EMOJI_FONT takes precedence
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
)
LIGATURES = 4  # the lookup type in GSUB for ligature substitution
VARIATION = "\ufe0f"  # the emoji variation selector, which the font's ligatures omit


def find_font_file() -> Path:
    """The file of the font Noto Color Emoji; raises FileNotFoundError, which says how to install it."""
    for name in (os.environ.get("EASEL_EMOJI_FONT"), *FONT_FILES):
        if name and Path(name).is_file():
            return Path(name)
    message = (
        "The font Noto Color Emoji is not here. Install it (Debian: fonts-noto-color-emoji) or name its file in EASEL_EMOJI_FONT."
    )
    raise FileNotFoundError(message)


@lru_cache(maxsize=1)
def _load_font() -> TTFont:
    return TTFont(str(find_font_file()), lazy=True)


@lru_cache(maxsize=1)
def _read_ligatures() -> dict[tuple[str, ...], str]:
    """Sequence of glyph names -> the name of the ligature's glyph."""
    found: dict[tuple[str, ...], str] = {}
    for lookup in _load_font()["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable if lookup.LookupType == LIGATURES else ():
            for first, rows in table.ligatures.items():
                found |= {(first, *row.Component): row.LigGlyph for row in rows}
    return found


def find_glyph_name(drawing: str) -> str:
    """The font's glyph name for an emoji; raises ValueError if the font has no single glyph for it."""
    cmap = _load_font().getBestCmap() or {}
    names = tuple(cmap.get(ord(letter), "") for letter in drawing if letter != VARIATION)
    name = names[0] if len(names) == 1 else _read_ligatures().get(names, "")
    if name not in _load_font()["CBDT"].strikeData[0]:
        raise ValueError(f"The font has no picture of its own for {drawing!r}.")
    return name


def draw_glyph(drawing: str) -> Image.Image:
    """The image of an emoji, RGBA, 136 x 128."""
    data = _load_font()["CBDT"].strikeData[0][find_glyph_name(drawing)].imageData
    return Image.open(BytesIO(data)).convert("RGBA")
