"""Synthetic images for training the upscaler: dead leaves with textures, shapes and text, and Easel's own scenes.

The dead leaves model (random shapes of power-law sizes that occlude each other) has the edge and scale statistics of photographs,
and networks trained on it generalise to photographs (Achddou, Gousseau, Ladjal 2023, "Fully synthetic training for image
restoration tasks").
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from training.painting import render
from training.scenes import create_scene

RGB = tuple[int, int, int]
Generator = np.random.Generator
BANK = 1024  # side of a texture, pixels
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?&%+-=()"


def _normalise(field: np.ndarray) -> Image.Image:
    """A field of any range as an 8-bit image with stretched contrast."""
    low, high = np.percentile(field, (1, 99))
    return Image.fromarray((np.clip((field - low) / (high - low + 1e-6), 0, 1) * 255).astype(np.uint8), "L")


def _draw_noise(rng: Generator) -> np.ndarray:
    """Power-law noise, whose spectrum falls off as in photographs; in some fields stretched in one direction, like fur."""
    fx, fy = np.meshgrid(np.fft.rfftfreq(BANK), np.fft.fftfreq(BANK))
    angle, longer = rng.uniform(0, np.pi), rng.choice([1.0, 1.0, 3.0, 8.0])
    along, across = fx * np.cos(angle) + fy * np.sin(angle), fy * np.cos(angle) - fx * np.sin(angle)
    radius = np.sqrt((along * longer) ** 2 + across**2) + 1 / BANK
    spectrum = rng.normal(size=fx.shape) + 1j * rng.normal(size=fx.shape)
    return np.fft.irfft2(spectrum * radius ** -rng.uniform(0.6, 2.0), s=(BANK, BANK))


def _draw_waves(rng: Generator) -> np.ndarray:
    """Stripes or a weave, distorted by noise."""
    y, x = np.mgrid[0:BANK, 0:BANK].astype(np.float32)
    period, angle = 2 ** rng.uniform(2.3, 6.5), rng.uniform(0, np.pi)
    bend = np.asarray(_draw_texture(int(rng.integers(6))), np.float32) * rng.uniform(0, 0.3)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle) + bend) * 2 * np.pi / period)
    if rng.random() < 0.4:
        wave = wave + np.sin((y * np.cos(angle) - x * np.sin(angle) + bend) * 2 * np.pi / period)
    return np.tanh(wave * rng.choice([1.0, 6.0]))


def _draw_ramp(rng: Generator) -> np.ndarray:
    """A soft gradient of light towards one side."""
    y, x = np.mgrid[0:BANK, 0:BANK].astype(np.float32) / BANK
    angle = rng.uniform(0, 2 * np.pi)
    return x * np.cos(angle) + y * np.sin(angle) + 0.02 * rng.normal() * np.asarray(_draw_texture(0), np.float32) / 255


@lru_cache(maxsize=64)
def _draw_texture(number: int) -> Image.Image:
    """Texture `number` of the bank, in grey; the same number gives the same texture."""
    rng = np.random.default_rng([number, 77])
    paint = _draw_noise if number < 18 else _draw_waves if number < 28 else _draw_ramp
    return _normalise(paint(rng))


TEXTURES = 36


def _choose_colour(rng: Generator, hues: np.ndarray) -> RGB:
    """A colour, mostly muted, in one of the image's few hues."""
    hue, saturation, value = rng.choice(hues) + rng.normal() * 8, rng.beta(1.2, 2.5), rng.beta(1.2, 1.2)
    pixel = Image.new("HSV", (1, 1), (int(hue) % 256, int(saturation * 255), int(value * 255))).convert("RGB").getpixel((0, 0))
    return pixel  # type: ignore[return-value]


def _vary_colour(colour: RGB, rng: Generator, far: float) -> RGB:
    shift = rng.normal() * far
    return tuple(int(np.clip(c + shift + rng.normal() * far * 0.3, 0, 255)) for c in colour)  # type: ignore[return-value]


def _draw_filling(width: int, height: int, rng: Generator, hues: np.ndarray) -> Image.Image:
    """A piece of a texture in a gradient between two colours, which are mostly similar."""
    colour = _choose_colour(rng, hues)
    left, top = int(rng.integers(0, BANK - width + 1)), int(rng.integers(0, BANK - height + 1))
    grey = _draw_texture(int(rng.integers(TEXTURES))).crop((left, top, left + width, top + height))
    return ImageOps.colorize(grey, colour, _vary_colour(colour, rng, 2 ** rng.uniform(2, 7)))


def _draw_outline(width: int, height: int, rng: Generator) -> Image.Image:
    """The mask of one leaf: an ellipse, a polygon or a rounded blob."""
    mask = Image.new("L", (width, height), 0)
    draw, kind = ImageDraw.Draw(mask), rng.random()
    if kind < 0.4:
        draw.ellipse((0, 0, width - 1, height - 1), fill=255)
        return mask
    corners = int(rng.integers(3, 8)) if kind < 0.75 else 40
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners)) if corners < 40 else np.linspace(0, 2 * np.pi, corners)
    radius = 0.5 if corners < 40 else 0.37 + 0.12 * np.sin(angles * rng.integers(2, 7) + rng.uniform(0, 6))
    x, y = width * (0.5 + radius * np.cos(angles)), height * (0.5 + radius * np.sin(angles))
    draw.polygon(list(zip(x.tolist(), y.tolist(), strict=True)), fill=255)
    return mask


def _draw_threads(canvas: Image.Image, rng: Generator, hues: np.ndarray, count: int) -> None:
    """Hairs, twigs, wires: thin curves over everything."""
    draw = ImageDraw.Draw(canvas)
    for _ in range(count):
        t = np.linspace(0, 1, 24)[:, None]
        a, b, c = rng.uniform(-0.2, 1.2, (3, 2)) * canvas.width
        curve = a * (1 - t) ** 2 + 2 * b * t * (1 - t) + c * t**2
        draw.line(
            [tuple(p) for p in curve.tolist()], fill=_choose_colour(rng, hues), width=int(rng.integers(1, 9)), joint="curve"
        )


def draw_dead_leaves(side: int, rng: Generator) -> Image.Image:
    """An image of the dead leaves model, drawn at twice the side and averaged, so that edges are as soft as a lens makes them."""
    large, hues = 2 * side, rng.integers(0, 256, int(rng.integers(1, 5)))
    canvas = _draw_filling(large, large, rng, hues)
    smallest, largest, count = 2 ** rng.uniform(1.5, 5), large * rng.uniform(0.15, 0.5), int(rng.integers(150, 1500))
    out_of_focus = int(count * rng.random()) if rng.random() < 0.3 else -1
    for number in range(count):
        share = rng.random() ** 2 if number < 60 else rng.random()
        radius = smallest / np.sqrt(share * (1 - (smallest / largest) ** 2) + (smallest / largest) ** 2)
        width, height = (int(np.clip(2 * radius * rng.uniform(0.4, 1.2), 2, large)) for _ in range(2))
        corner = int(rng.integers(-width, large)), int(rng.integers(-height, large))
        canvas.paste(_draw_filling(width, height, rng, hues), corner, _draw_outline(width, height, rng))
        if number == out_of_focus:
            canvas = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(2, 8)))
    if rng.random() < 0.4:
        _draw_threads(canvas, rng, hues, int(rng.integers(3, 40)))
    return canvas.reduce(2)


def draw_shapes_and_text(side: int, rng: Generator) -> Image.Image:
    """Flat shapes, lines and lettering, as in drawings, signs and screenshots."""
    large, hues = 2 * side, rng.integers(0, 256, int(rng.integers(2, 6)))
    canvas = (
        Image.new("RGB", (large, large), _choose_colour(rng, hues))
        if rng.random() < 0.6
        else _draw_filling(large, large, rng, hues)
    )
    for _ in range(int(rng.integers(5, 60))):
        width, height = (int(2 ** rng.uniform(3, 9)) for _ in range(2))
        corner = int(rng.integers(-width, large)), int(rng.integers(-height, large))
        canvas.paste(
            _choose_colour(rng, hues), (*corner, corner[0] + width, corner[1] + height), _draw_outline(width, height, rng)
        )
    _draw_threads(canvas, rng, hues, int(rng.integers(0, 30)))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(0, 40))):
        word = "".join(rng.choice(list(LETTERS), int(rng.integers(2, 24))))
        place = float(rng.integers(-50, large)), float(rng.integers(0, large))
        draw.text(place, word, fill=_choose_colour(rng, hues), font=ImageFont.load_default(2 ** rng.uniform(4, 7.5)))
    return canvas.reduce(2)


def draw_scenes(side: int, rng: Generator) -> Image.Image:
    """Easel's own scenes side by side, each no larger than its glyphs are sharp."""
    each = 176
    canvas = Image.new("RGB", (side, side))
    for top in range(0, side, each):
        for left in range(0, side, each):
            canvas.paste(Image.fromarray(render(create_scene(int(rng.integers(2**31))), each)), (left, top))
    return canvas


KINDS: tuple[tuple[float, Callable[[int, Generator], Image.Image]], ...] = (
    (0.78, draw_dead_leaves),
    (0.14, draw_shapes_and_text),
    (0.08, draw_scenes),
)
"""The share of each kind of image, and the function that draws it."""


def _simulate_camera(image: Image.Image, rng: Generator) -> Image.Image:
    """Blur, a tone curve and grain, in amounts found in photographs."""
    if rng.random() < 0.6:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.2)))
    values = (np.asarray(image, np.float32) / 255) ** (2 ** rng.uniform(-0.7, 0.7)) * 255
    if rng.random() < 0.5:
        grain = rng.normal(size=(*values.shape[:2], 1)) + 0.4 * rng.normal(size=values.shape)
        values = values + grain * rng.uniform(0.3, 3)
    return Image.fromarray(np.clip(values + 0.5, 0, 255).astype(np.uint8))


def draw_image(seed: int, side: int = 512) -> Image.Image:
    """The RGB image of this seed, (side, side); deterministic."""
    rng = np.random.default_rng([seed, 4])
    shares = [share for share, _ in KINDS]
    paint = KINDS[int(rng.choice(len(KINDS), p=shares))][1]
    image = paint(side, rng)
    return image if paint is draw_scenes else _simulate_camera(image, rng)
