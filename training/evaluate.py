"""Draws fixed captions with a starter and lets the classifier judge them.

`python -m training.evaluate models/starter --sheet sheet.png` prints a table: one row a category, its share right.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from training import evaluate_sketches
from training.backgrounds import BACKGROUND_BY_NAME, BACKGROUNDS
from training.classifier import WEIGHTS, Answers, Classifier, accuracy, judged, load_classifier
from training.scenes import held_out_background, held_out_pair
from training.things import COLOURS, THING_NAMES, THINGS

STEPS, GUIDANCE = 20, 5.0
SHEET_COLUMNS, SHEET_CAPTIONS = 8, 48
SHEET_PAIRS = (
    "a cat and a dog on the beach",
    "a red balloon and a castle",
    "a blue car in the snow",
    "two penguins in the snow",
    "a robot to the left of a tree in a meadow",
    "a green heart on a white background",
    "a rocket above a house at night",
)
PLACES = tuple(background for background in BACKGROUNDS if background.paint is not None)


@dataclass(frozen=True)
class Trial:
    """A caption, what must be seen in its picture, and the row of the table it counts in. `None`: not asked."""

    category: str
    text: str
    things: tuple[str, ...]
    background: str | None = None
    colour: str | None = None

    def verdicts(self, seen: Answers) -> Iterator[tuple[str, bool]]:
        """(row of the table, right or wrong), one or two for each picture."""
        if self.category.startswith("left/right"):
            yield self.category, seen.left == {self.things[0]} and seen.right == {self.things[1]}
        else:
            yield self.category, seen.things == set(self.things)
        if self.colour:
            yield "its colour", seen.colour == self.colour
        if self.background:
            yield "background", seen.background == self.background


def _article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _place(name: str) -> str:
    return BACKGROUND_BY_NAME[name].phrases[0]


def _single_trials() -> Iterator[Trial]:
    """Two for each thing before places it was trained with, and one before a place it was never shown at."""
    for number, name in enumerate(THING_NAMES):
        met = [place.name for place in PLACES if not held_out_background(name, place.name)]
        for turn, wording in enumerate(("{thing} {place}", "a picture of {thing} {place}")):
            place = met[(number * 5 + turn * 3) % len(met)]
            text = wording.format(thing=_article(name), place=_place(place))
            yield Trial("one thing", text, (name,), place)
        for place in [place.name for place in PLACES if held_out_background(name, place.name)][:1]:
            yield Trial("one thing, never seen there", f"{_article(name)} {_place(place)}", (name,), place)


def _pair_trials(count: int = 40) -> Iterator[Trial]:
    for wanted, category in ((False, "left/right"), (True, "left/right, never seen in this order")):
        pairs = [(a, b) for a in THING_NAMES for b in THING_NAMES if a != b and held_out_pair(a, b) == wanted]
        for number in range(count):
            first, second = pairs[(number * 97 + 13) % len(pairs)]
            places = [p.name for p in PLACES if not any(held_out_background(n, p.name) for n in (first, second))]
            place = places[number % len(places)]
            text = f"{_article(first)} to the left of {_article(second)} {_place(place)}"
            yield Trial(category, text, (first, second), place)


def _colour_trials() -> Iterator[Trial]:
    for number, thing in enumerate(thing for thing in THINGS if thing.recolour):
        for turn in range(4):
            colour = list(COLOURS)[(number * 3 + turn * 5) % len(COLOURS)]
            text = f"{_article(f'{colour} {thing.name}')} in the sky"
            yield Trial("a coloured thing", text, (thing.name,), None, colour)


def trials() -> list[Trial]:
    """The fixed captions; the same at every run."""
    return [*_single_trials(), *_pair_trials(), *_colour_trials()]


def load_pipeline(folder: Path) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(str(folder), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def drawn(
    pipeline: StableDiffusionPipeline, texts: list[str], seed: int, guidance: float = GUIDANCE, batch: int = 16
) -> list[np.ndarray]:
    """One uint8 picture a caption; each from a seed of its own."""
    pictures: list[np.ndarray] = []
    for first in range(0, len(texts), batch):
        some = texts[first : first + batch]
        generators = [torch.Generator().manual_seed(seed + first + place) for place in range(len(some))]
        made: Any = pipeline(some, num_inference_steps=STEPS, guidance_scale=guidance, generator=generators, output_type="np")
        pictures += list((made.images * 255).round().astype(np.uint8))
    return pictures


def score(classifier: Classifier, asked: list[Trial], pictures: list[np.ndarray]) -> dict[str, tuple[int, int]]:
    """For each row of the table: how many were right, of how many."""
    table: dict[str, tuple[int, int]] = {}
    for trial, picture in zip(asked, pictures, strict=True):
        seen = judged(classifier, [picture], len(trial.things))[0]
        for row, right in trial.verdicts(seen):
            good, total = table.get(row, (0, 0))
            table[row] = good + int(right), total + 1
    return table


def sheet_captions() -> list[str]:
    """The captions of the sheet: each thing once, then pairs and colours."""
    single = [f"{_article(name)} {_place(_sheet_place(number, name))}" for number, name in enumerate(THING_NAMES)]
    return [*single, *SHEET_PAIRS][:SHEET_CAPTIONS]


def _sheet_place(number: int, name: str) -> str:
    met = [place.name for place in PLACES if not held_out_background(name, place.name)]
    return met[number * 3 % len(met)]


def contact_sheet(pictures: list[np.ndarray], path: Path, scale: int = 2) -> None:
    """Saves the pictures side by side, enlarged, as a PNG of 256 colours."""
    side = pictures[0].shape[0] * scale
    rows = -(-len(pictures) // SHEET_COLUMNS)
    sheet = Image.new("RGB", (side * SHEET_COLUMNS, side * rows), "white")
    for place, picture in enumerate(pictures):
        corner = place % SHEET_COLUMNS * side, place // SHEET_COLUMNS * side
        sheet.paste(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC), corner)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def print_table(table: dict[str, tuple[int, int]]) -> None:
    for row, (good, total) in table.items():
        print(f"{row:<40} {good:>4} of {total:<4} {good / total:6.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sheet", type=Path, help="save a sheet of samples here")
    parser.add_argument("--sheet-only", action="store_true")
    parser.add_argument("--classifier", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--guidance", type=float, default=GUIDANCE, help="the CFG scale of the captions")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pipeline = load_pipeline(options.folder)
    if options.sheet:
        contact_sheet(drawn(pipeline, sheet_captions(), options.seed, options.guidance), options.sheet)
    if options.sheet_only:
        return
    classifier = load_classifier(options.classifier)
    print("The classifier itself, on 1000 fresh drawn scenes:")
    for name, share in accuracy(classifier).items():
        print(f"{name:<40} {share:20.1%}")
    asked = trials()
    print(f"The starter, {len(asked)} captions, {STEPS} steps, guidance {options.guidance}:")
    pictures = drawn(pipeline, [trial.text for trial in asked], options.seed, options.guidance)
    print_table(score(classifier, asked, pictures))
    evaluate_sketches.report(options.folder, classifier)


if __name__ == "__main__":
    main()
