"""Painters of wild places: waterfall, island, space, moon, cave, swamp."""

from __future__ import annotations

import numpy as np
from PIL import Image

from training.drawing.canvas import Canvas, create_crags, create_noise, create_ridge, mix, shade
from training.drawing.landscapes import paint_open_sky
from training.drawing.palette import RGB
from training.drawing.sprites import stamp_row, stamp_sprite
from training.drawing.woods import paint_leaf


def paint_waterfall(c: Canvas) -> None:
    far = paint_open_sky(c, 0.4)
    x, wide, lip = c.number(0.36, 0.64), c.number(0.1, 0.15), c.number(0.16, 0.22)
    stamp_row(c, "tree", 9, 0.24, 0.2, far, 0.35)
    rock = c.vary(c.pick(((122, 112, 104), (104, 112, 116), (140, 118, 96))))
    c.land(create_crags(c.rng, lip, 0.02), rock, shade(rock, 0.6), "rock", 18, foot=0.78)
    t = np.linspace(0, 1, 12)
    spread = wide * (0.8 + 0.35 * t)
    y = lip + (0.76 - lip) * t
    c.cover([*zip(x - spread, y, strict=True), *zip((x + spread)[::-1], y[::-1], strict=True)], (196, 228, 244), (244, 250, 254))
    for strand in c.rng.uniform(-0.9, 0.9, 22):
        top = c.number(0, 0.7)
        piece = slice(int(top * 12), int(top * 12) + 5)
        c.line(
            [*zip(x + strand * spread[piece], y[piece], strict=True)],
            0.006,
            c.pick(((150, 202, 230), (255, 255, 255), (118, 184, 220))),
        )
    for side in (-1, 1):
        for depth in (0, 1):
            edge = x + side * (wide + 0.1 + 0.17 * depth)
            shift = c.rng.uniform(-0.02, 0.02, 5)
            cliff = [
                (edge + side * 0.5, lip - 0.06 * depth),
                (edge, lip + 0.03 - 0.06 * depth),
                *zip(edge + shift, np.linspace(lip + 0.1, 0.78, 5), strict=True),
            ]
            c.cover([*cliff, (edge + side * 0.5, 0.78)], shade(rock, 1.05 - 0.2 * depth), shade(rock, 0.62), "rock", 18)
            stamp_sprite(c, "bush", edge + side * 0.08, lip + 0.05 - 0.06 * depth, 0.09)
    pool = c.vary((64, 152, 176))
    c.land(np.full(2, 0.75), mix(pool, (235, 248, 250), 0.5), shade(pool, 0.75), "water", 12, receding=True)
    for across in (-0.12, 0, 0.12):
        c.glow(x + across, 0.76, 0.17, (250, 253, 255), 0.9, 0.5)
    bank = c.vary((98, 142, 66))
    c.land(create_ridge(c.rng, 0.87, 0.02, 2), bank, shade(bank, 0.66), "grass", 10, receding=True)
    for at in (c.number(0, 0.16), c.number(0.84, 1)):
        stamp_sprite(c, "rock", at, 0.9, c.number(0.07, 0.12))
        stamp_sprite(c, "bush", at, 1.03, c.number(0.09, 0.14))


def paint_island_back(c: Canvas) -> None:
    paint_open_sky(c, 0.46)


def paint_island_front(c: Canvas) -> None:
    deep, shallow = c.vary((24, 120, 186)), c.vary((92, 214, 208))
    c.land(np.full(2, 0.45), deep, shallow, "water", 10, receding=True)
    x, wide = c.number(0.42, 0.58), c.number(0.3, 0.38)
    c.glow(x, 0.64, wide * 1.7, (150, 236, 224), 0.9, 0.28)
    c.oval(x, 0.635, wide + 0.02, 0.055, (246, 252, 250))
    sand = c.vary((242, 218, 158), 0.05)
    turn = np.linspace(0, np.pi, 20)
    c.cover(
        [
            *zip(x - wide * np.cos(turn), 0.63 - 0.07 * np.sin(turn), strict=True),
            *zip(x + wide * np.cos(turn), 0.63 + 0.04 * np.sin(turn), strict=True),
        ],
        sand,
        shade(sand, 0.82),
        "sand",
        6,
    )
    for at, tall in ((-0.12, 0.12), (0.06, 0.15), (0.16, 0.1)):
        stamp_sprite(c, "bush", x + at, 0.6, tall)
    for at in c.rng.uniform(-0.18, 0.18, c.count(2, 4)):
        stamp_sprite(c, "palm", x + at, 0.61, c.number(0.34, 0.46))
    for y in c.rng.uniform(0.72, 0.98, 8):
        c.oval(c.number(0, 1), y, c.number(0.04, 0.12), 0.003, (232, 250, 250))


def paint_stars(c: Canvas, low: float, count: int) -> None:
    for x, y, bright in c.rng.random((count, 3)):
        radius = 0.0015 + 0.004 * bright**4
        c.oval(x, y * low, radius, radius, mix((120, 130, 170), (255, 252, 240), bright))


def paint_planet(c: Canvas, x: float, y: float, radius: float, rgb: RGB, second: RGB) -> None:
    """A sphere with bands, lit from the upper left."""
    pixels = max(4, round(2 * radius * c.size))
    across = np.linspace(-1, 1, pixels, dtype=np.float32)
    far = across[:, None] ** 2 + across[None] ** 2
    depth = np.sqrt(np.clip(1 - far, 0, 1))
    light = np.clip(0.62 * depth - 0.45 * across[None] - 0.5 * across[:, None], 0.05, 1)[..., None]
    start = int(c.rng.integers(300))
    bands = create_noise("wood")[start : start + pixels, start : start + pixels, None] * 0.35 + 0.4
    body = (np.asarray(rgb) * (1 - bands) + np.asarray(second) * bands) * light * 1.15
    mask = Image.fromarray((np.clip((1 - np.sqrt(far)) * pixels / 2, 0, 1) * 255).astype(np.uint8))
    c.image.paste(
        Image.fromarray(body.clip(0, 255).astype(np.uint8)),
        (round(x * c.size - pixels / 2), round(y * c.size - pixels / 2)),
        mask,
    )


def paint_space(c: Canvas) -> None:
    top, low = c.pick((((10, 8, 30), (38, 16, 62)), ((6, 10, 34), (14, 34, 74)), ((14, 6, 20), (48, 14, 44))))
    c.fill(0, 1, top, low)
    for _ in range(5):
        cloud = c.pick(((150, 60, 170), (60, 90, 200), (200, 70, 120), (40, 140, 160)))
        c.glow(c.number(0, 1), c.number(0, 1), c.number(0.2, 0.4), cloud, 0.4, c.number(0.4, 0.9))
    paint_stars(c, 1, 130)
    for x, y in c.rng.random((3, 2)):
        c.glow(x, y, 0.035, (200, 220, 255), 0.9)
        c.line([(x - 0.025, y), (x + 0.025, y)], 0.003, (255, 255, 255))
        c.line([(x, y - 0.025), (x, y + 0.025)], 0.003, (255, 255, 255))
    worlds = [
        ((226, 140, 84), (250, 210, 150)),
        ((90, 150, 220), (220, 240, 250)),
        ((190, 96, 150), (250, 190, 210)),
        ((110, 180, 150), (220, 240, 170)),
    ]
    x, y, r = c.pick((c.number(0.1, 0.24), c.number(0.76, 0.9))), c.number(0.14, 0.3), c.number(0.1, 0.16)
    ring = c.chance(0.6)
    outline = (x - 1.9 * r) * c.size, (y - 0.4 * r) * c.size, (x + 1.9 * r) * c.size, (y + 0.4 * r) * c.size
    width = max(2, round(0.22 * r * c.size))
    rgb, second = c.pick(worlds)
    if ring:
        c.draw.ellipse(outline, outline=shade(second, 0.7), width=width)
    paint_planet(c, x, y, r, rgb, second)
    if ring:
        c.draw.arc(outline, 5, 175, fill=second, width=width)
    paint_planet(c, c.number(0.1, 0.9), c.number(0.78, 0.94), c.number(0.03, 0.06), *c.pick(worlds))


def paint_moon_back(c: Canvas) -> None:
    c.fill(0, 0.65, (6, 8, 18), (22, 26, 42))
    paint_stars(c, 0.6, 80)
    x, y, r = c.number(0.15, 0.85), c.number(0.14, 0.26), c.number(0.09, 0.14)
    c.glow(x, y, r * 1.6, (90, 150, 230), 0.5)
    paint_planet(c, x, y, r, (40, 100, 190), (236, 244, 240))
    c.land(create_crags(c.rng, 0.52, 0.07), (120, 120, 128), (84, 84, 92), "rock", 7, foot=0.65)


def paint_moon_front(c: Canvas) -> None:
    dust = c.vary(c.pick(((168, 168, 174), (178, 170, 160), (156, 160, 172))), 0.05)
    c.land(create_ridge(c.rng, 0.6, 0.012, 2), dust, shade(dust, 0.72), "rock", 8, receding=True)
    for depth, x in zip(np.sort(c.rng.random(11)) ** 1.4, c.rng.random(11), strict=True):
        y, wide = 0.63 + 0.36 * depth, (0.02 + 0.13 * depth) * c.number(0.5, 1)
        c.oval(x, y, wide, wide * 0.34, shade(dust, 1.18))
        c.oval(x - wide * 0.03, y - wide * 0.02, wide * 0.88, wide * 0.28, shade(dust, 0.52))
        c.oval(x + wide * 0.1, y + wide * 0.06, wide * 0.72, wide * 0.2, shade(dust, 0.76))


def paint_cave(c: Canvas) -> None:
    """Walls in rings that grow lighter towards an opening or a glow at the back."""
    rock, light = c.pick((((96, 78, 70), (255, 226, 160)), ((70, 78, 100), (150, 214, 250)), ((92, 74, 98), (214, 170, 255))))
    x, y = c.number(0.38, 0.62), c.number(0.36, 0.44)
    c.fill(0, 1, shade(rock, 0.6), shade(rock, 0.42))
    c.image.paste(c.grain(c.image.copy(), "rock", 7, False))
    turn = np.linspace(0, 2 * np.pi, 26)[:-1]
    for reach, share in ((0.46, 0.12), (0.34, 0.24), (0.24, 0.42)):
        rough = reach * c.rng.uniform(0.86, 1.14, 25)
        rgb = mix(shade(rock, 0.5), light, share)
        c.cover(np.stack([x + rough * np.cos(turn), y + rough * 0.8 * np.sin(turn)], 1), rgb, shade(rgb, 0.7))
    c.glow(x, y, 0.36, light, 0.75)
    rough = 0.14 * c.rng.uniform(0.85, 1.15, 25)
    c.shape(np.stack([x + rough * np.cos(turn), y + rough * np.sin(turn)], 1), mix(light, (255, 255, 255), 0.5))
    c.glow(x, y, 0.22, light, 0.6)
    floor = mix(shade(rock, 0.6), light, 0.18)
    c.land(create_ridge(c.rng, 0.68, 0.015, 3), floor, shade(rock, 0.4), "rock", 11, receding=True)
    c.glow(x, 0.74, 0.4, light, 0.35, 0.25)
    for at in c.rng.uniform(-0.02, 1.02, 13):
        long = (0.1 + 0.34 * abs(at - x)) * c.number(0.6, 1.1)
        c.shape([(at - 0.045, -0.01), (at + 0.045, -0.01), (at, long)], shade(rock, 0.8))
        c.shape([(at - 0.045, -0.01), (at, -0.01), (at, long)], shade(rock, 1.1))
    for at in (c.number(0, 0.12), c.number(0.1, 0.2), c.number(0.8, 0.9), c.number(0.88, 1)):
        foot, tall = c.number(0.8, 0.98), c.number(0.1, 0.24)
        c.cover([(at - 0.05, foot), (at, foot - tall), (at + 0.05, foot)], shade(rock, 1.35), shade(rock, 0.5), "rock", 6)


def paint_swamp(c: Canvas) -> None:
    veil = c.pick(((190, 200, 150), (168, 190, 160), (206, 196, 150)))
    c.fill(0, 0.6, shade(veil, 0.7), veil)
    stamp_row(c, "tree", 10, 0.56, 0.3, veil, 0.7)
    for x in np.linspace(0.02, 0.98, 5) + c.rng.uniform(-0.07, 0.07, 5):
        paint_bare_tree(c, x, c.number(0.58, 0.66))
    c.reflect(0.55, 0.9, c.vary((78, 96, 56)), 0.55)
    c.haze(0.4, 0.56, veil, 0, 0.6)
    c.haze(0.55, 0.68, veil, 0.6, 0)
    for x, y in zip(c.rng.random(16), c.rng.uniform(0.62, 0.84, 16), strict=True):
        wide = 0.08 * (y - 0.4)
        c.oval(x, y, wide, wide * 0.36, c.vary((88, 146, 62), 0.15))
        if c.chance(0.25):
            c.oval(x, y - 0.008, wide * 0.4, wide * 0.28, (244, 190, 214))
    mud = c.vary((82, 82, 44))
    c.land(create_ridge(c.rng, 0.84, 0.014, 3), mud, shade(mud, 0.6), "grass", 11, receding=True)
    for x in (*c.rng.uniform(0, 0.2, 7), *c.rng.uniform(0.8, 1, 7)):
        paint_leaf(c, x, 1.0, c.number(-1.9, -1.2), c.number(0.12, 0.2))
        c.line([(x, 1), (x + 0.01, 0.8)], 0.006, (86, 104, 44))
        c.oval(x + 0.01, 0.79, 0.009, 0.03, (104, 70, 40))


def paint_bare_tree(c: Canvas, x: float, foot: float) -> None:
    bark = c.vary((70, 62, 50))
    lean = c.number(-0.04, 0.04)
    c.cover(
        [
            (x - 0.05, foot),
            (x - 0.016, foot - 0.12),
            (x + lean - 0.014, -0.05),
            (x + lean + 0.014, -0.05),
            (x + 0.016, foot - 0.12),
            (x + 0.05, foot),
        ],
        shade(bark, 1.2),
        shade(bark, 0.7),
        "rock",
        9,
    )
    for y in c.rng.uniform(0.08, 0.34, 3):
        reach = c.pick((-1, 1)) * c.number(0.08, 0.16)
        c.line([(x + lean, y + 0.06), (x + reach * 0.6, y + 0.01), (x + reach, y - 0.02)], 0.012, bark)
        for share in (0.5, 0.75, 1):
            c.shape(
                [(x + reach * share - 0.014, y), (x + reach * share, y + c.number(0.08, 0.2)), (x + reach * share + 0.014, y)],
                (112, 128, 84),
            )
