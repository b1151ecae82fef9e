"""Generates images for a thousand fixed captions with a starter and scores them with the judge.

`python -m training.evaluate models/starter` prints the tables, including that of the sketches; `--few-steps` evaluates the
few-step version, `--hires` only sizes above the starter's own, `--sheet sheet.png` only saves a sheet of samples.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import LCMScheduler, StableDiffusionPipeline
from PIL import Image

from training import evaluate_hires, evaluate_sketches
from training.autoencoder import measure_reconstruction
from training.captions import write_caption
from training.diffusion import SCENE_SEEDS
from training.export import DEFAULTS
from training.few_steps import FEW_STEPS_DEFAULTS
from training.few_steps import FILE as FEW_STEPS
from training.judge import WEIGHTS, Judge, judge_images, load_judge, measure_accuracy
from training.machine import to_images
from training.painting import render
from training.scenes import FRESH_SEEDS, NATIVE_SIZE, create_scene
from training.trials import Trial, list_sheet_captions, list_trials

BATCH = 16
COPY_SAMPLES, COPY_SCENES = 100, 4000
JUDGED_SCENES = 4000
SHEET_COLUMNS = 8


def load_pipeline(folder: Path) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(str(folder), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_few_step_pipeline(folder: Path) -> StableDiffusionPipeline:
    """The starter with its few-step LoRA and the LCM scheduler."""
    pipeline = load_pipeline(folder)
    pipeline.load_lora_weights(str(folder), weight_name=FEW_STEPS)
    pipeline.scheduler = LCMScheduler.from_config(pipeline.scheduler.config)
    return pipeline


def draw(pipeline: Any, texts: list[str], seed: int, steps: int, guidance: float) -> list[np.ndarray]:
    """One uint8 image per caption, each with a seed of its own."""
    images: list[np.ndarray] = []
    for first in range(0, len(texts), BATCH):
        some = texts[first : first + BATCH]
        generators = [torch.Generator().manual_seed(seed + first + place) for place in range(len(some))]
        made = pipeline(some, num_inference_steps=steps, guidance_scale=guidance, generator=generators, output_type="np")
        images += list((made.images * 255).round().astype(np.uint8))
    return images


def score(network: Judge, asked: list[Trial], images: list[np.ndarray]) -> dict[str, tuple[int, int]]:
    """Row of the table -> how many answers were right, and out of how many."""
    table: dict[str, tuple[int, int]] = {}
    for first in range(0, len(asked), BATCH):
        some = slice(first, first + BATCH)
        for trial, seen in zip(asked[some], judge_images(network, images[some]), strict=True):
            for row, right in trial.list_verdicts(seen):
                good, total = table.get(row, (0, 0))
                table[row] = good + int(right), total + 1
    return table


@torch.no_grad()
def _extract_features(network: Judge, images: list[np.ndarray]) -> np.ndarray:
    chunks = [torch.from_numpy(np.stack(images[first : first + 50])) for first in range(0, len(images), 50)]
    return torch.cat([network.features(to_images(chunk, "cpu")) for chunk in chunks]).numpy().astype(np.float64)


def compute_frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The Fréchet distance between two sets of features (Heusel et al. 2017), from the eigenvalues of the product."""
    means = first.mean(0) - second.mean(0)
    a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    roots = np.sqrt(np.clip(np.linalg.eigvals(a @ b).real, 0, None))
    return float(means @ means + np.trace(a) + np.trace(b) - 2 * roots.sum())


def _draw_scenes(first_seed: int, count: int) -> list[np.ndarray]:
    return [render(create_scene(first_seed + place)) for place in range(count)]


def find_nearest_distances(some: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """The distance of each row of `some` to the nearest row of `trained`."""
    return np.array([np.sqrt(np.square(trained - row).sum(1)).min() for row in some])


def report_copies(network: Judge, pipeline: Any, seed: int, steps: int, guidance: float) -> None:
    """Prints how close samples are to training images, compared with scenes not trained on, and the Fréchet distance."""
    captions = [write_caption(create_scene(FRESH_SEEDS + place), np.random.default_rng(place)) for place in range(COPY_SAMPLES)]
    samples = _extract_features(network, draw(pipeline, captions, seed, steps, guidance))
    fresh = _extract_features(network, _draw_scenes(FRESH_SEEDS, 10 * COPY_SAMPLES))
    trained = _extract_features(network, _draw_scenes(SCENE_SEEDS, COPY_SCENES))
    own, others = find_nearest_distances(samples, trained), find_nearest_distances(fresh[:COPY_SAMPLES], trained)
    to_fresh, baseline = compute_frechet_distance(samples, fresh), compute_frechet_distance(trained[:COPY_SAMPLES], fresh)
    print(f"nearest of {COPY_SCENES} training pictures: samples {np.median(own):.2f} (least {own.min():.2f}), "
          f"fresh drawn scenes {np.median(others):.2f} (least {others.min():.2f})", flush=True)  # fmt: skip
    print(f"Frechet distance of {COPY_SAMPLES} samples to 1000 fresh scenes {to_fresh:.2f}, "
          f"of {COPY_SAMPLES} training pictures {baseline:.2f}", flush=True)  # fmt: skip


def save_contact_sheet(images: list[np.ndarray], path: Path) -> None:
    """Saves the images in a grid as a PNG of 256 colours."""
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
    parser.add_argument("--hires", action="store_true", help="only sizes far above its own, in two passes and at once")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--guidance", type=float, help="the CFG scale, instead of the starter's default")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.hires:
        evaluate_hires.report(options.folder, load_judge(options.judge))
        return
    pipeline = load_few_step_pipeline(options.folder) if options.few_steps else load_pipeline(options.folder)
    defaults = FEW_STEPS_DEFAULTS if options.few_steps else DEFAULTS
    steps, guidance = int(defaults["steps"]), options.guidance or float(defaults["guidance_scale"])
    if options.sheet:
        save_contact_sheet(draw(pipeline, list_sheet_captions(), options.seed, steps, guidance), options.sheet)
        return
    network = load_judge(options.judge)
    print(f"The judge itself, on {JUDGED_SCENES} fresh drawn scenes:", flush=True)
    for row, share in measure_accuracy(network, JUDGED_SCENES).items():
        print(f"{row:<40} {share:20.1%}", flush=True)
    asked = list_trials()
    print(f"The starter, {len(asked)} captions, {steps} steps, guidance {guidance}:", flush=True)
    print_table(score(network, asked, draw(pipeline, [trial.text for trial in asked], options.seed, steps, guidance)))
    for style, decibels in measure_reconstruction(pipeline.vae, NATIVE_SIZE, "cpu").items():
        print(f"reconstruction of fresh scenes, {style:<20} {decibels:.2f} dB", flush=True)
    report_copies(network, pipeline, options.seed, steps, guidance)
    if not options.few_steps:
        evaluate_sketches.report(options.folder, network)


if __name__ == "__main__":
    main()
