"""Buildings that are drawn by functions."""

from __future__ import annotations

import numpy as np

from training.drawing.canvas import mix, shade
from training.drawing.palette import RGB
from training.drawing.sheet import Shape, Sheet, create_arc, create_curve

WHITE: RGB = (255, 255, 255)
GLASS: RGB = (150, 205, 235)
STONE: RGB = (160, 158, 160)
WOOD: RGB = (128, 88, 56)


def _draw_barn(sheet: Sheet, rgb: RGB) -> None:
    roof = (96, 84, 84)
    sheet.shape([(28, 248), (28, 116), (60, 66), (128, 26), (196, 66), (228, 116), (228, 248)], rgb)
    for x in range(48, 228, 20):
        sheet.line([(x, 120), (x, 246)], shade(rgb, 0.82), 2)
    sheet.line([(14, 122), (58, 62), (128, 22), (198, 62), (242, 122)], roof, 16)
    sheet.box((78, 150, 178, 248), WHITE)
    sheet.box((86, 158, 170, 248), shade(rgb, 0.72))
    for ends in ([(88, 160), (168, 246)], [(168, 160), (88, 246)]):
        sheet.line(ends, WHITE, 7)
    sheet.box((106, 76, 150, 122), WHITE)
    sheet.box((112, 82, 144, 116), (70, 50, 46))


def _draw_igloo(sheet: Sheet, rgb: RGB) -> None:
    line = mix(rgb, (110, 160, 200), 0.75)
    sheet.shape(create_arc(118, 156, 114, 146, 180, 360), rgb)
    for row, y in enumerate((120, 84, 48)):
        half = 114 * np.sqrt(1 - ((156 - y) / 146) ** 2)
        sheet.line([(118 - half + 2, y), (118 + half - 2, y)], line, 3)
        for x in np.arange(118 - half + 30 + 14 * (row % 2), 118 + half - 8, 44):
            sheet.line([(x, y), (x, y + 36)], line, 3)
    sheet.shape([(150, 156), *create_arc(196, 110, 46, 52, 180, 360), (242, 156)], shade(rgb, 0.86))
    sheet.shape([(168, 156), *create_arc(200, 118, 30, 34, 180, 360), (230, 156)], (52, 74, 104))


def _draw_windows(sheet: Sheet, box: tuple[int, int, int, int], step: int, pane: RGB) -> None:
    left, top, right, bottom = box
    for row, y in enumerate(range(top, bottom - step // 2, step)):
        for column, x in enumerate(range(left, right - step // 2, step)):
            lit = (row * 5 + column * 3) % 7 == 0
            sheet.box((x, y, x + step * 0.62, y + step * 0.66), (255, 226, 130) if lit else pane, 1)


def _draw_skyscraper(sheet: Sheet, rgb: RGB) -> None:
    sheet.line([(106, 24), (106, 2)], STONE, 4)
    sheet.box((84, 20, 128, 60), shade(rgb, 0.86))
    sheet.box((60, 50, 142, 254), rgb)
    sheet.box((142, 50, 166, 254), shade(rgb, 0.7))
    sheet.box((60, 50, 166, 56), shade(rgb, 0.6))
    _draw_windows(sheet, (68, 66, 142, 226), 18, mix(GLASS, WHITE, 0.2))
    _draw_windows(sheet, (146, 66, 166, 226), 18, shade(GLASS, 0.66))
    sheet.box((88, 230, 114, 254), (60, 66, 84))


def _draw_lighthouse(sheet: Sheet, rgb: RGB) -> None:
    sheet.shape([(22, 254), (44, 222), (84, 210), (150, 212), (190, 232), (204, 254)], (126, 120, 118))
    sheet.shape([(84, 80), (140, 80), (160, 228), (64, 228)], (250, 248, 244))
    sheet.shape([(126, 80), (140, 80), (160, 228), (140, 228)], (196, 190, 196))
    for top, bottom in ((100, 132), (164, 196)):
        high, low = (20 / 148 * (y - 80) for y in (top, bottom))
        sheet.shape([(84 - high, top), (140 + high, top), (140 + low, bottom), (84 - low, bottom)], rgb)
        dark = [(126 + high * 0.7, top), (140 + high, top), (140 + low, bottom), (126 + low * 0.7, bottom)]
        sheet.shape(dark, shade(rgb, 0.75))
    sheet.box((76, 70, 148, 82), (70, 70, 80), 3)
    sheet.box((92, 36, 132, 72), (255, 230, 130))
    sheet.box((110, 36, 114, 72), (90, 90, 100))
    sheet.shape([(82, 38), (112, 8), (142, 38)], rgb)
    sheet.shape([(100, 228), *create_arc(112, 206, 12, 16, 180, 360), (124, 228)], (84, 62, 50))


def _draw_windmill(sheet: Sheet, rgb: RGB) -> None:
    sheet.shape([(92, 108), (164, 108), (188, 252), (68, 252)], (246, 238, 222))
    sheet.shape([(146, 108), (164, 108), (188, 252), (158, 252)], (214, 202, 184))
    sheet.shape([(84, 112), *create_arc(128, 110, 46, 46, 180, 360), (172, 112)], rgb)
    sheet.shape([(110, 252), *create_arc(128, 214, 18, 20, 180, 360), (146, 252)], WOOD)
    sheet.box((118, 150, 138, 172), (110, 150, 180), 2)
    for angle in (35, 125, 215, 305):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        along, across = np.array([22, 98, 98, 22]), np.array([2, 2, 25, 25])
        sheet.shape(create_curve(128 + along * c - across * s, 106 + along * s + across * c), (252, 248, 238))
        sheet.line([(128, 106), (128 + 102 * c, 106 + 102 * s)], WOOD, 6)
    sheet.oval((116, 94, 140, 118), (84, 60, 44))


def _draw_bridge(sheet: Sheet, rgb: RGB) -> None:
    dark = shade(rgb, 0.7)
    for x in (64, 192):
        sheet.box((x - 8, 10, x + 8, 148), rgb, 2)
        sheet.box((x + 3, 10, x + 8, 148), dark)
    spans = ((64, 192, 12, 66), (-48, 64, 12, 80), (192, 304, 12, 80))
    for left, right, top, sag in spans:
        x = np.linspace(max(left, 2), min(right, 254), 30)
        y = top + sag * (1 - ((x - (left + right) / 2) / ((right - left) / 2)) ** 2)
        sheet.line(create_curve(x, y), rgb, 5)
        for px, py in list(zip(x, y, strict=True))[::4]:
            sheet.line([(px, py), (px, 96)], dark, 2)
    sheet.box((0, 92, 256, 108), dark)
    sheet.box((0, 92, 256, 98), mix(rgb, WHITE, 0.25))


def _draw_well(sheet: Sheet, rgb: RGB) -> None:
    for x in (66, 190):
        sheet.box((x - 8, 60, x + 8, 180), shade(WOOD, 0.9))
    sheet.line([(128, 82), (128, 130)], (220, 200, 150), 3)
    sheet.shape([(108, 124), (148, 124), (142, 158), (114, 158)], (146, 104, 62))
    sheet.box((58, 76, 198, 88), WOOD, 4)
    sheet.shape([(30, 74), (128, 8), (226, 74)], rgb)
    sheet.line([(30, 74), (226, 74)], shade(rgb, 0.7), 8)
    sheet.box((44, 168, 212, 250), STONE, 10)
    for row, y in enumerate((186, 212, 238)):
        sheet.line([(46, y), (210, y)], shade(STONE, 0.7), 3)
        for x in range(66 + 18 * (row % 2), 210, 36):
            sheet.line([(x, y - 22), (x, y)], shade(STONE, 0.7), 3)
    sheet.box((36, 158, 220, 178), shade(STONE, 1.15), 8)


def _draw_fence(sheet: Sheet, rgb: RGB) -> None:
    for y in (52, 104):
        sheet.box((0, y, 256, y + 16), shade(rgb, 0.78))
    for x in range(8, 250, 50):
        sheet.shape([(x, 148), (x, 30), (x + 17, 6), (x + 34, 30), (x + 34, 148)], rgb)
        sheet.shape([(x + 26, 148), (x + 26, 22), (x + 34, 30), (x + 34, 148)], shade(rgb, 0.84))


BUILDING_SHAPES: dict[str, Shape] = {
    "barn": Shape(_draw_barn, (190, 50, 44), 252),
    "igloo": Shape(_draw_igloo, (236, 246, 252), 160),
    "skyscraper": Shape(_draw_skyscraper, (92, 124, 168)),
    "lighthouse": Shape(_draw_lighthouse, (214, 52, 44)),
    "windmill": Shape(_draw_windmill, (176, 76, 56)),
    "bridge": Shape(_draw_bridge, (200, 70, 50), 150),
    "well": Shape(_draw_well, (176, 82, 60), 252),
    "fence": Shape(_draw_fence, (246, 246, 242), 150),
}
