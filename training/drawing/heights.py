"""Painters of mountains, a volcano, the desert and a mountain lake."""

from __future__ import annotations

import numpy as np

from training.drawing.canvas import Canvas, create_crags, create_ridge, mix, shade
from training.drawing.landscapes import GRASSES, paint_flowers, paint_open_sky
from training.drawing.palette import RGB
from training.drawing.sprites import stamp_row, stamp_sprite


def paint_desert_back(c: Canvas) -> None:
    top, low = c.pick((((238, 178, 104), (254, 234, 186)), ((112, 176, 224), (252, 232, 190)), ((226, 142, 96), (252, 220, 160))))
    c.fill(0, 0.6, top, low)
    c.glow(c.number(0.1, 0.9), c.number(0.1, 0.3), 0.3, (255, 250, 222), 1.0)
    c.land(create_crags(c.rng, 0.47, 0.04, 4), mix((190, 124, 88), low, 0.5), mix((206, 140, 90), low, 0.3), foot=0.62)


def paint_desert_front(c: Canvas) -> None:
    sand = c.vary((228, 164, 88), 0.06)
    for top, light in ((0.54, 1.08), (0.66, 1.0), (0.8, 0.92)):
        crest = c.number(0.2, 0.8)
        x = np.linspace(0, 1, 65)
        line = top - c.number(0.05, 0.1) * np.exp(-np.abs(x - crest) * 3) + 0.012 * np.sin(7 * x)
        c.land(line, shade(sand, light * 1.1), shade(sand, light * 0.9), "sand", 6)
        at = int(crest * 64)
        t = np.linspace(0, 1, 12)
        spine = [(crest + 0.16 * np.sin(5 * s) * s, line[at] + (0.3 * s)) for s in t]
        c.cover(
            [*zip(x[at:], line[at:], strict=True), (1, top + 0.12), *spine[::-1]],
            shade(sand, light * 0.8),
            shade(sand, light * 0.88),
            "sand",
            5,
        )


def paint_peak(c: Canvas, x: float, top: float, low: float, half: float, rgb: RGB, snow: float = 0.35) -> None:
    """A mountain lit from the left; `snow`: the share of its height that is covered."""
    t = np.linspace(0, 1, 9)
    jag = np.concatenate([[0], c.rng.uniform(-0.05, 0.05, 7), [0]]) * (low - top)
    left, right = x - half * t + jag * 0.5, x + half * t + np.roll(jag, 2)
    right[0] = left[0] = x
    spine = x + 0.16 * half * t + jag * 1.2
    y = top + (low - top) * t
    line = [*zip(left, y, strict=True)], [*zip(spine, y, strict=True)], [*zip(right, y, strict=True)]
    c.cover(line[0] + line[1][::-1], shade(rgb, 1.12), shade(rgb, 1.2), "rock", 7)
    c.cover(line[2] + line[1][::-1], shade(rgb, 0.74), shade(rgb, 0.9))
    if snow:
        cap = np.searchsorted(t, snow)
        hem = np.linspace(left[cap], spine[cap], 5), np.linspace(spine[cap], right[cap], 5)
        drop = np.where(np.arange(5) % 2, 0.05, -0.012) * (low - top) * 1.4 + y[cap]
        c.shape([*line[0][: cap + 1], *zip(hem[0], drop, strict=True), *line[1][: cap + 1][::-1]], (250, 252, 255))
        c.shape([*line[2][: cap + 1], *zip(hem[1][::-1], drop, strict=True), *line[1][: cap + 1][::-1]], (206, 220, 240))


def paint_mountains_back(c: Canvas) -> None:
    far = paint_open_sky(c, 0.75)
    rock = c.vary(c.pick(((112, 118, 142), (128, 116, 116), (98, 122, 146))))
    c.land(create_crags(c.rng, 0.42, 0.1), mix(rock, far, 0.7), mix(rock, far, 0.5), "rock", 5, foot=0.75)
    for x in (c.number(0.02, 0.2), c.number(0.78, 0.98), c.number(0.4, 0.6)):
        paint_peak(c, x, c.number(0.1, 0.27), 0.76, c.number(0.34, 0.46), c.vary(rock, 0.06), c.number(0.25, 0.5))
    c.haze(0.5, 0.76, far, 0, 0.5)
    stamp_row(c, "pine", 18, 0.74, 0.1, far, 0.15)


def paint_mountains_front(c: Canvas) -> None:
    alp = c.vary(c.pick(GRASSES))
    c.land(create_ridge(c.rng, 0.73, 0.015, 2), alp, shade(alp, 0.7), "grass", 9, receding=True)
    for x in (c.number(0, 0.12), c.number(0.88, 1)):
        stamp_sprite(c, "rock", x, c.number(0.84, 0.95), c.number(0.05, 0.1))
        stamp_sprite(c, "pine", x, c.number(0.78, 0.82), c.number(0.22, 0.34))
    paint_flowers(c, 0.78, 18, 0.01)


def paint_volcano_back(c: Canvas) -> None:
    top, low = c.pick((((92, 46, 66), (250, 146, 74)), ((70, 60, 92), (236, 120, 84)), ((120, 150, 186), (250, 208, 150))))
    c.fill(0, 0.75, top, low)
    x, crater, half = c.number(0.4, 0.6), c.number(0.26, 0.34), c.number(0.42, 0.5)
    c.glow(x, crater - 0.02, 0.32, (255, 150, 50), 0.9)
    for i in range(5):
        stamp_sprite(c, "cloud", x + c.number(-0.03, 0.05) * i, crater - 0.02 - 0.06 * i, 0.1 + 0.035 * i, (84, 70, 78), 0.72)
    for angle in c.rng.uniform(-2.2, -0.9, 9):
        reach = c.number(0.06, 0.18)
        c.oval(x + reach * np.cos(angle), crater + reach * np.sin(angle), 0.008, 0.008, (255, 190, 70))
    t = np.linspace(0, 1, 14)
    wide = 0.07 + (half - 0.07) * t**1.5
    y = crater + (0.76 - crater) * t
    rock = c.vary((92, 70, 68))
    c.cover([*zip(x - wide, y, strict=True), *zip((x + wide)[::-1], y[::-1], strict=True)], shade(rock, 0.8), rock, "rock", 12)
    c.cover(
        [*zip(x + 0.1 * wide, y, strict=True), *zip((x + wide)[::-1], y[::-1], strict=True)],
        shade(rock, 0.5),
        shade(rock, 0.68),
        "rock",
        10,
    )
    c.oval(x, crater, 0.07, 0.016, (255, 214, 96))
    for start, lean in ((-0.03, -0.2), (0.01, c.number(-0.05, 0.1)), (0.04, 0.24)):
        way = x + start + lean * t**1.3 + 0.012 * np.sin(t * 14)
        for width, rgb in ((0.022, (226, 66, 24)), (0.01, (255, 190, 60))):
            c.line([*zip(way, y, strict=True)][: c.count(9, 13)], width, rgb)


def paint_volcano_front(c: Canvas) -> None:
    ash = c.vary((74, 62, 62))
    c.land(create_crags(c.rng, 0.74, 0.012), ash, shade(ash, 0.6), "rock", 12, receding=True)
    for x in (c.number(0, 0.2), c.number(0.8, 1), c.number(0, 1)):
        stamp_sprite(c, "rock", x, c.number(0.8, 0.96), c.number(0.04, 0.09), (40, 30, 32), 0.6)
    y = c.number(0.8, 0.9)
    c.line(np.stack([np.linspace(0, 1, 12), y + c.rng.uniform(-0.012, 0.012, 12)], 1), 0.012, (232, 84, 30))
    c.line(np.stack([np.linspace(0, 1, 12), y + c.rng.uniform(-0.004, 0.004, 12)], 1), 0.004, (255, 200, 80))


def paint_lake_back(c: Canvas) -> None:
    far = paint_open_sky(c, 0.5)
    blue = mix((92, 118, 158), far, 0.35)
    for x in c.rng.uniform(0, 1, 2):
        paint_peak(c, x, c.number(0.14, 0.26), 0.5, c.number(0.28, 0.4), blue)
    hill = c.vary((72, 124, 84))
    c.land(create_ridge(c.rng, 0.44, 0.03, 2.4), mix(hill, far, 0.25), hill, "leaves", 8, foot=0.5)
    stamp_row(c, "pine", 14, 0.505, 0.11)


def paint_lake_front(c: Canvas) -> None:
    c.reflect(0.5, 1, c.vary((58, 132, 176)), 0.42)
    for y in c.rng.uniform(0.52, 0.95, 9):
        x, wide = c.number(0, 1), c.number(0.05, 0.16) * (y + 0.2)
        c.oval(x, y, wide, 0.0025, (206, 232, 244))
    for x in (c.number(0, 0.14), c.number(0.86, 1)):
        stamp_sprite(c, "bush", x, 1.05, c.number(0.1, 0.16))
        for reed in c.rng.uniform(-0.09, 0.09, 7):
            tip = (x + reed * 1.15, 0.84 + abs(reed))
            c.line([(x + reed, 1), tip], 0.006, (92, 140, 62))
            c.oval(*tip, 0.007, 0.02, (112, 74, 44))
