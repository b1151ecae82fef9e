"""What layers of air are made of: tints, veils, lights, and where in an image the sky is open."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from training.drawing.canvas import SHEET, Generator, noise, ramp
from training.drawing.palette import RGB

LUMA = (0.299, 0.587, 0.114)


def tint(image: Image.Image, *colours: RGB) -> Image.Image:
    """The image seen through glass that runs through these colours from top to foot."""
    return ImageChops.multiply(image, ramp(image.size, colours))


def tone(image: Image.Image, colour: float, light: float, lift: RGB = (0, 0, 0)) -> Image.Image:
    """With this share of its colour (above 1: more), this share of its brightness, and `lift` added."""
    rows = [[light * (colour * (i == j) + (1 - colour) * LUMA[j]) for j in range(3)] + [lift[i]] for i in range(3)]
    return image.convert("RGB", tuple(value for line in rows for value in line))


def veil(image: Image.Image, rgb: RGB, shares: np.ndarray) -> Image.Image:
    """`shares` (0..1, as high and wide as the image) of one colour laid over it."""
    return Image.composite(
        Image.new("RGB", image.size, rgb), image, Image.fromarray((shares * 255).clip(0, 255).astype(np.uint8))
    )


@lru_cache(maxsize=64)
def bands(side: int, *knots: float) -> np.ndarray:
    """(side, side): the knots from top to foot."""
    values = np.interp(np.linspace(0, 1, side), np.linspace(0, 1, len(knots)), knots).astype(np.float32)
    return np.repeat(values[:, None], side, axis=1)


@lru_cache(maxsize=8)
def from_corner(side: int, corner: int) -> np.ndarray:
    """Distance from an upper corner (0: left, 1: right) in shares of the side."""
    across = np.linspace(0, 1, side, dtype=np.float32)
    return np.hypot((across if corner == 0 else 1 - across)[None], across[:, None])


def light(image: Image.Image, rgb: RGB, x: float, y: float, radius: float, strength: float) -> Image.Image:
    """A soft round light added at (x, y)."""
    side = image.width
    small = np.linspace(0, 1, 48, dtype=np.float32)
    share = (1 - np.hypot(small[None] - x, small[:, None] - y) / radius).clip(0, 1) ** 2 * strength
    glow = Image.fromarray((share[..., None] * np.asarray(rgb, np.float32)).clip(0, 255).astype(np.uint8))
    return ImageChops.screen(image, glow.resize((side, side), Image.Resampling.BILINEAR))


def wisps(kind: str, side: int, rng: Generator) -> np.ndarray:
    """A piece of a texture; small images get a coarser one."""
    step = max(1, 256 // side)
    top, left = (int(at) for at in rng.integers(0, SHEET - side * step, 2))
    return noise(kind)[top : top + side * step : step, left : left + side * step : step]


def smooth(image: Image.Image, x: np.ndarray, y: np.ndarray, reach: float) -> np.ndarray:
    """Whether the image is nearly even around each place (shares): the open sky is, things are not."""
    side = image.width
    gray = np.asarray(image.convert("L"), np.int16)
    steps = np.array([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7)]) * reach
    columns = ((x[:, None] + steps[:, 0]) * side).astype(int).clip(0, side - 1)
    rows = ((y[:, None] + steps[:, 1]) * side).astype(int).clip(0, side - 1)
    return np.ptp(gray[rows, columns], axis=1) < 26


def free_corner(image: Image.Image, rng: Generator) -> float:
    """Where in the upper part there is room for a moon or a sun: a place from left to right."""
    x = rng.permutation([0.14, 0.86, 0.3, 0.7])
    free = x[smooth(image, x, np.full(4, 0.14), 0.08)]
    return float(free[0] if len(free) else x[0])


def draw_over(image: Image.Image, paint: Callable[[ImageDraw.ImageDraw, float], None], blur: float = 0) -> Image.Image:
    """What `paint` draws at twice the size on a clear sheet, laid over the image; `paint` is told that size."""
    size = 2 * image.width
    sheet = Image.new("RGBA", (size, size), (255, 255, 255, 0))
    paint(ImageDraw.Draw(sheet), size)
    sheet = sheet.reduce(2)
    if blur:
        sheet = sheet.convert("RGBa").filter(ImageFilter.GaussianBlur(blur)).convert("RGBA")
    result = image.copy()
    result.paste(sheet, (0, 0), sheet)
    return result
