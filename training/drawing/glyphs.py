"""Reads images out of Noto Color Emoji. A glyph of several code points (a farmer) is looked up in the font's own table of
ligatures, so that it comes out the same with every build of Pillow."""

from __future__ import annotations

import os
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from fontTools.ttLib import TTFont
from PIL import Image

FONT_FILES = (  # where the systems' packages put the font; EASEL_EMOJI_FONT goes before them
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
)
LIGATURES = 4  # the type of the lookups in GSUB that make one glyph of several
VARIATION = "\ufe0f"  # asks for colour; the font has nothing else and leaves it out of its ligatures


def font_file() -> Path:
    """The file of the Noto Color Emoji font; FileNotFoundError says how to get it."""
    for name in (os.environ.get("EASEL_EMOJI_FONT"), *FONT_FILES):
        if name and Path(name).is_file():
            return Path(name)
    message = (
        "The font Noto Color Emoji is not here. Install it (Debian: fonts-noto-color-emoji) or name its file in EASEL_EMOJI_FONT."
    )
    raise FileNotFoundError(message)


@lru_cache(maxsize=1)
def _font() -> TTFont:
    return TTFont(str(font_file()), lazy=True)


@lru_cache(maxsize=1)
def _ligatures() -> dict[tuple[str, ...], str]:
    """The names of glyphs in a row -> the name of the one glyph that is drawn for them."""
    found: dict[tuple[str, ...], str] = {}
    for lookup in _font()["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable if lookup.LookupType == LIGATURES else ():
            for first, rows in table.ligatures.items():
                found |= {(first, *row.Component): row.LigGlyph for row in rows}
    return found


def glyph_name(drawing: str) -> str:
    """The font's name for a glyph; ValueError where the font has no single image for it."""
    cmap = _font().getBestCmap() or {}
    names = tuple(cmap.get(ord(letter), "") for letter in drawing if letter != VARIATION)
    name = names[0] if len(names) == 1 else _ligatures().get(names, "")
    if name not in _font()["CBDT"].strikeData[0]:
        raise ValueError(f"The font has no picture of its own for {drawing!r}.")
    return name


def glyph(drawing: str) -> Image.Image:
    """The glyph's image, RGBA, 136 x 128."""
    data = _font()["CBDT"].strikeData[0][glyph_name(drawing)].imageData
    return Image.open(BytesIO(data)).convert("RGBA")
