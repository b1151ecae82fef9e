"""Building blocks of weather and light: tints, translucent layers, lights, and where in an image the sky is clear."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from training.drawing.canvas import SHEET, Generator, create_noise, create_ramp
from training.drawing.palette import RGB

LUMA = (0.299, 0.587, 0.114)


def tint(image: Image.Image, *colours: RGB) -> Image.Image:
    """The image tinted by a vertical gradient of these colours."""
    return ImageChops.multiply(image, create_ramp(image.size, colours))


def tone(image: Image.Image, colour: float, light: float, lift: RGB = (0, 0, 0)) -> Image.Image:
    """The image with saturation and brightness multiplied by `colour` and `light`, and `lift` added."""
    rows = [[light * (colour * (i == j) + (1 - colour) * LUMA[j]) for j in range(3)] + [lift[i]] for i in range(3)]
    return image.convert("RGB", tuple(value for line in rows for value in line))


def veil(image: Image.Image, rgb: RGB, shares: np.ndarray) -> Image.Image:
    """The image with one colour blended over it, with opacity `shares` (0..1, as high and wide as the image)."""
    return Image.composite(
        Image.new("RGB", image.size, rgb), image, Image.fromarray((shares * 255).clip(0, 255).astype(np.uint8))
    )


@lru_cache(maxsize=64)
def create_bands(side: int, *knots: float) -> np.ndarray:
    """Values interpolated linearly from top to bottom between the knots: (side, side)."""
    values = np.interp(np.linspace(0, 1, side), np.linspace(0, 1, len(knots)), knots).astype(np.float32)
    return np.repeat(values[:, None], side, axis=1)


@lru_cache(maxsize=8)
def measure_corner_distance(side: int, corner: int) -> np.ndarray:
    """The distance from an upper corner (0: left, 1: right) in shares of the side."""
    across = np.linspace(0, 1, side, dtype=np.float32)
    return np.hypot((across if corner == 0 else 1 - across)[None], across[:, None])


def light(image: Image.Image, rgb: RGB, x: float, y: float, radius: float, strength: float) -> Image.Image:
    """The image with a soft round light added at (x, y)."""
    side = image.width
    small = np.linspace(0, 1, 48, dtype=np.float32)
    share = (1 - np.hypot(small[None] - x, small[:, None] - y) / radius).clip(0, 1) ** 2 * strength
    glow = Image.fromarray((share[..., None] * np.asarray(rgb, np.float32)).clip(0, 255).astype(np.uint8))
    return ImageChops.screen(image, glow.resize((side, side), Image.Resampling.BILINEAR))


def create_wisps(kind: str, side: int, rng: Generator) -> np.ndarray:
    """A crop of a texture; small images get a coarser one."""
    step = max(1, 256 // side)
    top, left = (int(at) for at in rng.integers(0, SHEET - side * step, 2))
    return create_noise(kind)[top : top + side * step : step, left : left + side * step : step]


def is_smooth(image: Image.Image, x: np.ndarray, y: np.ndarray, reach: float) -> np.ndarray:
    """Whether the image is almost uniform around each position (in shares): clear sky is, things are not."""
    side = image.width
    gray = np.asarray(image.convert("L"), np.int16)
    steps = np.array([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7)]) * reach
    columns = ((x[:, None] + steps[:, 0]) * side).astype(int).clip(0, side - 1)
    rows = ((y[:, None] + steps[:, 1]) * side).astype(int).clip(0, side - 1)
    return np.ptp(gray[rows, columns], axis=1) < 26


def find_free_corner(image: Image.Image, rng: Generator) -> float:
    """A horizontal position near the top where a moon or sun hides nothing; an arbitrary one if there is none."""
    x = rng.permutation([0.14, 0.86, 0.3, 0.7])
    free = x[is_smooth(image, x, np.full(4, 0.14), 0.08)]
    return float(free[0] if len(free) else x[0])


def draw_over(image: Image.Image, paint: Callable[[ImageDraw.ImageDraw, float], None], blur: float = 0) -> Image.Image:
    """The image with what `paint` draws on a transparent sheet at twice the size, which it receives, composited over it."""
    size = 2 * image.width
    sheet = Image.new("RGBA", (size, size), (255, 255, 255, 0))
    paint(ImageDraw.Draw(sheet), size)
    sheet = sheet.reduce(2)
    if blur:
        sheet = sheet.convert("RGBa").filter(ImageFilter.GaussianBlur(blur)).convert("RGBA")
    result = image.copy()
    result.paste(sheet, (0, 0), sheet)
    return result
