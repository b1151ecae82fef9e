"""Layers of times of day, seasons and weather: light, clouds, rain, snow and leaves, under or over the things of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from training.drawing.canvas import Generator, shade
from training.drawing.palette import RGB
from training.drawing.sprites import draw_sprite
from training.drawing.veils import (
    create_bands,
    create_wisps,
    draw_over,
    find_free_corner,
    is_smooth,
    light,
    measure_corner_distance,
    tint,
    tone,
    veil,
)

PINKS: tuple[RGB, ...] = ((255, 190, 212), (255, 222, 232), (250, 150, 186), (255, 255, 255))
GREEN = 172  # lightness of the green that is recoloured without a change of lightness


def keep(image: Image.Image, rng: Generator) -> Image.Image:
    return image


def apply_morning(image: Image.Image, rng: Generator) -> Image.Image:
    """Pink light from the left, and mist over the ground."""
    image = tint(image, (255, 206, 214), (255, 226, 198), (226, 216, 214))
    image = light(image, (255, 206, 130), 0.05, rng.uniform(0.36, 0.48), 0.75, 0.95)
    mist = create_bands(image.width, 0, 0, 0.1, 0.42, 0.3, 0.12) * (1 + 0.35 * create_wisps("soft", image.width, rng))
    return veil(image, (255, 236, 226), mist)


def apply_low_sun(image: Image.Image, rng: Generator) -> Image.Image:
    """A round sun on the right, where the sky is clear."""
    x, y = rng.uniform(0.68, 0.9, 24), np.linspace(0.42, 0.1, 24)
    at = int(np.argmax(is_smooth(image, x, y, 0.075)))
    image = light(image, (255, 214, 120), x[at], y[at], 0.4, 0.4)

    def paint(draw: ImageDraw.ImageDraw, size: float) -> None:
        draw.circle((x[at] * size, y[at] * size), 0.07 * size, fill=(255, 252, 224, 255))

    return draw_over(image, paint, image.width / 256)


def apply_sunset(image: Image.Image, rng: Generator) -> Image.Image:
    """A violet sky over an orange horizon, lit by a low sun on the right."""
    image = tint(image, (150, 96, 170), (255, 140, 104), (255, 164, 92), (184, 112, 112), (142, 90, 116))
    return light(image, (255, 150, 50), 0.84, 0.36, 0.7, 0.8)


def apply_night(image: Image.Image, rng: Generator) -> Image.Image:
    """Moonlight: dark blue, with stars and a moon where the sky is clear; bright warm colours stay bright."""
    reddish = ImageChops.subtract(image.getchannel("R"), image.getchannel("B"))
    warm = reddish.point([max(0, 2 * value - 124) for value in range(256)])
    x, y, bright = rng.random(130), rng.random(130) ** 1.5 * 0.5, rng.random(130)
    open_sky = is_smooth(image, x, y, 0.03)
    moon = find_free_corner(image, rng)
    dark = tint(tone(image, 0.6, 0.86), (50, 64, 138), (96, 118, 204), (92, 110, 182))
    dark = Image.composite(tone(image, 1.0, 0.8), dark, warm)
    dark = light(dark, (150, 176, 250), moon, 0.14, 0.4, 0.5)

    def paint(draw: ImageDraw.ImageDraw, size: float) -> None:
        for a, b, c in zip(x[open_sky] * size, y[open_sky] * size, bright[open_sky], strict=True):
            radius = size * (0.0016 + 0.004 * c**4)
            draw.ellipse((a - radius, b - radius, a + radius, b + radius), fill=(255, 250, 225, int(130 + 125 * c)))
        radius, a, b = 0.062 * size, moon * size, 0.14 * size
        draw.ellipse((a - radius, b - radius, a + radius, b + radius), fill=(255, 246, 208, 255))
        for dx, dy, r in ((-0.3, -0.25, 0.2), (0.35, 0.1, 0.26), (-0.15, 0.45, 0.16)):
            draw.ellipse(
                (a + (dx - r) * radius, b + (dy - r) * radius, a + (dx + r) * radius, b + (dy + r) * radius),
                fill=(236, 222, 176, 255),
            )

    return draw_over(dark, paint)


def _draw_leaves(image: Image.Image, rng: Generator, count: int, colours: Sequence[RGB], size: float) -> Image.Image:
    """Leaves or petals blown through the air."""
    x, y, turn, reach = rng.random(count), rng.random(count), rng.uniform(0, 6.28, count), rng.uniform(0.5, 1.1, count) * size
    kinds = rng.integers(0, len(colours), count)

    def paint(draw: ImageDraw.ImageDraw, side: float) -> None:
        for i in range(count):
            along = np.array([np.cos(turn[i]), np.sin(turn[i])]) * reach[i] * side
            across = np.array([-along[1], along[0]]) * 0.42
            middle = np.array([x[i], y[i]]) * side
            points = [middle - along, middle + across - along * 0.1, middle + along, middle - across - along * 0.1]
            draw.polygon([tuple(point) for point in points], fill=(*colours[kinds[i]], 245))

    return draw_over(image, paint)


def _dye_greens(image: Image.Image, rgb: RGB, share: float) -> Image.Image:
    """Recolours the greens of grass and leaves, keeping their lightness."""
    red, green, blue = image.split()
    rest = ImageChops.lighter(blue, red.point(lambda value: value * 0.94))
    mask = ImageChops.subtract(green, rest).point([min(255, round(9 * share * value)) for value in range(256)])
    dyed = Image.merge("RGB", [green.point([min(255, i * value // GREEN) for i in range(256)]) for value in rgb])
    return Image.composite(dyed, image, mask)


def apply_fresh_greens(image: Image.Image, rng: Generator) -> Image.Image:
    return _dye_greens(image, (136, 196, 84), 0.6)


def apply_spring(image: Image.Image, rng: Generator) -> Image.Image:
    """Light colours, twigs in blossom along the top, and falling petals."""
    side = int(rng.integers(2))
    lower, lean = rng.uniform(0.08, 0.2), rng.uniform(0.4, 0.62)

    def paint(draw: ImageDraw.ImageDraw, size: float) -> None:
        t = np.linspace(0, 1, 14)
        for drop, reach in ((lower, lean), (lower * 0.3, lean * 0.8), (lower * 1.9, lean * 0.5)):
            xs, ys = reach * t, drop * t + 0.03 * np.sin(t * 7)
            xs = 1 - xs if side else xs
            draw.line(
                [(a * size, b * size) for a, b in zip(xs, ys, strict=True)],
                fill=(112, 74, 60, 255),
                width=max(1, int(size * 0.01)),
            )
            for a, b in zip(xs, ys, strict=True):
                for _ in range(3):
                    u, v, r = (
                        (a + rng.normal(0, 0.016)) * size,
                        (b + rng.normal(0, 0.018)) * size,
                        rng.uniform(0.009, 0.018) * size,
                    )
                    draw.ellipse((u - r, v - r, u + r, v + r), fill=(*PINKS[int(rng.integers(4))], 255))

    return _draw_leaves(draw_over(tone(image, 1.06, 1.03, (4, 4, 2)), paint), rng, 34, PINKS[:3], 0.014)


def apply_summer(image: Image.Image, rng: Generator) -> Image.Image:
    """Deep colours in warm light."""
    return tint(tone(image, 1.25, 1.06), (255, 250, 226), (255, 246, 208))


def apply_rusty_greens(image: Image.Image, rng: Generator) -> Image.Image:
    hue = ((216, 128, 52), (222, 156, 58), (200, 104, 52))[int(rng.integers(3))]
    return _dye_greens(image, hue, 0.85)


def apply_autumn(image: Image.Image, rng: Generator) -> Image.Image:
    """Golden light, and leaves in the wind."""
    image = tint(image, (255, 238, 214), (255, 230, 200))
    return _draw_leaves(image, rng, 46, ((212, 84, 30), (236, 150, 40), (180, 52, 34), (248, 196, 70)), 0.021)


def apply_lying_snow(image: Image.Image, rng: Generator) -> Image.Image:
    """Snow in place of green, deep in the foreground."""
    white = _dye_greens(image, (224, 234, 248), 1)
    drift = create_bands(image.width, 0, 0, 0, 0.1, 0.5, 0.75) * (1 + 0.25 * create_wisps("soft", image.width, rng))
    return veil(white, (246, 249, 255), drift)


def apply_winter(image: Image.Image, rng: Generator) -> Image.Image:
    """Cold light and some snowflakes."""
    return _draw_flakes(tint(tone(image, 0.75, 1.03, (8, 9, 12)), (218, 232, 255), (232, 240, 255)), rng, 60, 0.006)


def _draw_flakes(image: Image.Image, rng: Generator, count: int, size: float) -> Image.Image:
    x, y, r = rng.random(count), rng.random(count), (0.35 + rng.random(count) ** 2) * size

    def paint(draw: ImageDraw.ImageDraw, side: float) -> None:
        for a, b, c in zip(x * side, y * side, r * side, strict=True):
            draw.ellipse((a - c, b - c, a + c, b + c), fill=(255, 255, 255, 240))

    return draw_over(image, paint, image.width / 640)


def apply_snow(image: Image.Image, rng: Generator) -> Image.Image:
    """Heavy snowfall, near and far, in pale light."""
    image = tint(tone(image, 0.6, 0.9, (26, 28, 34)), (214, 224, 240), (240, 244, 252))
    ground = create_bands(image.width, 0.18, 0.1, 0.1, 0.12, 0.3, 0.5)
    return _draw_flakes(veil(image, (246, 249, 255), ground), rng, 210, 0.011)


def _draw_streaks(image: Image.Image, rng: Generator, count: int, long: float, lean: float, strength: int) -> Image.Image:
    x, y, share = rng.uniform(-0.1, 1.1, count), rng.uniform(-0.1, 1, count), rng.uniform(0.5, 1, count)
    low = rng.random((count // 4, 2))

    def paint(draw: ImageDraw.ImageDraw, size: float) -> None:
        for a, b, c in zip(x * size, y * size, share, strict=True):
            reach = c * long * size
            draw.line((a, b, a - lean * reach, b + reach), fill=(216, 228, 244, int(strength * c)), width=max(1, int(size / 220)))
        for a, b in low * (1, 0.3) + (0, 0.7):
            wide = 0.012 * size * (0.5 + b)
            draw.arc(
                (a * size - wide, b * size - wide / 3, a * size + wide, b * size + wide / 3),
                0,
                360,
                fill=(226, 236, 248, 170),
                width=2,
            )

    return draw_over(image, paint)


def apply_rain_clouds(image: Image.Image, rng: Generator) -> Image.Image:
    return _draw_cloud_deck(image, rng, (150, 160, 180), 0.8)


def apply_rain(image: Image.Image, rng: Generator) -> Image.Image:
    """Grey light, slanting drops, and rings where they fall."""
    gray = tint(tone(image, 0.55, 0.9), (156, 168, 188), (200, 210, 226), (184, 196, 214))
    return _draw_streaks(gray, rng, 190, 0.085, rng.uniform(0.15, 0.4), 190)


def apply_fog(image: Image.Image, rng: Generator) -> Image.Image:
    """Pale mist, densest in the distance."""
    thick = create_bands(image.width, 0.66, 0.76, 0.78, 0.6, 0.4, 0.3) * (1 + 0.14 * create_wisps("soft", image.width, rng))
    return veil(tone(image, 0.6, 0.95), (218, 223, 228), thick)


def apply_storm_clouds(image: Image.Image, rng: Generator) -> Image.Image:
    return _draw_cloud_deck(image, rng, (92, 98, 120), 0.9)


def apply_storm(image: Image.Image, rng: Generator) -> Image.Image:
    """Dark light, a flash of lightning and heavy rain."""
    dark = tint(tone(image, 0.55, 0.8), (104, 110, 140), (150, 158, 188), (140, 148, 176))
    start = find_free_corner(image, rng)
    steps = np.cumsum(rng.uniform(-0.055, 0.055, 8)) + start
    y = np.linspace(0.14, 0.62, 8)
    dark = light(dark, (170, 180, 255), start, 0.25, 0.5, 0.75)

    def paint(draw: ImageDraw.ImageDraw, size: float) -> None:
        bolt = [(a * size, b * size) for a, b in zip(steps, y, strict=True)]
        side = [bolt[3], (bolt[3][0] + 0.08 * size, bolt[4][1]), (bolt[3][0] + 0.07 * size, bolt[5][1])]
        for width, fill in ((0.028, (190, 190, 255, 130)), (0.011, (255, 255, 236, 255))):
            draw.line(bolt, fill=fill, width=max(1, int(width * size)), joint="curve")
            draw.line(side, fill=fill, width=max(1, int(width * 0.6 * size)), joint="curve")

    return _draw_streaks(draw_over(dark, paint), rng, 150, 0.11, rng.uniform(0.5, 0.8), 150)


def _draw_cloud_deck(image: Image.Image, rng: Generator, rgb: RGB, share: float) -> Image.Image:
    """Clouds of one colour along the whole top."""
    result = image.copy()
    side = image.width
    for row, lightness in ((0, 0.8), (-0.07, 0.92), (-0.14, 1.0)):
        for x in np.linspace(0.05, 0.95, 3) + rng.uniform(-0.12, 0.12, 3):
            cloud = draw_sprite(rng, "cloud", rng.uniform(0.16, 0.26) * side, shade(rgb, lightness), share)
            result.paste(cloud, (round(x * side - cloud.width / 2), round((row + rng.uniform(-0.04, 0.06)) * side)), cloud)
    return result


def apply_gray_clouds(image: Image.Image, rng: Generator) -> Image.Image:
    return _draw_cloud_deck(tone(image, 0.7, 1.0), rng, (206, 212, 222), 0.6)


def apply_cloudy(image: Image.Image, rng: Generator) -> Image.Image:
    """The even light of an overcast day."""
    return tint(tone(image, 0.75, 0.98), (206, 211, 220), (226, 229, 234))


def apply_high_sun(image: Image.Image, rng: Generator, rays: bool = False) -> Image.Image:
    """A large sun in a corner, optionally with rays across the image."""
    side, corner = image.width, int(rng.integers(2))
    far = measure_corner_distance(side, corner)
    if rays:
        across = np.linspace(0, 1, side, dtype=np.float32)
        turn = np.arctan2(across[:, None], (across if corner == 0 else 1 - across)[None] + 1e-3)
        spokes = (np.sin(turn * 22 + rng.uniform(0, 6)) > 0.1) * (1 - far / 1.2).clip(0, 1) * 0.5
        image = veil(image, (255, 246, 196), spokes)
    image = light(image, (255, 230, 140), corner, 0, 0.8, 0.85)
    return veil(image, (255, 242, 160), ((0.2 - far) * side / 2).clip(0, 1))


def apply_radiant_sun(image: Image.Image, rng: Generator) -> Image.Image:
    return apply_high_sun(image, rng, rays=True)


def apply_sunshine(image: Image.Image, rng: Generator) -> Image.Image:
    """Bright warm light."""
    return tint(tone(image, 1.12, 1.05), (255, 252, 234), (255, 250, 226))


@lru_cache(maxsize=4)
def _draw_rainbow(side: int) -> tuple[Image.Image, Image.Image]:
    """A rainbow twice as wide as the image, and its mask."""
    x, y = np.meshgrid(np.linspace(-1, 1, 2 * side), np.linspace(0, 1, side))
    place = (np.hypot(x, y - 0.95) - 0.6) / 0.2  # 0 at the inner edge, 1 at the outer
    bands = np.array(
        [(140, 80, 210), (70, 100, 230), (60, 190, 220), (90, 205, 90), (250, 225, 70), (250, 150, 50), (235, 60, 60)]
    )
    colour = np.stack([np.interp(place, np.linspace(0, 1, 7), bands[:, c]) for c in range(3)], -1).astype(np.uint8)
    share = np.clip(np.minimum(place, 1 - place) * 8, 0, 1) * np.clip((0.92 - y) / 0.25, 0, 1) * 0.72
    return Image.fromarray(colour), Image.fromarray((share * 255).astype(np.uint8))


def apply_rainbow(image: Image.Image, rng: Generator) -> Image.Image:
    """A wide rainbow over a bright landscape."""
    result, side = tone(image, 1.1, 1.02), image.width
    colour, mask = _draw_rainbow(side)
    result.paste(colour, (round(rng.uniform(-0.7, -0.3) * side), round(rng.uniform(-0.3, -0.12) * side)), mask)
    return result
