"""Painters of garden, park and farm."""

from __future__ import annotations

import numpy as np

from training.drawing.canvas import Canvas, create_ridge, shade
from training.drawing.landscapes import paint_hills_back, paint_open_sky
from training.drawing.palette import RGB
from training.drawing.places import paint_way
from training.drawing.sprites import stamp_row, stamp_sprite


def paint_fence(c: Canvas, y: float, tall: float, step: float, rgb: RGB, pointed: bool) -> None:
    for bar in (0.3, 0.7):
        c.box(0, y - tall * bar - 0.008, 1, y - tall * bar + 0.008, shade(rgb, 0.86))
    for x in np.arange(c.number(-step, 0), 1.02, step):
        half = min(0.012, step * 0.3)
        tip = [(x, y - tall * 1.12)] if pointed else []
        c.shape([(x - half, y), (x - half, y - tall), *tip, (x + half, y - tall), (x + half, y)], rgb)


def paint_garden_back(c: Canvas) -> None:
    far = paint_open_sky(c, 0.45)
    stamp_row(c, "tree", 8, 0.5, 0.3, far, 0.25)
    stamp_sprite(c, "house", c.pick((c.number(0.15, 0.3), c.number(0.7, 0.85))), 0.54, 0.36)
    stamp_row(c, "bush", 9, 0.56, 0.1)
    paint_fence(c, 0.57, 0.11, 0.04, (250, 248, 242), True)


def paint_garden_front(c: Canvas) -> None:
    lawn = c.vary((112, 178, 78))
    c.land(np.full(2, 0.56), lawn, shade(lawn, 0.76), "grass", 8, receding=True)
    middle = c.number(0.4, 0.6)
    for depth in np.linspace(0.03, 1, 9):
        y = 0.56 + 0.45 * depth**1.5
        c.oval(
            middle + 0.03 * np.sin(depth * 9),
            y,
            0.03 + 0.06 * depth,
            0.008 + 0.016 * depth,
            shade((190, 186, 178), c.number(0.9, 1.1)),
        )
    colours = [
        ((236, 70, 90), (250, 160, 180)),
        ((250, 200, 60), (250, 240, 160)),
        ((150, 90, 210), (210, 170, 240)),
        ((250, 130, 60), (252, 200, 120)),
    ]
    for i, (y, reach, size) in enumerate(((0.6, 0.2, 0.013), (0.7, 0.26, 0.018), (0.86, 0.2, 0.024))):
        for side in (0, 1):
            paint_bed(c, side, y, reach, size, colours[(i + side + c.count(0, 3)) % 4])


def paint_bed(c: Canvas, side: int, y: float, reach: float, size: float, blooms: tuple[RGB, RGB]) -> None:
    """A flower bed of one kind that extends inwards from the left (0) or right (1) edge."""
    c.oval(side, y + size * 1.5, reach + 0.03, size * 2.4, (104, 76, 52))
    c.oval(side, y, reach, size * 2.2, (62, 122, 54))
    for x, lift in zip(c.rng.random(16) * reach, np.sort(c.rng.uniform(-1, 1, 16)), strict=True):
        place = side + (1 - 2 * side) * x, y + (lift * 1.3 - 1) * size
        c.oval(*place, size * 0.8, size * 0.7, shade(blooms[0], 0.9 + 0.1 * lift))
        c.oval(*place, size * 0.35, size * 0.3, blooms[1])


def paint_park_back(c: Canvas) -> None:
    far = paint_open_sky(c, 0.5)
    stamp_row(c, "tower", 9, 0.5, 0.26, far, 0.72)
    stamp_row(c, "tree", 10, 0.51, 0.24, far, 0.2)


def paint_park_front(c: Canvas) -> None:
    lawn = c.vary((128, 190, 88))
    c.land(np.full(2, 0.5), lawn, shade(lawn, 0.74), "grass", 7, receding=True)
    side = c.pick((0, 1))
    c.oval(0.24 if side else 0.76, 0.6, 0.22, 0.035, (198, 190, 172))
    c.oval(0.24 if side else 0.76, 0.598, 0.205, 0.03, c.vary((98, 172, 206)))
    paint_way(c, 0.51, (226, 206, 170))
    for x, foot, tall in (
        (c.number(-0.02, 0.08), 0.68, 0.52),
        (c.number(0.92, 1.02), 0.66, 0.46),
        (c.number(0.14, 0.2), 0.56, 0.3),
    ):
        c.oval(x + 0.08, foot, 0.15, 0.018, shade(lawn, 0.62))
        stamp_sprite(c, "tree", x, foot, tall)
    x = 0.84 if side else 0.16
    for leg in (-0.065, 0.065):
        c.box(x + leg - 0.006, 0.7, x + leg + 0.006, 0.77, (56, 60, 64))
    for y, rgb in ((0.66, (160, 104, 62)), (0.685, (142, 90, 54)), (0.72, (176, 118, 72))):
        c.box(x - 0.09, y, x + 0.09, y + 0.018, rgb)
    lamp = 0.7 if side else 0.3
    c.line([(lamp, 0.66), (lamp, 0.36)], 0.009, (46, 56, 58))
    c.glow(lamp, 0.35, 0.05, (255, 244, 196), 0.8)
    c.oval(lamp, 0.35, 0.017, 0.021, (255, 248, 216))


def paint_farm_back(c: Canvas) -> None:
    paint_hills_back(c, 0.52, "tree")
    field = c.vary((206, 184, 94))
    c.land(create_ridge(c.rng, 0.5, 0.015, 2), field, shade(field, 0.9), "grass", 7, foot=0.72)
    paint_barn(
        c, c.pick((0.27, 0.7)) + c.number(-0.05, 0.05), 0.66, c.vary(c.pick(((184, 52, 44), (170, 62, 50), (196, 70, 46))))
    )


def paint_barn(c: Canvas, x: float, foot: float, red: RGB) -> None:
    """A red barn with white beams and a silo behind it."""
    silo = x + c.pick((-0.26, 0.26))
    c.box(silo - 0.055, foot - 0.38, silo + 0.055, foot, (188, 192, 198))
    c.box(silo + 0.015, foot - 0.38, silo + 0.055, foot, (150, 154, 162))
    c.oval(silo, foot - 0.38, 0.055, 0.05, (118, 124, 136))
    roof = [(x - 0.22, foot - 0.2), (x - 0.15, foot - 0.32), (x, foot - 0.4), (x + 0.15, foot - 0.32), (x + 0.22, foot - 0.2)]
    c.cover([*roof, (x + 0.22, foot), (x - 0.22, foot)], shade(red, 1.1), shade(red, 0.85), "wood", 4)
    c.line(roof, 0.022, (92, 84, 88))
    white = (248, 244, 238)
    c.box(x - 0.08, foot - 0.17, x + 0.08, foot, white)
    c.box(x - 0.07, foot - 0.16, x + 0.07, foot, shade(red, 0.78))
    c.line([(x - 0.07, foot - 0.16), (x + 0.07, foot)], 0.011, white)
    c.line([(x + 0.07, foot - 0.16), (x - 0.07, foot)], 0.011, white)
    c.box(x - 0.034, foot - 0.3, x + 0.034, foot - 0.23, white)
    c.box(x - 0.025, foot - 0.292, x + 0.025, foot - 0.238, (70, 50, 48))


def paint_farm_front(c: Canvas) -> None:
    yard = c.vary((176, 160, 92))
    c.land(create_ridge(c.rng, 0.66, 0.008, 2), yard, shade(yard, 0.8), "sand", 9, receding=True)
    paint_fence(c, 0.72, 0.08, 0.14, (206, 176, 132), False)
    for x in (c.number(0.02, 0.14), c.number(0.86, 0.98)):
        c.oval(x, 0.8, 0.07, 0.06, (206, 168, 84))
        c.oval(x - 0.012, 0.795, 0.055, 0.048, (232, 198, 112))
        c.oval(x - 0.012, 0.795, 0.03, 0.026, (212, 176, 92))
