"""The canvas that backgrounds are painted on, and its cached textures and lights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

import numpy as np
from PIL import Image, ImageChops, ImageDraw
from scipy import ndimage

from training.drawing.palette import RGB

Generator = np.random.Generator
Point = tuple[float, float]
T = TypeVar("T")
SHEET = 1024  # side of a texture, of which each painting uses a crop
BLURS: dict[str, tuple[tuple[float, float, float], ...]] = {  # texture -> weight, blur down, blur across
    "soft": ((1.0, 40, 40), (0.6, 12, 12), (0.4, 3, 3)),
    "grass": ((1.0, 5, 1.4), (0.7, 40, 40), (0.4, 10, 10)),
    "water": ((1.0, 1.6, 16), (0.6, 4, 40)),
    "sand": ((1.0, 3, 26), (0.8, 1.2, 1.2), (0.5, 30, 40)),
    "rock": ((1.0, 9, 6), (0.7, 3, 2), (0.5, 30, 24)),
    "leaves": ((1.0, 3.5, 3.5), (0.8, 12, 12)),
    "wood": ((1.0, 1.5, 40), (0.4, 12, 60)),
}


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """The first colour with `share` of the second blended in."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))  # type: ignore[return-value]


def shade(rgb: RGB, factor: float) -> RGB:
    """The colour made lighter (factor above 1) or darker (below 1)."""
    return tuple(int(min(255, max(0, value * factor))) for value in rgb)  # type: ignore[return-value]


def create_ramp(size: tuple[int, int], colours: Sequence[RGB]) -> Image.Image:
    """A vertical gradient through the colours."""
    stops = Image.fromarray(np.asarray(colours, np.uint8)[:, None, :])
    column = stops.resize((1, size[1]), Image.Resampling.BILINEAR, box=(0, 0.5, 1, len(colours) - 0.5))
    return column.resize(size, Image.Resampling.NEAREST)


@cache
def create_noise(kind: str) -> np.ndarray:
    """Tileable noise with mean 0 and standard deviation 1: float32 (SHEET, SHEET)."""
    rng = np.random.default_rng(sorted(BLURS).index(kind))
    total = np.zeros((SHEET, SHEET), np.float32)
    for weight, down, across in BLURS[kind]:
        layer = ndimage.gaussian_filter(rng.standard_normal((SHEET, SHEET), np.float32), (down, across), mode="wrap")
        total += weight * layer / layer.std()
    return total / total.std()


def _project_on_ground(flat: np.ndarray) -> np.ndarray:
    """The texture in perspective: small at the horizon (row 0), large at the bottom."""
    depth = np.linspace(0, 1, SHEET // 2, dtype=np.float32)[:, None]
    across = (np.arange(SHEET, dtype=np.float32)[None] - SHEET / 2) / (0.2 + 1.3 * depth)
    down = np.broadcast_to(900 * np.log(0.2 + 1.3 * depth), across.shape)
    return ndimage.map_coordinates(flat, [down, across], order=1, mode="grid-wrap")


@cache
def create_texture(kind: str, amount: float, receding: bool) -> Image.Image:
    """The texture as RGB around 128, with a standard deviation of `amount` (of 255)."""
    sheet = _project_on_ground(create_noise(kind)) if receding else create_noise(kind)
    values = (128 + amount * sheet.clip(-2.5, 2.5)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(values).convert("RGB")


@cache
def _create_spot(pixels: int) -> Image.Image:
    """A round spot of light (mode L), brightest at its centre and 0 at its edge."""
    across = np.linspace(-1, 1, pixels, dtype=np.float32)
    far = np.hypot(across[:, None], across[None])
    return Image.fromarray((255 * (1 - far).clip(0, 1) ** 1.6).astype(np.uint8))


def create_ridge(rng: Generator, height: float, swing: float, waves: float) -> np.ndarray:
    """The outline of a hill: 65 heights from left to right."""
    x = np.linspace(0, np.pi, 65)
    first, second, third = rng.uniform(0, 6, 3)
    wave = np.sin(x * waves + first) + 0.45 * np.sin(x * waves * 2.3 + second) + 0.15 * np.sin(x * waves * 5.1 + third)
    return height - swing * wave


def create_crags(rng: Generator, height: float, swing: float, octaves: int = 5) -> np.ndarray:
    """The outline of rocks: 65 heights from left to right."""
    x, line = np.linspace(0, 1, 65), np.full(65, height)
    for octave in range(octaves):
        knots = 3 * 2**octave
        line += np.interp(x, np.linspace(0, 1, knots), rng.uniform(-swing, swing, knots)) * 0.5**octave
    return line


class Canvas:
    """An image at twice its final size. Positions and lengths are shares of its side. `image` continues an existing one."""

    def __init__(self, side: int, rng: Generator, image: Image.Image | None = None) -> None:
        self.rng, self.size = rng, 2 * side
        self.image = image or Image.new("RGB", (self.size, self.size))
        self.draw = ImageDraw.Draw(self.image)

    def finish(self) -> Image.Image:
        return self.image.reduce(2)

    def number(self, low: float, high: float) -> float:
        return low + (high - low) * self.rng.random()

    def count(self, low: int, high: int) -> int:
        """A random integer from `low` to `high`, inclusive."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.rng.integers(len(choices)))]

    def vary(self, rgb: RGB, amount: float = 0.1) -> RGB:
        """A random colour near this one."""
        light, *tints = self.rng.uniform(-amount, amount, 4)
        return tuple(int(min(255, max(0, v * (1 + light + t / 2)))) for v, t in zip(rgb, tints, strict=True))  # type: ignore[return-value]

    def pixels(self, points: Sequence[Point] | np.ndarray) -> list[Point]:
        return [(x * self.size, y * self.size) for x, y in points]

    def fill(self, top: float, low: float, *colours: RGB) -> None:
        """Fills the band from `top` to `low` with a gradient."""
        first, last = round(top * self.size), round(low * self.size)
        if last > first:
            self.image.paste(create_ramp((self.size, last - first), colours), (0, first))

    def box(self, left: float, top: float, right: float, low: float, rgb: RGB) -> None:
        first, last, size = (left * self.size, top * self.size), (right * self.size - 1, low * self.size - 1), self.size
        if first[0] < size and first[1] < size:
            self.draw.rectangle((*first, max(first[0], last[0]), max(first[1], last[1])), fill=rgb)

    def oval(self, x: float, y: float, across: float, down: float, rgb: RGB) -> None:
        """An ellipse with its centre at (x, y) and radii `across` and `down`."""
        size = self.size
        self.draw.ellipse(((x - across) * size, (y - down) * size, (x + across) * size, (y + down) * size), fill=rgb)

    def shape(self, points: Sequence[Point] | np.ndarray, rgb: RGB) -> None:
        self.draw.polygon(self.pixels(points), fill=rgb)

    def line(self, points: Sequence[Point] | np.ndarray, width: float, rgb: RGB) -> None:
        self.draw.line(self.pixels(points), fill=rgb, width=max(1, round(width * self.size)), joint="curve")

    def grain(self, strip: Image.Image, kind: str, amount: float, receding: bool) -> Image.Image:
        """The strip with a crop of the texture added."""
        sheet = create_texture(kind, amount, receding)
        left = int(self.rng.integers(SHEET - strip.width + 1)) if strip.width < SHEET else 0
        top = 0 if receding else int(self.rng.integers(max(1, SHEET - strip.height + 1)))
        piece = sheet.crop((left, top, left + strip.width, top + strip.height))
        return ImageChops.add(strip, piece, 1, -128)

    def cover(
        self, points: Sequence[Point] | np.ndarray, top: RGB, low: RGB, kind: str = "", amount: float = 8, receding: bool = False
    ) -> None:
        """A polygon filled with a vertical gradient and a texture of this kind."""
        outline = np.clip(np.asarray(points), -0.5, 1.5) * self.size
        (left, first), (right, last) = outline.min(0), outline.max(0)
        left, first, right, last = (
            max(0, int(left)),
            max(0, int(first)),
            min(self.size, int(right) + 1),
            min(self.size, int(last) + 1),
        )
        if right <= left or last <= first:
            return
        strip = create_ramp((right - left, last - first), (top, low))
        if kind:
            strip = self.grain(strip, kind, amount, receding)
        mask = Image.new("L", strip.size)
        ImageDraw.Draw(mask).polygon([(x - left, y - first) for x, y in outline.tolist()], fill=255)
        self.image.paste(strip, (left, first), mask)

    def land(
        self, line: np.ndarray, top: RGB, low: RGB, kind: str = "", amount: float = 8, receding: bool = False, foot: float = 1
    ) -> None:
        """Fills the area between an outline (heights from left to right) and `foot`."""
        points = np.stack([np.linspace(0, 1, len(line)), line], 1)
        self.cover(np.concatenate([[(0, foot)], points, [(1, foot)]]), top, low, kind, amount, receding)

    def glow(self, x: float, y: float, radius: float, rgb: RGB, strength: float, flat: float = 1) -> None:
        """A soft round light; `flat` below 1 makes it lower than wide."""
        across, down = max(1, round(2 * radius * self.size)), max(1, round(2 * radius * flat * self.size))
        mask = _create_spot(128).resize((across, down), Image.Resampling.BILINEAR).point(lambda value: value * strength)
        self.image.paste(rgb, (round(x * self.size - across / 2), round(y * self.size - down / 2)), mask)

    def haze(self, top: float, low: float, rgb: RGB, above: float, below: float) -> None:
        """A translucent band of one colour, with opacity `above` at its top and `below` at its bottom."""
        first, last = round(top * self.size), round(low * self.size)
        ends = Image.fromarray(np.asarray([[above * 255], [below * 255]], np.uint8))
        column = ends.resize((1, last - first), Image.Resampling.BILINEAR, box=(0, 0.5, 1, 1.5))
        self.image.paste(rgb, (0, first), column.resize((self.size, last - first), Image.Resampling.NEAREST))

    def beams(self, shapes: Sequence[Sequence[Point]], rgb: RGB, strength: float) -> None:
        """Adds soft-edged light in these polygons."""
        small = self.size // 2
        mask = Image.new("L", (small, small))
        for points in shapes:
            ImageDraw.Draw(mask).polygon([(x * small, y * small) for x, y in points], fill=round(255 * strength))
        self.image.paste(rgb, (0, 0), mask.reduce(8).resize(self.image.size, Image.Resampling.BILINEAR))

    def stamp(self, sprite: Image.Image, x: float, foot: float) -> None:
        """Pastes a sprite with the middle of its lower edge at (x, foot)."""
        self.image.paste(sprite, (round(x * self.size - sprite.width / 2), round(foot * self.size - sprite.height)), sprite)

    def reflect(self, line: float, low: float, tint: RGB, share: float) -> None:
        """Water from `line` to `low` that mirrors the image above it, blended with `share` of `tint`."""
        first, last = round(line * self.size), round(low * self.size)
        band = self.image.crop((0, max(0, 2 * first - last), self.size, first)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        band = band.resize((self.size, last - first), Image.Resampling.BILINEAR)
        water = create_ramp(band.size, (tint, shade(tint, 0.7)))
        self.image.paste(self.grain(Image.blend(band, water, share), "water", 11, True), (0, first))
