"""What pages show of image files of any size. Large ones are decoded by :mod:`engine.records.images.decoder`'s process."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from engine.records.images.decoder import decode
from engine.records.images.open_image import OpenedImage, flatten, open_header, open_image
from engine.records.images.thumbnails import reduce_image


@dataclass(frozen=True)
class ImageDescription:
    """Width and height in pixels, upright; ``notices`` are sentences on how the image was converted."""

    width: int
    height: int
    format: str
    notices: tuple[str, ...]


def describe(image: OpenedImage) -> ImageDescription:
    """The description of an opened image."""
    return ImageDescription(*image.colours.size, image.format, image.notices)


def describe_file(path: Path) -> ImageDescription:
    """The description of an image file, which is decoded completely. Raises ImageError for one that cannot be used.

    There is no notice about transparent parts: their colour is chosen later.
    """
    return decode([path], _describe_file, path)


def encode_reduced(path: Path, side: int) -> bytes:
    """An image file as PNG, upright and in sRGB, its longer side at most ``side`` pixels. Raises ImageError."""
    return decode([path], _encode_reduced, path, side)


def reduce_pair(before: Path, after: Path, side: int) -> tuple[Image.Image, Image.Image]:
    """Two image files scaled to the size of the second, its longer side at most ``side`` pixels. Raises ImageError."""
    return decode([before, after], _reduce_pair, before, after, side)


def flatten_reduced(image: OpenedImage, side: int) -> Image.Image:
    """An opened image on its paper, its longer side at most ``side`` pixels. Reduces the image itself."""
    image.colours.thumbnail((side, side), Image.Resampling.LANCZOS)
    if image.alpha is None:
        return image.colours
    both = image.colours.convert("RGBA")
    both.putalpha(image.alpha.resize(both.size, Image.Resampling.LANCZOS))
    return flatten(both, image.paper)


def _describe_file(path: Path) -> ImageDescription:
    return describe(open_image(path, paper=""))


def _encode_reduced(path: Path, side: int) -> bytes:
    image = open_image(path).with_alpha
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _reduce_pair(before: Path, after: Path, side: int) -> tuple[Image.Image, Image.Image]:
    source = open_image(before).with_alpha
    with open_header(after) as opened:
        result = reduce_image(opened, side)
    # Without a reference to its file, the image can be pickled.
    return source.resize(result.size, Image.Resampling.BICUBIC), result.copy()
