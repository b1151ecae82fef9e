"""A scene: a background and one to three things in their places, drawn from its own seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from PIL import Image

from training.backgrounds import BACKGROUND_BY_NAME, BACKGROUND_NAMES, gradient, shaded
from training.things import COLOURS, THING_BY_NAME, THING_NAMES, thing_tile

RELATIONS = ("left", "above")  # of a pair: the first is left of, or above, the second
NATIVE_SIZE = 64
# Things stand nearly still: where each has one pose, an hour on a CPU is enough to learn it. More freedom needs longer runs.
SWAY = 0.012  # in shares of the picture's side
FLIPPED = 0.0


@dataclass(frozen=True)
class Placed:
    """One thing in the picture. `x`, `y`: its middle, `size`: its longer side; all in shares of the picture's side."""

    name: str
    colour: str | None
    x: float
    y: float
    size: float
    flip: bool


@dataclass(frozen=True)
class Scene:
    """`things` run from left to right (or top to bottom); `colour` is set on a plain background only."""

    background: str
    colour: str | None
    things: tuple[Placed, ...]
    relation: str | None
    seed: int


def held_out_background(thing: str, background: str) -> bool:
    """Whether this thing is never shown before this background in training (about one pair in thirteen)."""
    return (THING_NAMES.index(thing) * 7 + BACKGROUND_NAMES.index(background) * 3) % 13 == 0


def held_out_pair(first: str, second: str) -> bool:
    """Whether these two are never shown in this order, left to right or top to bottom (about one in eleven)."""
    return (THING_NAMES.index(first) * 5 + THING_NAMES.index(second) * 3) % 11 == 0 and first != second


def _colour_for(name: str, rng: np.random.Generator) -> str | None:
    if THING_BY_NAME[name].recolour and rng.random() < 0.4:
        return str(rng.choice(list(COLOURS)))
    return None


def _placed(name: str, x: float, y: float, size: float, rng: np.random.Generator) -> Placed:
    flip = THING_BY_NAME[name].flip and bool(rng.random() < FLIPPED)
    return Placed(name, _colour_for(name, rng), x + rng.uniform(-SWAY, SWAY), y + rng.uniform(-SWAY, SWAY), size, flip)


def _one(names: list[str], rng: np.random.Generator) -> tuple[list[Placed], None]:
    size = rng.uniform(0.70, 0.75)
    low = THING_BY_NAME[names[0]].place == "ground"
    return [_placed(names[0], 0.5, 0.95 - size / 2 if low else 0.5, size, rng)], None


def _two(names: list[str], rng: np.random.Generator) -> tuple[list[Placed], str]:
    relation = RELATIONS[int(rng.random() < 0.2)]
    size = rng.uniform(0.45, 0.47)
    places = ((0.5, 0.26), (0.5, 0.75)) if relation == "above" else ((0.26, 0.66), (0.74, 0.66))
    return [_placed(name, x, y, size, rng) for name, (x, y) in zip(names, places, strict=True)], relation


def _three(names: list[str], rng: np.random.Generator) -> tuple[list[Placed], None]:
    return [_placed(name, x, 0.66, 0.32, rng) for name, x in zip(names, (0.18, 0.5, 0.82), strict=True)], None


ARRANGEMENTS = (_one, _two, _three)


def _names(count: int, background: str, rng: np.random.Generator) -> list[str]:
    """Names that may stand together before this background: no combination that is held out."""
    while True:
        names = [str(name) for name in rng.choice(THING_NAMES, count, replace=False)]
        if count > 1 and rng.random() < 0.15:
            names = [names[0]] * count
        elif count == 2 and rng.random() < 0.05:
            names = ["cat", "dog"] if rng.random() < 0.5 else ["dog", "cat"]
        apart = any(held_out_pair(a, b) for a, b in pairwise(names))
        if not apart and not any(held_out_background(name, background) for name in names):
            return names


def random_scene(seed: int, one_share: float = 0.68, two_share: float = 0.28) -> Scene:
    """The scene of this seed, of the kind that is trained on: nothing held out is in it."""
    rng = np.random.default_rng(seed)
    background = str(rng.choice(BACKGROUND_NAMES))
    colour = str(rng.choice(list(COLOURS))) if background == "plain" else None
    draw = rng.random()
    count = 1 + int(draw > one_share) + int(draw > one_share + two_share)
    placed, relation = ARRANGEMENTS[count - 1](_names(count, background, rng), rng)
    things = tuple(_seen_against(thing, colour) for thing in placed)
    return Scene(background, colour, things, relation, seed)


def _seen_against(thing: Placed, colour: str | None) -> Placed:
    """A red heart on a red background cannot be seen: such a thing keeps its own colour."""
    return Placed(thing.name, None, thing.x, thing.y, thing.size, thing.flip) if thing.colour == colour else thing


def _painted_background(scene: Scene, side: int) -> Image.Image:
    rng = np.random.default_rng([scene.seed, 1])
    paint = BACKGROUND_BY_NAME[scene.background].paint
    if paint is not None:
        return paint(side, rng)
    rgb = COLOURS[scene.colour or "white"]
    return gradient(side, shaded(rgb, 1.04), shaded(rgb, 0.94))


@lru_cache(maxsize=20_000)
def _scaled(name: str, colour: str | None, pixels: int, flip: bool) -> Image.Image:
    tile = thing_tile(name, colour)
    factor = pixels / max(tile.size)
    size = max(1, round(tile.width * factor)), max(1, round(tile.height * factor))
    small = tile.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return small.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else small


def render(scene: Scene, side: int = NATIVE_SIZE) -> np.ndarray:
    """The scene as uint8 RGB, (side, side, 3). The same scene gives the same bytes."""
    picture = _painted_background(scene, 2 * side).reduce(2)
    for thing in scene.things:
        tile = _scaled(thing.name, thing.colour, round(thing.size * side), thing.flip)
        corner = round(thing.x * side - tile.width / 2), round(thing.y * side - tile.height / 2)
        picture.paste(tile, corner, tile)
    return np.asarray(picture)


def thing_mask(scene: Scene, side: int) -> np.ndarray:
    """Where things stand: float32 (side, side), 1 inside a thing's box and 0 elsewhere. Loss is weighted by it."""
    mask = np.zeros((side, side), np.float32)
    for thing in scene.things:
        half = thing.size / 2
        left, right = (int(np.clip(round((thing.x + d) * side), 0, side)) for d in (-half, half))
        top, low = (int(np.clip(round((thing.y + d) * side), 0, side)) for d in (-half, half))
        mask[top:low, left:right] = 1.0
    return mask
