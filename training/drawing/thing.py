"""What a row of the tables of things says."""

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

    `drawing` is a glyph, glyphs with spaces between them (drawn side by side), or the name of a shape in `drawn.SHAPES`.
    `place`: where it is at home; a "surface" is something flat that others sit on. `scale`: how large it is beside others,
    from 0.35 (an apple) to 1 (a house). `holds`: it may hold something; `held`: it is small enough to be held.
    `top`: at which share of the tile's height, from its top, others stand on it; None where none can.
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
