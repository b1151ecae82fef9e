"""Painters of the forest and the jungle."""

from __future__ import annotations

import numpy as np

from training.drawing.canvas import Canvas, create_ridge, mix, shade
from training.drawing.sprites import stamp_row, stamp_sprite


def paint_forest_back(c: Canvas) -> None:
    light = c.pick(((206, 226, 196), (226, 232, 190), (190, 220, 214)))
    c.fill(0, 0.74, mix(light, (150, 190, 160), 0.5), light)
    kind = c.pick(("pine", "pine", "tree"))
    for i, (foot, tall, share) in enumerate(((0.64, 0.42, 0.62), (0.68, 0.52, 0.35), (0.72, 0.6, 0.1))):
        stamp_row(c, kind, 9 - i, foot, tall, light, share)
    c.beams(
        [[(x, -0.1), (x + 0.06, -0.1), (x + 0.34, 0.8), (x + 0.2, 0.8)] for x in c.rng.uniform(-0.2, 0.7, 3)],
        (255, 252, 214),
        0.3,
    )


def paint_forest_front(c: Canvas) -> None:
    moss = c.vary((84, 116, 52))
    c.land(create_ridge(c.rng, 0.71, 0.012, 3), moss, shade(moss, 0.6), "leaves", 10, receding=True)
    stamp_row(c, "bush", 7, 0.76, 0.07)
    for x in (c.number(-0.03, 0.07), c.number(0.93, 1.03)):
        bark = c.vary((84, 62, 46))
        c.cover([(x - 0.05, 1), (x - 0.035, -0.1), (x + 0.035, -0.1), (x + 0.05, 1)], bark, shade(bark, 0.7), "rock", 12)
        stamp_sprite(c, "bush", x, 1.06, 0.16)
    for x, y in zip(c.rng.random(8), c.rng.uniform(0.8, 0.98, 8), strict=True):
        c.box(x - 0.003, y - 0.02, x + 0.004, y, (236, 224, 204))
        c.oval(x, y - 0.022, 0.014, 0.009, c.pick(((206, 74, 56), (176, 120, 72))))


def paint_jungle(c: Canvas) -> None:
    light = c.pick(((196, 232, 120), (150, 224, 150), (214, 226, 110)))
    c.fill(0, 0.85, shade(light, 0.75), light, (72, 140, 70))
    c.glow(0.5, 0.3, 0.5, (250, 255, 214), 0.7)
    for foot, tall, share in ((0.62, 0.36, 0.55), (0.72, 0.5, 0.3), (0.78, 0.62, 0.0)):
        stamp_row(c, "palm", 4, foot, tall, light, share)
    earth = c.vary((72, 104, 40))
    c.land(create_ridge(c.rng, 0.75, 0.012, 3), earth, shade(earth, 0.55), "leaves", 13, receding=True)
    for x in c.rng.uniform(0, 1, 5):
        sag, low = c.number(-0.1, 0.1), c.number(0.2, 0.5)
        t = np.linspace(0, 1, 10)
        c.line(list(zip(x + sag * np.sin(t * 3), low * t, strict=True)), 0.011, (56, 92, 36))
    for x, y, turn in ((0, 0.1, 0.5), (1, 0.08, 2.6), (0, 0.9, -0.7), (1, 0.92, -2.4), (0.02, 0.5, 0.1), (1, 0.5, 3.1)):
        for spread in (-0.35, 0.35):
            paint_leaf(c, x, y, turn + spread + c.number(-0.15, 0.15), c.number(0.2, 0.32))
    for x in (c.number(0.02, 0.14), c.number(0.86, 0.98)):
        blossom = c.pick(((240, 70, 90), (250, 150, 50), (230, 80, 190)))
        for angle in np.linspace(0, 6.28, 6)[:5]:
            c.oval(x + 0.02 * np.cos(angle), 0.8 + 0.02 * np.sin(angle), 0.018, 0.018, blossom)
        c.oval(x, 0.8, 0.012, 0.012, (252, 224, 90))


def paint_leaf(c: Canvas, x: float, y: float, turn: float, reach: float) -> None:
    """A broad leaf from (x, y) in the direction `turn`."""
    t = np.linspace(0, 1, 12)
    wide = 0.3 * reach * np.sin(np.pi * t**0.8)
    ax, ay = x + reach * t * np.cos(turn), y + reach * t * np.sin(turn) + 0.1 * reach * t**2
    nx, ny = -np.sin(turn), np.cos(turn)
    rgb = c.vary(c.pick(((34, 112, 54), (52, 140, 60), (22, 92, 62))))
    upper = [*zip(ax + nx * wide, ay + ny * wide, strict=True)]
    lower = [*zip(ax - nx * wide, ay - ny * wide, strict=True)]
    axis = [*zip(ax, ay, strict=True)]
    c.shape(upper + axis[::-1], shade(rgb, 0.82))
    c.shape(lower + axis[::-1], shade(rgb, 1.15))
    c.line(axis, 0.006, shade(rgb, 1.5))
