"""Furniture and other things in a room that are drawn by functions."""

from __future__ import annotations

from training.drawing.canvas import mix, shade
from training.drawing.palette import COLOURS, RGB
from training.drawing.sheet import Shape, Sheet, create_arc

WHITE: RGB = (255, 255, 255)
OAK: RGB = (176, 120, 68)
BOOKS: tuple[RGB, ...] = (
    COLOURS["red"],
    COLOURS["blue"],
    COLOURS["green"],
    COLOURS["yellow"],
    COLOURS["purple"],
    COLOURS["orange"],
)


def _draw_legs(sheet: Sheet, rgb: RGB, xs: tuple[float, ...], top: float, foot: float, wide: float) -> None:
    for x in xs:
        sheet.box((x, top, x + wide, foot), rgb)
        sheet.box((x + wide * 0.6, top, x + wide, foot), shade(rgb, 0.8))


def _draw_table(sheet: Sheet, rgb: RGB) -> None:
    _draw_legs(sheet, shade(rgb, 0.66), (52, 190), 40, 128, 13)
    _draw_legs(sheet, shade(rgb, 0.88), (14, 224), 40, 156, 18)
    sheet.shape([(34, 4), (222, 4), (254, 36), (2, 36)], mix(rgb, WHITE, 0.2))
    sheet.box((2, 34, 254, 50), shade(rgb, 0.85), 3)
    for x in (70, 128, 186):
        sheet.line([(128 + (x - 128) * 0.8, 8), (x, 32)], rgb, 2)


def _draw_runner(sheet: Sheet, rgb: RGB) -> None:
    _draw_legs(sheet, shade(rgb, 0.85), (14,), 44, 166, 18)
    sheet.box((150, 44, 246, 166), shade(rgb, 0.9), 3)
    for y in (54, 90, 126):
        sheet.box((158, y, 238, y + 30), mix(rgb, WHITE, 0.2), 3)
        sheet.oval((192, y + 10, 204, y + 20), shade(rgb, 0.5))
    sheet.shape([(30, 6), (226, 6), (254, 34), (2, 34)], mix(rgb, WHITE, 0.25))
    sheet.box((2, 32, 254, 46), shade(rgb, 0.8), 3)


def _draw_bench(sheet: Sheet, rgb: RGB) -> None:
    iron = (64, 66, 74)
    for x in (30, 214):
        sheet.line([(x, 10), (x, 150)], iron, 9)
        sheet.line([(x - 14, 96), (x - 14, 150)], iron, 9)
        sheet.line([(x - 14, 70), (x, 66)], iron, 8)
    for y in (14, 40, 66):
        sheet.box((8, y, 248, y + 18), rgb, 4)
        sheet.box((8, y + 13, 248, y + 18), shade(rgb, 0.75), 2)
    sheet.box((2, 86, 254, 98), mix(rgb, WHITE, 0.2), 3)
    sheet.box((0, 98, 256, 110), shade(rgb, 0.82), 4)


def _draw_bookcase(sheet: Sheet, rgb: RGB) -> None:
    sheet.box((36, 2, 220, 254), shade(rgb, 0.8), 5)
    for row, y in enumerate((14, 92, 170)):
        sheet.box((48, y, 208, y + 66), shade(rgb, 0.45))
        x = 52
        for place in range(9):
            wide, tall = 12 + (place * 7 + row * 5) % 8, 44 + (place * 11 + row * 7) % 18
            if x + wide < 206:
                sheet.box((x, y + 66 - tall, x + wide, y + 66), BOOKS[(place * 5 + row * 2) % 6], 2)
                sheet.box((x + 3, y + 76 - tall, x + wide - 3, y + 80 - tall), mix(BOOKS[(place * 5 + row * 2) % 6], WHITE, 0.6))
            x += wide + 1
        sheet.box((40, y + 66, 216, y + 76), rgb)


def _draw_stool(sheet: Sheet, rgb: RGB) -> None:
    for left, right in ((80, 58), (176, 198)):
        sheet.line([(left, 50), (right, 226)], shade(rgb, 0.85), 15)
    sheet.line([(70, 150), (186, 150)], shade(rgb, 0.7), 10)
    sheet.oval((46, 20, 210, 68), shade(rgb, 0.7))
    sheet.oval((46, 8, 210, 54), mix(rgb, WHITE, 0.15))


def _draw_box(sheet: Sheet, rgb: RGB) -> None:
    sheet.shape([(14, 44), (60, 6), (252, 6), (206, 44)], mix(rgb, WHITE, 0.3))
    sheet.shape([(206, 44), (252, 6), (252, 154), (206, 206)], shade(rgb, 0.7))
    sheet.box((14, 44, 206, 206), rgb)
    sheet.shape([(94, 44), (140, 6), (168, 6), (124, 44)], mix(rgb, (250, 240, 200), 0.7))
    sheet.box((94, 44, 124, 84), mix(rgb, (250, 240, 200), 0.55))
    sheet.line([(16, 46), (204, 46)], shade(rgb, 0.8), 3)


def _draw_rug(sheet: Sheet, rgb: RGB) -> None:
    rings = (
        (0, shade(rgb, 0.75)),
        (5, rgb),
        (16, mix(rgb, WHITE, 0.75)),
        (22, rgb),
        (40, mix(rgb, WHITE, 0.5)),
        (46, shade(rgb, 0.8)),
    )
    for inset, fill in rings:
        sheet.oval((2 + inset * 1.6, 2 + inset * 0.55, 254 - inset * 1.6, 78 - inset * 0.55), fill)


def _draw_pillow(sheet: Sheet, rgb: RGB) -> None:
    for drop, fill in ((8, shade(rgb, 0.7)), (0, rgb)):
        sides = (
            create_arc(128, 6, 122, 12, 180, 0),
            create_arc(246, 66, -10, 58, -90, 90),
            create_arc(128, 124, 122, -10, 0, 180),
            create_arc(10, 66, 10, 58, 90, -90),
        )
        sheet.shape([(x, y + drop) for side in sides for x, y in side], fill)
        for x, y in ((8, 8), (248, 8), (248, 122), (8, 122)):
            sheet.oval((x - 6, y + drop - 6, x + 6, y + drop + 6), fill)
    sheet.shape(create_arc(100, 46, 60, 18, 0, 360), mix(rgb, WHITE, 0.3))
    sheet.line([(14, 14), (44, 34)], shade(rgb, 0.8), 3)
    sheet.line([(242, 14), (212, 34)], shade(rgb, 0.8), 3)


def _draw_landscape(sheet: Sheet, box: tuple[float, float, float, float]) -> None:
    """A small landscape painting of hills under the sun."""
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    sheet.box(box, (150, 210, 245))
    sheet.oval((left + wide * 0.66, top + high * 0.1, left + wide * 0.86, top + high * 0.1 + wide * 0.2), (255, 220, 80))
    x = left + wide * 0.36
    sheet.shape(
        [(left, bottom), (left, top + high * 0.66), (x, top + high * 0.24), (right, top + high * 0.82), (right, bottom)],
        (120, 128, 160),
    )
    sheet.shape([(x - wide * 0.09, top + high * 0.36), (x, top + high * 0.24), (x + wide * 0.12, top + high * 0.35)], WHITE)
    hill = [(px, py) for px, py in create_arc(right - wide * 0.3, bottom, wide * 0.6, high * 0.36, 180, 360) if px <= right]
    sheet.shape([(left, bottom), (left, top + high * 0.8), *hill, (right, bottom)], (92, 172, 76))


def _draw_framed_picture(sheet: Sheet, rgb: RGB) -> None:
    sheet.box((2, 2, 254, 206), shade(rgb, 0.7), 6)
    sheet.box((8, 8, 248, 200), rgb, 4)
    sheet.box((24, 24, 232, 184), shade(rgb, 0.6))
    _draw_landscape(sheet, (30, 30, 226, 178))


def _draw_easel(sheet: Sheet, rgb: RGB) -> None:
    sheet.line([(128, 8), (128, 190)], shade(rgb, 0.7), 9)
    for foot in (52, 204):
        sheet.line([(128 + (foot - 128) * 0.2, 24), (foot, 250)], rgb, 10)
    sheet.box((42, 40, 214, 166), (232, 228, 220), 2)
    _draw_landscape(sheet, (50, 48, 206, 158))
    sheet.box((54, 164, 202, 178), shade(rgb, 0.85), 3)


def _draw_lamp(sheet: Sheet, rgb: RGB) -> None:
    brass = (150, 112, 62)
    sheet.oval((70, 218, 186, 250), brass)
    sheet.line([(128, 110), (128, 226)], brass, 12)
    sheet.oval((108, 166, 148, 206), mix(brass, WHITE, 0.2))
    sheet.oval((104, 96, 152, 142), (255, 240, 170))
    sheet.shape([(88, 8), (168, 8), (214, 118), *create_arc(128, 118, 86, 14, 0, 180), (42, 118)], rgb)
    sheet.shape([(92, 8), (112, 8), (98, 128), (52, 122)], mix(rgb, WHITE, 0.4))


def _draw_barrel(sheet: Sheet, rgb: RGB) -> None:
    body = [*create_arc(56, 126, -22, 112, -90, 90), *create_arc(200, 126, 22, 112, 90, -90)]
    sheet.shape(body, shade(rgb, 0.85))
    for x, share in ((92, 0.5), (128, 0.0), (164, -0.5)):
        sheet.line(create_arc(x, 126, -22 * share, 108, -90, 90), shade(rgb, 0.62), 3)
    sheet.oval((56, 2, 200, 34), mix(rgb, WHITE, 0.2))
    sheet.oval((66, 7, 190, 29), shade(rgb, 0.7))
    for y in (70, 176):
        sheet.shape([*create_arc(128, y, 90, 10, 180, 0), *create_arc(128, y + 16, 90, 10, 0, 180)], (92, 94, 104))


FURNITURE_SHAPES: dict[str, Shape] = {
    "table": Shape(_draw_table, OAK, 160),
    "desk": Shape(_draw_runner, (150, 96, 58), 170),
    "bench": Shape(_draw_bench, (158, 104, 60), 156),
    "bookcase": Shape(_draw_bookcase, OAK),
    "stool": Shape(_draw_stool, (190, 134, 78), 236),
    "box": Shape(_draw_box, (200, 150, 96), 210),
    "rug": Shape(_draw_rug, (186, 58, 64), 80),
    "pillow": Shape(_draw_pillow, (120, 160, 220), 136),
    "framed picture": Shape(_draw_framed_picture, (196, 150, 70), 208),
    "easel": Shape(_draw_easel, OAK),
    "lamp": Shape(_draw_lamp, (244, 196, 84), 252),
    "barrel": Shape(_draw_barrel, (166, 112, 64), 244),
}
