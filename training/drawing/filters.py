"""The filters of the styles: each restyles a finished RGB image, deterministically for a given generator."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from training.drawing import brushes
from training.drawing.brushes import Generator, compute_lightness, find_outlines, mix, to_floats, to_image

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
OUTLINE = (24, 20, 28)
CONTOUR = (28, 18, 50)
GROUT = (238, 232, 218)
BOARD = (34, 48, 44)
GRAPHITE, SKETCH_PAPER = (52, 52, 58), (250, 249, 246)
INK, INK_PAPER = (18, 16, 20), (246, 238, 220)
BLUEPRINT, CHALK_LINE = (24, 70, 150), (240, 247, 255)
LEAD = (18, 16, 22)
VIVID = np.asarray(
    [(220, 50, 45), (250, 195, 40), (30, 110, 200), (240, 120, 30),
     (35, 150, 120), (130, 50, 160), (235, 80, 140), (40, 190, 210)], np.float32,
)  # fmt: skip
"""The colours of the abstract style."""


def keep(image: Image.Image, rng: Generator) -> Image.Image:
    return image


def apply_cartoon(image: Image.Image, rng: Generator) -> Image.Image:
    """Flat areas of few bright colours with thick dark outlines."""
    flat = brushes.reduce_colours(brushes.flatten(brushes.grade(image, 1.4, 1.05), 2), 14)
    return to_image(mix(to_floats(flat), OUTLINE, find_outlines(image, 1.2, 30, 60, darker=True)))


def apply_comic(image: Image.Image, rng: Generator) -> Image.Image:
    """Halftone dots on white, with heavy black outlines."""
    colour = to_floats(brushes.grade(image, 1.7, 1.1))
    screen = brushes.create_dots(image.width, 7)
    inside = np.clip((1.02 - compute_lightness(image) - screen) * 6 + 0.5, 0, 1)
    printed = mix(mix(colour, (255, 250, 225), 0.6), colour * 0.8, inside)
    return to_image(mix(printed, BLACK, find_outlines(image, 1.2, 36, 64, darker=True)))


def _paint_strokes(image: Image.Image, which: int, sizes: tuple[tuple[float, float], ...], relief: float) -> np.ndarray:
    """The image in brush strokes lit from the upper left: broad ones, and finer ones where broad ones would lose detail."""
    side = image.width
    wanted = np.asarray(brushes.flatten(image, 2)).astype(np.int16)
    paint = to_image(wanted + brushes.create_speckle(side, which))
    laid, light = np.asarray(paint).astype(np.int16), brushes.create_strokes(side, which, *sizes[0])[1]
    for size in sizes:
        sources, ridges = brushes.create_strokes(side, which, *size)
        stroke = np.asarray(brushes.fetch(paint, sources)).astype(np.int16)
        miss = np.abs(stroke - wanted)
        right = np.maximum(np.maximum(miss[..., 0], miss[..., 1]), miss[..., 2]) < 60
        laid, light = np.where(right[..., None], stroke, laid), np.where(right, ridges, light)
    return laid + relief * light[..., None]


def apply_oil(image: Image.Image, rng: Generator) -> Image.Image:
    """Thick strokes of paint whose ridges catch the light."""
    rich = brushes.grade(image, 1.35, 1.08, -10)
    return to_image(_paint_strokes(rich, brushes.choose_variant(rng), ((11, 4), (30, 9)), 42))


def _create_shards(side: int, rng: Generator) -> np.ndarray:
    """The canvas divided by five large circles: the region (of 32) of each pixel."""
    rows, columns = brushes.create_coordinates(side)
    labels = np.zeros((side, side), np.int64)
    for bit in range(5):
        row, column, radius = rng.uniform(-0.4, 1.4), rng.uniform(-0.4, 1.4), rng.uniform(0.3, 1.0)
        inside = (rows - np.float32(row)) ** 2 + (columns - np.float32(column)) ** 2 < radius**2
        labels += inside.astype(np.int64) << bit
    return labels


def apply_abstract(image: Image.Image, rng: Generator) -> Image.Image:
    """Divided by large curves into regions of strong colour, painted with a broad brush."""
    labels = _create_shards(image.width, rng)
    paints = VIVID[rng.permutation(len(VIVID)).repeat(4)]
    rng.shuffle(paints)
    shares = rng.uniform(0.3, 0.8, 32).astype(np.float32)
    light = (0.4 + 0.9 * compute_lightness(image))[..., None]
    tinted = mix(to_floats(brushes.grade(image, 1.9, 1.2, -25)), paints.take(labels, axis=0) * light, shares.take(labels))
    bold = _paint_strokes(to_image(tinted), brushes.choose_variant(rng), ((13, 5), (40, 12)), 34)
    return to_image(mix(bold, CONTOUR, 0.65 * find_outlines(image, 1, 24, 80, darker=True)))


def apply_watercolour(image: Image.Image, rng: Generator) -> Image.Image:
    """Pale washes that bleed into each other, darker at their edges, on rough paper with a ragged white margin."""
    side, which = image.width, brushes.choose_variant(rng)
    wash = brushes.fetch(brushes.flatten(image, 2), brushes.create_ripples(side, which, 4))
    rims = brushes.blur(find_outlines(wash, 1, 12, 90), brushes.to_pixels(side, 1))
    pools = brushes.create_clouds(side, 6, rng) - 0.5
    pigment = (255 - to_floats(brushes.grade(wash, 1.25))) * (0.68 + 0.38 * pools + 0.3 * rims)[..., None]
    painted = 255 - pigment * _create_margin(side, which)[..., None]
    return to_image(painted - 9 + 9 * brushes.create_paper(side, which)[..., None])


def _create_margin(side: int, which: int) -> np.ndarray:
    """A plane: 0 in the paper's unpainted margin, 1 inside."""
    rows, columns = brushes.create_coordinates(side)
    inward = np.minimum(np.minimum(rows, 1 - rows), np.minimum(columns, 1 - columns))
    return np.clip((inward - 0.012 + 0.03 * brushes.create_paper(side, which) * 0.5) * 40, 0, 1)


def apply_pencil(image: Image.Image, rng: Generator) -> Image.Image:
    """Graphite lines and hatching on white paper."""
    side, which = image.width, brushes.choose_variant(rng)
    dark = 1 - np.asarray(image.convert("L").filter(ImageFilter.BoxBlur(1))).astype(np.float32) / 255
    grain = brushes.create_paper(side, which)
    first = np.clip((dark - 0.22) * 1.3 - brushes.create_hatching(side, 52, 5) * 0.55, 0, 0.6)
    second = np.clip((dark - 0.52) * 1.4 - brushes.create_hatching(side, 128, 5) * 0.55, 0, 0.6)
    drawn = find_outlines(brushes.fetch(image, brushes.create_ripples(side, which, 2)), 1, 14, 80)
    graphite = np.clip((first + second) * 0.8 + drawn * 0.95, 0, 1) * (0.82 + 0.3 * grain)
    return to_image(mix(to_floats(Image.new("RGB", (side, side), SKETCH_PAPER)), GRAPHITE, np.clip(graphite, 0, 1)))


def apply_ink(image: Image.Image, rng: Generator) -> Image.Image:
    """Black lines and solid blacks on cream paper; lines inside black areas are white."""
    light = compute_lightness(image)
    lines = find_outlines(image, 1.0, 26, 52, darker=True)
    solid = np.clip((0.3 - light) * 12 + 0.5, 0, 1)
    engraved = np.clip((0.62 - light - brushes.create_hatching(image.width, 135, 8) * 0.5) * 9, 0, 1)
    black = np.maximum(solid, engraved)
    broad = brushes.blur(solid, brushes.to_pixels(image.width, 7)) > 0.6
    inked = np.where(broad, black * (1 - lines), np.maximum(black, lines))
    paper = np.full((*light.shape, 3), INK_PAPER, np.float32)
    return to_image(mix(paper, INK, inked))


def apply_pixel_art(image: Image.Image, rng: Generator) -> Image.Image:
    """Thirty-two to forty square blocks per side, in sixteen colours."""
    blocks = int(rng.integers(32, 41))
    small = brushes.grade(image, 1.25, 1.05).resize((blocks, blocks), Image.Resampling.BOX)
    few = small.quantize(16, Image.Quantize.MAXCOVERAGE).convert("RGB")
    return few.resize(image.size, Image.Resampling.NEAREST)


def apply_stained_glass(image: Image.Image, rng: Generator) -> Image.Image:
    """Cells of bright glass in dark lead, which also follows outlines."""
    side, across, shades = image.width, 11, 6
    labels, borders = brushes.create_cells(side, brushes.choose_variant(rng), across)
    pieces = labels * shades + np.asarray(image.quantize(shades, Image.Quantize.MEDIANCUT))
    count = across * across * shades
    glass = brushes.compute_means(brushes.grade(image, 2.0, 1.1, 10), pieces, count)
    glass = glass * rng.uniform(0.8, 1.25, (count, 1)) + rng.uniform(-28, 28, (count, 3))
    bounds = find_outlines(image, 1.1, 24, 60)
    lead = np.maximum(borders * np.clip(1.4 - 2.2 * brushes.blur(bounds, brushes.to_pixels(side, 7)), 0, 1), bounds)
    shine = glass.astype(np.float32).take(pieces, axis=0) + 60 * (brushes.create_clouds(side, 12, rng) - 0.5)[..., None]
    return to_image(mix(shine, LEAD, lead))


def apply_mosaic(image: Image.Image, rng: Generator) -> Image.Image:
    """Small stone tiles in wavy rows with pale grout between."""
    side, across = image.width, 44
    labels, grout = brushes.create_tiles(side, across)
    stones = brushes.compute_means(brushes.grade(image, 1.6, 1.05), labels, across * across)
    stones = (stones * rng.uniform(0.82, 1.12, (across * across, 1))).astype(np.float32)
    return to_image(mix(stones.take(labels, axis=0), GROUT, grout))


def apply_chalk(image: Image.Image, rng: Generator) -> Image.Image:
    """Coloured chalk on a dark board: crumbling lines and rubbed-in areas."""
    side, which = image.width, brushes.choose_variant(rng)
    grain = brushes.create_paper(side, which)
    shaken = brushes.fetch(image, brushes.create_ripples(side, which, 2))
    line = find_outlines(shaken, 1.4, 22, 70) * np.clip(0.85 + 0.5 * grain, 0, 1)
    pastel = mix(_brighten(brushes.grade(shaken, 2.2), 235), WHITE, 0.2)
    rubbed = np.clip(0.12 + 0.75 * compute_lightness(shaken) - brushes.create_hatching(side, 60, 7) * 0.3 + 0.2 * grain, 0, 0.75)
    board = np.full((side, side, 3), BOARD, np.float32) + 16 * (brushes.create_clouds(side, 5, rng) - 0.5)[..., None]
    return to_image(mix(mix(board, pastel, rubbed), mix(pastel, WHITE, 0.5), line))


def _brighten(image: Image.Image, peak: float) -> np.ndarray:
    """The image with its hues almost at full brightness: the strongest channel at `peak`."""
    colour = to_floats(image)
    strongest = np.maximum(np.maximum(colour[..., 0], colour[..., 1]), colour[..., 2])
    return colour * (peak / np.maximum(strongest, 40))[..., None]


def apply_neon(image: Image.Image, rng: Generator) -> Image.Image:
    """Glowing tubes of light along every outline, on black."""
    side = image.width
    lines = find_outlines(image, 1, 24, 70)
    around = image.filter(ImageFilter.BoxBlur(brushes.to_pixels(side, 5)))
    tinged = to_image(to_floats(around) + rng.uniform(-16, 16, 3))  # so that grey things get a hue to glow in
    colour = _brighten(brushes.grade(tinged, 3.5, 1.4), 255)
    glow = brushes.blur(lines, brushes.to_pixels(side, 3)) + 0.9 * brushes.blur(lines, brushes.to_pixels(side, 9))
    return to_image(colour * glow[..., None] * 0.9 + 0.05 * to_floats(image) + mix(colour, WHITE, 0.55) * lines[..., None])


def apply_black_and_white(image: Image.Image, rng: Generator) -> Image.Image:
    """A photograph without colour: full tones, a little grain, darker corners."""
    side = image.width
    rows, columns = brushes.create_coordinates(side)
    corners = 1.08 - 0.9 * ((rows - 0.5) ** 2 + (columns - 0.5) ** 2)
    light = compute_lightness(image)
    light = light * light * (3 - 2 * light) * 0.7 + light * 0.3
    grey = light * corners * 255 + rng.normal(0, 7, (side, side)).astype(np.float32)
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8), "L").convert("RGB")


def apply_blueprint(image: Image.Image, rng: Generator) -> Image.Image:
    """White lines on blue paper with a faint grid."""
    side = image.width
    rows, columns = brushes.create_coordinates(side)
    fine, broad = (np.minimum(rows * many % 1, columns * many % 1) * side / many < brushes.to_pixels(side, 1) for many in (20, 5))
    drawn = np.maximum(find_outlines(image, 0.8, 14, 60), fine * 0.12 + broad * 0.14)
    sheet = np.full((side, side, 3), BLUEPRINT, np.float32) + 14 * (brushes.create_clouds(side, 5, rng) - 0.5)[..., None]
    return to_image(mix(sheet + 22 * (0.5 - compute_lightness(image))[..., None], CHALK_LINE, drawn))
