"""Draws a thousand fixed captions with a starter and lets the judge look at them.

`python -m training.evaluate models/starter` prints the tables, that of the sketches too; `--few-steps` judges the version that
makes its image in four steps, `--sheet sheet.png` saves samples and does no more.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import LCMScheduler, StableDiffusionPipeline
from PIL import Image

from training import evaluate_sketches
from training.autoencoder import reconstruction
from training.captions import caption
from training.diffusion import SCENE_SEEDS
from training.export import DEFAULTS
from training.few_steps import FEW_STEPS_DEFAULTS
from training.few_steps import FILE as FEW_STEPS
from training.judge import WEIGHTS, Judge, accuracy, judge_images, load_judge
from training.machine import to_images
from training.painting import render
from training.scenes import FRESH_SEEDS, NATIVE_SIZE, random_scene
from training.trials import Trial, sheet_captions, trials

BATCH = 16
COPY_SAMPLES, COPY_SCENES = 100, 4000
JUDGED_SCENES = 4000
SHEET_COLUMNS = 8


def load_pipeline(folder: Path) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(str(folder), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def few_step_pipeline(folder: Path) -> StableDiffusionPipeline:
    """The starter with its few-step LoRA and the scheduler that goes with it."""
    pipeline = load_pipeline(folder)
    pipeline.load_lora_weights(str(folder), weight_name=FEW_STEPS)
    pipeline.scheduler = LCMScheduler.from_config(pipeline.scheduler.config)
    return pipeline


def draw(pipeline: Any, texts: list[str], seed: int, steps: int, guidance: float) -> list[np.ndarray]:
    """One uint8 image per caption, each with a different seed."""
    images: list[np.ndarray] = []
    for first in range(0, len(texts), BATCH):
        some = texts[first : first + BATCH]
        generators = [torch.Generator().manual_seed(seed + first + place) for place in range(len(some))]
        made = pipeline(some, num_inference_steps=steps, guidance_scale=guidance, generator=generators, output_type="np")
        images += list((made.images * 255).round().astype(np.uint8))
    return images


def score(network: Judge, asked: list[Trial], images: list[np.ndarray]) -> dict[str, tuple[int, int]]:
    """For each row of the table: how many were right, of how many."""
    table: dict[str, tuple[int, int]] = {}
    for first in range(0, len(asked), BATCH):
        some = slice(first, first + BATCH)
        for trial, seen in zip(asked[some], judge_images(network, images[some]), strict=True):
            for row, right in trial.verdicts(seen):
                good, total = table.get(row, (0, 0))
                table[row] = good + int(right), total + 1
    return table


@torch.no_grad()
def _features(network: Judge, images: list[np.ndarray]) -> np.ndarray:
    chunks = [torch.from_numpy(np.stack(images[first : first + 50])) for first in range(0, len(images), 50)]
    return torch.cat([network.features(to_images(chunk, "cpu")) for chunk in chunks]).numpy().astype(np.float64)


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """The Frechet distance between two sets of features (Heusel et al. 2017), by the eigenvalues of the product."""
    means = first.mean(0) - second.mean(0)
    a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    roots = np.sqrt(np.clip(np.linalg.eigvals(a @ b).real, 0, None))
    return float(means @ means + np.trace(a) + np.trace(b) - 2 * roots.sum())


def _scenes(first_seed: int, count: int) -> list[np.ndarray]:
    return [render(random_scene(first_seed + place)) for place in range(count)]


def nearest(some: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """The distance of each row of `some` to the nearest row of `trained`."""
    return np.array([np.sqrt(np.square(trained - row).sum(1)).min() for row in some])


def report_copies(network: Judge, pipeline: Any, seed: int, steps: int, guidance: float) -> None:
    """Prints how near samples are to training images, beside how near fresh scenes are, and the Frechet distance."""
    captions = [caption(random_scene(FRESH_SEEDS + place), np.random.default_rng(place)) for place in range(COPY_SAMPLES)]
    samples = _features(network, draw(pipeline, captions, seed, steps, guidance))
    fresh = _features(network, _scenes(FRESH_SEEDS, 10 * COPY_SAMPLES))
    trained = _features(network, _scenes(SCENE_SEEDS, COPY_SCENES))
    own, others = nearest(samples, trained), nearest(fresh[:COPY_SAMPLES], trained)
    print(f"nearest of {COPY_SCENES} training pictures: samples {np.median(own):.2f} (least {own.min():.2f}), "
          f"fresh drawn scenes {np.median(others):.2f} (least {others.min():.2f})", flush=True)  # fmt: skip
    print(f"Frechet distance of {COPY_SAMPLES} samples to 1000 fresh scenes {frechet(samples, fresh):.2f}, "
          f"of {COPY_SAMPLES} training pictures {frechet(trained[:COPY_SAMPLES], fresh):.2f}", flush=True)  # fmt: skip


def contact_sheet(images: list[np.ndarray], path: Path) -> None:
    """Saves the images side by side as a PNG of 256 colours."""
    side = images[0].shape[0]
    rows = -(-len(images) // SHEET_COLUMNS)
    sheet = Image.new("RGB", (side * SHEET_COLUMNS, side * rows), "white")
    for place, image in enumerate(images):
        sheet.paste(Image.fromarray(image), (place % SHEET_COLUMNS * side, place // SHEET_COLUMNS * side))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def print_table(table: dict[str, tuple[int, int]]) -> None:
    for row, (good, total) in table.items():
        print(f"{row:<40} {good:>4} of {total:<4} {good / total:6.1%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--judge", type=Path, default=WEIGHTS)
    parser.add_argument("--sheet", type=Path, help="only save a sheet of samples here")
    parser.add_argument("--few-steps", action="store_true")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--guidance", type=float, help="the CFG scale, instead of the starter's default")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pipeline = few_step_pipeline(options.folder) if options.few_steps else load_pipeline(options.folder)
    defaults = FEW_STEPS_DEFAULTS if options.few_steps else DEFAULTS
    steps, guidance = int(defaults["steps"]), options.guidance or float(defaults["guidance_scale"])
    if options.sheet:
        contact_sheet(draw(pipeline, sheet_captions(), options.seed, steps, guidance), options.sheet)
        return
    network = load_judge(options.judge)
    print(f"The judge itself, on {JUDGED_SCENES} fresh drawn scenes:", flush=True)
    for row, share in accuracy(network, JUDGED_SCENES).items():
        print(f"{row:<40} {share:20.1%}", flush=True)
    asked = trials()
    print(f"The starter, {len(asked)} captions, {steps} steps, guidance {guidance}:", flush=True)
    print_table(score(network, asked, draw(pipeline, [trial.text for trial in asked], options.seed, steps, guidance)))
    for style, decibels in reconstruction(pipeline.vae, NATIVE_SIZE, "cpu").items():
        print(f"reconstruction of fresh scenes, {style:<20} {decibels:.2f} dB", flush=True)
    report_copies(network, pipeline, options.seed, steps, guidance)
    if not options.few_steps:
        evaluate_sketches.report(options.folder, network)


if __name__ == "__main__":
    main()
