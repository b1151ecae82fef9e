"""Where the things of a scene are placed: one function per relation, and one for each number of things.

Each takes the names, the ground they stand on and a generator, and returns the things back to front, as they are painted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from training.drawing.things import THING_BY_NAME, thing_tile

Generator = np.random.Generator
MARGIN = 0.03
FREE_TOP = 0.08
"""Where something stands on a thing without a given top: a little below the highest point of its image."""

VARIETY = 0.3
"""How much of its range a place or size makes use of: the less, the sooner a few cores learn what stands there."""


@dataclass(frozen=True)
class Ground:
    """`horizon`: the share of the height at which the ground begins; `solid`: whether things stand on it, or float."""

    horizon: float
    solid: bool


@dataclass(frozen=True)
class Placed:
    """One thing in the image. `x`, `y`: its middle, `size`: its longer side; in shares of the image's side.

    `pose`: "flying" gives it wings. `size_word`: "big" or "small" where the caption says so.
    `stands`: it casts a shadow at its foot.
    """

    name: str
    x: float
    y: float
    size: float
    colour: str | None = None
    pose: str | None = None
    size_word: str | None = None
    stands: bool = False

    @property
    def width(self) -> float:
        wide, high = thing_tile(self.name, None).size
        return self.size * wide / max(wide, high)

    @property
    def height(self) -> float:
        wide, high = thing_tile(self.name, None).size
        return self.size * high / max(wide, high)


Layout = Callable[[Sequence[str], Ground, Generator], list[Placed]]


def _within(rng: Generator, low: float, high: float) -> float:
    """A number about the middle of the range."""
    return float((low + high) / 2 + VARIETY * rng.uniform(-0.5, 0.5) * (high - low))


def _inside(thing: Placed) -> Placed:
    """The thing moved so far that all of it is in the image."""
    half_width, half_height = min(thing.width / 2, 0.48), min(thing.height / 2, 0.48)
    x = float(np.clip(thing.x, half_width + MARGIN / 2, 1 - half_width - MARGIN / 2))
    y = float(np.clip(thing.y, half_height + MARGIN / 2, 1 - half_height - MARGIN / 2))
    return replace(thing, x=x, y=y)


def _standing(name: str, x: float, size: float, depth: float, ground: Ground, rng: Generator) -> Placed:
    """A thing with its foot on the ground, 0 far and 1 near; what flies or floats hangs at half height instead."""
    thing = Placed(name, x, 0.5, size)
    if not ground.solid or THING_BY_NAME[name].place == "air":
        return _inside(replace(thing, y=0.5 + _within(rng, -0.06, 0.06)))
    foot = ground.horizon + 0.08 + (0.97 - ground.horizon - 0.08) * depth
    return replace(_inside(replace(thing, y=foot - thing.height / 2)), stands=True)


def _relative(names: Sequence[str], largest: float) -> list[float]:
    """Sizes that keep some of the true ones: a mouse beside a house is smaller, and still seen."""
    scales = [sqrt(THING_BY_NAME[name].scale) for name in names]
    return [largest * max(0.75, scale / max(scales)) for scale in scales]


SINGLE_SIZES = {None: (0.60, 0.78), "big": (0.84, 0.92), "small": (0.28, 0.36)}


def single(names: Sequence[str], ground: Ground, rng: Generator) -> list[Placed]:
    """One thing, in the middle or beside it; now and then as big or as small as the caption says."""
    chosen = rng.random()
    word = "big" if chosen < 0.07 else "small" if chosen < 0.14 else None
    size = _within(rng, *SINGLE_SIZES[word]) * (1 if word else max(0.85, sqrt(THING_BY_NAME[names[0]].scale)))
    thing = _standing(names[0], 0.5 + _within(rng, -0.13, 0.13), size, _within(rng, 0.6, 1), ground, rng)
    return [replace(thing, size_word=word)]


ROWS: dict[int, tuple[tuple[float, float], ...]] = {
    2: ((0.28, 0.9), (0.72, 0.9)),
    3: ((0.19, 0.8), (0.81, 0.8), (0.5, 1.0)),
    4: ((0.3, 0.25), (0.72, 0.25), (0.26, 1.0), (0.7, 1.0)),
}
"""For a number of things: the middle of each across, and its depth."""
ROW_SIZES = {2: (0.42, 0.48), 3: (0.31, 0.36), 4: (0.27, 0.32)}


def row(names: Sequence[str], ground: Ground, rng: Generator) -> list[Placed]:
    """Two to four things beside each other; the back ones are smaller."""
    sizes = _relative(names, _within(rng, *ROW_SIZES[len(names)]))
    placed = []
    for name, size, (x, depth) in zip(names, sizes, ROWS[len(names)], strict=True):
        thing = _standing(name, x + _within(rng, -0.03, 0.03), size * (0.85 + 0.15 * depth), depth, ground, rng)
        placed.append(thing)
    return _two_rows(placed) if len(names) == 4 else placed


def _two_rows(things: list[Placed]) -> list[Placed]:
    """The first two so far above the others that nothing is hidden: four can be counted on any ground, and in the air."""
    front = [thing if thing.stands else _inside(replace(thing, y=0.74)) for thing in things[2:]]
    highest = min(thing.y - 0.9 * thing.height / 2 for thing in front)
    back = [_inside(replace(thing, y=min(thing.y, highest - 0.9 * thing.height / 2))) for thing in things[:2]]
    return [*back, *front]


def left(names: Sequence[str], ground: Ground, rng: Generator) -> list[Placed]:
    """The first to the left of the second."""
    sizes = _relative(names, _within(rng, 0.42, 0.48))
    middles = (0.26 + _within(rng, -0.03, 0.04), 0.74 + _within(rng, -0.04, 0.03))
    return [
        _standing(name, x, size, _within(rng, 0.75, 1), ground, rng) for name, size, x in zip(names, sizes, middles, strict=True)
    ]


def above(names: Sequence[str], ground: Ground, rng: Generator) -> list[Placed]:
    """The first above the second, with air between them."""
    sizes = _relative(names, _within(rng, 0.36, 0.42))
    x = 0.5 + _within(rng, -0.12, 0.12)
    high = _inside(Placed(names[0], x + _within(rng, -0.05, 0.05), 0.24, sizes[0]))
    low = _standing(names[1], x, sizes[1], 1.0, ground, rng)
    return [replace(low, y=max(low.y, 0.72)) if not low.stands else low, high]


def on(names: Sequence[str], ground: Ground, rng: Generator) -> list[Placed]:
    """The first on top of the second."""
    base = _standing(names[1], 0.5 + _within(rng, -0.08, 0.08), _within(rng, 0.52, 0.64), 1.0, ground, rng)
    if not base.stands:
        base = _inside(replace(base, y=0.72))
    top = THING_BY_NAME[names[1]].top
    surface = base.y - base.height / 2 + (FREE_TOP if top is None else top) * base.height
    thing = Placed(names[0], base.x + _within(rng, -0.06, 0.06), 0.0, _within(rng, 0.32, 0.4))
    if surface - thing.height < MARGIN:  # the second is too high: it sinks until the first fits over it
        base = replace(base, y=base.y + MARGIN + thing.height - surface)
        surface = MARGIN + thing.height
    return [base, replace(thing, y=surface - thing.height / 2 + 0.015)]


def under(names: Sequence[str], ground: Ground, rng: Generator) -> list[Placed]:
    """The first below the second, which reaches over it."""
    cover = _inside(Placed(names[1], 0.5 + _within(rng, -0.06, 0.06), 0.36, _within(rng, 0.58, 0.68)))
    thing = _standing(names[0], cover.x + _within(rng, -0.05, 0.05), _within(rng, 0.28, 0.34), 1.0, ground, rng)
    return [cover, replace(thing, y=max(thing.y, 0.8)) if not thing.stands else thing]


def behind(names: Sequence[str], ground: Ground, rng: Generator) -> list[Placed]:
    """The first behind the second, which hides a part of it."""
    aside = float(rng.choice([-1, 1])) * _within(rng, 0.08, 0.13)
    back = _standing(names[0], 0.5 - aside, _within(rng, 0.56, 0.66), 0.45, ground, rng)
    front = _standing(names[1], 0.5 + aside, _within(rng, 0.36, 0.42), 1.0, ground, rng)
    front = front if front.stands else _inside(replace(front, y=0.68))
    # A low thing before one that floats would only stand below it: that one sinks.
    return [replace(back, y=max(back.y, front.y - 0.3 * front.height - back.height / 2)), front]


def holding(names: Sequence[str], ground: Ground, rng: Generator) -> list[Placed]:
    """The first has the second in its hand: small, over its side."""
    holder = _standing(names[0], 0.5 + _within(rng, -0.08, 0.08), _within(rng, 0.56, 0.66), 1.0, ground, rng)
    side = float(rng.choice([-1, 1]))
    held = Placed(names[1], holder.x + side * (holder.width / 2 - 0.02), holder.y + 0.06, _within(rng, 0.27, 0.33))
    return [holder, _inside(held)]


def creating(names: Sequence[str], ground: Ground, rng: Generator) -> list[Placed]:
    """The first makes the second, an image, with the third, a pen or a brush."""
    maker = _standing(names[0], 0.27 + _within(rng, -0.02, 0.02), _within(rng, 0.44, 0.5), 0.95, ground, rng)
    made = _inside(Placed(names[1], 0.75, maker.y - 0.04, _within(rng, 0.38, 0.44)))
    tool = Placed(names[2], 0.51, maker.y + 0.02, _within(rng, 0.2, 0.25))
    return [maker, made, tool]


RELATIONS: dict[str, Layout] = {
    "left": left,
    "above": above,
    "on": on,
    "under": under,
    "behind": behind,
    "holding": holding,
}
"""Of a pair: the first is left of, above, on, under, behind or holding the second."""
