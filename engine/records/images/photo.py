"""A picture with everything that its file holds: its own size, colours of 8 or 16 bits, profile, transparency and EXIF.

What a part of a photo is repainted in, so that the rest of it stays as it was. Pillow decodes colours of 16 bits to their upper
bytes alone; their lower bytes are what it decodes when told that the bytes lie in the opposite order.
"""

from __future__ import annotations

import dataclasses
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFile

from engine.records.images.open_image import find_turn, open_header, open_image, upright_exif

_SWAPPED = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B" if sys.byteorder == "little" else ";16L"}
"""The end of Pillow's name for colours of 16 bits in a file -> the end of the name for the opposite order of bytes."""

_WITH_ALPHA = 4
"""Channels of an image with transparency."""

_SCALE = 257
"""What turns 8 bits into 16: white stays white."""


@dataclass(frozen=True, kw_only=True)
class ImageToSave:
    """An image as it is to be saved. ``image`` is RGB or RGBA with its profile in ``image.info``.

    ``deep`` is the same in 16 bits (H x W x 3 or 4, uint16), None where there are only 8. ``exif`` is a bare TIFF structure.
    """

    image: Image.Image
    deep: np.ndarray | None = None
    exif: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Photo:
    """``pixels``: H x W x 3 or, with transparency, x 4; uint8 or uint16. ``icc_profile`` is that of the colours, b"" for sRGB."""

    pixels: np.ndarray
    icc_profile: bytes
    exif: bytes

    def replace_part(self, painted: Image.Image, mask: Image.Image, corner: tuple[int, int]) -> Photo:
        """The photo with ``painted`` (RGB in sRGB) where ``mask`` (L, of its size) is not 0, its left upper corner at ``corner``.

        All other pixels, and the transparency, stay to the bit; but what was invisible shows where it is painted over.
        """
        colours = np.asarray(_from_srgb(painted, self.icc_profile), dtype=np.float32) * self._scale
        left, top = corner
        rows, columns = slice(top, top + painted.height), slice(left, left + painted.width)
        share = np.asarray(mask, dtype=np.float32)[..., None] / 255
        before = self.pixels[rows, columns, :3]
        mixed = np.rint(before + (colours - before) * share).astype(self.pixels.dtype)
        pixels = self.pixels.copy()
        pixels[rows, columns, :3] = np.where(share > 0, mixed, before)
        if pixels.shape[2] == _WITH_ALPHA:
            alpha = pixels[rows, columns, 3:]
            shown = np.rint(share * np.iinfo(pixels.dtype).max).astype(pixels.dtype)
            pixels[rows, columns, 3:] = np.where(alpha == 0, shown, alpha)
        return dataclasses.replace(self, pixels=pixels)

    def finish(self) -> ImageToSave:
        """The photo as it is to be saved."""
        deep = self.pixels if self.pixels.dtype == np.uint16 else None
        image = Image.fromarray(self.pixels if deep is None else (self.pixels >> 8).astype(np.uint8))
        image.info["icc_profile"] = self.icc_profile or None
        return ImageToSave(image=image, deep=deep, exif=self.exif)

    @property
    def _scale(self) -> int:
        return _SCALE if self.pixels.dtype == np.uint16 else 1


def open_photo(source: Path) -> Photo:
    """The photo in ``source``, upright. Colours that are not RGB become sRGB. Raises ImageError for what cannot be used."""
    opened = open_image(source, paper="", keep_profile=True)
    deep = read_deep(source)
    pixels = np.asarray(opened.with_alpha) if deep is None else deep
    return Photo(pixels=pixels, icc_profile=opened.icc_profile, exif=upright_exif(source))


def read_deep(source: Path) -> np.ndarray | None:
    """The pixels of a PNG or TIFF with 16 bits a channel, upright: H x W x 3 or 4, uint16; None for any other image."""
    with open_header(source) as opened:
        if not isinstance(opened, ImageFile.ImageFile):
            return None
        swapped = [_swap_bytes(tile.args) for tile in opened.tile]
        turn = find_turn(opened)  # decodes a PNG
        if opened.mode.startswith("I;16"):
            values = np.asarray(opened, dtype=np.uint16)
            return _turn(np.repeat(values[..., None], 3, axis=2), turn)
        if opened.mode not in ("RGB", "RGBA") or "transparency" in opened.info or not swapped or None in swapped:
            return None
        high = np.asarray(opened, dtype=np.uint16)
    with open_header(source) as again:
        assert isinstance(again, ImageFile.ImageFile), "it was one just now"
        again.tile = [tile._replace(args=args) for tile, args in zip(again.tile, swapped, strict=True)]
        low = np.asarray(again, dtype=np.uint16)
    return _turn(high << 8 | low, turn)


def _swap_bytes(args: str | tuple[str | int, ...] | None) -> str | tuple[str | int, ...] | None:
    """What a decoder is told, with the opposite order of bytes; None for colours that do not have 16 bits."""
    raw = args if isinstance(args, str) else args[0] if args else ""
    end = raw[-4:] if isinstance(raw, str) else ""
    if not isinstance(raw, str) or not raw.startswith("RGB") or end not in _SWAPPED:
        return None
    other = raw[:-4] + _SWAPPED[end]
    return (other, *args[1:]) if isinstance(args, tuple) else other


def _turn(pixels: np.ndarray, turn: Image.Transpose | None) -> np.ndarray:
    """``pixels`` as Pillow transposes them."""
    if turn is None:
        return pixels
    planes = [Image.fromarray(np.ascontiguousarray(pixels[..., plane])).transpose(turn) for plane in range(pixels.shape[-1])]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def _from_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """``image`` in the colours of ``profile``."""
    if not profile:
        return image
    theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    moved = ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), theirs, outputMode="RGB")
    return moved or image
