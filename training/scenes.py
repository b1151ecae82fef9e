"""A scene: a background, its hour and weather, up to four things in their places, and a style; all from one seed."""

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
from training.layouts import RELATIONS, Generator, Ground, Layout, Placed, creating, row, single

NATIVE_SIZE = 256
COLOUR_NAMES = tuple(COLOURS)
FRESH_SEEDS = 10**9
"""A million seeds from here on are for evaluation and never trained on."""
AIRLESS = ("space", "moon surface", "sea")
"""Backgrounds that have no hours and no weather."""
FLYING_KINDS = ("animal", "person")
PLACES = tuple(background for background in BACKGROUNDS if background.paint is not None)
MADE, MAKERS = ("picture",), ("pen", "paintbrush")
FIXED = (*MADE, *MAKERS)
"""Things that may appear on any background: their relation has so few candidates that no pair is held out."""


@dataclass(frozen=True)
class Scene:
    """`things` run back to front; `named` are their places in the order in which a caption names them.

    `relation` holds between the first two that are named. `colour` is set on a plain background only, `far` is a second
    background that stands at the horizon of the first. `time`, `season` and `weather` are set outdoors only.
    """

    background: str
    colour: str | None
    far: str | None
    things: tuple[Placed, ...]
    named: tuple[int, ...]
    relation: str | None
    time: str | None
    season: str | None
    weather: str | None
    style: str
    seed: int

    def in_order(self) -> list[Placed]:
        """The things as a caption names them."""
        return [self.things[place] for place in self.named]


@dataclass(frozen=True)
class Kind:
    """A kind of scene and how often it is drawn."""

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
"""How often a scene has another style than that of the drawing itself."""


def held_out_background(thing: str, background: str) -> bool:
    """Whether this thing is never shown on this background in training (about one pair in thirteen); FIXED ones are."""
    return (THING_NAMES.index(thing) * 7 + BACKGROUND_NAMES.index(background) * 3) % 13 == 0


def held_out_colour(thing: str, colour: str) -> bool:
    """Whether this thing is never shown in this colour in training (about one pair in eleven)."""
    return (THING_NAMES.index(thing) * 5 + COLOUR_NAMES.index(colour) * 3) % 11 == 0


@lru_cache(maxsize=1)
def _pools() -> dict[str, tuple[str, ...]]:
    """Names by what they can be in a relation."""
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
"""Which names may be the first, second and third of a relation."""


def _names(kind: Kind, background: str, rng: Generator) -> list[str]:
    """Different names for this kind of scene that may appear on this background."""
    roles = ROLES.get(kind.relation or "", ("any",) * (1 if kind.same else kind.count))
    names: list[str] = []
    for role in roles:
        pool = _pools()[role]
        while True:
            name = pool[int(rng.integers(len(pool)))]
            if name not in names and (role in ("made", "maker") or not held_out_background(name, background)):
                break
        names.append(name)
    return names * kind.count if kind.same else names


def _layout(kind: Kind) -> Layout:
    if kind.relation:
        return {**RELATIONS, "creating": creating}[kind.relation]
    return single if kind.count == 1 else row


def _colour_for(name: str, behind: str | None, rng: Generator, share: float) -> str | None:
    """A colour that may be seen in training, and not that of the plain background behind it."""
    if not THING_BY_NAME[name].recolour or rng.random() > share:
        return None
    colour = COLOUR_NAMES[int(rng.integers(len(COLOUR_NAMES)))]
    return None if colour == behind or held_out_colour(name, colour) else colour


def _dress(things: Sequence[Placed], kind: Kind, behind: str | None, rng: Generator) -> list[Placed]:
    """The same things with colours, and sometimes with wings."""
    share = 0.5 if kind.count == 1 else 0.3
    common = _colour_for(things[0].name, behind, rng, share) if kind.same else None
    dressed = []
    for thing in things:
        colour = common if kind.same else _colour_for(thing.name, behind, rng, share)
        dressed.append(replace(thing, colour=colour))
    if kind.count == 1 and THING_BY_NAME[things[0].name].kind in FLYING_KINDS and rng.random() < 0.12:
        dressed = [replace(dressed[0], pose="flying", y=0.45, stands=False, size=min(dressed[0].size, 0.6), size_word=None)]
    return dressed


def _find_named(things: Sequence[Placed], names: Sequence[str]) -> tuple[int, ...]:
    """Where each name stands in the painted order; for things of one name, from left to right."""
    if len(set(names)) < len(names):
        return tuple(sorted(range(len(things)), key=lambda place: things[place].x))
    return tuple(next(i for i, thing in enumerate(things) if thing.name == name) for name in names)


def _choice(rows: Sequence[str], rng: Generator, share: float) -> str | None:
    return rows[int(rng.integers(len(rows)))] if rng.random() < share else None


def _surroundings(background: str, bare: bool, rng: Generator) -> dict[str, str | None]:
    """Far plane, hour, season and weather: at most two of them at once, outdoors only."""
    row = BACKGROUND_BY_NAME[background]
    far = [place.name for place in PLACES if place.far and place.name != background]
    chosen: dict[str, str | None] = dict.fromkeys(("far", "time", "season", "weather"))
    if not row.outdoors or row.paint is None or background in AIRLESS:
        return chosen
    share = 0.3 if bare else 0.1
    if row.near:
        chosen["far"] = _choice(far, rng, share)
    for name, rows in (("time", TIMES), ("season", SEASONS), ("weather", WEATHERS)):
        if sum(value is not None for value in chosen.values()) < 2:
            chosen[name] = _choice([air.name for air in rows], rng, share)
    return chosen


def _kind(rng: Generator) -> Kind:
    shares = np.array([kind.share for kind in KINDS])
    return KINDS[int(rng.choice(len(KINDS), p=shares / shares.sum()))]


def ground_of(background: str) -> Ground:
    """What things stand on with this background."""
    row = BACKGROUND_BY_NAME[background]
    return Ground(row.horizon, row.paint is not None and row.ground != "none")


def random_scene(seed: int) -> Scene:
    """The scene of this seed, of the kind that is trained on: nothing held out is in it."""
    rng = np.random.default_rng(seed)
    kind = _kind(rng)
    backgrounds = BACKGROUND_NAMES if kind.count else tuple(place.name for place in PLACES)
    background = backgrounds[int(rng.integers(len(backgrounds)))]
    colour = COLOUR_NAMES[int(rng.integers(len(COLOUR_NAMES)))] if BACKGROUND_BY_NAME[background].paint is None else None
    things: list[Placed] = []
    named: tuple[int, ...] = ()
    if kind.count:
        names = _names(kind, background, rng)
        things = _dress(_layout(kind)(names, ground_of(background), rng), kind, colour, rng)
        named = _find_named(things, names)
    styles = [style.name for style in STYLES[1:]]
    style = _choice(styles, rng, STYLED) or STYLES[0].name
    around = _surroundings(background, not kind.count, rng)
    return Scene(background, colour, around["far"], tuple(things), named, kind.relation, around["time"], around["season"],
                 around["weather"], style, seed)  # fmt: skip
