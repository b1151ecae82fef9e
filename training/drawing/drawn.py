"""Things for which the emoji font has no suitable image, each drawn by a function in any colour."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np
from PIL import Image

from training.drawing.canvas import mix, shade
from training.drawing.drawn_buildings import BUILDING_SHAPES
from training.drawing.drawn_furniture import FURNITURE_SHAPES
from training.drawing.palette import COLOURS, RGB
from training.drawing.sheet import Point, Shape, Sheet, create_arc, create_curve

WHITE: RGB = (255, 255, 255)
BARK: RGB = (122, 82, 52)
LEAVES = (  # of a branch: x, y and angle
    *((146, 34, -40), (140, 38, -110), (120, 52, -150), (206, 116, 20), (196, 110, 80)),
    *((226, 64, -55), (224, 66, 25), (208, 70, -110), (40, 86, -60)),
)


def _draw_ball(sheet: Sheet, rgb: RGB) -> None:
    for ring in range(12):  # lighter towards the upper left
        inset = ring * 9
        fill = mix(shade(rgb, 0.68), rgb, min(1, ring / 7))
        sheet.oval((4 + inset * 0.7, 4 + inset * 0.6, 252 - inset * 1.3, 252 - inset * 1.4), fill)
    sheet.oval((66, 44, 116, 88), mix(rgb, WHITE, 0.75))


def _draw_star(sheet: Sheet, rgb: RGB) -> None:
    turn = np.arange(10) * np.pi / 5 - np.pi / 2
    for reach, fill in ((126, shade(rgb, 0.78)), (110, rgb)):
        radii = np.where(np.arange(10) % 2 == 0, reach, reach * 0.5)
        sheet.shape(create_curve(128 + radii * np.cos(turn), 136 + radii * np.sin(turn)), fill)


def _draw_heart(sheet: Sheet, rgb: RGB) -> None:
    turn = np.linspace(0, 2 * np.pi, 80)
    x = 16 * np.sin(turn) ** 3
    y = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
    for size, fill in ((7.8, shade(rgb, 0.78)), (7.0, rgb)):
        sheet.shape(create_curve(128 + size * x, 118 - size * y), fill)
    sheet.shape(create_arc(72, 80, 24, 15, 0, 360), mix(rgb, WHITE, 0.55))


def _draw_wood(sheet: Sheet, points: Sequence[Point], rgb: RGB, wide: float, narrow: float) -> None:
    """A branch that tapers along its points, light above and dark below."""
    widths = np.linspace(wide, narrow, max(2, len(points) - 1))
    for fill, share, rise in ((shade(rgb, 0.72), 1.0, 0.0), (rgb, 0.62, 0.16)):
        for ends, width in zip(pairwise(points), widths, strict=False):
            sheet.line([(x, y - width * rise) for x, y in ends], fill, width * share)


def _draw_leaf(sheet: Sheet, x: float, y: float, angle: float, rgb: RGB) -> None:
    along = np.linspace(0, 1, 12)
    bulge = 11 * np.sin(np.pi * along) ** 0.8
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    xs, ys = np.concatenate([38 * along, 38 * along[::-1]]), np.concatenate([bulge, -bulge[::-1]])
    sheet.shape(create_curve(x + c * xs - s * ys, y + s * xs + c * ys), rgb)
    sheet.line([(x, y), (x + 34 * c, y + 34 * s)], shade(rgb, 0.75), 2)


def _draw_branch(sheet: Sheet, rgb: RGB) -> None:
    _draw_wood(sheet, [(12, 92), (60, 84), (130, 80), (190, 76), (228, 64)], rgb, 22, 9)
    _draw_wood(sheet, [(92, 82), (120, 52), (146, 34)], rgb, 9, 6)
    _draw_wood(sheet, [(160, 80), (186, 104), (206, 116)], rgb, 9, 5)
    greens = ((86, 160, 60), (64, 138, 54), (118, 182, 72))
    for place, (x, y, angle) in enumerate(LEAVES):
        _draw_leaf(sheet, x, y, angle, greens[place % 3])


def _draw_bush(sheet: Sheet, rgb: RGB) -> None:
    clumps = ((52, 124, 50), (204, 124, 50), (128, 112, 60), (90, 78, 50), (168, 78, 50), (128, 60, 48))
    for drop, fill in ((8, shade(rgb, 0.62)), (0, shade(rgb, 0.85)), (-12, rgb)):
        for x, y, size in clumps:
            reach = size * (1 if drop >= 0 else 0.74)
            sheet.oval((x - reach, y + drop - reach, x + reach, y + drop + reach), fill)
    rng = np.random.default_rng(4)
    for (x, y, size), turn, out in zip(clumps * 6, rng.uniform(0, 2 * np.pi, 36), rng.uniform(0, 0.62, 36), strict=True):
        px, py = x + size * out * np.cos(turn), y - 10 + size * out * np.sin(turn)
        sheet.oval((px - 5, py - 4, px + 5, py + 4), mix(rgb, (230, 240, 120), 0.45))


def _draw_campfire(sheet: Sheet, rgb: RGB) -> None:
    for reach, fill in ((1.0, rgb), (0.68, (250, 160, 40)), (0.4, (255, 225, 100))):
        x = np.array([0, 40, 62, 50, 26, 30, 0, -22, -16, -48, -62, -44])
        y = np.array([0, -8, -50, -104, -84, -130, -196, -134, -96, -118, -54, -8])
        sheet.shape(create_curve(128 + x * reach * 1.2, 190 + y * reach * 0.92), fill)
    for ends in ([(40, 214), (212, 176)], [(44, 176), (216, 214)]):
        _draw_wood(sheet, ends, BARK, 26, 26)
    for x in (40, 216):
        sheet.oval((x - 13, 201, x + 13, 227), (214, 172, 120))


def _draw_fireworks(sheet: Sheet, rgb: RGB) -> None:
    for x, y, reach, fill in ((92, 96, 88, rgb), (182, 78, 68, (255, 205, 60)), (160, 182, 72, (70, 170, 250))):
        for angle in range(0, 360, 24):
            c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
            sheet.line([(x + reach * 0.25 * c, y + reach * 0.25 * s), (x + reach * 0.8 * c, y + reach * 0.8 * s)], fill, 5)
            sheet.oval((x + reach * c - 6, y + reach * s - 6, x + reach * c + 6, y + reach * s + 6), mix(fill, WHITE, 0.4))


def _draw_wing(sheet: Sheet, rgb: RGB, side: int) -> None:
    """Three overlapping rows of feathers, of which the outermost are the longest."""
    root = 128 + side * 12, 142
    for reach, wide, fill in ((104, 20, shade(rgb, 0.9)), (76, 19, shade(rgb, 0.96)), (46, 18, rgb)):
        for angle in range(44, -74, -13):
            length = reach * (0.62 + 0.38 * np.cos(np.radians(angle + 42)))
            c, s = side * np.cos(np.radians(angle)), np.sin(np.radians(angle))
            tip = root[0] + length * c, root[1] + length * s
            sheet.line([root, tip], shade(fill, 0.78), wide)
            sheet.line([root, tip], fill, wide - 4)


def _draw_wings(sheet: Sheet, rgb: RGB) -> None:
    for side in (-1, 1):
        _draw_wing(sheet, rgb, side)


def _draw_words(sheet: Sheet, rgb: RGB, lines: tuple[str, ...]) -> None:
    """A sign with its text as large as fits."""
    sheet.box((2, 2, 254, 46 + 68 * len(lines)), shade(rgb, 0.6), 18)
    sheet.box((8, 8, 248, 38 + 68 * len(lines)), rgb, 14)
    ink = (30, 30, 60) if sum(rgb) > 480 else WHITE
    for row, line in enumerate(lines):
        sheet.text((128, 58 + 68 * row), line, ink, 58)


def _draw_banner(sheet: Sheet, rgb: RGB) -> None:
    for left, right in ((2, 66), (190, 254)):
        outer, inner = (left, right) if left < 100 else (right, left)
        notch = outer + (22 if outer < 100 else -22)
        sheet.shape([(outer, 42), (inner, 42), (inner, 114), (outer, 114), (notch, 78)], shade(rgb, 0.72))
    x = np.linspace(40, 216, 20)
    bend = 12 * np.sin((x - 40) / 176 * np.pi)
    sheet.shape([*create_curve(x, 28 + bend), *create_curve(x[::-1], (98 + bend)[::-1])], rgb)
    for y in (37, 89):
        sheet.line(create_curve(x, y + bend), mix(rgb, WHITE, 0.6), 4)


def _draw_street_lamp(sheet: Sheet, rgb: RGB) -> None:
    sheet.box((70, 236, 122, 252), shade(rgb, 0.8), 4)
    sheet.box((90, 70, 102, 240), rgb, 2)
    sheet.box((82, 150, 110, 160), shade(rgb, 1.3), 3)
    sheet.shape([(66, 28), (126, 28), (116, 78), (76, 78)], (255, 226, 130))
    sheet.shape([(76, 34), (96, 34), (96, 72), (82, 72)], (255, 246, 200))
    sheet.shape([(58, 30), (96, 4), (134, 30)], shade(rgb, 0.8))
    sheet.box((72, 74, 120, 84), rgb, 3)


def _draw_sandcastle(sheet: Sheet, rgb: RGB) -> None:
    dark = shade(rgb, 0.82)
    for left, right, top in ((24, 84, 96), (172, 232, 96), (92, 164, 50)):
        sheet.box((left, top, right, 216), rgb if top < 90 else dark)
        for step in range(3):
            wide = (right - left) / 5
            sheet.box((left + step * 2 * wide, top - 16, left + (step * 2 + 1) * wide, top + 2), rgb if top < 90 else dark)
    sheet.box((60, 146, 196, 216), mix(rgb, WHITE, 0.15))
    sheet.shape(create_arc(128, 216, 22, 44, 180, 360), shade(rgb, 0.6))
    sheet.shape([(4, 222), *create_arc(128, 222, 124, 22, 180, 360), (252, 222)], shade(rgb, 0.9))
    sheet.line([(128, 36), (128, 4)], BARK, 4)
    sheet.shape([(130, 4), (164, 14), (130, 24)], COLOURS["red"])


def _draw_hot_air_balloon(sheet: Sheet, rgb: RGB) -> None:
    for x in (72, 120):
        sheet.line([(x, 170), (84 if x < 96 else 108, 214)], (110, 80, 50), 3)
    outline = [*create_arc(96, 92, 88, 88, 170, 370), (118, 180), (74, 180)]
    sheet.shape(outline, rgb)
    for share, fill in ((0.62, mix(rgb, WHITE, 0.7)), (0.28, rgb)):
        sheet.shape([(96 + (x - 96) * share, y) for x, y in outline], fill)
    sheet.box((74, 172, 118, 184), shade(rgb, 0.7), 3)
    sheet.box((76, 210, 116, 246), (166, 116, 66), 6)
    sheet.box((73, 208, 119, 218), (128, 86, 46), 4)


def _draw_submarine(sheet: Sheet, rgb: RGB) -> None:
    sheet.line([(150, 40), (150, 10), (176, 10)], shade(rgb, 0.7), 8)
    sheet.box((104, 36, 170, 90), shade(rgb, 0.86), 10)
    for y in (84, 132):
        sheet.oval((2, y, 30, y + 34), (120, 124, 134))
    sheet.oval((12, 66, 252, 184), shade(rgb, 0.72))
    sheet.oval((14, 64, 250, 168), rgb)
    for x in (92, 142, 192):
        sheet.oval((x - 20, 96, x + 20, 136), (240, 240, 245))
        sheet.oval((x - 14, 102, x + 14, 130), (120, 190, 230))


SHAPES: dict[str, Shape] = {
    **BUILDING_SHAPES,
    **FURNITURE_SHAPES,
    "ball": Shape(_draw_ball, COLOURS["red"]),
    "star": Shape(_draw_star, COLOURS["yellow"]),
    "heart": Shape(_draw_heart, COLOURS["red"]),
    "branch": Shape(_draw_branch, BARK, 150),
    "bush": Shape(_draw_bush, (58, 128, 52), 184),
    "campfire": Shape(_draw_campfire, (232, 84, 34), 236),
    "fireworks": Shape(_draw_fireworks, (236, 72, 140)),
    "wings": Shape(_draw_wings, (248, 248, 252), 216),
    "hello world": Shape(partial(_draw_words, lines=("HELLO", "WORLD")), (252, 232, 120), 186),
    "banner": Shape(_draw_banner, COLOURS["red"], 130),
    "street lamp": Shape(_draw_street_lamp, (62, 66, 78)),
    "sandcastle": Shape(_draw_sandcastle, (232, 196, 128), 250),
    "hot air balloon": Shape(_draw_hot_air_balloon, COLOURS["red"]),
    "submarine": Shape(_draw_submarine, COLOURS["yellow"], 190),
}


def draw_shape(name: str, rgb: RGB | None) -> Image.Image:
    """The shape as RGBA in this colour; None is its own colour."""
    shape = SHAPES[name]
    sheet = Sheet(256, shape.height)
    shape.draw(sheet, rgb or shape.rgb)
    return sheet.tile()
