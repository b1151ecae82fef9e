"""A row of the tables of things."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = (
    "animal",
    "bird",
    "fish",
    "insect",
    "person",
    "food",
    "plant",
    "building",
    "vehicle",
    "tool",
    "device",
    "instrument",
    "toy",
    "clothes",
    "furniture",
    "sky",
    "thing",
)
PLACES = ("ground", "air", "water", "surface")


@dataclass(frozen=True)
class Thing:
    """`words[0]` is its name; the others are synonyms.

    `drawing` is an emoji, several separated by spaces (drawn side by side), or the name of a shape in `drawn.SHAPES`.
    `place`: where it usually is; a "surface" is flat, and others sit on it. `scale`: its size relative to others,
    from 0.35 (an apple) to 1 (a house). `holds`: whether it can hold something; `held`: whether it is small enough to be held.
    `top`: where others stand on it, as a share of the tile's height from the top; None if they cannot.
    """

    words: tuple[str, ...]
    drawing: str
    kind: str = "thing"
    place: str = "ground"
    scale: float = 0.5
    recolour: bool = False
    holds: bool = False
    held: bool = False
    top: float | None = None

    @property
    def name(self) -> str:
        return self.words[0]
