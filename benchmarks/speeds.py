"""The Speed setting: the speedup over Exact, and the difference of the images, with the starter and at full size.

The checkpoint of full size has random weights: it shows numerical drift, not a loss of image quality.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.full_size import write_checkpoint
from benchmarks.perceptual import gmsd, psnr
from engine import Local, Settings, TextToImage
from engine.requests import SPEEDS
from engine.settings import HOUSE

PROMPTS = ("a cat on the beach", "two penguins in the snow", "a rocket in space", "a red balloon at sunset")
STARTER = tuple(TextToImage(prompt=prompt, checkpoint="starter", seed=seed) for seed in (1, 2) for prompt in PROMPTS)
FULL_SIZE = (TextToImage(prompt=PROMPTS[0], checkpoint="full-size", width=256, height=256, steps=12, seed=1),)


def main() -> None:
    """Print a table for each checkpoint."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_checkpoint(folder / "full-size")
        for title, models, asked in (("starter", HOUSE / "models", STARTER), ("full size, random", folder, FULL_SIZE)):
            settings = dataclasses.replace(Settings(), models=models, data=folder / "data", outputs=folder / "outputs")
            with Local(settings) as easel:
                easel.make(asked[0])
                print(f"{title}: {len(asked)} of {asked[0].width or 'native'} pixels, {asked[0].steps or 'the usual'} steps")
                report(easel, asked)


def report(easel: Local, asked: tuple[TextToImage, ...]) -> None:
    """Print one line per setting."""
    made = {speed: [time_request(easel, dataclasses.replace(each, speed=speed)) for each in asked] for speed in SPEEDS}
    exact = made["exact"]
    for speed, images in made.items():
        faster = statistics.median(e[0] / p[0] for e, p in zip(exact, images, strict=True))
        decibels, distance = (
            statistics.median(measure(p[1], e[1]) for e, p in zip(exact, images, strict=True)) for measure in (psnr, gmsd)
        )
        print(f"  {speed:9} {faster:4.2f} times as fast   PSNR {decibels:5.1f} dB   GMSD {distance:.3f}", flush=True)
    other = statistics.median(gmsd(a[1], b[1]) for a, b in itertools.pairwise(exact)) if len(exact) > 1 else None
    if other is not None:
        print(f"  for comparison, two different pictures: GMSD {other:.3f}")


def time_request(easel: Local, asked: TextToImage) -> tuple[float, np.ndarray]:
    """Seconds of one image, and its levels 0..255."""
    began = time.perf_counter()
    (result,) = easel.make(asked)
    seconds = time.perf_counter() - began
    with Image.open(result.path) as saved:
        return seconds, np.asarray(saved.convert("RGB"))


if __name__ == "__main__":
    main()
