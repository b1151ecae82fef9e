"""Places the things of a scene: one function per relation, and for each number of things.

Each takes the names, the ground and a random generator, and returns the things back to front, in painting order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from training.drawing.things import THING_BY_NAME, draw_thing

Generator = np.random.Generator
MARGIN = 0.03
FREE_TOP = 0.08
"""Where a thing stands on one without a given top: this share below the highest point of its image."""

VARIETY = 0.3
"""The share of a range of positions or sizes that is used: the smaller, the sooner training on few cores converges."""


@dataclass(frozen=True)
class Ground:
    """`horizon`: the share of the height at which the ground begins; `solid`: whether things stand on it or float."""

    horizon: float
    solid: bool


@dataclass(frozen=True)
class PlacedThing:
    """A thing in the scene. `x`, `y`: its centre, `size`: its longer side; in shares of the image's side.

    `pose`: "flying" adds wings. `size_word`: "big" or "small" if the caption says so. `stands`: whether it casts a shadow at
    its base.
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
        wide, high = draw_thing(self.name, None).size
        return self.size * wide / max(wide, high)

    @property
    def height(self) -> float:
        wide, high = draw_thing(self.name, None).size
        return self.size * high / max(wide, high)


Layout = Callable[[Sequence[str], Ground, Generator], list[PlacedThing]]


def _sample(rng: Generator, low: float, high: float) -> float:
    """A random number from the middle part (VARIETY) of the range."""
    return float((low + high) / 2 + VARIETY * rng.uniform(-0.5, 0.5) * (high - low))


def _move_inside(thing: PlacedThing) -> PlacedThing:
    """The thing moved so that it lies inside the image."""
    half_width, half_height = min(thing.width / 2, 0.48), min(thing.height / 2, 0.48)
    x = float(np.clip(thing.x, half_width + MARGIN / 2, 1 - half_width - MARGIN / 2))
    y = float(np.clip(thing.y, half_height + MARGIN / 2, 1 - half_height - MARGIN / 2))
    return replace(thing, x=x, y=y)


def _place_on_ground(name: str, x: float, size: float, depth: float, ground: Ground, rng: Generator) -> PlacedThing:
    """A thing standing on the ground at `depth` 0 (far) to 1 (near); things that fly or float are placed at half height."""
    thing = PlacedThing(name, x, 0.5, size)
    if not ground.solid or THING_BY_NAME[name].place == "air":
        return _move_inside(replace(thing, y=0.5 + _sample(rng, -0.06, 0.06)))
    foot = ground.horizon + 0.08 + (0.97 - ground.horizon - 0.08) * depth
    return replace(_move_inside(replace(thing, y=foot - thing.height / 2)), stands=True)


def _choose_sizes(names: Sequence[str], largest: float) -> list[float]:
    """Sizes that reflect the true proportions but less strongly: a mouse beside a house is smaller, yet visible."""
    scales = [sqrt(THING_BY_NAME[name].scale) for name in names]
    return [largest * max(0.75, scale / max(scales)) for scale in scales]


SINGLE_SIZES = {None: (0.60, 0.78), "big": (0.84, 0.92), "small": (0.28, 0.36)}


def place_one(names: Sequence[str], ground: Ground, rng: Generator) -> list[PlacedThing]:
    """One thing, in the middle or off-centre; sometimes as big or small as the caption says."""
    chosen = rng.random()
    word = "big" if chosen < 0.07 else "small" if chosen < 0.14 else None
    size = _sample(rng, *SINGLE_SIZES[word]) * (1 if word else max(0.85, sqrt(THING_BY_NAME[names[0]].scale)))
    thing = _place_on_ground(names[0], 0.5 + _sample(rng, -0.13, 0.13), size, _sample(rng, 0.6, 1), ground, rng)
    return [replace(thing, size_word=word)]


ROWS: dict[int, tuple[tuple[float, float], ...]] = {
    2: ((0.28, 0.9), (0.72, 0.9)),
    3: ((0.19, 0.8), (0.81, 0.8), (0.5, 1.0)),
    4: ((0.3, 0.25), (0.72, 0.25), (0.26, 1.0), (0.7, 1.0)),
}
"""Number of things -> the horizontal centre and the depth of each."""
ROW_SIZES = {2: (0.42, 0.48), 3: (0.31, 0.36), 4: (0.27, 0.32)}


def place_row(names: Sequence[str], ground: Ground, rng: Generator) -> list[PlacedThing]:
    """Two to four things side by side; those farther back are smaller."""
    sizes = _choose_sizes(names, _sample(rng, *ROW_SIZES[len(names)]))
    placed = []
    for name, size, (x, depth) in zip(names, sizes, ROWS[len(names)], strict=True):
        thing = _place_on_ground(name, x + _sample(rng, -0.03, 0.03), size * (0.85 + 0.15 * depth), depth, ground, rng)
        placed.append(thing)
    return _arrange_in_two_rows(placed) if len(names) == 4 else placed


def _arrange_in_two_rows(things: list[PlacedThing]) -> list[PlacedThing]:
    """Raises the first two above the others so that none is hidden and all four can be counted."""
    front = [thing if thing.stands else _move_inside(replace(thing, y=0.74)) for thing in things[2:]]
    highest = min(thing.y - 0.9 * thing.height / 2 for thing in front)
    back = [_move_inside(replace(thing, y=min(thing.y, highest - 0.9 * thing.height / 2))) for thing in things[:2]]
    return [*back, *front]


def place_left(names: Sequence[str], ground: Ground, rng: Generator) -> list[PlacedThing]:
    """The first to the left of the second."""
    sizes = _choose_sizes(names, _sample(rng, 0.42, 0.48))
    middles = (0.26 + _sample(rng, -0.03, 0.04), 0.74 + _sample(rng, -0.04, 0.03))
    return [
        _place_on_ground(name, x, size, _sample(rng, 0.75, 1), ground, rng)
        for name, size, x in zip(names, sizes, middles, strict=True)
    ]


def place_above(names: Sequence[str], ground: Ground, rng: Generator) -> list[PlacedThing]:
    """The first above the second, not touching it."""
    sizes = _choose_sizes(names, _sample(rng, 0.36, 0.42))
    x = 0.5 + _sample(rng, -0.12, 0.12)
    high = _move_inside(PlacedThing(names[0], x + _sample(rng, -0.05, 0.05), 0.24, sizes[0]))
    low = _place_on_ground(names[1], x, sizes[1], 1.0, ground, rng)
    return [replace(low, y=max(low.y, 0.72)) if not low.stands else low, high]


def place_on(names: Sequence[str], ground: Ground, rng: Generator) -> list[PlacedThing]:
    """The first on top of the second."""
    base = _place_on_ground(names[1], 0.5 + _sample(rng, -0.08, 0.08), _sample(rng, 0.52, 0.64), 1.0, ground, rng)
    if not base.stands:
        base = _move_inside(replace(base, y=0.72))
    top = THING_BY_NAME[names[1]].top
    surface = base.y - base.height / 2 + (FREE_TOP if top is None else top) * base.height
    thing = PlacedThing(names[0], base.x + _sample(rng, -0.06, 0.06), 0.0, _sample(rng, 0.32, 0.4))
    if surface - thing.height < MARGIN:  # the second is too high: it is lowered until the first fits on it
        base = replace(base, y=base.y + MARGIN + thing.height - surface)
        surface = MARGIN + thing.height
    return [base, replace(thing, y=surface - thing.height / 2 + 0.015)]


def place_under(names: Sequence[str], ground: Ground, rng: Generator) -> list[PlacedThing]:
    """The first below the second, which extends over it."""
    cover = _move_inside(PlacedThing(names[1], 0.5 + _sample(rng, -0.06, 0.06), 0.36, _sample(rng, 0.58, 0.68)))
    thing = _place_on_ground(names[0], cover.x + _sample(rng, -0.05, 0.05), _sample(rng, 0.28, 0.34), 1.0, ground, rng)
    return [cover, replace(thing, y=max(thing.y, 0.8)) if not thing.stands else thing]


def place_behind(names: Sequence[str], ground: Ground, rng: Generator) -> list[PlacedThing]:
    """The first behind the second, which partly covers it."""
    aside = float(rng.choice([-1, 1])) * _sample(rng, 0.08, 0.13)
    back = _place_on_ground(names[0], 0.5 - aside, _sample(rng, 0.56, 0.66), 0.45, ground, rng)
    front = _place_on_ground(names[1], 0.5 + aside, _sample(rng, 0.36, 0.42), 1.0, ground, rng)
    front = front if front.stands else _move_inside(replace(front, y=0.68))
    # A small thing in front of a floating one would appear below it, so the floating one is lowered.
    return [replace(back, y=max(back.y, front.y - 0.3 * front.height - back.height / 2)), front]


def place_holding(names: Sequence[str], ground: Ground, rng: Generator) -> list[PlacedThing]:
    """The first holds the second: small, at its side."""
    holder = _place_on_ground(names[0], 0.5 + _sample(rng, -0.08, 0.08), _sample(rng, 0.56, 0.66), 1.0, ground, rng)
    side = float(rng.choice([-1, 1]))
    held = PlacedThing(names[1], holder.x + side * (holder.width / 2 - 0.02), holder.y + 0.06, _sample(rng, 0.27, 0.33))
    return [holder, _move_inside(held)]


def place_creating(names: Sequence[str], ground: Ground, rng: Generator) -> list[PlacedThing]:
    """The first makes the second, an image, with the third, a pen or brush."""
    maker = _place_on_ground(names[0], 0.27 + _sample(rng, -0.02, 0.02), _sample(rng, 0.44, 0.5), 0.95, ground, rng)
    made = _move_inside(PlacedThing(names[1], 0.75, maker.y - 0.04, _sample(rng, 0.38, 0.44)))
    tool = PlacedThing(names[2], 0.51, maker.y + 0.02, _sample(rng, 0.2, 0.25))
    return [maker, made, tool]


RELATIONS: dict[str, Layout] = {
    "left": place_left,
    "above": place_above,
    "on": place_on,
    "under": place_under,
    "behind": place_behind,
    "holding": place_holding,
}
"""Relation -> layout: the first thing is left of, above, on, under, behind or holding the second."""
