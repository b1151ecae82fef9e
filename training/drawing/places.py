"""Painters of built-up outdoor places."""

from __future__ import annotations

import numpy as np

from training.drawing.canvas import Canvas, create_crags, create_ridge, mix, shade
from training.drawing.landscapes import GRASSES, paint_flowers, paint_hills_back, paint_open_sky
from training.drawing.palette import RGB
from training.drawing.sprites import ROOFS, WALLS, stamp_row, stamp_sprite

SHOPS: tuple[RGB, ...] = ((206, 76, 70), (64, 122, 168), (78, 142, 92), (224, 164, 66), (140, 90, 150))


def paint_facade(c: Canvas, left: float, right: float, top: float) -> None:
    """A town house: storeys of windows over a shop with an awning."""
    wall, roof, shop = c.vary(c.pick((*WALLS, (196, 116, 96), (170, 188, 200), (206, 178, 120)))), c.pick(ROOFS), c.pick(SHOPS)
    c.cover([(left, top), (right, top), (right, 0.74), (left, 0.74)], shade(wall, 1.04), shade(wall, 0.84))
    if c.chance(0.5):
        c.shape([(left - 0.005, top), (left + 0.03, top - 0.07), (right - 0.03, top - 0.07), (right + 0.005, top)], roof)
    else:
        c.shape([(left, top), ((left + right) / 2, top - 0.09), (right, top)], roof)
    c.box(left - 0.004, top - 0.008, right + 0.004, top + 0.012, shade(wall, 1.15))
    columns = max(2, round((right - left) / 0.062))
    step = (right - left) / columns
    for y in np.arange(top + 0.04, 0.52, 0.095):
        for column in range(columns):
            x = left + (column + 0.5) * step
            c.box(x - 0.017, y - 0.005, x + 0.017, y + 0.055, shade(wall, 1.2))
            c.box(x - 0.013, y, x + 0.013, y + 0.05, (255, 230, 150) if c.chance(0.2) else (88, 116, 146))
    c.box(left + 0.012, 0.6, right - 0.012, 0.74, (72, 78, 92))
    c.box(left + 0.02, 0.63, (left + right) / 2 - 0.006, 0.72, (176, 208, 222))
    c.box((left + right) / 2 + 0.006, 0.61, right - 0.02, 0.74, shade(shop, 0.6))
    for i, x in enumerate(np.linspace(left, right, 8)[:-1]):
        c.shape(
            [(x, 0.57), (x + step / 3, 0.57), (x + (right - left) / 7, 0.615), (x, 0.615)], shop if i % 2 else (248, 244, 236)
        )
    c.box(right - 0.004, top, right, 0.74, shade(wall, 0.7))


def paint_city_back(c: Canvas) -> None:
    far = paint_open_sky(c, 0.6)
    stamp_row(c, "tower", 9, 0.7, 0.5, far, 0.65)
    left = c.number(-0.15, 0)
    while left < 1:
        right = left + c.number(0.17, 0.27)
        paint_facade(c, left, right, c.number(0.14, 0.34))
        left = right


def paint_city_front(c: Canvas) -> None:
    c.fill(0.73, 0.8, (196, 192, 186), (176, 172, 168))
    c.fill(0.8, 0.815, (226, 224, 218), (120, 118, 118))
    c.land(np.full(2, 0.815), (92, 94, 102), (66, 68, 76), "soft", 5)
    shift = c.number(0, 0.2)
    for x in np.arange(-0.2, 1.1, 0.22):
        c.shape(
            [(x + shift, 0.895), (x + shift + 0.12, 0.895), (x + shift + 0.11, 0.91), (x + shift - 0.012, 0.91)], (238, 232, 206)
        )
    for x in (c.number(0.03, 0.12), c.number(0.88, 0.97)):
        c.line([(x, 0.78), (x, 0.42), (x + 0.04, 0.41)], 0.009, (48, 54, 62))
        c.glow(x + 0.04, 0.42, 0.05, (255, 240, 180), 0.9)
        c.oval(x + 0.04, 0.42, 0.014, 0.014, (255, 246, 210))
        if c.chance(0.6):
            stamp_sprite(c, "tree", x - 0.05 if x < 0.5 else x + 0.02, 0.79, 0.28)


def paint_metropolis_back(c: Canvas) -> None:
    """Glass towers in three rows, paler with distance."""
    top, low = c.pick(
        (((104, 170, 234), (236, 240, 244)), ((142, 176, 224), (254, 226, 206)), ((120, 186, 210), (236, 248, 240)))
    )
    c.fill(0, 0.75, top, low)
    c.glow(c.number(0.1, 0.9), c.number(0.2, 0.5), 0.4, (255, 246, 220), 0.8)
    stamp_row(c, "tower", 15, 0.75, 0.42, low, 0.68)
    stamp_row(c, "tower", 11, 0.75, 0.5, low, 0.38)
    for x in np.linspace(0.02, 0.98, 9) + c.rng.uniform(-0.04, 0.04, 9):
        stamp_sprite(c, "tower", x, 0.75, c.number(0.36, 0.68) * (1.1 - 0.25 * abs(x - 0.5)))
    c.haze(0.5, 0.75, low, 0, 0.35)
    stamp_row(c, "bush", 18, 0.755, 0.04)


def paint_metropolis_front(c: Canvas) -> None:
    if c.chance(0.5):
        c.reflect(0.745, 0.92, c.vary((84, 130, 166)), 0.5)
        c.fill(0.9, 0.915, (224, 220, 212), (150, 146, 142))
        c.land(np.full(2, 0.915), (176, 172, 168), (140, 138, 138), "soft", 5)
        for x in np.linspace(0.02, 0.98, 22):
            c.box(x - 0.003, 0.855, x + 0.003, 0.91, (70, 78, 90))
        c.box(0, 0.85, 1, 0.86, (70, 78, 90))
        return
    c.land(np.full(2, 0.745), (104, 106, 116), (66, 68, 78), "soft", 5)
    focus = c.number(0.35, 0.65)
    for x in np.linspace(-1.2, 2.2, 9):
        c.shape([(focus + (x - focus) * 0.24, 0.745), (x, 1.01), (x + 0.05, 1.01)], (232, 228, 212))
    c.fill(0.735, 0.75, (206, 206, 208), (150, 150, 156))


def paint_village_back(c: Canvas) -> None:
    paint_hills_back(c, 0.5, "tree")
    hill = c.vary(c.pick(GRASSES))
    c.land(create_ridge(c.rng, 0.5, 0.025, 1.6), mix(hill, (230, 236, 190), 0.3), hill, "grass", 6, foot=0.75)
    paint_church(c, c.number(0.3, 0.7), 0.57)
    for foot, tall, count in ((0.58, 0.15, 6), (0.68, 0.22, 4)):
        for x in np.linspace(0.06, 0.94, count) + c.rng.uniform(-0.05, 0.05, count):
            stamp_sprite(c, "house", x, foot + c.number(-0.015, 0.015), tall * c.number(0.9, 1.1))
            stamp_sprite(c, "tree" if c.chance(0.5) else "bush", x + 0.11, foot + 0.02, tall * c.number(0.4, 0.8))


def paint_church(c: Canvas, x: float, foot: float) -> None:
    wall = (240, 232, 214)
    c.box(x, foot - 0.15, x + 0.15, foot, shade(wall, 0.9))
    c.shape([(x, foot - 0.15), (x + 0.02, foot - 0.22), (x + 0.14, foot - 0.22), (x + 0.16, foot - 0.15)], (152, 80, 62))
    c.box(x - 0.05, foot - 0.28, x + 0.02, foot, wall)
    c.box(x + 0.003, foot - 0.28, x + 0.02, foot, shade(wall, 0.8))
    c.shape([(x - 0.056, foot - 0.28), (x - 0.015, foot - 0.44), (x + 0.026, foot - 0.28)], (108, 70, 62))
    c.oval(x - 0.02, foot - 0.23, 0.014, 0.014, (96, 104, 120))


def paint_village_front(c: Canvas) -> None:
    grass = c.vary(c.pick(GRASSES))
    c.land(create_ridge(c.rng, 0.7, 0.015, 1.8), grass, shade(grass, 0.72), "grass", 9, receding=True)
    paint_way(c, 0.71, (222, 198, 152))
    paint_flowers(c, 0.8, 20, 0.011)


def paint_way(c: Canvas, top: float, rgb: RGB) -> None:
    """A winding path from `top` to the bottom."""
    t = np.linspace(0, 1, 24) ** 1.5
    middle = c.number(0.35, 0.65) + c.pick((-1, 1)) * 0.13 * np.sin(np.sqrt(t) * 5) * (0.3 + t)
    wide, y = 0.012 + 0.13 * t, top + (1.01 - top) * t
    for extra, light in ((0.014, 0.8), (0, 1.0)):
        edge = wide + extra * (0.2 + t)
        points = [*zip(middle - edge, y, strict=True), *zip((middle + edge)[::-1], y[::-1], strict=True)]
        c.cover(points, shade(rgb, light), shade(rgb, light * 0.84), "sand", 5)


def paint_castle_back(c: Canvas) -> None:
    far = paint_open_sky(c, 0.6)
    green = c.vary((88, 140, 84))
    c.land(create_crags(c.rng, 0.46, 0.06), mix(green, far, 0.65), mix(green, far, 0.5), "leaves", 5, foot=0.75)
    x = c.number(0.38, 0.62)
    across = np.linspace(0, 1, 65)
    hill = 0.72 - 0.3 * np.exp(-(((across - x) / 0.25) ** 4))
    paint_castle(c, x, 0.45, c.vary(c.pick(((200, 192, 182), (214, 198, 168), (176, 180, 190)))))
    c.land(hill, green, shade(green, 0.72), "leaves", 11, foot=0.8)
    stamp_row(c, "tree", 14, 0.72, 0.09)


def paint_castle(c: Canvas, x: float, foot: float, stone: RGB) -> None:
    roof = c.pick(((64, 92, 150), (164, 62, 56), (92, 74, 122)))
    for at, half, tall in ((-0.06, 0.035, 0.3), (0.07, 0.04, 0.26), (0, 0.05, 0.2)):
        paint_turret(c, x + at, foot, half, tall, shade(stone, 0.86), roof)
    for left in np.arange(-0.16, 0.16, 0.04):
        c.box(x + left, foot - 0.14, x + left + 0.022, foot - 0.1, stone)
    c.cover(
        [(x - 0.17, foot - 0.12), (x + 0.17, foot - 0.12), (x + 0.19, foot + 0.06), (x - 0.19, foot + 0.06)],
        stone,
        shade(stone, 0.76),
        "rock",
        5,
    )
    for at in (-0.17, 0.17):
        paint_turret(c, x + at, foot + 0.06, 0.04, 0.26, stone, roof)
    c.oval(x, foot - 0.01, 0.03, 0.03, (70, 52, 44))
    c.box(x - 0.03, foot - 0.01, x + 0.03, foot + 0.06, (70, 52, 44))


def paint_turret(c: Canvas, x: float, foot: float, half: float, tall: float, stone: RGB, roof: RGB) -> None:
    c.box(x - half, foot - tall, x + half, foot, stone)
    c.box(x + half * 0.3, foot - tall, x + half, foot, shade(stone, 0.8))
    c.shape([(x - half * 1.25, foot - tall), (x, foot - tall - 2.6 * half), (x + half * 1.25, foot - tall)], roof)
    c.shape([(x + half * 0.2, foot - tall), (x, foot - tall - 2.6 * half), (x + half * 1.25, foot - tall)], shade(roof, 0.75))
    c.box(x - half * 0.3, foot - tall + 0.04, x + half * 0.1, foot - tall + 0.075, (66, 60, 66))


def paint_castle_front(c: Canvas) -> None:
    grass = c.vary(c.pick(GRASSES))
    c.land(create_ridge(c.rng, 0.72, 0.015, 2), grass, shade(grass, 0.7), "grass", 9, receding=True)
    paint_way(c, 0.72, (216, 190, 146))


def paint_road_back(c: Canvas) -> None:
    far = paint_open_sky(c, 0.45)
    hill = c.vary(c.pick(((140, 166, 96), (186, 160, 104), (120, 150, 110))))
    c.land(create_ridge(c.rng, 0.41, 0.035, 2.2), mix(hill, far, 0.55), mix(hill, far, 0.3), "soft", 6, foot=0.5)


def paint_road_front(c: Canvas) -> None:
    """A highway from the bottom to a vanishing point on the horizon, with lane markings, kerbs and posts."""
    verge = c.vary(c.pick(((128, 168, 84), (196, 170, 112), (150, 164, 92))))
    c.land(np.full(2, 0.45), verge, shade(verge, 0.74), "grass", 8, receding=True)
    focus = c.number(0.42, 0.58)

    def at(x: float, depth: float) -> tuple[float, float]:
        return focus + (x - focus) * depth, 0.45 + 0.56 * depth

    def strip(left: float, right: float, first: float, last: float, rgb: RGB) -> None:
        c.shape([at(left, first), at(right, first), at(right, last), at(left, last)], rgb)

    c.cover([at(-0.2, 0.01), at(1.2, 0.01), at(1.2, 1), at(-0.2, 1)], (126, 126, 134), (74, 76, 84), "soft", 5)
    for left in (-0.14, 1.1):
        strip(left, left + 0.04, 0.01, 1, (244, 242, 232))
    shift = c.number(0, 0.15)
    for near in np.arange(0.2, 7, 0.5) + shift:
        strip(0.48, 0.52, 1 / (1 + near + 0.26), 1 / (1 + near), (250, 226, 120))
    for near in np.arange(0.1, 7, 0.7)[::-1]:
        depth = 1 / (1 + near)
        for x in (-0.32, 1.32):
            foot = at(x, depth)
            c.box(foot[0] - 0.018 * depth, foot[1] - 0.2 * depth, foot[0] + 0.018 * depth, foot[1], (246, 246, 242))
            c.box(foot[0] - 0.018 * depth, foot[1] - 0.18 * depth, foot[0] + 0.018 * depth, foot[1] - 0.12 * depth, (220, 60, 50))
    for side in (c.number(0, 0.12), c.number(0.88, 1)):
        stamp_sprite(c, c.pick(("tree", "bush")), side, c.number(0.5, 0.56), c.number(0.12, 0.22))


def paint_harbor_back(c: Canvas) -> None:
    far = paint_open_sky(c, 0.5)
    c.land(create_ridge(c.rng, 0.44, 0.03, 2), mix((100, 130, 140), far, 0.55), mix((100, 130, 140), far, 0.4), foot=0.52)
    stamp_row(c, "house", 9, 0.52, 0.13, far, 0.12)
    paint_lighthouse(c, c.pick((c.number(0.06, 0.16), c.number(0.84, 0.94))))


def paint_lighthouse(c: Canvas, x: float) -> None:
    for i in range(6):
        low, top = 0.53 - i * 0.06, 0.53 - (i + 1) * 0.06
        half, upper = 0.05 - 0.004 * i, 0.046 - 0.004 * i
        rgb = (250, 248, 244) if i % 2 else (208, 52, 48)
        c.shape([(x - half, low), (x - upper, top), (x + upper, top), (x + half, low)], rgb)
        c.shape([(x + half * 0.3, low), (x + upper * 0.3, top), (x + upper, top), (x + half, low)], shade(rgb, 0.8))
    c.box(x - 0.034, 0.158, x + 0.034, 0.172, (60, 62, 72))
    c.box(x - 0.02, 0.12, x + 0.02, 0.16, (255, 240, 170))
    c.shape([(x - 0.028, 0.12), (x, 0.08), (x + 0.028, 0.12)], (208, 52, 48))


def paint_harbor_front(c: Canvas) -> None:
    c.reflect(0.52, 0.86, c.vary((52, 118, 156)), 0.5)
    for x, foot in zip(c.rng.permutation([0.12, 0.38, 0.64, 0.88]), (0.58, 0.6, 0.64, 0.68), strict=True):
        paint_boat(c, x + c.number(-0.05, 0.05), foot, 0.6 + (foot - 0.55) * 4)
    wood = c.vary((168, 130, 92))
    c.land(np.full(2, 0.84), wood, shade(wood, 0.7), "wood", 8)
    for y in (0.868, 0.9, 0.94, 0.985):
        c.box(0, y, 1, y + 0.004, shade(wood, 0.6))
    for x in (0.05, 0.3, 0.7, 0.95):
        c.box(x - 0.016, 0.79, x + 0.016, 0.87, shade(wood, 0.62))
        c.oval(x, 0.79, 0.016, 0.007, shade(wood, 1.2))


def paint_boat(c: Canvas, x: float, foot: float, size: float) -> None:
    hull = c.vary(c.pick(((200, 64, 58), (48, 96, 150), (246, 244, 238), (60, 140, 130))))
    half, tall = 0.085 * size, 0.22 * size
    c.line([(x, foot - 0.03), (x, foot - tall)], 0.006, (110, 84, 62))
    if c.chance(0.5):
        c.shape(
            [(x + 0.006, foot - 0.04 * size), (x + 0.006, foot - tall), (x + half * 0.9, foot - 0.04 * size)], (252, 248, 238)
        )
        c.shape(
            [(x - 0.006, foot - 0.04 * size), (x - 0.006, foot - tall * 0.9), (x - half * 0.7, foot - 0.04 * size)],
            (226, 226, 226),
        )
    else:
        c.box(x - half * 0.4, foot - 0.075 * size, x + half * 0.4, foot - 0.03 * size, (248, 246, 240))
        c.box(x - half * 0.25, foot - 0.065 * size, x + half * 0.3, foot - 0.045 * size, (98, 140, 168))
    c.shape(
        [(x - half, foot - 0.035 * size), (x + half * 1.1, foot - 0.035 * size), (x + half * 0.75, foot), (x - half * 0.8, foot)],
        hull,
    )
    c.shape(
        [
            (x - half, foot - 0.035 * size),
            (x + half * 1.1, foot - 0.035 * size),
            (x + half * 1.04, foot - 0.026 * size),
            (x - half * 0.96, foot - 0.026 * size),
        ],
        (250, 248, 240),
    )
