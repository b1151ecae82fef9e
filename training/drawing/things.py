"""Everything that the starter can draw, and the image of each thing. The rows are in `living.py`, `food.py` and `made.py`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from training.drawing.drawn import SHAPES, draw_shape
from training.drawing.food import FOOD
from training.drawing.glyphs import draw_glyph
from training.drawing.living import LIVING
from training.drawing.made import MADE
from training.drawing.palette import COLOURS
from training.drawing.plurals import LINKS, MANY, MASS, PLURALS
from training.drawing.thing import Thing
from training.drawing.tint import tint_tile

THINGS: tuple[Thing, ...] = LIVING + FOOD + MADE
THING_NAMES: tuple[str, ...] = tuple(thing.name for thing in THINGS)
THING_BY_NAME: dict[str, Thing] = {thing.name: thing for thing in THINGS}
FACED = ("animal", "bird", "fish", "insect", "food", "toy")


def _pluralise_word(word: str) -> str:
    if word in PLURALS:
        return PLURALS[word]
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word[:-3]}men" if word.endswith("man") and word != "human" else f"{word}s"


def pluralise(word: str) -> str:
    """The plural of a thing's word."""
    if word in PLURALS:
        return PLURALS[word]
    parts = word.split()
    links = [place for place, part in enumerate(parts) if part in LINKS and place > 0]
    last = links[0] - 1 if links else len(parts) - 1
    return " ".join((*parts[:last], _pluralise_word(parts[last]), *parts[last + 1 :]))


def takes_article(word: str) -> bool:
    """Whether a word takes an indefinite article; "bread" and "scissors" do not."""
    return word not in MASS and word not in MANY


def add_indefinite_article(words: str) -> str:
    """The words after "a" or "an", by pronunciation: an apple, a unicorn, an hourglass."""
    vowel = words.startswith((*"aeiou", "hour")) and not words.startswith(("uni", "ufo"))
    return f"an {words}" if vowel else f"a {words}"


def _crop(tile: Image.Image) -> Image.Image:
    box = tile.getchannel("A").getbbox()
    return tile.crop(box) if box else tile


def _join_tiles(tiles: list[Image.Image]) -> Image.Image:
    """The tiles from left to right, close together and aligned at the bottom."""
    step = [round(tile.width * 0.92) for tile in tiles]
    whole = Image.new("RGBA", (sum(step[:-1]) + tiles[-1].width, max(tile.height for tile in tiles)))
    for place, tile in enumerate(tiles):
        whole.alpha_composite(tile, (sum(step[:place]), whole.height - tile.height))
    return whole


@lru_cache(maxsize=4096)
def draw_thing(name: str, colour: str | None) -> Image.Image:
    """The RGBA image of the thing, cropped to its outline; its longer side is about 128 to 256 pixels."""
    thing = THING_BY_NAME[name]
    drawing = thing.drawing
    if drawing in SHAPES:
        return _crop(draw_shape(drawing, COLOURS[colour] if colour else None))
    tile = _join_tiles([_crop(draw_glyph(part)) for part in drawing.split()])
    return Image.fromarray(tint_tile(np.asarray(tile), COLOURS[colour], thing.kind in FACED), "RGBA") if colour else tile
