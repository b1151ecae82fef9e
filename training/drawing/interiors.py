"""Painters of rooms: a wall above the horizon, a floor below it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from training.drawing.canvas import Canvas, mix, shade
from training.drawing.palette import RGB

PAINTS: tuple[RGB, ...] = ((242, 222, 190), (206, 222, 226), (222, 230, 204), (244, 208, 196), (226, 214, 236), (250, 236, 190))
SOFAS: tuple[RGB, ...] = ((86, 132, 150), (190, 92, 78), (112, 140, 90), (214, 166, 80), (128, 104, 150))


def paint_planks(c: Canvas, top: float, rgb: RGB) -> None:
    """A floor of boards in perspective."""
    c.land(np.full(2, top), shade(rgb, 1.05), shade(rgb, 0.82), "wood", 5)
    for i, x in enumerate(np.linspace(-1, 2, 25) + c.number(0, 0.1)):
        far = 0.5 + (x - 0.5) * 0.6
        if i % 3 == 0:
            c.shape([(far, top), (far + 0.075, top), (x + 0.125, 1.01), (x, 1.01)], shade(rgb, 0.9))
        c.line([(far, top), (x, 1.01)], 0.003, shade(rgb, 0.66))


@lru_cache(maxsize=4)
def _checks(wide: int, high: int) -> Image.Image:
    """The dark tiles (mode L) of a chequered floor in perspective."""
    depth = np.linspace(0, 1, high)[:, None]
    near = 0.5 + 0.5 * depth
    across, along = (np.linspace(-0.5, 0.5, wide)[None] / near) * 10 + 20, 8 / near
    return Image.fromarray((((np.floor(across) + np.floor(along)) % 2) * 255).astype(np.uint8))


def paint_window(c: Canvas, left: float, top: float, wide: float, high: float) -> None:
    """A window with a view of sky and hills, and the light that falls through it."""
    c.glow(left + wide / 2, top + high / 2, wide * 1.2, (255, 250, 232), 0.6)
    c.box(left - 0.015, top - 0.015, left + wide + 0.015, top + high + 0.02, (252, 250, 246))
    c.cover([(left, top), (left + wide, top), (left + wide, top + high), (left, top + high)], (116, 184, 240), (224, 240, 250))
    hill = top + high * 0.72
    green = c.vary((112, 172, 96))
    c.shape(
        [
            (left, hill),
            (left + wide * 0.4, hill - 0.03),
            (left + wide, hill + 0.02),
            (left + wide, top + high),
            (left, top + high),
        ],
        green,
    )
    c.box(left + wide / 2 - 0.006, top, left + wide / 2 + 0.006, top + high, (252, 250, 246))
    c.box(left, top + high / 2 - 0.005, left + wide, top + high / 2 + 0.005, (252, 250, 246))
    c.box(left - 0.025, top + high + 0.012, left + wide + 0.025, top + high + 0.03, (232, 226, 216))


def paint_curtains(c: Canvas, left: float, top: float, wide: float, high: float) -> None:
    rgb = c.vary(c.pick(SOFAS))
    for start, way in ((left - 0.05, 1), (left + wide + 0.05, -1)):
        for fold in range(4):
            x = start + way * fold * 0.024
            c.shape(
                [(x, top - 0.03), (x + way * 0.026, top - 0.03), (x + way * 0.022, top + high + 0.09), (x, top + high + 0.09)],
                shade(rgb, 1.1 - 0.13 * (fold % 2)),
            )
    c.box(left - 0.08, top - 0.04, left + wide + 0.08, top - 0.025, (120, 92, 66))


def paint_room(c: Canvas) -> None:
    wall = c.vary(c.pick(PAINTS), 0.05)
    c.fill(0, 0.7, shade(wall, 1.02), shade(wall, 0.9))
    if c.chance(0.5):
        for x in np.arange(0, 1, 0.08):
            c.box(x, 0, x + 0.04, 0.68, shade(wall, 0.95))
    paint_planks(c, 0.7, c.vary(c.pick(((176, 122, 76), (150, 98, 60), (198, 156, 108)))))
    c.box(0, 0.672, 1, 0.7, (250, 246, 238))
    side = c.pick((0, 1))
    left = 0.1 if side else 0.58
    paint_window(c, left, 0.12, 0.3, 0.32)
    paint_curtains(c, left, 0.12, 0.3, 0.32)
    paint_frames(c, 0.62 if side else 0.1)
    rug = c.vary(c.pick(SOFAS))
    c.oval(0.5, 0.87, 0.42, 0.09, shade(rug, 0.9))
    c.oval(0.5, 0.87, 0.37, 0.075, mix(rug, (250, 240, 220), 0.55))
    c.oval(0.5, 0.87, 0.32, 0.062, rug)
    paint_sofa(c, 0.76 if side else 0.24, c.vary(c.pick(SOFAS)))
    paint_lamp(c, 0.95 if side else 0.05)


def paint_frames(c: Canvas, left: float) -> None:
    for dx, top, wide, high in ((0, 0.14, 0.12, 0.16), (0.16, 0.12, 0.1, 0.1), (0.16, 0.25, 0.1, 0.08)):
        c.box(left + dx, top, left + dx + wide, top + high, (110, 82, 58))
        inner, art = (left + dx + 0.012, left + dx + wide - 0.012), c.vary(c.pick(SOFAS), 0.2)
        c.cover(
            [(inner[0], top + 0.012), (inner[1], top + 0.012), (inner[1], top + high - 0.012), (inner[0], top + high - 0.012)],
            mix(art, (255, 250, 240), 0.6),
            art,
        )


def paint_sofa(c: Canvas, x: float, rgb: RGB) -> None:
    c.oval(x, 0.78, 0.24, 0.02, (98, 68, 46))
    for left, top, right, low, light in (
        (-0.2, 0.48, 0.2, 0.72, 0.9),
        (-0.2, 0.63, 0.2, 0.76, 1.12),
        (-0.24, 0.57, -0.17, 0.77, 1.0),
        (0.17, 0.57, 0.24, 0.77, 0.82),
    ):
        box = [(x + left) * c.size, top * c.size, (x + right) * c.size, low * c.size]
        c.draw.rounded_rectangle(box, 0.025 * c.size, fill=shade(rgb, light))
    c.box(x - 0.002, 0.5, x + 0.002, 0.75, shade(rgb, 0.75))
    cushion = c.vary(c.pick(SOFAS), 0.2)
    c.draw.rounded_rectangle(
        [(x - 0.15) * c.size, 0.55 * c.size, (x - 0.04) * c.size, 0.65 * c.size],
        0.02 * c.size,
        fill=mix(cushion, (255, 244, 220), 0.4),
    )


def paint_lamp(c: Canvas, x: float) -> None:
    c.glow(x, 0.38, 0.24, (255, 240, 190), 0.75)
    c.line([(x, 0.78), (x, 0.4)], 0.009, (92, 74, 60))
    c.oval(x, 0.785, 0.04, 0.011, (92, 74, 60))
    c.shape([(x - 0.035, 0.3), (x + 0.035, 0.3), (x + 0.06, 0.41), (x - 0.06, 0.41)], (255, 232, 176))


def paint_kitchen(c: Canvas) -> None:
    wall = c.vary(c.pick(((246, 240, 226), (214, 232, 228), (250, 226, 196), (220, 228, 240))), 0.04)
    c.fill(0, 0.72, wall, shade(wall, 0.94))
    for y in np.arange(0.0, 0.52, 0.06):
        c.box(0, y, 1, y + 0.004, shade(wall, 0.86))
    for x in np.arange(0.0, 1, 0.06):
        c.box(x, 0, x + 0.004, 0.52, shade(wall, 0.86))
    tile = c.vary(c.pick(((236, 232, 222), (230, 222, 206))))
    c.land(np.full(2, 0.76), tile, shade(tile, 0.86))
    high = c.size - round(0.76 * c.size)
    c.image.paste(c.vary(c.pick(((96, 112, 124), (150, 84, 70), (92, 130, 120)))), (0, c.size - high), _checks(c.size, high))
    c.haze(0.76, 1, (40, 30, 30), 0.25, 0)
    cabinet = c.vary(c.pick(((90, 140, 150), (190, 140, 92), (226, 226, 218), (120, 150, 104), (204, 108, 88))))
    paint_counter(c, cabinet)
    side = c.pick((0, 1))
    paint_window(c, 0.36, 0.1, 0.28, 0.26)
    for left in (0.02, 0.7):
        paint_cupboard(c, left, 0.03, left + 0.28, 0.24, cabinet)
    paint_stove(c, 0.1 if side else 0.72)
    paint_shelf(c, 0.72 if side else 0.06)


def paint_counter(c: Canvas, rgb: RGB) -> None:
    c.box(0, 0.5, 1, 0.53, (244, 238, 228))
    c.box(0, 0.528, 1, 0.545, (168, 150, 130))
    c.fill(0.545, 0.76, rgb, shade(rgb, 0.8))
    for left in np.arange(0.0, 1, 0.2):
        c.box(left + 0.012, 0.56, left + 0.188, 0.735, shade(rgb, 0.92))
        c.box(left + 0.025, 0.575, left + 0.175, 0.72, shade(rgb, 1.08))
        c.box(left + 0.15, 0.63, left + 0.162, 0.67, (230, 220, 190))
    c.box(0, 0.742, 1, 0.765, shade(rgb, 0.5))


def paint_cupboard(c: Canvas, left: float, top: float, right: float, low: float, rgb: RGB) -> None:
    c.box(left, top, right, low, shade(rgb, 0.8))
    middle = (left + right) / 2
    for start, end in ((left + 0.008, middle - 0.004), (middle + 0.004, right - 0.008)):
        c.box(start, top + 0.008, end, low - 0.012, rgb)
        c.box(start + 0.016, top + 0.024, end - 0.016, low - 0.028, shade(rgb, 1.1))
    c.box(left, low, right, low + 0.01, shade(rgb, 0.55))


def paint_stove(c: Canvas, left: float) -> None:
    c.box(left, 0.49, left + 0.2, 0.75, (222, 224, 228))
    c.box(left + 0.02, 0.6, left + 0.18, 0.72, (54, 56, 64))
    c.box(left + 0.03, 0.61, left + 0.17, 0.65, (110, 96, 90))
    for x in np.linspace(left + 0.03, left + 0.17, 5):
        c.oval(x, 0.56, 0.011, 0.011, (70, 72, 80))
    pot = c.vary(c.pick(((200, 62, 54), (70, 110, 150), (150, 154, 160))))
    c.box(left + 0.05, 0.41, left + 0.15, 0.49, pot)
    c.box(left + 0.11, 0.41, left + 0.15, 0.49, shade(pot, 0.78))
    c.box(left + 0.04, 0.4, left + 0.16, 0.415, shade(pot, 1.15))
    c.oval(left + 0.1, 0.395, 0.012, 0.009, (40, 40, 44))
    for lift in (0.06, 0.11):
        c.glow(left + 0.1, 0.4 - lift, 0.05, (255, 255, 255), 0.5)


def paint_shelf(c: Canvas, left: float) -> None:
    for x, rgb in zip(np.linspace(left + 0.02, left + 0.2, 4), c.rng.permutation(SOFAS).tolist(), strict=False):
        tall = c.number(0.05, 0.09)
        c.box(x - 0.02, 0.5 - tall, x + 0.02, 0.5, tuple(rgb))
        c.box(x + 0.006, 0.5 - tall, x + 0.02, 0.5, shade(tuple(rgb), 0.8))
        c.box(x - 0.022, 0.49 - tall, x + 0.022, 0.505 - tall, (236, 220, 190))


def paint_library(c: Canvas) -> None:
    """Bookshelves from edge to edge."""
    wood = c.vary(c.pick(((112, 70, 42), (92, 56, 38), (140, 92, 56))))
    c.fill(0, 0.76, shade(wood, 0.5), shade(wood, 0.42))
    covers = [
        c.vary(rgb, 0.2)
        for rgb in ((150, 44, 42), (40, 84, 110), (62, 100, 62), (196, 150, 70), (100, 62, 110), (214, 200, 170), (60, 60, 74))
    ]
    for shelf_top in np.arange(0.0, 0.76, 0.152):
        low = shelf_top + 0.135
        x = 0.0
        while x < 1:
            wide, tall, rgb = c.number(0.016, 0.034), c.number(0.085, 0.12), c.pick(covers)
            c.box(x, low - tall, x + wide, low, rgb)
            c.box(x, low - tall + 0.018, x + wide, low - tall + 0.026, mix(rgb, (244, 214, 130), 0.6))
            c.box(x + wide - 0.005, low - tall, x + wide, low, shade(rgb, 0.65))
            x += wide + (0.03 if c.chance(0.04) else 0)
        c.box(0, low, 1, low + 0.018, shade(wood, 1.15))
    for x in np.array([0.0, 0.32, 0.64, 0.96]) + c.number(-0.02, 0.04):
        c.cover([(x, 0), (x + 0.03, 0), (x + 0.03, 0.77), (x, 0.77)], shade(wood, 1.2), wood)
    paint_planks(c, 0.76, c.vary((134, 86, 52)))
    rug = c.vary(c.pick(((150, 50, 48), (48, 92, 86), (60, 66, 120))))
    c.shape([(0.18, 0.8), (0.82, 0.8), (0.98, 0.98), (0.02, 0.98)], mix(rug, (226, 190, 110), 0.6))
    c.shape([(0.2, 0.815), (0.8, 0.815), (0.93, 0.965), (0.07, 0.965)], rug)
    paint_ladder(c, c.number(0.08, 0.2) if c.chance(0.5) else c.number(0.74, 0.86))
    c.glow(0.5, 0.1, 0.6, (255, 220, 150), 0.3)


def paint_ladder(c: Canvas, x: float) -> None:
    rail = (206, 160, 100)
    for side in (0, 0.09):
        c.line([(x + side, 0.82), (x + side + 0.03, 0.04)], 0.012, rail)
    for share in np.linspace(0.08, 0.95, 9):
        y = 0.82 - 0.78 * share
        c.line([(x + 0.03 * share, y), (x + 0.09 + 0.03 * share, y)], 0.009, shade(rail, 0.8))


def paint_stage(c: Canvas) -> None:
    cloth = c.vary(c.pick(((176, 28, 40), (176, 28, 40), (120, 30, 96), (36, 56, 140))))
    back = mix(shade(cloth, 0.22), (30, 22, 40), 0.5)
    c.fill(0, 0.74, shade(back, 0.7), shade(back, 1.5))
    paint_planks(c, 0.74, c.vary((150, 98, 60)))
    x = c.number(0.42, 0.58)
    warm = c.pick(((255, 246, 206), (240, 236, 255), (255, 226, 190)))
    c.beams([[(at - 0.02, -0.02), (at + 0.02, -0.02), (x + 0.16, 0.86), (x - 0.16, 0.86)] for at in (0.14, 0.86)], warm, 0.22)
    c.beams([[(x - 0.03, -0.02), (x + 0.03, -0.02), (x + 0.25, 0.86), (x - 0.25, 0.86)]], warm, 0.4)
    c.oval(x, 0.86, 0.28, 0.062, mix((200, 150, 100), warm, 0.6))
    c.glow(x, 0.86, 0.36, warm, 0.9, 0.26)
    paint_folds(c, 0, 1, cloth)
    paint_folds(c, 1, -1, cloth)
    for left in np.arange(-0.05, 1, 0.14):
        turn = np.linspace(0, np.pi, 12)
        hem = [*zip(left + 0.08 - 0.08 * np.cos(turn), 0.1 + 0.09 * np.sin(turn), strict=True)]
        c.shape([(left, -0.02), *hem, (left + 0.16, -0.02)], shade(cloth, 1.1))
        c.line(hem, 0.011, (236, 190, 92))
    c.haze(0, 0.12, (20, 8, 16), 0.5, 0)
    c.fill(0.965, 1, shade(cloth, 0.5), shade(cloth, 0.3))


def paint_folds(c: Canvas, edge: float, way: int, cloth: RGB) -> None:
    """A gathered curtain at one edge of the stage."""
    y = np.linspace(0, 0.84, 10)
    draw_in = 1 - 0.35 * np.exp(-(((y - 0.5) / 0.18) ** 2))
    for fold in range(7, 0, -1):
        reach = edge + way * 0.034 * fold * draw_in
        rgb = shade(cloth, (1.1, 0.72, 0.92)[fold % 3])
        c.shape([(edge - way * 0.01, 0), *zip(reach, y, strict=True), (edge - way * 0.01, 0.84)], rgb)
