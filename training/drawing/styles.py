"""The styles of images, one filter per row, applied to the finished scene. `STYLES[0]` leaves it unchanged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from training.drawing import filters
from training.drawing.brushes import Generator


@dataclass(frozen=True)
class Style:
    """`words[0]` is its name, the others are synonyms. `phrases` contain `{scene}`, the words for a scene."""

    words: tuple[str, ...]
    phrases: tuple[str, ...]
    apply: Callable[[Image.Image, Generator], Image.Image]

    @property
    def name(self) -> str:
        return self.words[0] if self.words else "drawn"


STYLES: tuple[Style, ...] = (
    Style((), (), filters.keep),
    Style(
        ("cartoon", "cartoon style", "cartoon drawing"),
        ("cartoon of {scene}", "a cartoon of {scene}", "cartoon {scene}", "{scene} in cartoon style", "{scene} as a cartoon"),
        filters.apply_cartoon,
    ),
    Style(
        ("oil painting", "oil on canvas"),
        ("oil painting of {scene}", "an oil painting of {scene}", "a painting of {scene}", "{scene} painted in oil",
         "{scene} in the style of an oil painting", "{scene}, oil on canvas"),
        filters.apply_oil,
    ),
    Style(
        ("abstract", "abstract oil painting", "abstract painting", "abstract art", "cubism"),
        ("abstract oil painting of {scene}", "an abstract oil painting of {scene}", "abstract painting of {scene}",
         "an abstract painting of {scene}", "abstract {scene}", "{scene} in abstract style", "{scene}, abstract art"),
        filters.apply_abstract,
    ),
    Style(
        ("watercolor", "watercolour", "watercolor painting", "aquarelle"),
        ("watercolor of {scene}", "a watercolor of {scene}", "watercolour of {scene}", "watercolor painting of {scene}",
         "a watercolour painting of {scene}", "{scene} in watercolor", "{scene} in watercolour", "{scene} painted in watercolor"),
        filters.apply_watercolour,
    ),
    Style(
        ("pencil sketch", "pencil drawing", "sketch", "pencil"),
        ("pencil sketch of {scene}", "a pencil sketch of {scene}", "a sketch of {scene}", "pencil drawing of {scene}",
         "a pencil drawing of {scene}", "{scene} drawn in pencil", "{scene} as a sketch", "sketch of {scene}"),
        filters.apply_pencil,
    ),
    Style(
        ("ink drawing", "ink", "pen and ink", "woodcut"),
        ("ink drawing of {scene}", "an ink drawing of {scene}", "{scene} in ink", "{scene} drawn in ink",
         "pen and ink drawing of {scene}", "woodcut of {scene}"),
        filters.apply_ink,
    ),
    Style(
        ("pixel art", "pixels", "8 bit", "pixelated"),
        ("pixel art of {scene}", "{scene} in pixel art", "{scene} as pixel art", "pixel art {scene}", "8 bit {scene}",
         "{scene} in pixel art style"),
        filters.apply_pixel_art,
    ),
    Style(
        ("stained glass", "stained glass window"),
        ("stained glass of {scene}", "a stained glass window of {scene}", "stained glass window with {scene}",
         "{scene} in stained glass", "{scene} as a stained glass window"),
        filters.apply_stained_glass,
    ),
    Style(
        ("neon", "neon sign", "neon lights", "glowing neon"),
        ("neon sign of {scene}", "a neon sign of {scene}", "{scene} in neon", "neon {scene}", "{scene} in neon lights",
         "{scene} in neon style"),
        filters.apply_neon,
    ),
    Style(
        ("black and white", "monochrome", "black and white photo", "grayscale"),
        ("black and white photo of {scene}", "a black and white photo of {scene}", "{scene} in black and white",
         "black and white picture of {scene}", "monochrome {scene}", "a monochrome picture of {scene}"),
        filters.apply_black_and_white,
    ),
    Style(
        ("blueprint", "blueprint drawing", "technical drawing"),
        ("blueprint of {scene}", "a blueprint of {scene}", "{scene} as a blueprint", "technical drawing of {scene}",
         "{scene} in blueprint style"),
        filters.apply_blueprint,
    ),
    Style(
        ("comic", "comic book", "pop art", "comic style"),
        ("comic of {scene}", "{scene} in comic style", "{scene} in a comic book", "pop art of {scene}",
         "comic book picture of {scene}", "{scene} as a comic"),
        filters.apply_comic,
    ),
    Style(
        ("mosaic", "tile mosaic"),
        ("mosaic of {scene}", "a mosaic of {scene}", "{scene} as a mosaic", "{scene} made of tiles", "{scene} in mosaic style"),
        filters.apply_mosaic,
    ),
    Style(
        ("chalk drawing", "chalk", "chalkboard", "blackboard"),
        ("chalk drawing of {scene}", "a chalk drawing of {scene}", "{scene} in chalk", "{scene} drawn in chalk on a blackboard",
         "{scene} on a chalkboard"),
        filters.apply_chalk,
    ),
)  # fmt: skip
STYLE_NAMES: tuple[str, ...] = tuple(style.name for style in STYLES)
STYLE_BY_NAME: dict[str, Style] = {style.name: style for style in STYLES}
