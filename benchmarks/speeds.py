"""The Speed setting: the speedup over Exact, and the difference of the images, with the starter and at full size.

The checkpoint of full size has random weights: it shows numerical drift, not a loss of image quality.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.full_size import write_checkpoint
from benchmarks.perceptual import gmsd, psnr
from engine import Local, Settings, TextToImage
from engine.generate.speed.compile import find_store
from engine.idle.duties import SELF_TEST_SECONDS
from engine.plan.speed import FEW_STEPS, speed_for
from engine.records import metadata
from engine.requests import SPEEDS
from engine.settings import HOUSE
from engine.stopping import Stop

PROMPTS = ("a cat on the beach", "two penguins in the snow", "a rocket in space", "a red balloon at sunset")
STARTER = tuple(TextToImage(prompt=prompt, checkpoint="starter", seed=seed) for seed in (1, 2) for prompt in PROMPTS)
FULL_SIZE = (TextToImage(prompt=PROMPTS[0], checkpoint="full-size", width=256, height=256, steps=12, seed=1),)


def main() -> None:
    """Print a table for each checkpoint."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_checkpoint(folder / "full-size")
        for title, models, asked, speeds in (
            ("starter", HOUSE / "models", STARTER, SPEEDS),
            ("full size, random", folder, FULL_SIZE, [name for name in SPEEDS if name != FEW_STEPS]),  # there is no such LoRA
        ):
            settings = dataclasses.replace(Settings(), models=models, data=folder / "data", outputs=folder / "outputs")
            with Local(settings) as easel:
                prepare_graphs(easel, asked[0], settings)
                print(f"{title}: {len(asked)} of {asked[0].width or 'native'} pixels, {asked[0].steps or 'the usual'} steps")
                report(easel, asked, speeds)


def prepare_graphs(easel: Local, asked: TextToImage, settings: Settings) -> None:
    """Make an image, wait for the graphs that a compiler needs, and make one with each of them."""
    easel.make(asked)
    easel.rest(SELF_TEST_SECONDS, Stop())  # makes those of the starter
    for _ in range(2):
        find_store(settings.data).wait()
        easel.make(asked)


def report(easel: Local, asked: tuple[TextToImage, ...], speeds: Sequence[str]) -> None:
    """Print one line per setting, and what computed its steps."""
    made = {speed: [time_request(easel, dataclasses.replace(each, speed=speed)) for each in asked] for speed in speeds}
    exact = made["exact"]
    for speed, images in made.items():
        faster = statistics.median(e.seconds / p.seconds for e, p in zip(exact, images, strict=True))
        decibels, distance = (
            statistics.median(measure(p.image, e.image) for e, p in zip(exact, images, strict=True)) for measure in (psnr, gmsd)
        )
        print(
            f"  {speed:9} {faster:4.2f} times as fast   PSNR {decibels:5.1f} dB   GMSD {distance:.3f}   "
            f"the network runs at {images[-1].runs} of {exact[-1].runs} steps, by {images[-1].compiler or 'torch'}",
            flush=True,
        )
    other = statistics.median(gmsd(a.image, b.image) for a, b in itertools.pairwise(exact)) if len(exact) > 1 else None
    if other is not None:
        print(f"  for comparison, two different pictures: GMSD {other:.3f}")


@dataclass(frozen=True)
class TimedImage:
    """How many ``seconds`` an image took, its levels 0..255, at how many steps the network ``runs``, and the ``compiler`` that
    computed them, "" for torch."""

    seconds: float
    image: np.ndarray
    runs: int
    compiler: str


def time_request(easel: Local, asked: TextToImage) -> TimedImage:
    """Make one image."""
    began = time.perf_counter()
    (result,) = easel.make(asked)
    seconds = time.perf_counter() - began
    record = metadata.read(result.path)
    assert record is not None, "Easel wrote it"
    request, plan = record.resolved.request, record.resolved.plan
    steps = request.steps or 0
    runs = speed_for(asked.speed, steps).count_runs(steps)
    with Image.open(result.path) as saved:
        return TimedImage(seconds, np.asarray(saved.convert("RGB")), runs, plan.compiler)


if __name__ == "__main__":
    main()
