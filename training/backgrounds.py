"""The backgrounds a scene can have: one function a row, each paints a square RGB picture from a random generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

RGB = tuple[int, int, int]
Generator = np.random.Generator


def gradient(side: int, top: RGB, bottom: RGB) -> Image.Image:
    """A picture whose rows run from `top` to `bottom`."""
    ramp = np.linspace(0, 1, side, dtype=np.float32)[:, None]
    rows = np.asarray(top, np.float32) * (1 - ramp) + np.asarray(bottom, np.float32) * ramp
    return Image.fromarray(np.repeat(rows[:, None, :].astype(np.uint8), side, axis=1), "RGB")


def shaded(rgb: RGB, factor: float) -> RGB:
    """The colour made lighter (above 1) or darker (below 1)."""
    return tuple(int(min(255, max(0, value * factor))) for value in rgb)  # type: ignore[return-value]


def _ground(picture: Image.Image, from_row: float, top: RGB, bottom: RGB) -> None:
    side = picture.width
    start = int(from_row * side)
    picture.paste(gradient(side, top, bottom).resize((side, side - start)), (0, start))


def _ridge(draw: ImageDraw.ImageDraw, side: int, rng: Generator, height: float, swing: float, fill: RGB, waves: float) -> None:
    x = np.linspace(0, 1, 25)
    y = height - swing * np.sin(x * waves * np.pi + rng.uniform(0, 6)) - swing * 0.4 * np.sin(x * waves * 2.3 * np.pi)
    draw.polygon([(0, side), *[(a * side, b * side) for a, b in zip(x, y, strict=True)], (side, side)], fill=fill)


def _dots(draw: ImageDraw.ImageDraw, side: int, rng: Generator, count: int, lowest: float, fill: RGB, radius: float) -> None:
    for x, y, r in zip(
        rng.uniform(0, side, count), rng.uniform(0, lowest * side, count), rng.uniform(0.5, 1, count), strict=True
    ):
        size = r * radius * side
        draw.ellipse((x - size, y - size, x + size, y + size), fill=fill)


def _cloud(draw: ImageDraw.ImageDraw, side: int, x: float, y: float, size: float, fill: RGB) -> None:
    for dx, dy, r in ((-0.9, 0.15, 0.55), (0, -0.2, 0.8), (0.9, 0.15, 0.6), (0.3, 0.2, 0.6), (-0.4, 0.2, 0.6)):
        cx, cy, radius = (x + dx * size) * side, (y + dy * size) * side, r * size * side
        draw.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=fill)


def _sky(side: int, rng: Generator) -> Image.Image:
    picture = gradient(side, (70, 150, 235), (185, 222, 250))
    draw = ImageDraw.Draw(picture)
    for x in rng.uniform(0.05, 0.95, 3):
        _cloud(draw, side, x, rng.uniform(0.1, 0.9), rng.uniform(0.07, 0.12), (250, 252, 255))
    return picture


def _sunset(side: int, rng: Generator) -> Image.Image:
    picture = gradient(side, (95, 45, 125), (255, 150, 60))
    draw = ImageDraw.Draw(picture)
    x, radius = rng.uniform(0.2, 0.8) * side, rng.uniform(0.12, 0.16) * side
    draw.ellipse((x - radius, 0.72 * side - radius, x + radius, 0.72 * side + radius), fill=(255, 220, 120))
    draw.rectangle((0, int(0.76 * side), side, side), fill=(120, 50, 90))
    for row in np.linspace(0.79, 0.97, 5):
        width = rng.uniform(0.06, 0.2) * side
        draw.line((x - width, row * side, x + width, row * side), fill=(255, 170, 90), width=max(1, side // 64))
    return picture


def _night(side: int, rng: Generator) -> Image.Image:
    picture = gradient(side, (8, 12, 45), (35, 45, 100))
    draw = ImageDraw.Draw(picture)
    _dots(draw, side, rng, 26, 0.7, (250, 245, 210), 0.013)
    _ridge(draw, side, rng, 0.84, 0.03, (14, 22, 40), 2.0)
    return picture


def _beach(side: int, rng: Generator) -> Image.Image:
    picture = gradient(side, (110, 190, 245), (200, 232, 250))
    _ground(picture, 0.42, (20, 120, 190), (70, 190, 210))
    _ground(picture, 0.66, (242, 218, 160), (225, 190, 120))
    draw = ImageDraw.Draw(picture)
    x = np.linspace(0, 1, 25)
    y = 0.66 + 0.012 * np.sin(x * 14 + rng.uniform(0, 6))
    draw.line([(a * side, b * side) for a, b in zip(x, y, strict=True)], fill=(250, 252, 255), width=max(2, side // 32))
    return picture


def _sea(side: int, rng: Generator) -> Image.Image:
    picture = gradient(side, (40, 165, 205), (8, 50, 115))
    draw = ImageDraw.Draw(picture)
    for x in rng.uniform(0.05, 0.95, 5):
        tall = rng.uniform(0.12, 0.22)
        draw.polygon([((x - 0.03) * side, side), (x * side, (1 - tall) * side), ((x + 0.03) * side, side)], fill=(25, 120, 90))
    for _ in range(6):
        cx, cy, r = rng.uniform(0, side), rng.uniform(0.1, 0.8) * side, rng.uniform(0.012, 0.028) * side
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), outline=(190, 235, 245), width=max(1, side // 64))
    return picture


def _snow(side: int, rng: Generator) -> Image.Image:
    picture = gradient(side, (150, 180, 215), (215, 228, 242))
    draw = ImageDraw.Draw(picture)
    _ridge(draw, side, rng, 0.64, 0.03, (236, 242, 250), 1.6)
    _dots(draw, side, rng, 34, 1.0, (255, 255, 255), 0.016)
    return picture


def _meadow(side: int, rng: Generator) -> Image.Image:
    picture = gradient(side, (120, 195, 245), (210, 236, 250))
    draw = ImageDraw.Draw(picture)
    _ridge(draw, side, rng, 0.56, 0.04, (120, 190, 80), 1.5)
    _ridge(draw, side, rng, 0.70, 0.03, (90, 165, 60), 2.2)
    for x, y in zip(rng.uniform(0, side, 12), rng.uniform(0.76, 0.98, 12) * side, strict=True):
        r = 0.012 * side
        draw.ellipse((x - r, y - r, x + r, y + r), fill=((250, 240, 120), (250, 250, 250), (245, 150, 170))[int(x) % 3])
    return picture


def _desert(side: int, rng: Generator) -> Image.Image:
    picture = gradient(side, (250, 205, 130), (253, 232, 190))
    draw = ImageDraw.Draw(picture)
    _ridge(draw, side, rng, 0.58, 0.06, (226, 160, 85), 1.4)
    _ridge(draw, side, rng, 0.74, 0.05, (205, 130, 60), 1.8)
    return picture


def _city(side: int, rng: Generator) -> Image.Image:
    picture = gradient(side, (165, 190, 215), (225, 228, 230))
    draw = ImageDraw.Draw(picture)
    x = 0.0
    while x < 1:
        width, top = rng.uniform(0.12, 0.2), rng.uniform(0.12, 0.5)
        wall = shaded((105, 115, 140), rng.uniform(0.75, 1.15))
        draw.rectangle((x * side, top * side, (x + width) * side - 1, side), fill=wall)
        for row in np.arange(top + 0.05, 0.8, 0.09):
            for column in (0.25, 0.65):
                left = (x + column * width) * side
                draw.rectangle((left, row * side, left + 0.025 * side, (row + 0.04) * side), fill=(250, 225, 130))
        x += width
    draw.rectangle((0, int(0.82 * side), side, side), fill=(75, 75, 82))
    return picture


def _forest(side: int, rng: Generator) -> Image.Image:
    picture = gradient(side, (150, 195, 150), (70, 120, 75))
    draw = ImageDraw.Draw(picture)
    for x in np.linspace(-0.02, 1.02, 8) + rng.uniform(-0.04, 0.04, 8):
        width, top = rng.uniform(0.11, 0.15), rng.uniform(0.02, 0.2)
        draw.rectangle(((x - 0.02) * side, 0.6 * side, (x + 0.02) * side, 0.85 * side), fill=(85, 58, 38))
        fill = shaded((28, 92, 52), rng.uniform(0.75, 1.2))
        for row in (0.0, 0.2, 0.4):
            low = (top + row + 0.28) * side
            draw.polygon([((x - width) * side, low), (x * side, (top + row) * side), ((x + width) * side, low)], fill=fill)
    _ground(picture, 0.8, (66, 100, 48), (48, 76, 36))
    return picture


def _peak(draw: ImageDraw.ImageDraw, side: int, x: float, top: float, low: float, slope: float, fill: RGB) -> None:
    half = slope * (low - top)
    draw.polygon([((x - half) * side, low * side), (x * side, top * side), ((x + half) * side, low * side)], fill=fill)


def _mountains(side: int, rng: Generator) -> Image.Image:
    picture = gradient(side, (125, 180, 235), (225, 236, 246))
    draw = ImageDraw.Draw(picture)
    for x in (rng.uniform(0, 0.25), rng.uniform(0.7, 1.0), rng.uniform(0.35, 0.6)):
        top, slope = rng.uniform(0.1, 0.28), 0.6 * rng.uniform(0.75, 1.0)
        _peak(draw, side, x, top, 1.0, slope, shaded((112, 118, 140), rng.uniform(0.85, 1.1)))
        _peak(draw, side, x, top, top + 0.16, slope, (248, 250, 253))
    _ground(picture, 0.82, (85, 140, 85), (62, 112, 66))
    return picture


def _space(side: int, rng: Generator) -> Image.Image:
    picture = gradient(side, (12, 6, 22), (46, 16, 66))
    draw = ImageDraw.Draw(picture)
    _dots(draw, side, rng, 34, 1.0, (255, 255, 255), 0.011)
    x, y, r = rng.choice([0.14, 0.86]) * side, rng.uniform(0.12, 0.25) * side, rng.uniform(0.09, 0.12) * side
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(225, 140, 85))
    draw.ellipse((x - 1.8 * r, y - 0.35 * r, x + 1.8 * r, y + 0.35 * r), outline=(240, 205, 160), width=max(1, side // 64))
    return picture


def _room(side: int, rng: Generator) -> Image.Image:
    picture = gradient(side, (240, 218, 190), (228, 200, 170))
    _ground(picture, 0.74, (170, 112, 66), (140, 88, 50))
    draw = ImageDraw.Draw(picture)
    left = rng.choice([0.08, 0.64]) * side
    draw.rectangle(
        (left, 0.1 * side, left + 0.28 * side, 0.44 * side),
        fill=(160, 210, 245),
        outline=(250, 250, 250),
        width=max(2, side // 32),
    )
    draw.line(
        (left + 0.14 * side, 0.1 * side, left + 0.14 * side, 0.44 * side),
        fill=(250, 250, 250),
        width=max(1, side // 48),
    )
    draw.line((0, 0.74 * side, side, 0.74 * side), fill=(250, 244, 235), width=max(1, side // 40))
    return picture


@dataclass(frozen=True)
class Background:
    """`phrases`: how a caption puts a thing there; `words[0]` is its name, the others are synonyms that stand alone."""

    words: tuple[str, ...]
    phrases: tuple[str, ...]
    paint: Callable[[int, Generator], Image.Image] | None  # None: one plain colour, named in the caption

    @property
    def name(self) -> str:
        return self.words[0]


BACKGROUNDS: tuple[Background, ...] = (
    Background(("plain",), ("on a {colour} background", "in front of a {colour} background", "on {colour}"), None),
    Background(("sky", "clouds"), ("in the sky", "in a blue sky", "in the clouds"), _sky),
    Background(("sunset", "dusk"), ("at sunset", "in the sunset", "at dusk"), _sunset),
    Background(("night",), ("at night", "in the night", "under the stars"), _night),
    Background(("beach", "sand"), ("on the beach", "at the beach", "on the sand"), _beach),
    Background(("sea", "ocean", "underwater"), ("in the sea", "in the ocean", "under water"), _sea),
    Background(("snow", "winter"), ("in the snow", "in winter", "in the snow"), _snow),
    Background(("meadow", "grass", "field"), ("in a meadow", "on the grass", "in a field"), _meadow),
    Background(("desert",), ("in the desert", "in a desert"), _desert),
    Background(("city", "town", "street"), ("in the city", "in a town", "on the street"), _city),
    Background(("forest", "woods"), ("in the forest", "in the woods"), _forest),
    Background(("mountains", "mountain"), ("in the mountains", "in front of the mountains", "on a mountain"), _mountains),
    Background(("space",), ("in space", "in outer space"), _space),
    Background(("room", "indoors"), ("in a room", "indoors", "at home"), _room),
)
BACKGROUND_NAMES: tuple[str, ...] = tuple(background.name for background in BACKGROUNDS)
BACKGROUND_BY_NAME: dict[str, Background] = {background.name: background for background in BACKGROUNDS}
