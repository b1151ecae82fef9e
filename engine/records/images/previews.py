"""What a page shows of an image file, however large that is. Each takes the road of :mod:`engine.records.images.decoder`."""

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
    """Width and height in pixels, upright; ``notices`` says what was done to open the image, a sentence each."""

    width: int
    height: int
    format: str
    notices: tuple[str, ...]


def describe(image: OpenedImage) -> ImageDescription:
    """The description of an image that is open."""
    return ImageDescription(*image.colours.size, image.format, image.notices)


def describe_file(path: Path) -> ImageDescription:
    """The description of an image file, decoded to its end. Raises ImageError for one that cannot be used.

    Nothing is said of its transparent parts: what they show is chosen later.
    """
    return decode([path], _describe_file, path)


def encode_reduced(path: Path, side: int) -> bytes:
    """An image file as PNG, upright and in sRGB, its longer side at most ``side`` pixels. Raises ImageError."""
    return decode([path], _encode_reduced, path, side)


def reduce_pair(before: Path, after: Path, side: int) -> tuple[Image.Image, Image.Image]:
    """Two image files in the size of the second one, its longer side at most ``side`` pixels. Raises ImageError."""
    return decode([before, after], _reduce_pair, before, after, side)


def flatten_reduced(image: OpenedImage, side: int) -> Image.Image:
    """An open image on its paper, its longer side at most ``side`` pixels. The image itself is reduced by it."""
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
    # Without the file that it was read from, it can be sent to another process.
    return source.resize(result.size, Image.Resampling.BICUBIC), result.copy()
