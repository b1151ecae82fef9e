"""A scene: background, time of day and weather, up to four placed things, and a style; all determined by one seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from training.drawing.air import SEASONS, TIMES, WEATHERS
from training.drawing.backgrounds import BACKGROUND_BY_NAME, BACKGROUND_NAMES, BACKGROUNDS
from training.drawing.palette import COLOURS
from training.drawing.styles import STYLES
from training.drawing.things import THING_BY_NAME, THING_NAMES, THINGS
from training.layouts import RELATIONS, Generator, Ground, Layout, PlacedThing, place_creating, place_one, place_row

NATIVE_SIZE = 256
COLOUR_NAMES = tuple(COLOURS)
FRESH_SEEDS = 10**9
"""The first of a million seeds that are used for evaluation only."""
AIRLESS = ("space", "moon surface", "sea")
"""Backgrounds without time of day and weather."""
FLYING_KINDS = ("animal", "person")
PLACES = tuple(background for background in BACKGROUNDS if background.paint is not None)
MADE, MAKERS = ("picture",), ("pen", "paintbrush")
FIXED = (*MADE, *MAKERS)
"""Things allowed on any background: their relation has so few candidates that no pair is held out."""


@dataclass(frozen=True)
class Scene:
    """`things` are ordered back to front; `named` are their indices in the order of the caption.

    `relation` holds between the first two named things. `colour` is set for a plain background only; `far` is a second background
    at the horizon of the first. `time`, `season` and `weather` are set outdoors only.
    """

    background: str
    colour: str | None
    far: str | None
    things: tuple[PlacedThing, ...]
    named: tuple[int, ...]
    relation: str | None
    time: str | None
    season: str | None
    weather: str | None
    style: str
    seed: int

    def in_order(self) -> list[PlacedThing]:
        """The things in the order of the caption."""
        return [self.things[place] for place in self.named]


@dataclass(frozen=True)
class Kind:
    """A kind of scene and its relative frequency."""

    share: float
    count: int
    relation: str | None = None
    same: bool = False


KINDS: tuple[Kind, ...] = (
    Kind(0.03, 0),
    Kind(0.44, 1),
    Kind(0.06, 2, same=True),
    Kind(0.06, 3, same=True),
    Kind(0.06, 4, same=True),
    Kind(0.07, 2),
    Kind(0.02, 3),
    *(Kind(share, 2, relation) for relation, share in zip(RELATIONS, (0.10, 0.05, 0.03, 0.02, 0.02, 0.03), strict=True)),
    Kind(0.01, 3, "creating"),
)
STYLED = 0.25
"""The probability that a scene has a style other than the plain drawing."""


def is_background_held_out(thing: str, background: str) -> bool:
    """Whether training never shows this thing on this background (about one pair in thirteen); False for FIXED things."""
    return (THING_NAMES.index(thing) * 7 + BACKGROUND_NAMES.index(background) * 3) % 13 == 0


def is_colour_held_out(thing: str, colour: str) -> bool:
    """Whether training never shows this thing in this colour (about one pair in eleven)."""
    return (THING_NAMES.index(thing) * 5 + COLOUR_NAMES.index(colour) * 3) % 11 == 0


@lru_cache(maxsize=1)
def _group_names() -> dict[str, tuple[str, ...]]:
    """Names of things by the role that they can have in a relation."""
    return {
        "any": THING_NAMES,
        "holds": tuple(thing.name for thing in THINGS if thing.holds),
        "held": tuple(thing.name for thing in THINGS if thing.held),
        "surface": tuple(thing.name for thing in THINGS if thing.place == "surface" or thing.top is not None),
        "small": tuple(thing.name for thing in THINGS if thing.scale <= 0.75 and thing.place != "surface"),
        "cover": tuple(thing.name for thing in THINGS if thing.scale >= 0.7 or thing.name in ("umbrella", "cloud", "table")),
        "made": MADE,
        "maker": MAKERS,
    }


ROLES = {
    "left": ("any", "any"),
    "above": ("any", "any"),
    "on": ("small", "surface"),
    "under": ("small", "cover"),
    "behind": ("cover", "small"),
    "holding": ("holds", "held"),
    "creating": ("holds", "made", "maker"),
}
"""Relation -> the names that may be its first, second and third thing."""


def _choose_names(kind: Kind, background: str, rng: Generator) -> list[str]:
    """Distinct names for a scene of this kind that are allowed on this background."""
    roles = ROLES.get(kind.relation or "", ("any",) * (1 if kind.same else kind.count))
    names: list[str] = []
    for role in roles:
        pool = _group_names()[role]
        while True:
            name = pool[int(rng.integers(len(pool)))]
            if name not in names and (role in ("made", "maker") or not is_background_held_out(name, background)):
                break
        names.append(name)
    return names * kind.count if kind.same else names


def _find_layout(kind: Kind) -> Layout:
    if kind.relation:
        return {**RELATIONS, "creating": place_creating}[kind.relation]
    return place_one if kind.count == 1 else place_row


def _choose_colour(name: str, behind: str | None, rng: Generator, share: float) -> str | None:
    """A colour that is not held out and differs from the plain background."""
    if not THING_BY_NAME[name].recolour or rng.random() > share:
        return None
    colour = COLOUR_NAMES[int(rng.integers(len(COLOUR_NAMES)))]
    return None if colour == behind or is_colour_held_out(name, colour) else colour


def _dress(things: Sequence[PlacedThing], kind: Kind, behind: str | None, rng: Generator) -> list[PlacedThing]:
    """The same things with colours, and sometimes with wings."""
    share = 0.5 if kind.count == 1 else 0.3
    common = _choose_colour(things[0].name, behind, rng, share) if kind.same else None
    dressed = []
    for thing in things:
        colour = common if kind.same else _choose_colour(thing.name, behind, rng, share)
        dressed.append(replace(thing, colour=colour))
    if kind.count == 1 and THING_BY_NAME[things[0].name].kind in FLYING_KINDS and rng.random() < 0.12:
        dressed = [replace(dressed[0], pose="flying", y=0.45, stands=False, size=min(dressed[0].size, 0.6), size_word=None)]
    return dressed


def _find_named(things: Sequence[PlacedThing], names: Sequence[str]) -> tuple[int, ...]:
    """The index of each name in painting order; equal names from left to right."""
    if len(set(names)) < len(names):
        return tuple(sorted(range(len(things)), key=lambda place: things[place].x))
    return tuple(next(i for i, thing in enumerate(things) if thing.name == name) for name in names)


def _choose(rows: Sequence[str], rng: Generator, share: float) -> str | None:
    return rows[int(rng.integers(len(rows)))] if rng.random() < share else None


def _choose_surroundings(background: str, bare: bool, rng: Generator) -> dict[str, str | None]:
    """Far background, time, season and weather: at most two of them, outdoors only."""
    row = BACKGROUND_BY_NAME[background]
    far = [place.name for place in PLACES if place.far and place.name != background]
    chosen: dict[str, str | None] = dict.fromkeys(("far", "time", "season", "weather"))
    if not row.outdoors or row.paint is None or background in AIRLESS:
        return chosen
    share = 0.3 if bare else 0.1
    if row.near:
        chosen["far"] = _choose(far, rng, share)
    for name, rows in (("time", TIMES), ("season", SEASONS), ("weather", WEATHERS)):
        if sum(value is not None for value in chosen.values()) < 2:
            chosen[name] = _choose([air.name for air in rows], rng, share)
    return chosen


def _choose_kind(rng: Generator) -> Kind:
    shares = np.array([kind.share for kind in KINDS])
    return KINDS[int(rng.choice(len(KINDS), p=shares / shares.sum()))]


def find_ground(background: str) -> Ground:
    """The ground of this background."""
    row = BACKGROUND_BY_NAME[background]
    return Ground(row.horizon, row.paint is not None and row.ground != "none")


def create_scene(seed: int) -> Scene:
    """The scene of this seed, as used in training: without held-out pairs."""
    rng = np.random.default_rng(seed)
    kind = _choose_kind(rng)
    backgrounds = BACKGROUND_NAMES if kind.count else tuple(place.name for place in PLACES)
    background = backgrounds[int(rng.integers(len(backgrounds)))]
    colour = COLOUR_NAMES[int(rng.integers(len(COLOUR_NAMES)))] if BACKGROUND_BY_NAME[background].paint is None else None
    things: list[PlacedThing] = []
    named: tuple[int, ...] = ()
    if kind.count:
        names = _choose_names(kind, background, rng)
        things = _dress(_find_layout(kind)(names, find_ground(background), rng), kind, colour, rng)
        named = _find_named(things, names)
    styles = [style.name for style in STYLES[1:]]
    style = _choose(styles, rng, STYLED) or STYLES[0].name
    around = _choose_surroundings(background, not kind.count, rng)
    return Scene(background, colour, around["far"], tuple(things), named, kind.relation, around["time"], around["season"],
                 around["weather"], style, seed)  # fmt: skip
