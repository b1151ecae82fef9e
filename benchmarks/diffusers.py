"""Easel compared with plain diffusers (``pipe(prompt)`` in its default precision), alternating, on one full-size checkpoint.

Only a few steps are measured, because they are slow on a CPU; the time for twenty is extrapolated, and the output says so.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.full_size import write_checkpoint
from benchmarks.perceptual import psnr
from engine import Local, Settings, TextToImage
from engine.events import ImageSaved, Step
from engine.generate.samplers import create
from engine.stopping import Stop

SAMPLER, SCHEDULE, SIDE, STEPS, WHOLE, ROUNDS = "DPM++ 2M", "Karras", 512, 4, 20, 2
PROMPT = "a cat on the beach"
REQUEST = TextToImage(prompt=PROMPT, checkpoint="full-size", width=SIDE, height=SIDE, steps=STEPS, scheduler=SAMPLER, seed=0)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The timings of one image in seconds; ``total`` is from the call to the file."""

    step: float
    total: float
    image: np.ndarray

    @property
    def whole(self) -> float:
        """Seconds of an image of :data:`WHOLE` steps, extrapolated from the measured steps."""
        return self.total + (WHOLE - STEPS) * self.step


def main() -> None:
    """Print the seconds of both, their ratios, and the error of Easel's image relative to float32."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In float32: of weights stored in half precision, diffusers' defaults load components in two dtypes that do not combine.
        write_checkpoint(folder / "models" / "full-size", "float32")
        plain = load_plain_pipeline(folder / "models" / "full-size")
        settings = dataclasses.replace(Settings(), models=folder / "models", data=folder / "data", outputs=folder / "outputs")
        with Local(settings) as easel:
            easel.warm("full-size", Stop())
            began = time.perf_counter()
            easel.make(dataclasses.replace(REQUEST, steps=1))
            print(f"Easel's first picture of this size, one step, including compilation: {measure_since(began):.1f} s")
            rounds = [(run_diffusers(plain, folder), run_easel(easel, number)) for number in range(ROUNDS)]
            print(f"Easel: {easel.describe().device}, {torch.get_num_threads()} threads; diffusers: {plain.unet.dtype}")
    report(rounds)


def report(rounds: list[tuple[Run, Run]]) -> None:
    """Print what was measured."""
    ratios = {}
    for what in ("step", "total", "whole"):
        theirs, ours = (statistics.median(getattr(run, what) for run in column) for column in zip(*rounds, strict=True))
        ratios[what] = theirs, ours
    for what, words in {
        "step": "a guided step (UNet and sampler)", "total": f"end to end, {STEPS} steps, measured",
        "whole": f"end to end, {WHOLE} steps, extrapolated from those",
    }.items():  # fmt: skip
        theirs, ours = ratios[what]
        print(f"{words:45} diffusers {theirs:7.2f} s   Easel {ours:7.2f} s   {theirs / ours:.2f} times as fast")
    plain, ours = rounds[-1][0].image, rounds[-1][1].image
    print(f"relative error of the picture against float32: {relative_error(ours, plain):.2%}, PSNR {psnr(ours, plain):.1f} dB")


def load_plain_pipeline(folder: Path) -> Any:
    """The checkpoint as diffusers loads it by default, with the scheduler that both use."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = create(SAMPLER, pipeline.scheduler.config, SCHEDULE)
    return pipeline


def run_diffusers(pipeline: Any, folder: Path) -> Run:
    """One image by plain diffusers."""
    seen: list[float] = []

    def note(_pipeline: Any, _step: int, _timestep: Any, given: dict[str, Any]) -> dict[str, Any]:
        seen.append(time.perf_counter())
        return given

    began = time.perf_counter()
    generator = torch.Generator("cpu").manual_seed(0)
    made = pipeline(PROMPT, num_inference_steps=STEPS, height=SIDE, width=SIDE, generator=generator, callback_on_step_end=note)
    made.images[0].save(folder / "plain.png")
    return Run(step=compute_step(seen), total=time.perf_counter() - began, image=np.asarray(made.images[0], np.float64))


def run_easel(easel: Local, number: int) -> Run:
    """One image by Easel, with its defaults for this machine."""
    seen, path = [], None
    began = time.perf_counter()
    for event in easel.run(f"round{number}", REQUEST, Stop()):
        if isinstance(event, Step):
            seen.append(time.perf_counter())
        if isinstance(event, ImageSaved):
            path = event.result.path
    assert path is not None
    with Image.open(path) as saved:
        return Run(step=compute_step(seen), total=time.perf_counter() - began, image=np.asarray(saved.convert("RGB"), np.float64))


def measure_since(began: float) -> float:
    """Seconds since ``began``."""
    return time.perf_counter() - began


def compute_step(seen: list[float]) -> float:
    """Seconds per step: the median time between two steps."""
    return statistics.median(after - before for before, after in itertools.pairwise(seen))


def relative_error(image: np.ndarray, exact: np.ndarray) -> float:
    """The RMS error of ``image`` relative to the standard deviation of ``exact`` about its mean colour."""
    varies = exact - exact.mean(axis=(0, 1))
    return float(np.linalg.norm(image - exact) / np.linalg.norm(varies))


if __name__ == "__main__":
    main()
