"""Small images that backgrounds are filled with: trees, clouds, houses, towers. Each is drawn once and then only scaled."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.drawing.canvas import Canvas, Generator, mix, shade
from training.drawing.palette import RGB

TALL = 320  # height at which sprites are drawn, pixels
VARIANTS = 8
GREENS: tuple[tuple[RGB, RGB], ...] = (
    ((22, 66, 38), (122, 182, 72)),
    ((34, 84, 34), (158, 196, 78)),
    ((18, 72, 58), (96, 176, 118)),
    ((52, 82, 30), (178, 186, 84)),
)
PINES: tuple[tuple[RGB, RGB], ...] = (
    ((18, 58, 48), (62, 122, 84)),
    ((24, 66, 40), (92, 140, 70)),
    ((16, 52, 58), (58, 112, 104)),
)
SNOWY: tuple[tuple[RGB, RGB], ...] = (((60, 112, 108), (250, 252, 255)), ((72, 118, 130), (244, 250, 255)))
WALLS: tuple[RGB, ...] = (
    (245, 232, 205),
    (236, 214, 186),
    (250, 244, 234),
    (226, 190, 160),
    (214, 222, 226),
    (240, 206, 150),
    (232, 176, 158),
)
ROOFS: tuple[RGB, ...] = ((190, 82, 58), (168, 66, 50), (142, 84, 62), (96, 92, 104), (204, 112, 70))
GLASS: tuple[RGB, ...] = (
    (92, 140, 190),
    (70, 112, 150),
    (120, 168, 196),
    (150, 150, 164),
    (176, 158, 140),
    (84, 96, 128),
    (104, 160, 160),
)


def _create_blank(width: int, height: int = TALL) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    tile = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    return tile, ImageDraw.Draw(tile)


def _draw_disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: RGB) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*fill, 255))


def _draw_foliage(draw: ImageDraw.ImageDraw, rng: Generator, clumps: np.ndarray, dark: RGB, light: RGB, dab: float) -> None:
    """Brush dabs over the clumps (x, y, radius), dark at the bottom and light towards the upper left."""
    each = 70
    turn, out = rng.uniform(0, 2 * np.pi, (len(clumps), each)), np.sqrt(rng.random((len(clumps), each)))
    x = clumps[:, :1] + clumps[:, 2:] * out * np.cos(turn)
    y = clumps[:, 1:2] + clumps[:, 2:] * out * np.sin(turn)
    light_share = 0.5 - 0.3 * out * np.cos(turn - 0.9) - 0.35 * (y - y.mean()) / np.ptp(y) + rng.normal(0, 0.07, x.shape)
    light_share = light_share - 0.35 * out * np.sin(turn)
    for i in np.argsort(light_share, axis=None):
        fill = mix(dark, light, float(np.clip(light_share.flat[i], 0, 1)))
        _draw_disc(draw, float(x.flat[i]), float(y.flat[i]), dab * rng.uniform(0.7, 1.2), fill)


def _draw_leafy(rng: Generator) -> Image.Image:
    tile, draw = _create_blank(280)
    dark, light = GREENS[rng.integers(len(GREENS))]
    trunk = (92, 66, 46)
    draw.polygon([(126, 320), (134, 180), (148, 180), (158, 320)], fill=(*trunk, 255))
    draw.polygon([(144, 320), (142, 180), (148, 180), (158, 320)], fill=(*shade(trunk, 0.7), 255))
    for lean in (-46, 44):
        draw.line((140, 230, 140 + lean, 170), fill=(*trunk, 255), width=8)
    middle = rng.uniform(105, 125)
    clumps = [(140, middle, rng.uniform(68, 82)), (140 + rng.uniform(-20, 20), middle - 36, 60)]
    clumps += [(140 + side * rng.uniform(56, 70), middle + rng.uniform(0, 30), rng.uniform(44, 58)) for side in (-1, 1)]
    _draw_foliage(draw, rng, np.array(clumps), dark, light, 10)
    return tile


def _draw_conifer(rng: Generator, colours: tuple[tuple[RGB, RGB], ...], lightest: float) -> Image.Image:
    """A conifer; `lightest`: the share of the light colour in its lowest branches, increasing upwards."""
    tile, draw = _create_blank(180)
    dark, light = colours[rng.integers(len(colours))]
    draw.rectangle((82, 270, 98, 320), fill=(78, 56, 42, 255))
    for row in range(6):
        low, half = 300 - row * 44, (84 - row * 12) * rng.uniform(0.9, 1.08)
        top = max(4, low - 110)
        x = np.linspace(-half, half, 13)
        teeth = low - 22 * np.abs(x / half) ** 1.5 + np.where(np.arange(13) % 2, -11, 5)
        hem = list(zip((90 + x).tolist(), teeth.tolist(), strict=True))
        fill = mix(dark, light, lightest + 0.09 * row)
        draw.polygon([(90, top), *hem], fill=(*shade(fill, 0.8), 255))
        draw.polygon([(90, top), *hem[:7]], fill=(*mix(fill, light, 0.25 + lightest), 255))
    return tile


def _draw_palm(rng: Generator) -> Image.Image:
    tile, draw = _create_blank(280)
    lean, crown = rng.uniform(-50, 50), (140.0, 92.0)
    t = np.linspace(0, 1, 12)
    xs, ys = 140 - lean + lean * np.sin(t * np.pi / 2), 320 - 228 * t
    for i in range(11):
        draw.line(
            (xs[i], ys[i], xs[i + 1], ys[i + 1]),
            fill=(*mix((112, 82, 54), (168, 130, 88), i % 2), 255),
            width=round(16 - 6 * t[i]),
        )
    for angle in [*rng.permutation(np.linspace(-2.9, -0.2, 8)).tolist(), 0.35, -3.5]:
        reach = rng.uniform(96, 126)
        along = np.linspace(0, 1, 9)
        x, y = crown[0] + reach * along * np.cos(angle), crown[1] + reach * along * np.sin(angle) * 0.75 + 80 * along**2
        wide = 17 * np.sin(np.pi * (0.1 + 0.9 * along))
        fill = mix((26, 96, 52), (128, 190, 80), float(rng.uniform(0.15, 0.85)))
        leaf = list(zip(x, y - wide / 2, strict=True)) + list(zip(x[::-1], (y + wide)[::-1], strict=True))
        draw.polygon(leaf, fill=(*fill, 255))
        draw.line(list(zip(x, y, strict=True)), fill=(*shade(fill, 0.75), 255), width=3)
    for dx in (-10, 4, 14):
        _draw_disc(draw, crown[0] + dx, crown[1] + 10, 9, (104, 70, 40))
    return tile


def _draw_bush(rng: Generator) -> Image.Image:
    tile, draw = _create_blank(460)
    dark, light = GREENS[rng.integers(len(GREENS))]
    clumps = [(x, rng.uniform(170, 215), rng.uniform(80, 108)) for x in (110, 190, 270, 350)]
    _draw_foliage(draw, rng, np.array(clumps), dark, light, 15)
    return tile.crop((0, 0, 460, 290))


def _draw_cloud(rng: Generator) -> Image.Image:
    tile, draw = _create_blank(640)
    count = int(rng.integers(6, 10))
    xs = np.linspace(110, 530, count)
    puffs = [(x, 215 - rng.uniform(0, 70) * np.sin((x - 60) / 520 * np.pi), rng.uniform(50, 84)) for x in xs]
    draw.rounded_rectangle((70, 200, 570, 280), 40, fill=(206, 219, 238, 255))
    for x, y, radius in puffs:
        _draw_disc(draw, x, y, radius, (212, 224, 241))
    for x, y, radius in puffs:
        _draw_disc(draw, x - 6, y - 12, radius * 0.86, (232, 239, 249))
    for x, y, radius in puffs:
        _draw_disc(draw, x - 12, y - 24, radius * 0.68, (252, 253, 255))
    draw.rectangle((0, 281, 640, 320), fill=(0, 0, 0, 0))
    soft = tile.filter(ImageFilter.GaussianBlur(9))
    base = Image.new("RGB", tile.size, (228, 236, 248))
    base.paste(tile.convert("RGB"), mask=tile.getchannel("A"))
    body = base.filter(ImageFilter.GaussianBlur(7))
    body.putalpha(soft.getchannel("A"))
    return body


def _draw_house(rng: Generator) -> Image.Image:
    wide = int(rng.integers(300, 400))
    tile, draw = _create_blank(wide + 40)
    wall, roof = WALLS[rng.integers(len(WALLS))], ROOFS[rng.integers(len(ROOFS))]
    gable, right = 20 + wide * 0.42, wide + 20
    draw.rectangle((wide * 0.72, 30, wide * 0.72 + 34, 120), fill=(*shade(roof, 0.7), 255))
    draw.rectangle((gable, 160, right - 10, 320), fill=(*shade(wall, 0.86), 255))
    draw.polygon([(30, 320), (30, 160), ((20 + gable) / 2, 66), (gable, 160), (gable, 320)], fill=(*wall, 255))
    middle = (20 + gable) / 2
    draw.polygon([(middle, 56), (right - 26, 56), (right + 8, 176), (gable + 8, 176)], fill=(*roof, 255))
    for row in range(4):
        y = 80 + row * 25
        draw.line((middle + (y - 56) * 0.7, y, right - 26 + (y - 56) * 0.27, y), fill=(*shade(roof, 0.86), 255), width=4)
    draw.line((8, 182, middle, 56, gable + 8, 182), fill=(*shade(roof, 0.72), 255), width=14)
    pane, frame = (122, 168, 200), (250, 250, 246)
    for left, top in ((gable + 34, 206), (gable + 34 + wide * 0.26, 206), (middle - 24, 130)):
        draw.rectangle((left, top, left + 48, top + 56), fill=(*pane, 255), outline=(*frame, 255), width=7)
        draw.line((left + 24, top, left + 24, top + 56), fill=(*frame, 255), width=5)
    draw.rectangle((middle - 28, 226, middle + 28, 320), fill=(*shade(ROOFS[rng.integers(5)], 0.7), 255))
    return tile


def _draw_tower(rng: Generator) -> Image.Image:
    wide, top = int(rng.integers(64, 104)), int(rng.integers(24, 60))
    tile, draw = _create_blank(wide)
    glass = GLASS[rng.integers(len(GLASS))]
    face, edge = round(wide * 0.72), (*shade(glass, 0.72), 255)
    crown = int(rng.integers(4))
    outline = {
        0: [(0, top), (wide, top)],
        1: [(0, top + 26), (face, top), (wide, top + 14)],
        2: [(0, top + 20), (10, top + 20), (10, top), (wide - 10, top), (wide - 10, top + 20), (wide, top + 20)],
        3: [(0, top + 34), (wide / 2, top - 10), (wide, top + 34)],
    }[crown]
    draw.polygon([*outline, (wide, 320), (0, 320)], fill=(*glass, 255))
    draw.polygon([(x, y) for x, y in [(face, top + 34), (wide, top + 34), (wide, 320), (face, 320)]], fill=edge)
    if crown in (0, 2):
        draw.line((wide / 2, top, wide / 2, max(0, top - 40)), fill=edge, width=4)
    for row in range(top + 40, 316, 13):
        for left in range(6, wide - 8, 12):
            lit = rng.random()
            pane = (255, 232, 160) if lit < 0.13 else shade(glass, 1.32 if lit < 0.7 else 0.86)
            draw.rectangle((left, row, left + 6, row + 6), fill=(*(shade(pane, 0.78) if left > face - 6 else pane), 255))
    return tile


def _draw_rock(rng: Generator) -> Image.Image:
    tile, draw = _create_blank(460)
    turn = np.linspace(np.pi, 2 * np.pi, 9)
    reach = rng.uniform(0.8, 1.05, 9)
    points = list(zip((230 + 205 * reach * np.cos(turn)).tolist(), (300 + 235 * reach * np.sin(turn)).tolist(), strict=True))
    grey = (138, 132, 128)
    draw.polygon([(20, 312), *points, (440, 312)], fill=(*shade(grey, 0.66), 255))
    heart = (rng.uniform(200, 260), rng.uniform(170, 210))
    for first, second, light in zip(points[:5], points[1:6], (0.95, 1.12, 1.25, 1.16, 0.9), strict=True):
        draw.polygon([first, second, heart], fill=(*shade(grey, light), 255))
    draw.polygon([points[0], heart, (210, 312), (20, 312)], fill=(*shade(grey, 0.82), 255))
    return tile


SPRITES: dict[str, Callable[[Generator], Image.Image]] = {
    "tree": _draw_leafy,
    "pine": lambda rng: _draw_conifer(rng, PINES, 0.1),
    "snowy pine": lambda rng: _draw_conifer(rng, SNOWY, 0.4),
    "palm": _draw_palm,
    "bush": _draw_bush,
    "cloud": _draw_cloud,
    "house": _draw_house,
    "tower": _draw_tower,
    "rock": _draw_rock,
}


@cache
def _draw(kind: str, variant: int) -> Image.Image:
    tile = SPRITES[kind](np.random.default_rng([sorted(SPRITES).index(kind), variant]))
    return tile.crop(tile.getbbox())


@lru_cache(maxsize=6000)
def _scale(kind: str, variant: int, height: int, veil: RGB | None, share: float) -> Image.Image:
    tile = _draw(kind, variant)
    tile = tile.resize((max(1, round(tile.width * height / tile.height)), height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if veil is None:
        return tile
    veiled = Image.blend(tile.convert("RGB"), Image.new("RGB", tile.size, veil), share)
    veiled.putalpha(tile.getchannel("A"))
    return veiled


def draw_sprite(rng: Generator, kind: str, pixels: float, veil: RGB | None = None, share: float = 0.5) -> Image.Image:
    """A random sprite of this kind, about `pixels` high, blended with `share` of a colour: distant things are paler."""
    height = max(4, round(2 ** (round(np.log2(max(4, pixels)) * 4) / 4)))  # few distinct sizes, so that the cache is effective
    return _scale(kind, int(rng.integers(VARIANTS)), height, veil, share)


def stamp_sprite(
    canvas: Canvas, kind: str, x: float, foot: float, tall: float, veil: RGB | None = None, share: float = 0.5
) -> None:
    """Draws a sprite of this kind with its base at (x, foot); `tall` in shares of the image's side."""
    canvas.stamp(draw_sprite(canvas.rng, kind, tall * canvas.size, veil, share), x, foot)


def stamp_row(
    canvas: Canvas, kind: str, count: int, foot: float, tall: float, veil: RGB | None = None, share: float = 0.5
) -> None:
    """Draws `count` sprites of this kind from edge to edge, irregularly spaced; `share` of a colour over their bases as mist."""
    for x in np.linspace(-0.02, 1.02, count) + canvas.rng.uniform(-0.4, 0.4, count) / count:
        stamp_sprite(canvas, kind, x, foot + canvas.number(-0.01, 0.01), tall * canvas.number(0.75, 1.2))
    if veil:
        canvas.haze(max(0, foot - 1.2 * tall), foot + 0.01, veil, 0, min(1, share * 1.25))
