"""A transparent sheet that shapes are drawn on in units of a tile, at a multiple of the final size for smooth edges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.drawing.palette import RGB

FINER = 3
Point = tuple[float, float]


def create_curve(xs: np.ndarray, ys: np.ndarray) -> list[Point]:
    return list(zip(xs.tolist(), ys.tolist(), strict=True))


def create_arc(x: float, y: float, wide: float, high: float, start: float, stop: float) -> list[Point]:
    """Points on an ellipse around (x, y); angles in degrees, 0 to the right, 90 down."""
    turn = np.radians(np.linspace(start, stop, 40))
    return create_curve(x + wide * np.cos(turn), y + high * np.sin(turn))


class Sheet:
    """Boxes are (left, top, right, bottom)."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGBA", (width * FINER, height * FINER))
        self._draw = ImageDraw.Draw(self._image)

    def box(self, box: tuple[float, float, float, float], fill: RGB, corner: float = 0) -> None:
        self._draw.rounded_rectangle([value * FINER for value in box], corner * FINER, fill=(*fill, 255))

    def oval(self, box: tuple[float, float, float, float], fill: RGB) -> None:
        self._draw.ellipse([value * FINER for value in box], fill=(*fill, 255))

    def shape(self, points: Sequence[Point], fill: RGB) -> None:
        self._draw.polygon([(x * FINER, y * FINER) for x, y in points], fill=(*fill, 255))

    def line(self, points: Sequence[Point], fill: RGB, width: float) -> None:
        """A line with round ends and joints."""
        fine = [(x * FINER, y * FINER) for x, y in points]
        self._draw.line(fine, fill=(*fill, 255), width=round(width * FINER))
        for x, y in fine:
            half = width * FINER / 2 - 0.5
            self._draw.ellipse((x - half, y - half, x + half, y + half), fill=(*fill, 255))

    def text(self, middle: Point, words: str, fill: RGB, size: float) -> None:
        """Text in Pillow's default font, emboldened by an outline of the same colour."""
        x, y = middle
        font = ImageFont.load_default(size * FINER)
        self._draw.text(
            (x * FINER, y * FINER), words, (*fill, 255), font, "mm", stroke_width=size * FINER / 28, stroke_fill=(*fill, 255)
        )

    def tile(self) -> Image.Image:
        return self._image.reduce(FINER)


@dataclass(frozen=True)
class Shape:
    """A thing's drawing function for a sheet 256 wide, its default colour, and the height of the sheet."""

    draw: Callable[[Sheet, RGB], None]
    rgb: RGB
    height: int = 256
