"""How often a starter draws one thing, and not several, at sizes far above its own: drawn at once, and in two passes (hires fix).

`python -m training.evaluate models/starter --hires` prints a row per size.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from engine.local import Local
from engine.requests import TextToImage
from engine.settings import Settings
from training.judge import Judge, judge_images
from training.scenes import NATIVE_SIZE
from training.trials import Trial, list_singles

SIDES = (512, 1024)
COUNT = 40


def report(folder: Path, network: Judge, count: int = COUNT) -> None:
    """Prints, for each size, for how many of ``count`` captions the judge finds one of the thing, with and without two passes."""
    trials = list_singles(count)
    with tempfile.TemporaryDirectory() as place:
        settings = dataclasses.replace(
            Settings(), models=folder.parent, data=Path(place) / "data", outputs=Path(place) / "outputs"
        )
        with Local(settings) as engine:
            for side in SIDES:
                found = {hires: count_right(engine, folder.name, network, trials, side, hires=hires) for hires in (False, True)}
                print(f"one thing at {side} x {side}: {found[True]} of {count} in two passes, {found[False]} at once", flush=True)


def count_right(engine: Local, checkpoint: str, network: Judge, trials: list[Trial], side: int, *, hires: bool) -> int:
    """For how many captions the judge finds one of the thing in an image of ``side`` squared pixels, reduced to its own size."""
    images: list[np.ndarray] = []
    for number, trial in enumerate(trials):
        request = TextToImage(prompt=trial.text, checkpoint=checkpoint, width=side, height=side, seed=number, hires=hires)
        with Image.open(engine.make(request)[0].path) as made:
            reduced = made.convert("RGB").resize((NATIVE_SIZE, NATIVE_SIZE), Image.Resampling.LANCZOS)
        images.append(np.array(reduced))
    return sum(trial.is_right(seen) for trial, seen in zip(trials, judge_images(network, images), strict=True))
