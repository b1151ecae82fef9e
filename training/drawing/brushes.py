"""What the styles are made of: smoothing, outlines, papers, strokes and cells. What does not depend on the image is kept.

Images are square RGB images. A `plane` is a float32 (side, side) array that runs from 0 to 1 unless it says otherwise.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.spatial import KDTree

Generator = np.random.Generator
VARIANTS = 6  # how many canvases, stroke maps and cell maps a side has: a style draws one of them
DRAWN_AT = 256  # widths in pixels are given for this side


def pixels(side: int, width: float) -> int:
    """A width meant for a side of DRAWN_AT, at this side: at least one pixel."""
    return max(1, round(width * side / DRAWN_AT))


def variant(rng: Generator) -> int:
    """One of the kept canvases."""
    return int(rng.integers(VARIANTS))


def to_image(colour: np.ndarray) -> Image.Image:
    """The image of an array of 0..255, clipped."""
    return Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8), "RGB")


def floats(image: Image.Image) -> np.ndarray:
    """The image as float32 0..255."""
    return np.asarray(image).astype(np.float32)


def tone(image: Image.Image) -> np.ndarray:
    """The image's lightness as a plane."""
    return np.asarray(image.convert("L")).astype(np.float32) / 255


def mix(under: np.ndarray, over: np.ndarray | tuple[int, int, int], share: np.ndarray | float) -> np.ndarray:
    """`over` laid on `under`, as much of it as the plane `share` says."""
    share = share[..., None] if isinstance(share, np.ndarray) else share
    return under + (np.asarray(over, np.float32) - under) * share


def grade(image: Image.Image, saturation: float, gain: float = 1.0, lift: float = 0.0) -> Image.Image:
    """The image with its saturation and contrast changed: `gain` multiplies, `lift` (0..255) is added."""
    weights = np.asarray([0.299, 0.587, 0.114]) * (1 - saturation) * gain
    rows = np.tile(weights, (3, 1)) + np.eye(3) * saturation * gain
    return image.convert("RGB", tuple(np.column_stack([rows, np.full(3, lift)]).ravel()))


def pack(image: Image.Image) -> np.ndarray:
    """A uint32 a pixel: colours that can be chosen and fetched in one step. See `unpacked`."""
    return np.asarray(image.convert("RGBA")).view(np.uint32)[..., 0]


def unpack(colours: np.ndarray) -> Image.Image:
    """The image of what `packed` made."""
    return Image.fromarray(np.ascontiguousarray(colours).view(np.uint8).reshape(*colours.shape, 4), "RGBA").convert("RGB")


def fetch(image: Image.Image, sources: np.ndarray) -> Image.Image:
    """The image whose every pixel has the colour of the pixel `sources` (flat index) names."""
    return unpack(pack(image).ravel().take(sources))


def _changes(colour: np.ndarray, step: int, darker: bool) -> np.ndarray:
    """How much the colour changes over 2 * `step` pixels along the last axis but one, in the channel that changes most."""
    reach = 2 * step if darker else step
    wide = np.pad(colour, ((0, 0), (reach, reach), (0, 0)), mode="edge")
    ahead, behind = wide[:, 2 * reach :], wide[:, : -2 * reach]
    higher = np.maximum(ahead, behind)
    change = higher - np.minimum(higher, colour) if darker else higher - np.minimum(ahead, behind)
    return np.maximum(np.maximum(change[..., 0], change[..., 1]), change[..., 2])


def edges(image: Image.Image, width: float, darker: bool = False) -> np.ndarray:
    """uint8 (side, side): how much the colour changes there. An edge shows about 2 * `width` pixels wide.

    With `darker` it lies on its darker side only, so that small bright things (stars, flakes) keep their middle.
    """
    step = pixels(image.width, width)
    colour = np.asarray(image.filter(ImageFilter.BoxBlur(0.5)))
    return np.maximum(_changes(colour.transpose(1, 0, 2), step, darker).T, _changes(colour, step, darker))


def outlines(image: Image.Image, width: float, low: int, high: int, darker: bool = False) -> np.ndarray:
    """A plane: 1 on the lines that bound things, 0 where the colour changes less than `low`, soft between."""
    table = np.clip((np.arange(256, dtype=np.float32) - low) / (high - low), 0, 1)
    return table.take(edges(image, width, darker))


def blur(plane: np.ndarray, radius: float) -> np.ndarray:
    """A plane made soft; it keeps 256 steps."""
    coarse = Image.fromarray((np.clip(plane, 0, 1) * 255).astype(np.uint8), "L")
    return np.asarray(coarse.filter(ImageFilter.BoxBlur(radius))).astype(np.float32) / 255


def flatten(image: Image.Image, radius: float) -> Image.Image:
    """Kuwahara's filter: every pixel takes the mean of the calmest of the four squares it is a corner of."""
    step = pixels(image.width, radius)
    means = np.pad(pack(image.filter(ImageFilter.BoxBlur(step))), step, mode="edge")
    noise = Image.fromarray(edges(image, 0.5), "L").filter(ImageFilter.BoxBlur(step))
    unrest = np.pad(np.asarray(noise), step, mode="edge")
    side = image.width
    best, least = means[:side, :side], unrest[:side, :side]
    for top, left in ((0, 2 * step), (2 * step, 0), (2 * step, 2 * step)):
        there = unrest[top : top + side, left : left + side]
        best = np.where(there < least, means[top : top + side, left : left + side], best)
        least = np.minimum(there, least)
    return unpack(best)


def reduce_colours(image: Image.Image, colours: int) -> Image.Image:
    """The image in at most so many colours of its own, rare ones too, without dither."""
    palette = image.resize((64, 64), Image.Resampling.NEAREST).quantize(colours, Image.Quantize.MAXCOVERAGE)
    return image.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB")


@lru_cache(maxsize=8)
def places(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of every pixel, float32 (side, side), in shares of the side."""
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / side
    return rows, columns


def clouds(side: int, cells: int, rng: Generator) -> np.ndarray:
    """A plane of smooth noise with about so many swells a side."""
    grid = Image.fromarray(rng.random((cells + 1, cells + 1), dtype=np.float32), "F")
    return np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC))


@lru_cache(maxsize=24)
def speckle(side: int, which: int) -> np.ndarray:
    """int16 (side, side, 3): a random colour cast for every pixel, mostly of its lightness. `fetched` spreads it over strokes."""
    rng = np.random.default_rng([19, which])
    return (rng.normal(0, 11, (side, side, 1)) + rng.normal(0, 7, (side, side, 3))).astype(np.int16)


@lru_cache(maxsize=24)
def paper(side: int, which: int) -> np.ndarray:
    """The grain of rough paper, float32 about 0, mostly within -1..1."""
    rng = np.random.default_rng([17, which])
    grain = clouds(side, max(4, side // 2), rng) + 0.8 * clouds(side, max(4, side // 5), rng) + 0.5 * clouds(side, 9, rng)
    return (grain - grain.mean()) * 2


@lru_cache(maxsize=24)
def hatching(side: int, angle: int, gap: float) -> np.ndarray:
    """A plane of parallel lines `gap` pixels (at DRAWN_AT) apart: 0 in the middle of a line, 1 midway between two."""
    rows, columns = places(side)
    wobble = 0.006 * clouds(side, 7, np.random.default_rng([23, angle]))
    across = rows * np.cos(np.radians(angle)) + columns * np.sin(np.radians(angle)) + wobble
    turns = across * DRAWN_AT / max(gap, 2.5 * DRAWN_AT / side)
    return (np.abs((turns % 1) - 0.5) * 2).astype(np.float32)


@lru_cache(maxsize=8)
def tiles(side: int, across: int) -> tuple[np.ndarray, np.ndarray]:
    """`across` x `across` square tiles in wavy rows: which tile a pixel is in, and a plane that is 1 in the grout between."""
    rows, columns = places(side)
    waves = 0.25 * np.sin(columns * 11 + 2 * rows), 0.25 * np.sin(rows * 9 + 3 * columns + 1)
    down, right = (np.clip(at * across + wave, 0, across - 0.001) for at, wave in zip((rows, columns), waves, strict=True))
    inward = np.minimum(np.minimum(down % 1, 1 - down % 1), np.minimum(right % 1, 1 - right % 1))
    grout = np.clip(1.25 - inward * max(9, side / across * 1.5), 0, 1)
    return down.astype(np.int64) * across + right.astype(np.int64), grout.astype(np.float32)


@lru_cache(maxsize=12)
def dots(side: int, gap: float) -> np.ndarray:
    """A plane of a slanted screen of dots: 0 in a dot's middle, 1 farthest from all."""
    rows, columns = places(side)
    turns = 2 * np.pi * DRAWN_AT / max(gap, 4 * DRAWN_AT / side)
    return ((2 - np.cos((rows + columns) * turns * 0.7071) - np.cos((rows - columns) * turns * 0.7071)) / 4).astype(np.float32)


@lru_cache(maxsize=48)
def ripples(side: int, which: int, reach: float) -> np.ndarray:
    """Flat indices for `fetched`: every pixel moved by up to about `reach` pixels (at DRAWN_AT), neighbours alike."""
    rng = np.random.default_rng([29, which])
    rows, columns = np.mgrid[0:side, 0:side]
    moves = [0.6 * clouds(side, 9, rng) + 0.4 * clouds(side, 34, rng) - 0.5 for _ in range(2)]
    down, right = (np.rint(move * 2 * reach * side / DRAWN_AT).astype(np.int64) for move in moves)
    return np.clip(rows + down, 0, side - 1) * side + np.clip(columns + right, 0, side - 1)


def _flow(side: int, rng: Generator) -> np.ndarray:
    """The direction of the brush at every pixel, in radians; neighbours are alike."""
    return clouds(side, 4, rng) * 3.5 + rng.uniform(0, np.pi)


@lru_cache(maxsize=72)
def strokes(side: int, which: int, length: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Brush strokes all over the canvas, for `fetched` (a stroke has the colour at its middle), and their relief (-1..1)."""
    rng = np.random.default_rng([31, which, int(length * 10)])
    long, wide = max(3.0, length * side / DRAWN_AT), pixels(side, width)
    count = int(4 * side * side / (long * wide))
    middles = rng.integers(0, side, (count, 2))
    angles = _flow(side, rng)[middles[:, 0], middles[:, 1]] + rng.normal(0, 0.18, count)
    sources = Image.fromarray(np.arange(side * side, dtype=np.int32).reshape(side, side), "I")
    height = Image.new("L", (side, side), 128)
    draw, carve = ImageDraw.Draw(sources), ImageDraw.Draw(height)
    reach = np.stack([np.sin(angles), np.cos(angles)], 1) * long / 2
    for (row, column), (down, right), thick in zip(middles.tolist(), reach.tolist(), rng.integers(70, 190, count), strict=True):
        line = (column - right, row - down, column + right, row + down)
        draw.line(line, fill=row * side + column, width=wide)
        carve.line(line, fill=int(thick), width=wide)
        carve.line(line, fill=int(thick) + 40, width=max(1, wide // 3))
    return np.asarray(sources).astype(np.int64), _light(np.asarray(height))


def _light(height: np.ndarray) -> np.ndarray:
    """The light from the upper left on a relief of uint8, -1..1."""
    wide = np.pad(height.astype(np.float32), 1, mode="edge")
    return np.clip((wide[2:, 2:] - wide[:-2, :-2]) / 110, -1, 1)


@lru_cache(maxsize=24)
def cells(side: int, which: int, across: int) -> tuple[np.ndarray, np.ndarray]:
    """`across` x `across` uneven cells: which cell a pixel is in, and a plane that is 1 along the cells' borders."""
    rng = np.random.default_rng([37, which])
    rows, columns = np.mgrid[0:across, 0:across]
    seeds = np.stack([rows.ravel(), columns.ravel()], 1) + 0.5 + rng.uniform(-0.42, 0.42, (across * across, 2))
    at = (np.mgrid[0:side, 0:side].reshape(2, -1).T + 0.5) * across / side
    far, nearest = (np.asarray(part) for part in KDTree(seeds).query(at, k=2))
    gap = (far[:, 1] - far[:, 0]).reshape(side, side) * DRAWN_AT / across
    return nearest[:, 0].reshape(side, side), np.clip(2.6 - gap, 0, 1).astype(np.float32)


def means_within(image: Image.Image, labels: np.ndarray, count: int) -> np.ndarray:
    """float32 (count, 3): the mean colour of the pixels of every label."""
    flat = labels.ravel()
    share = 1 / np.maximum(np.bincount(flat, minlength=count), 1)
    colour = np.asarray(image).reshape(-1, 3)
    return np.stack([np.bincount(flat, colour[:, c], count) * share for c in range(3)], 1).astype(np.float32)
