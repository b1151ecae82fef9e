"""What a control adds to a step, in Easel and in diffusers' own pipeline, in turns, in one process.

The checkpoint is the starter, computed by torch in float32, with a ControlNet of its architecture and random weights: with steps
this short, whatever Easel does besides the networks counts most.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image

from engine import Local, TextToImage
from engine.events import Step
from engine.records.blobs import Blobs
from engine.requests import Control
from engine.settings import HOUSE, Settings
from engine.stopping import Stop

STARTER = HOUSE / "models" / "starter"

SIDE, STEPS, ROUNDS = 256, 11, 3
"""The first of the steps is left out: between eleven of them lie ten."""

GOAL = 1.15

_HINT_WIDTHS = (16, 16, 32, 64, 96)
"""The widths of the layers that embed the map: one halving for each of the starter's autoencoder."""

Draw = Callable[[], list[float]]
"""Draws a picture and returns when each step was done."""


def main() -> None:
    """Print what a control adds to a step."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        network = write_control(folder / "controlnet" / "scribble")
        settings = dataclasses.replace(
            Settings(), models=STARTER.parent, extra_models=(folder / "controlnet",), data=folder / "data",
            outputs=folder / "outputs", device="cpu", precision="float32",
        )  # fmt: skip
        picture = Image.effect_mandelbrot((SIDE, SIDE), (-2.0, -1.5, 1.0, 1.5), 100).convert("RGB")
        with Local(settings) as easel:
            image = Blobs(settings.data / "blobs").put(picture)
            control = Control(model="scribble", image=image)
            ways: dict[str, Draw] = {
                "diffusers": prepare_diffusers(None, picture), "diffusers with a control": prepare_diffusers(network, picture),
                "Easel": prepare_easel(easel, dataclasses.replace(control, end=0.001)),
                "Easel with a control": prepare_easel(easel, control),
            }  # fmt: skip
            report(take_turns(ways))


def write_control(folder: Path) -> ControlNetModel:
    """A ControlNet of the starter's architecture with random weights."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel.from_pretrained(STARTER / "unet")
    made = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=_HINT_WIDTHS).eval()
    made.save_pretrained(folder)
    return made


def prepare_diffusers(network: ControlNetModel | None, picture: Image.Image) -> Draw:
    """Drawing by diffusers' own pipeline, with ``network`` or without one."""
    plain: Any = StableDiffusionPipeline.from_pretrained(STARTER, torch_dtype=torch.float32, safety_checker=None)
    own: dict[str, Any] = {} if network is None else {"image": picture}
    pipeline: Any = plain
    if network is not None:
        pipeline = StableDiffusionControlNetPipeline(**plain.components, controlnet=network, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)

    def draw() -> list[float]:
        seen: list[float] = []

        def note(_pipeline: Any, _step: int, _timestep: Any, given: dict[str, Any]) -> dict[str, Any]:
            seen.append(time.perf_counter())
            return given

        pipeline(
            "a cat", num_inference_steps=STEPS, height=SIDE, width=SIDE, generator=torch.Generator("cpu").manual_seed(0),
            guidance_scale=7.5, callback_on_step_end=note, **own,
        )  # fmt: skip
        return seen

    return draw


def prepare_easel(easel: Local, control: Control) -> Draw:
    """Drawing by Easel, with a control that runs, or, for the same plan, with one that ends before the first step does."""
    request = TextToImage(
        prompt="a cat",
        checkpoint="starter",
        width=SIDE,
        height=SIDE,
        steps=STEPS,
        guidance_scale=7.5,
        seed=0,
        controls=(control,),
    )

    def draw() -> list[float]:
        events = easel.run(f"bench{time.time_ns()}", request, Stop())
        return [time.perf_counter() for event in events if isinstance(event, Step)]

    return draw


def take_turns(ways: dict[str, Draw]) -> dict[str, list[float]]:
    """The median seconds of ten steps in each of :data:`ROUNDS` pictures, the ways one after the other in each round; the first
    round is left out."""
    found: dict[str, list[float]] = {way: [] for way in ways}
    for round_number in range(ROUNDS + 1):
        for way, draw in ways.items():
            steps = [after - before for before, after in itertools.pairwise(draw())]
            if round_number:
                found[way].append(statistics.median(steps))
    return found


def report(found: dict[str, list[float]]) -> None:
    """Print each way, what the control adds, and the ratio of what it adds."""
    medians = {way: statistics.median(seconds) for way, seconds in found.items()}
    for way, seconds in medians.items():
        print(f"{way}: a step {seconds * 1000:.1f} ms")
    added = {way: medians[f"{way} with a control"] - medians[way] for way in ("diffusers", "Easel")}
    ratio = added["Easel"] / added["diffusers"]
    print(f"a control adds {added['diffusers'] * 1000:.1f} ms in diffusers and {added['Easel'] * 1000:.1f} ms in Easel: ", end="")
    print(f"{ratio:.2f} times as much (at most {GOAL})")


if __name__ == "__main__":
    main()
