"""How well image-to-image with a starter keeps the layout of a simple drawing, and how well the thing is then recognised.

`python -m training.evaluate_sketches models/starter` prints a row per strength. The drawings are flat areas in the silhouette and
main colours of a thing, on a plain background and at varying positions; the judge was not trained on such images.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from engine.events import ImageSaved
from engine.local import Local
from engine.records.blobs import Blobs
from engine.requests import ImageToImage
from engine.settings import Settings
from engine.stopping import Stop
from training.drawing.palette import COLOURS
from training.drawing.things import THINGS, add_indefinite_article, draw_thing, takes_article
from training.judge import WEIGHTS, Judge, judge_images, load_judge
from training.scenes import NATIVE_SIZE

STRENGTHS = (0.3, 0.45, 0.6, 0.75)
SIDE = NATIVE_SIZE  # pixels of a drawing
COUNT = 80  # drawings: a run takes minutes
GRID = 16
DIFFERENT = 48  # levels by which a pixel of the thing differs from the border around it
PLAIN = ("white", "yellow", "blue", "green")

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Sketch:
    """A drawing of one thing: the image, the bounding box of the thing in pixels, and the prompt."""

    thing: str
    words: str
    image: Image.Image
    box: Box


@dataclass(frozen=True)
class Row:
    """Means over all drawings: correlation of the 16 x 16 colour grids, box overlap (IoU), share recognised."""

    correlation: float
    overlap: float
    recognised: float


def draw_sketches(count: int = COUNT) -> list[Sketch]:
    """`count` drawings of one thing each, spread evenly over the table of things; the same ones in every run."""
    return [_draw_sketch(place * len(THINGS) // count) for place in range(count)]


def _draw_sketch(number: int) -> Sketch:
    dice = np.random.default_rng([number, 5])
    thing = THINGS[number]
    tile = _draw_patches(draw_thing(thing.name, None), round(SIDE * dice.uniform(0.6, 0.72)))
    colour = _choose_background(tile, number)
    low = thing.place in ("ground", "surface")
    left = (SIDE - tile.width) // 2 + round(SIDE * dice.uniform(-0.06, 0.06))
    top = round(SIDE * 0.95) - tile.height if low else (SIDE - tile.height) // 2
    image = Image.new("RGB", (SIDE, SIDE), tuple(COLOURS[colour]))
    image.paste(tile, (left, top), tile)
    box = tile.getchannel("A").getbbox() or (0, 0, *tile.size)
    words = add_indefinite_article(thing.name) if takes_article(thing.name) else thing.name
    drawn = (box[0] + left, box[1] + top, box[2] + left, box[3] + top)
    return Sketch(thing.name, f"{words} on a {colour} background", image, drawn)


def _choose_background(tile: Image.Image, number: int) -> str:
    """A background colour that contrasts with the thing, as one would draw a white sheep on green."""
    pixels = np.asarray(tile, int)
    body = np.median(pixels[pixels[..., 3] > 0][:, :3], 0)
    turned = [PLAIN[(number + turn) % len(PLAIN)] for turn in range(len(PLAIN))]
    return next(colour for colour in turned if np.abs(body - COLOURS[colour]).max() > 2 * DIFFERENT)


def _draw_patches(tile: Image.Image, longest: int) -> Image.Image:
    """The thing as a child would draw it: a rounded outline filled with three flat colours."""
    share = longest / max(tile.size)
    tile = tile.resize((round(tile.width * share), round(tile.height * share)), Image.Resampling.LANCZOS)
    soft = tile.convert("RGB").filter(ImageFilter.GaussianBlur(longest / 24)).quantize(3, dither=Image.Dither.NONE).convert("RGB")
    outline = tile.getchannel("A").filter(ImageFilter.GaussianBlur(longest / 40)).point([0] * 128 + [255] * 128)
    soft.putalpha(outline)
    return soft


def compute_grid(image: Image.Image) -> np.ndarray:
    """The coarse layout: the mean colours of 16 x 16 squares, flattened."""
    return np.asarray(image.convert("RGB").resize((GRID, GRID), Image.Resampling.BOX), float).ravel()


def compute_correlation(one: Image.Image, other: Image.Image) -> float:
    """The correlation of the coarse layouts of two images, -1 to 1; 0 if one of them is a single colour."""
    first, second = compute_grid(one), compute_grid(other)
    return float(np.corrcoef(first, second)[0, 1]) if first.std() and second.std() else 0.0


def find_thing_box(image: Image.Image) -> Box | None:
    """The bounding box of what differs from the image's border, ignoring stray pixels; None if nothing does."""
    pixels = np.asarray(image.convert("RGB"), int)
    border = np.concatenate([pixels[:3].reshape(-1, 3), pixels[:, :3].reshape(-1, 3), pixels[:, -3:].reshape(-1, 3)])
    rows, columns = np.nonzero(np.abs(pixels - np.median(border, 0)).max(-1) > DIFFERENT)
    if not len(rows):
        return None
    left, right = np.percentile(columns, (1, 99))
    top, low = np.percentile(rows, (1, 99))
    return int(left), int(top), int(right) + 1, int(low) + 1


def compute_overlap(one: Box | None, other: Box | None) -> float:
    """Intersection over union of two boxes."""
    if one is None or other is None:
        return 0.0
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def paint(folder: Path, drawn: list[Sketch], strengths: tuple[float, ...] = STRENGTHS) -> list[list[Image.Image]]:
    """Every drawing through image-to-image at each strength, with the starter in `folder`."""
    with tempfile.TemporaryDirectory() as place:
        own = {name: Path(place) / name for name in ("data", "outputs")}
        settings = dataclasses.replace(Settings(), models=folder.parent, **own)
        blobs = Blobs(settings.data / "blobs")
        with Local(settings) as easel:
            return [_paint_sketch(easel, blobs, folder.name, number, sketch, strengths) for number, sketch in enumerate(drawn)]


def _paint_sketch(
    easel: Local, blobs: Blobs, checkpoint: str, number: int, sketch: Sketch, strengths: tuple[float, ...]
) -> list[Image.Image]:
    asked = ImageToImage(
        prompt=sketch.words,
        checkpoint=checkpoint,
        init_image=blobs.put(sketch.image),
        strengths=strengths,
        count=len(strengths),
        seed=number,
    )
    made = [event.result.path for event in easel.run(f"sketch{number}", asked, Stop()) if isinstance(event, ImageSaved)]
    return [Image.open(path).convert("RGB") for path in made]


def measure_rows(network: Judge, drawn: list[Sketch], images: list[list[Image.Image]]) -> list[Row]:
    """One row per strength, in the order of `images`."""
    return [_measure_row(network, drawn, [made[at] for made in images]) for at in range(len(images[0]))]


def measure_blurred(network: Judge, drawn: list[Sketch]) -> Row:
    """The same measures for the drawings themselves, slightly blurred: the baseline for recognition."""
    return _measure_row(network, drawn, [sketch.image.filter(ImageFilter.GaussianBlur(SIDE / 43)) for sketch in drawn])


def _measure_row(network: Judge, drawn: list[Sketch], images: list[Image.Image]) -> Row:
    answers = judge_images(network, [np.asarray(image.resize((NATIVE_SIZE, NATIVE_SIZE))) for image in images])
    pairs = list(zip(drawn, images, strict=True))
    right = [seen.first(1) == {sketch.thing} for sketch, seen in zip(drawn, answers, strict=True)]
    overlaps = [compute_overlap(sketch.box, find_thing_box(made.resize((SIDE, SIDE)))) for sketch, made in pairs]
    correlations = [compute_correlation(sketch.image, made) for sketch, made in pairs]
    return Row(float(np.mean(correlations)), float(np.mean(overlaps)), float(np.mean(right)))


def report(folder: Path, network: Judge) -> None:
    """Prints the table."""
    drawn = draw_sketches()
    images = paint(folder, drawn)
    named = {"the drawings, blurred": measure_blurred(network, drawn)}
    named |= {f"strength {s:g}": row for s, row in zip(STRENGTHS, measure_rows(network, drawn, images), strict=True)}
    print(f"{len(drawn)} drawings, painted over:")
    print(f"{'':<24} {'layout kept':>12} {'box overlap':>12} {'recognised':>12}")
    for name, row in named.items():
        print(f"{name:<24} {row.correlation:12.3f} {row.overlap:12.3f} {row.recognised:12.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--judge", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    report(options.folder, load_judge(options.judge))


if __name__ == "__main__":
    main()
