"""Building blocks of the styles: smoothing, outlines, papers, strokes and cells. What does not depend on the image is cached.

Images are square and RGB. A `plane` is a float32 (side, side) array in 0..1 unless stated otherwise.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.spatial import KDTree

Generator = np.random.Generator
VARIANTS = 6  # cached canvases, stroke maps and cell maps per side; a style chooses one at random
DRAWN_AT = 256  # the side for which widths in pixels are given


def to_pixels(side: int, width: float) -> int:
    """A width for a side of DRAWN_AT, scaled to this side: at least one pixel."""
    return max(1, round(width * side / DRAWN_AT))


def choose_variant(rng: Generator) -> int:
    """The number of a random cached canvas."""
    return int(rng.integers(VARIANTS))


def to_image(colour: np.ndarray) -> Image.Image:
    """An array of values 0..255, clipped, as an image."""
    return Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8), "RGB")


def to_floats(image: Image.Image) -> np.ndarray:
    """An image as float32 values 0..255."""
    return np.asarray(image).astype(np.float32)


def compute_lightness(image: Image.Image) -> np.ndarray:
    """The lightness of an image as a plane."""
    return np.asarray(image.convert("L")).astype(np.float32) / 255


def mix(under: np.ndarray, over: np.ndarray | tuple[int, int, int], share: np.ndarray | float) -> np.ndarray:
    """Blends `over` onto `under` with opacity `share`, a plane or a number."""
    share = share[..., None] if isinstance(share, np.ndarray) else share
    return under + (np.asarray(over, np.float32) - under) * share


def grade(image: Image.Image, saturation: float, gain: float = 1.0, lift: float = 0.0) -> Image.Image:
    """The image with its saturation and contrast changed: `gain` multiplies, `lift` (0..255) is added."""
    weights = np.asarray([0.299, 0.587, 0.114]) * (1 - saturation) * gain
    rows = np.tile(weights, (3, 1)) + np.eye(3) * saturation * gain
    return image.convert("RGB", tuple(np.column_stack([rows, np.full(3, lift)]).ravel()))


def pack(image: Image.Image) -> np.ndarray:
    """One uint32 per pixel, so that colours can be compared and indexed in one operation. The inverse of `unpack`."""
    return np.asarray(image.convert("RGBA")).view(np.uint32)[..., 0]


def unpack(colours: np.ndarray) -> Image.Image:
    """The image that `pack` packed."""
    return Image.fromarray(np.ascontiguousarray(colours).view(np.uint8).reshape(*colours.shape, 4), "RGBA").convert("RGB")


def fetch(image: Image.Image, sources: np.ndarray) -> Image.Image:
    """The image in which each pixel has the colour of the pixel at the flat index in `sources`."""
    return unpack(pack(image).ravel().take(sources))


def _measure_changes(colour: np.ndarray, step: int, darker: bool) -> np.ndarray:
    """The difference over 2 * `step` pixels along the second-last axis, in the channel where it is largest."""
    reach = 2 * step if darker else step
    wide = np.pad(colour, ((0, 0), (reach, reach), (0, 0)), mode="edge")
    ahead, behind = wide[:, 2 * reach :], wide[:, : -2 * reach]
    higher = np.maximum(ahead, behind)
    change = higher - np.minimum(higher, colour) if darker else higher - np.minimum(ahead, behind)
    return np.maximum(np.maximum(change[..., 0], change[..., 1]), change[..., 2])


def find_edges(image: Image.Image, width: float, darker: bool = False) -> np.ndarray:
    """Edge strength, uint8 (side, side). An edge appears about 2 * `width` pixels wide.

    With `darker` only on its darker side, so that small bright things (stars, snowflakes) keep their centre.
    """
    step = to_pixels(image.width, width)
    colour = np.asarray(image.filter(ImageFilter.BoxBlur(0.5)))
    return np.maximum(_measure_changes(colour.transpose(1, 0, 2), step, darker).T, _measure_changes(colour, step, darker))


def find_outlines(image: Image.Image, width: float, low: int, high: int, darker: bool = False) -> np.ndarray:
    """A plane: 1 on outlines, 0 where the edge strength is below `low`, with a soft transition up to `high`."""
    table = np.clip((np.arange(256, dtype=np.float32) - low) / (high - low), 0, 1)
    return table.take(find_edges(image, width, darker))


def blur(plane: np.ndarray, radius: float) -> np.ndarray:
    """A blurred plane, in 256 levels."""
    coarse = Image.fromarray((np.clip(plane, 0, 1) * 255).astype(np.uint8), "L")
    return np.asarray(coarse.filter(ImageFilter.BoxBlur(radius))).astype(np.float32) / 255


def flatten(image: Image.Image, radius: float) -> Image.Image:
    """The Kuwahara filter: each pixel takes the mean of the adjoining square, of four, with the lowest variance."""
    step = to_pixels(image.width, radius)
    means = np.pad(pack(image.filter(ImageFilter.BoxBlur(step))), step, mode="edge")
    noise = Image.fromarray(find_edges(image, 0.5), "L").filter(ImageFilter.BoxBlur(step))
    unrest = np.pad(np.asarray(noise), step, mode="edge")
    side = image.width
    best, least = means[:side, :side], unrest[:side, :side]
    for top, left in ((0, 2 * step), (2 * step, 0), (2 * step, 2 * step)):
        there = unrest[top : top + side, left : left + side]
        best = np.where(there < least, means[top : top + side, left : left + side], best)
        least = np.minimum(there, least)
    return unpack(best)


def reduce_colours(image: Image.Image, colours: int) -> Image.Image:
    """The image quantised to at most so many of its own colours, including rare ones, without dithering."""
    palette = image.resize((64, 64), Image.Resampling.NEAREST).quantize(colours, Image.Quantize.MAXCOVERAGE)
    return image.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB")


@lru_cache(maxsize=8)
def create_coordinates(side: int) -> tuple[np.ndarray, np.ndarray]:
    """The row and the column of each pixel in shares of the side, float32 (side, side)."""
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / side
    return rows, columns


def create_clouds(side: int, cells: int, rng: Generator) -> np.ndarray:
    """A plane of smooth noise with about `cells` maxima per side."""
    grid = Image.fromarray(rng.random((cells + 1, cells + 1), dtype=np.float32), "F")
    return np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC))


@lru_cache(maxsize=24)
def create_speckle(side: int, which: int) -> np.ndarray:
    """A random colour offset per pixel, mostly in lightness: int16 (side, side, 3). `fetch` spreads it over strokes."""
    rng = np.random.default_rng([19, which])
    return (rng.normal(0, 11, (side, side, 1)) + rng.normal(0, 7, (side, side, 3))).astype(np.int16)


@lru_cache(maxsize=24)
def create_paper(side: int, which: int) -> np.ndarray:
    """The grain of rough paper: float32 around 0, mostly within -1..1."""
    rng = np.random.default_rng([17, which])
    grain = (
        create_clouds(side, max(4, side // 2), rng)
        + 0.8 * create_clouds(side, max(4, side // 5), rng)
        + 0.5 * create_clouds(side, 9, rng)
    )
    return (grain - grain.mean()) * 2


@lru_cache(maxsize=24)
def create_hatching(side: int, angle: int, gap: float) -> np.ndarray:
    """A plane of parallel lines, `gap` pixels (at DRAWN_AT) apart: 0 in the middle of a line, 1 midway between two."""
    rows, columns = create_coordinates(side)
    wobble = 0.006 * create_clouds(side, 7, np.random.default_rng([23, angle]))
    across = rows * np.cos(np.radians(angle)) + columns * np.sin(np.radians(angle)) + wobble
    turns = across * DRAWN_AT / max(gap, 2.5 * DRAWN_AT / side)
    return (np.abs((turns % 1) - 0.5) * 2).astype(np.float32)


@lru_cache(maxsize=8)
def create_tiles(side: int, across: int) -> tuple[np.ndarray, np.ndarray]:
    """`across` x `across` square tiles in wavy rows: the tile of each pixel, and a plane that is 1 in the grout."""
    rows, columns = create_coordinates(side)
    waves = 0.25 * np.sin(columns * 11 + 2 * rows), 0.25 * np.sin(rows * 9 + 3 * columns + 1)
    down, right = (np.clip(at * across + wave, 0, across - 0.001) for at, wave in zip((rows, columns), waves, strict=True))
    inward = np.minimum(np.minimum(down % 1, 1 - down % 1), np.minimum(right % 1, 1 - right % 1))
    grout = np.clip(1.25 - inward * max(9, side / across * 1.5), 0, 1)
    return down.astype(np.int64) * across + right.astype(np.int64), grout.astype(np.float32)


@lru_cache(maxsize=12)
def create_dots(side: int, gap: float) -> np.ndarray:
    """A plane of a rotated halftone screen: 0 at the centre of a dot, 1 farthest from all dots."""
    rows, columns = create_coordinates(side)
    turns = 2 * np.pi * DRAWN_AT / max(gap, 4 * DRAWN_AT / side)
    return ((2 - np.cos((rows + columns) * turns * 0.7071) - np.cos((rows - columns) * turns * 0.7071)) / 4).astype(np.float32)


@lru_cache(maxsize=48)
def create_ripples(side: int, which: int, reach: float) -> np.ndarray:
    """Flat indices for `fetch` that displace pixels by up to about `reach` pixels (at DRAWN_AT), smoothly."""
    rng = np.random.default_rng([29, which])
    rows, columns = np.mgrid[0:side, 0:side]
    moves = [0.6 * create_clouds(side, 9, rng) + 0.4 * create_clouds(side, 34, rng) - 0.5 for _ in range(2)]
    down, right = (np.rint(move * 2 * reach * side / DRAWN_AT).astype(np.int64) for move in moves)
    return np.clip(rows + down, 0, side - 1) * side + np.clip(columns + right, 0, side - 1)


def _create_flow(side: int, rng: Generator) -> np.ndarray:
    """A smooth field of brush directions, in radians."""
    return create_clouds(side, 4, rng) * 3.5 + rng.uniform(0, np.pi)


@lru_cache(maxsize=72)
def create_strokes(side: int, which: int, length: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Brush strokes all over the canvas: flat indices for `fetch`, each stroke in the colour at its middle, and relief -1..1."""
    rng = np.random.default_rng([31, which, int(length * 10)])
    long, wide = max(3.0, length * side / DRAWN_AT), to_pixels(side, width)
    count = int(4 * side * side / (long * wide))
    middles = rng.integers(0, side, (count, 2))
    angles = _create_flow(side, rng)[middles[:, 0], middles[:, 1]] + rng.normal(0, 0.18, count)
    sources = Image.fromarray(np.arange(side * side, dtype=np.int32).reshape(side, side), "I")
    height = Image.new("L", (side, side), 128)
    draw, carve = ImageDraw.Draw(sources), ImageDraw.Draw(height)
    reach = np.stack([np.sin(angles), np.cos(angles)], 1) * long / 2
    for (row, column), (down, right), thick in zip(middles.tolist(), reach.tolist(), rng.integers(70, 190, count), strict=True):
        line = (column - right, row - down, column + right, row + down)
        draw.line(line, fill=row * side + column, width=wide)
        carve.line(line, fill=int(thick), width=wide)
        carve.line(line, fill=int(thick) + 40, width=max(1, wide // 3))
    return np.asarray(sources).astype(np.int64), _light_relief(np.asarray(height))


def _light_relief(height: np.ndarray) -> np.ndarray:
    """The shading of a uint8 relief lit from the upper left, -1..1."""
    wide = np.pad(height.astype(np.float32), 1, mode="edge")
    return np.clip((wide[2:, 2:] - wide[:-2, :-2]) / 110, -1, 1)


@lru_cache(maxsize=24)
def create_cells(side: int, which: int, across: int) -> tuple[np.ndarray, np.ndarray]:
    """`across` x `across` irregular (Voronoi) cells: the cell of each pixel, and a plane that is 1 along the borders."""
    rng = np.random.default_rng([37, which])
    rows, columns = np.mgrid[0:across, 0:across]
    seeds = np.stack([rows.ravel(), columns.ravel()], 1) + 0.5 + rng.uniform(-0.42, 0.42, (across * across, 2))
    at = (np.mgrid[0:side, 0:side].reshape(2, -1).T + 0.5) * across / side
    far, nearest = (np.asarray(part) for part in KDTree(seeds).query(at, k=2))
    gap = (far[:, 1] - far[:, 0]).reshape(side, side) * DRAWN_AT / across
    return nearest[:, 0].reshape(side, side), np.clip(2.6 - gap, 0, 1).astype(np.float32)


def compute_means(image: Image.Image, labels: np.ndarray, count: int) -> np.ndarray:
    """The mean colour of the pixels with each label: float32 (count, 3)."""
    flat = labels.ravel()
    share = 1 / np.maximum(np.bincount(flat, minlength=count), 1)
    colour = np.asarray(image).reshape(-1, 3)
    return np.stack([np.bincount(flat, colour[:, c], count) * share for c in range(3)], 1).astype(np.float32)
