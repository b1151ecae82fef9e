"""What the starter can draw: a row a thing, and the colours. Glyphs are from Noto Color Emoji (SIL OFL 1.1)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONT_FILES = (  # where the systems' packages put the font; EASEL_EMOJI_FONT goes before them
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
)
FONT_STRIKE = 109  # the only size at which the font's bitmaps can be read
TILE = 128


@dataclass(frozen=True)
class Thing:
    """`words[0]` is its name; the others are synonyms. `drawing` is a glyph, or the name of a shape in SHAPES."""

    words: tuple[str, ...]
    drawing: str
    place: str = "ground"  # ground: stands low in the picture; air: hangs in its middle
    recolour: bool = False
    flip: bool = True

    @property
    def name(self) -> str:
        return self.words[0]


THINGS: tuple[Thing, ...] = (
    Thing(("cat", "kitty"), "🐱"),
    Thing(("dog", "puppy"), "🐶"),
    Thing(("bird",), "🐦", "air", recolour=True),
    Thing(("penguin",), "🐧"),
    Thing(("fish",), "🐟", "air"),
    Thing(("whale",), "🐳", "air"),
    Thing(("turtle", "tortoise"), "🐢"),
    Thing(("frog",), "🐸"),
    Thing(("hamster",), "🐹"),
    Thing(("mouse",), "🐁"),
    Thing(("elephant",), "🐘"),
    Thing(("butterfly",), "🦋", "air"),
    Thing(("person", "human"), "🧍", flip=False),
    Thing(("robot",), "🤖"),
    Thing(("snowman",), "⛄"),
    Thing(("tree",), "🌳"),
    Thing(("palm",), "🌴"),
    Thing(("cactus",), "🌵"),
    Thing(("sunflower", "flower"), "🌻"),
    Thing(("rose",), "🌹"),
    Thing(("mushroom",), "🍄"),
    Thing(("apple",), "🍎", recolour=True),
    Thing(("banana",), "🍌"),
    Thing(("cake",), "🎂", flip=False),
    Thing(("house", "home"), "🏠", flip=False),
    Thing(("castle",), "🏰"),
    Thing(("car",), "🚗", recolour=True),
    Thing(("train", "locomotive"), "🚂"),
    Thing(("boat", "sailboat"), "⛵"),
    Thing(("rocket",), "🚀", "air"),
    Thing(("balloon",), "🎈", "air", recolour=True, flip=False),
    Thing(("umbrella",), "☂", "air", recolour=True),
    Thing(("ball",), "ball", recolour=True, flip=False),
    Thing(("guitar",), "🎸"),
    Thing(("pen",), "🖊", "air"),
    Thing(("paintbrush", "brush"), "🖌", "air"),
    Thing(("crown",), "👑", "air", flip=False),
    Thing(("heart",), "heart", "air", recolour=True, flip=False),
    Thing(("star",), "star", "air", recolour=True, flip=False),
    Thing(("sun",), "🌞", "air", flip=False),
    Thing(("moon",), "🌙", "air", flip=False),
)
THING_NAMES: tuple[str, ...] = tuple(thing.name for thing in THINGS)
THING_BY_NAME: dict[str, Thing] = {thing.name: thing for thing in THINGS}

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (222, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (250, 215, 50),
    "green": (50, 165, 70),
    "blue": (45, 100, 225),
    "purple": (140, 60, 190),
    "pink": (250, 140, 185),
    "brown": (130, 85, 50),
    "black": (35, 35, 40),
    "white": (245, 245, 245),
    "gray": (140, 142, 148),
}
DRAWN_COLOUR = {"ball": "red", "heart": "red", "star": "yellow"}  # the colour of a drawn shape when none is asked for


def font_file() -> Path:
    """The file of the Noto Color Emoji font; FileNotFoundError says how to get it."""
    for name in (os.environ.get("EASEL_EMOJI_FONT"), *FONT_FILES):
        if name and Path(name).is_file():
            return Path(name)
    message = (
        "The font Noto Color Emoji is not here. Install it (Debian: fonts-noto-color-emoji) or name its file in EASEL_EMOJI_FONT."
    )
    raise FileNotFoundError(message)


def _ball(draw: ImageDraw.ImageDraw, rgb: tuple[int, int, int]) -> None:
    dark = tuple(int(value * 0.7) for value in rgb)
    draw.ellipse((6, 6, 122, 122), fill=(*dark, 255))
    draw.ellipse((6, 6, 114, 112), fill=(*rgb, 255))
    draw.ellipse((32, 24, 58, 50), fill=(255, 255, 255, 200))


def _star(draw: ImageDraw.ImageDraw, rgb: tuple[int, int, int]) -> None:
    corners = np.arange(10) * np.pi / 5 - np.pi / 2
    radii = np.where(np.arange(10) % 2 == 0, 64, 27)
    draw.polygon([(64 + r * np.cos(a), 68 + r * np.sin(a)) for a, r in zip(corners, radii, strict=True)], fill=(*rgb, 255))


def _heart(draw: ImageDraw.ImageDraw, rgb: tuple[int, int, int]) -> None:
    t = np.linspace(0, 2 * np.pi, 60)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    draw.polygon([(64 + 3.9 * px, 58 - 3.9 * py) for px, py in zip(x, y, strict=True)], fill=(*rgb, 255))


SHAPES = {"ball": _ball, "star": _star, "heart": _heart}


def _tint(tile: np.ndarray, rgb: tuple[int, int, int]) -> np.ndarray:
    """Gives the saturated pixels of a tile the asked colour and keeps their light and shade."""
    colour = tile[..., :3].astype(np.float32)
    peak, low = colour.max(-1), colour.min(-1)
    saturated = np.clip((peak - low) / np.maximum(peak, 1) * 3 - 0.6, 0, 1)[..., None]
    solid = (tile[..., 3] > 128) & (saturated[..., 0] > 0.5)
    usual = np.median(peak[solid]) if solid.any() else 255.0
    painted = np.asarray(rgb, np.float32) * np.clip(peak / usual, 0.35, 1.3)[..., None]
    mixed = colour * (1 - saturated) + np.clip(painted, 0, 255) * saturated
    return np.concatenate([mixed, tile[..., 3:]], -1).astype(np.uint8)


def _cropped(tile: Image.Image) -> Image.Image:
    box = tile.getchannel("A").getbbox()
    return tile.crop(box) if box else tile


@lru_cache(maxsize=512)
def thing_tile(name: str, colour: str | None) -> Image.Image:
    """An RGBA picture of the thing, cut to its outline (at most about 128 pixels a side)."""
    drawing = THING_BY_NAME[name].drawing
    if drawing in SHAPES:
        tile = Image.new("RGBA", (TILE, TILE))
        SHAPES[drawing](ImageDraw.Draw(tile), COLOURS[colour or DRAWN_COLOUR[drawing]])
        return _cropped(tile)
    tile = Image.new("RGBA", (136, TILE))
    font = ImageFont.truetype(str(font_file()), FONT_STRIKE)
    ImageDraw.Draw(tile).text((0, 0), drawing, font=font, embedded_color=True)
    if colour:
        tile = Image.fromarray(_tint(np.asarray(tile), COLOURS[colour]), "RGBA")
    return _cropped(tile)
