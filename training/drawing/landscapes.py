"""Painters of landscapes: a back is painted down to the horizon, a front from the horizon to the bottom."""

from __future__ import annotations

import numpy as np

from training.drawing.canvas import Canvas, create_crags, create_ridge, mix, shade
from training.drawing.palette import RGB
from training.drawing.sprites import stamp_row, stamp_sprite

SKIES: tuple[tuple[RGB, RGB], ...] = (
    ((62, 138, 228), (190, 224, 250)),
    ((92, 168, 240), (232, 243, 250)),
    ((56, 158, 220), (214, 240, 236)),
    ((116, 172, 228), (250, 238, 216)),
)
GRASSES: tuple[RGB, ...] = ((126, 186, 84), (108, 172, 78), (150, 192, 82), (98, 168, 96))
PETALS: tuple[RGB, ...] = ((250, 236, 110), (252, 252, 250), (244, 132, 164), (228, 74, 70), (170, 120, 226), (250, 168, 70))


def paint_open_sky(c: Canvas, low: float, clouds: int = 3) -> RGB:
    """Sky down to `low`, possibly with sunlight and clouds; returns its colour at the horizon."""
    top, bottom = c.pick(SKIES)
    bottom = c.vary(bottom, 0.03)
    c.fill(0, low, c.vary(top, 0.07), bottom)
    if c.chance(0.5):
        c.glow(c.number(0.05, 0.95), c.number(0.02, 0.2), 0.35, (255, 250, 224), 0.8)
    for _ in range(c.count(0, clouds)):
        y = c.number(0.35, 0.85) * low
        stamp_sprite(c, "cloud", c.number(0, 1), y, 0.05 + 0.15 * (1 - y / low))
    return bottom


def paint_flowers(c: Canvas, top: float, count: int, size: float = 0.014) -> None:
    """Flowers scattered from `top` to the bottom, larger towards it."""
    depth = np.sort(c.rng.random(count))
    for y, x, kind in zip(depth, c.rng.random(count), c.rng.integers(0, len(PETALS), count), strict=True):
        radius, place = size * (0.2 + 0.8 * y), top + (1 - top) * y
        c.line([(x, place), (x, place + 2.4 * radius)], radius * 0.4, (62, 122, 52))
        c.oval(x, place, radius, radius * 0.8, PETALS[kind])
        c.oval(x, place, radius * 0.38, radius * 0.3, (232, 160, 50))


def paint_blades(c: Canvas, count: int, tall: float, rgb: RGB) -> None:
    """Grass along the bottom of the image."""
    for x, height, lean in zip(c.rng.random(count), c.rng.uniform(0.4, 1, count), c.rng.uniform(-0.5, 0.5, count), strict=True):
        c.shape(
            [(x - 0.006, 1.01), (x + lean * height * tall, 1 - height * tall), (x + 0.006, 1.01)], shade(rgb, 0.7 + 0.5 * height)
        )


def paint_sky(c: Canvas) -> None:
    top, bottom = c.pick(SKIES)
    c.fill(0, 1, c.vary(top), bottom)
    c.glow(c.number(0.1, 0.9), c.number(0, 0.3), 0.5, (255, 250, 226), 0.7)
    for y in np.sort(c.rng.uniform(0.15, 0.9, 5)):
        stamp_sprite(c, "cloud", c.number(0, 1), y, 0.08 + 0.16 * y)
    for x in np.linspace(0, 1, 4):
        stamp_sprite(c, "cloud", x + c.number(-0.1, 0.1), 1.12, c.number(0.2, 0.3))


def paint_beach_back(c: Canvas) -> None:
    paint_open_sky(c, 0.42)


def paint_beach_front(c: Canvas) -> None:
    sea, sand = c.vary((28, 128, 190)), c.vary((244, 220, 164), 0.05)
    c.land(np.full(2, 0.42), sea, (98, 208, 212), "water", 9, receding=True, foot=0.8)
    shore = create_ridge(c.rng, 0.66, 0.012, 2.2) + np.linspace(c.number(-0.06, 0.06), 0, 65)
    for lower, rgb in ((-0.045, (150, 224, 222)), (-0.024, (252, 254, 254)), (0, mix(sand, (150, 110, 70), 0.35))):
        c.land(shore + lower, rgb, rgb, foot=0.8)
    c.land(shore + 0.022, sand, shade(sand, 0.86), "sand", 7, receding=True)
    for x, y, kind in zip(c.rng.random(14), c.rng.uniform(0.76, 1, 14), c.rng.integers(0, 3, 14), strict=True):
        c.oval(x, y, 0.008, 0.005, ((250, 240, 230), (232, 160, 130), (180, 150, 120))[kind])
    side = c.pick((0.06, 0.94))
    if c.chance(0.7):
        stamp_sprite(c, "palm", side, 0.8, c.number(0.5, 0.66))


def paint_sea(c: Canvas) -> None:
    bright, deep = c.vary((70, 200, 222)), c.vary((10, 62, 130))
    c.fill(0, 0.85, bright, mix(bright, deep, 0.6), deep)
    lights = [
        [(x, -0.05), (x + 0.07, -0.05), (x + lean + 0.2, 0.85), (x + lean, 0.85)]
        for x, lean in c.rng.uniform(-0.2, 0.9, (4, 2)) * (1, 0.3)
    ]
    c.beams(lights, (216, 250, 250), 0.3)
    c.land(create_crags(c.rng, 0.74, 0.12), mix(deep, bright, 0.25), deep, foot=0.95)
    c.land(create_ridge(c.rng, 0.86, 0.015, 2), c.vary((206, 196, 150)), (96, 126, 140), "sand", 9, receding=True)
    for _ in range(7):
        x, foot, tall = c.number(0, 1), c.number(0.86, 1), c.number(0.1, 0.3)
        t = np.linspace(0, 1, 14)
        way = x + 0.02 * np.sin(t * 9 + x * 20)
        wide = 0.013 * (1 - t)
        points = [*zip(way - wide, foot - tall * t, strict=True), *zip((way + wide)[::-1], (foot - tall * t)[::-1], strict=True)]
        c.cover(points, (90, 190, 96), (16, 92, 72))
    for _ in range(c.count(3, 5)):
        paint_coral(c, c.pick((c.number(0, 0.25), c.number(0.75, 1))), c.number(0.9, 1))
    for x, y, r in c.rng.random((12, 3)):
        c.oval(x, y * 0.8, 0.005 + 0.009 * r, 0.005 + 0.009 * r, (206, 242, 248))
        c.oval(x + 0.001, y * 0.8 + 0.001, 0.003 + 0.007 * r, 0.003 + 0.007 * r, mix(bright, deep, y * 0.7))


def paint_coral(c: Canvas, x: float, foot: float) -> None:
    rgb = c.vary(c.pick(((240, 110, 110), (250, 150, 80), (214, 92, 170), (246, 196, 90))))
    for angle in np.linspace(-2.5, -0.65, 6):
        reach = c.number(0.06, 0.11)
        tip = x + reach * np.cos(angle), foot + reach * np.sin(angle)
        c.line([(x, foot), tip], 0.022, shade(rgb, c.number(0.75, 1.1)))
        c.oval(*tip, 0.013, 0.013, rgb)


def paint_hills_back(c: Canvas, low: float, kind: str) -> None:
    """Sky and two wooded ranges of hills down to `low`."""
    far = paint_open_sky(c, low)
    green = c.vary((84, 132, 84))
    c.land(create_ridge(c.rng, low - 0.12, 0.035, 2), mix(green, far, 0.65), mix(green, far, 0.5), "leaves", 5, foot=low)
    c.land(create_ridge(c.rng, low - 0.05, 0.02, 3), mix(green, far, 0.3), mix(green, far, 0.2), "leaves", 7, foot=low)
    stamp_row(c, kind, 16, low + 0.01, 0.1, far, 0.3)


def paint_river_back(c: Canvas) -> None:
    paint_hills_back(c, 0.45, "tree")


def paint_river_front(c: Canvas) -> None:
    grass = c.vary(c.pick(GRASSES))
    c.land(np.full(2, 0.45), grass, shade(grass, 0.76), "grass", 9, receding=True)
    t = np.linspace(0, 1, 40) ** 1.6
    swing, turn = c.pick((-1, 1)) * c.number(0.16, 0.24), c.number(0, 0.6)
    middle = c.number(0.4, 0.6) + swing * np.sin(np.sqrt(t) * 6.6 + turn) * (0.35 + t)
    y = 0.45 + 0.56 * t
    for extra, top, low in ((0.02, (208, 190, 140), (166, 140, 96)), (0, (150, 206, 232), c.vary((36, 124, 188)))):
        wide = 0.012 + 0.24 * t + extra * (0.2 + t)
        banks = [*zip(middle - wide, y, strict=True), *zip((middle + wide)[::-1], y[::-1], strict=True)]
        c.cover(banks, top, low, "water", 11)
    for at in c.rng.integers(14, 38, 9):
        depth = float(t[at])
        c.oval(float(middle[at]) + c.number(-0.1, 0.1) * depth, float(y[at]), 0.06 * (0.2 + depth), 0.0028, (226, 243, 250))
    for x, foot in ((c.number(0, 0.1), 0.6), (c.number(0.9, 1), 0.64)):
        stamp_sprite(c, "tree", x, foot, c.number(0.24, 0.32))
    for at in (20, 27, 34):
        side = c.pick((-1, 1))
        stamp_sprite(c, "rock", middle[at] + side * (0.02 + 0.25 * t[at]), y[at] + 0.01, 0.03 + 0.05 * t[at])


def paint_snow_back(c: Canvas) -> None:
    top, low = c.pick(
        (((132, 172, 216), (226, 236, 246)), ((168, 182, 220), (250, 230, 226)), ((150, 186, 204), (238, 244, 246)))
    )
    c.fill(0, 0.6, top, low)
    c.land(create_crags(c.rng, 0.4, 0.1), mix((196, 212, 232), low, 0.3), (232, 240, 248), "rock", 5, foot=0.62)
    stamp_row(c, "snowy pine", 12, 0.56, 0.16, low, 0.45)


def paint_snow_front(c: Canvas) -> None:
    shade = c.pick(((196, 212, 236), (208, 208, 236), (194, 220, 236)))
    c.land(create_ridge(c.rng, 0.54, 0.02, 1.8), (246, 249, 253), mix(shade, (240, 246, 252), 0.4), "soft", 3)
    for x in (c.number(0, 0.2), c.number(0.8, 1)):
        stamp_sprite(c, "snowy pine", x, c.number(0.66, 0.72), c.number(0.34, 0.48))
    c.land(create_ridge(c.rng, 0.7, 0.03, 1.4), (252, 253, 255), shade, "soft", 4)
    for x, y, r in c.rng.random((50, 3)):
        c.oval(x, 0.6 + 0.4 * y, 0.002 + 0.003 * r, 0.002 + 0.002 * r, (255, 255, 255))


def paint_meadow_back(c: Canvas) -> None:
    paint_hills_back(c, 0.5, "tree")


def paint_meadow_front(c: Canvas) -> None:
    near = c.vary(c.pick(GRASSES))
    c.land(create_ridge(c.rng, 0.47, 0.018, 1.6), mix(near, (214, 232, 150), 0.35), near, "grass", 6)
    c.land(create_ridge(c.rng, 0.62, 0.03, 1.9), near, shade(near, 0.72), "grass", 10, receding=True)
    paint_flowers(c, 0.64, c.count(40, 90))
    paint_blades(c, 60, 0.07, shade(near, 0.8))


def paint_rural_back(c: Canvas) -> None:
    paint_hills_back(c, 0.42, "tree")


def paint_rural_front(c: Canvas) -> None:
    """Fields separated by hedges, the nearest with furrows that converge at the horizon."""
    crops = [(226, 200, 98), (140, 182, 80), (196, 168, 104), (104, 156, 74), (238, 214, 90), (164, 126, 84)]
    order = c.rng.permutation(len(crops))
    c.fill(0.42, 0.74, *[c.vary(crops[i]) for i in order[:2]])
    for i, (top, low) in enumerate(((0.42, 0.49), (0.48, 0.58), (0.57, 0.74))):
        slope = c.number(-0.025, 0.025)
        split, lean = c.number(0.25, 0.75), c.number(-0.25, 0.25)
        for part, (left, right) in enumerate(((-0.3, split), (split, 1.3))):
            rgb = c.vary(crops[order[(2 * i + part) % 6]], 0.05)
            field = [
                (left, top - slope),
                (right, top + slope),
                (right + lean * (part == 0), low),
                (left + lean * (part == 1), low),
            ]
            c.cover(field, rgb, shade(rgb, 0.86), "grass", 6)
        for x in np.linspace(0, 1, 8) + c.rng.uniform(-0.05, 0.05, 8):
            stamp_sprite(c, "bush", x, top + slope * (2 * x - 1) + 0.014, 0.022 + 0.03 * i * 0.7)
    paint_furrows(c, 0.73, c.vary(c.pick(((190, 160, 92), (132, 172, 72), (148, 108, 72)))))
    stamp_sprite(c, "house", c.pick((c.number(0.08, 0.25), c.number(0.75, 0.92))), 0.53, 0.13)
    for x in c.rng.uniform(0.1, 0.9, 3):
        c.oval(x, 0.69, 0.034, 0.03, (214, 178, 92))
        c.oval(x - 0.006, 0.688, 0.024, 0.022, (236, 204, 120))
    stamp_sprite(c, "tree", c.pick((0.0, 1.0)), 0.74, c.number(0.3, 0.4))


def paint_furrows(c: Canvas, top: float, rgb: RGB) -> None:
    c.land(np.full(2, top), rgb, shade(rgb, 0.85), "grass", 7, receding=True)
    focus = c.number(0.3, 0.7)
    for x in np.linspace(-1.4, 2.4, 24):
        edge = [focus + (x - focus) * 0.35, focus + (x + 0.05 - focus) * 0.35]
        c.shape([(edge[0], top), (edge[1], top), (x + 0.06, 1.01), (x, 1.01)], shade(rgb, 0.78))
