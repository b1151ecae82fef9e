"""How much one image differs from another, and where."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from engine.records.images.decoder import decode
from engine.records.images.open_image import open_header
from engine.storage.file_version import Version, read_version

VISIBLE = 1 / 255
"""Changes up to this are invisible: every pixel differs by one 8-bit level."""

_MAP_SIDE = 512
_FULL = 0.5
"""The pixel difference at which the map is brightest."""

_HEAT = np.array([[24, 20, 34], [96, 24, 92], [190, 48, 62], [244, 134, 32], [255, 244, 190]], dtype=np.float32)
"""Colours of the map, from no change to a full one, in even steps."""


def measure(before: Image.Image, after: Image.Image) -> float:
    """The root mean square difference of two images of one size: 0 is the same, 1 is black against white.

    Squared, so that a large change in a small part counts more than a slight change everywhere.
    """
    return float(np.sqrt(np.mean(np.square(_pixels(after) - _pixels(before)))))


def measure_files(before: Path, after: Path) -> float:
    """:func:`measure` of two saved images, cached until one of them changes. Raises OSError."""
    return _measure_versions(before, after, read_version(before), read_version(after))


@lru_cache(maxsize=4096)
def _measure_versions(before: Path, after: Path, _before: Version, _after: Version) -> float:
    return decode([before, after], _measure_files, before, after)


def _measure_files(before: Path, after: Path) -> float:
    with open_header(before) as first, open_header(after) as second:
        return measure(first, second)


def encode_map(before: Path, after: Path) -> bytes:
    """:func:`render_map` of two saved pictures, as PNG."""
    return decode([before, after], _encode_map, before, after)


def _encode_map(before: Path, after: Path) -> bytes:
    with open_header(before) as first, open_header(after) as second:
        drawn = render_map(first, second)
    stream = io.BytesIO()
    drawn.save(stream, "PNG")
    return stream.getvalue()


def render_map(before: Image.Image, after: Image.Image) -> Image.Image:
    """A map of the change, dark where there is none; at most 512 pixels long."""
    changed = np.abs(_pixels(after) - _pixels(before)).max(axis=2)
    place = np.sqrt(np.clip(changed / _FULL, 0, 1)) * (len(_HEAT) - 1)
    low = np.minimum(place.astype(int), len(_HEAT) - 2)
    share = (place - low)[..., None]
    drawn = Image.fromarray((_HEAT[low] * (1 - share) + _HEAT[low + 1] * share).round().astype(np.uint8))
    drawn.thumbnail((_MAP_SIDE, _MAP_SIDE))
    return drawn


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), dtype=np.float32) / 255
