"""Tools for measurements on a graphics card: bare loops of the UNet, and one timed job of Easel or plain diffusers.

They also run on a CPU, slowly.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine import Local, TextToImage
from engine.events import Event, ImageSaved, Notice, Step
from engine.generate.samplers import create
from engine.json_values import JsonObject
from engine.stopping import Stop


@dataclass(frozen=True, kw_only=True)
class TimedJob:
    """One job. ``rate``: guided steps per second in the loop; ``each``: seconds per image from the call to the last file."""

    rate: float
    each: float
    paths: tuple[Path, ...]
    said: tuple[str, ...] = ()


def wait(device: str) -> None:
    """Synchronise with the device."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def measure_seconds(device: str, call: Callable[[], Any]) -> float:
    """The seconds that ``call`` takes, including the work that it queues on the device."""
    wait(device)
    began = time.perf_counter()
    call()
    wait(device)
    return time.perf_counter() - began


def run_easel(easel: Local, asked: TextToImage, job: str) -> TimedJob:
    """The images of a job by Easel."""
    began, events = time.perf_counter(), []
    for event in easel.run(job, asked, Stop()):
        events.append((time.perf_counter(), event))
    last = max(at for at, event in events if isinstance(event, ImageSaved))
    return TimedJob(
        rate=compute_rate(events), each=(last - began) / asked.count,
        paths=tuple(event.result.path for _, event in events if isinstance(event, ImageSaved)),
        said=tuple(event.text for _, event in events if isinstance(event, Notice)),
    )  # fmt: skip


def compute_rate(events: list[tuple[float, Event]]) -> float:
    """Steps per second between the first and the last step of an image, the median of the images."""
    steps: dict[int, list[float]] = {}
    for at, event in events:
        if isinstance(event, Step):
            steps.setdefault(event.index, []).append(at)
    return statistics.median((len(times) - 1) / (times[-1] - times[0]) for times in steps.values())


def run_diffusers(pipeline: Any, asked: TextToImage, device: str, folder: Path) -> TimedJob:
    """The same images by a plain pipeline, one call and one file after the other."""
    rates, paths = [], []

    def one(seed: int) -> None:
        seen: list[float] = []

        def note(_pipeline: Any, step: int, _timestep: Any, given: dict[str, Any]) -> dict[str, Any]:
            if step in (0, (asked.steps or 0) - 1):
                wait(device)
                seen.append(time.perf_counter())
            return given

        made = pipeline(
            asked.prompt, num_inference_steps=asked.steps, height=asked.height, width=asked.width,
            generator=torch.Generator("cpu").manual_seed(seed), callback_on_step_end=note,
        )  # fmt: skip
        paths.append(folder / f"plain{seed}.png")
        made.images[0].save(paths[-1])
        rates.append(((asked.steps or 0) - 1) / (seen[-1] - seen[0]))

    took = measure_seconds(device, lambda: [one(seed) for seed in range(asked.count)])
    return TimedJob(rate=statistics.median(rates), each=took / asked.count, paths=tuple(paths))


@dataclass(frozen=True, kw_only=True)
class Loop:
    """Guided steps of ``images`` of ``side`` latents at once, with random prompt embeddings, without anything around them."""

    unet: Any
    sampler: str
    schedule: str
    config: JsonObject
    side: int
    images: int = 1

    def create_inputs(self) -> dict[str, torch.Tensor]:
        """The UNet's inputs, on its device and in its dtype."""
        weights, rows = next(self.unet.parameters()), 2 * self.images
        like: dict[str, Any] = {"device": weights.device, "dtype": weights.dtype}
        return {
            "sample": torch.randn(rows, 4, self.side, self.side, **like),
            "timestep": torch.tensor(500, device=weights.device),
            "encoder_hidden_states": torch.randn(rows, 77, self.unet.config.cross_attention_dim, **like),
        }

    @torch.inference_mode()
    def unet_alone(self, steps: int) -> None:
        """The UNet, repeatedly on the same inputs."""
        given = self.create_inputs()
        for _ in range(steps):
            self.unet(**given, return_dict=False)

    @torch.inference_mode()
    def with_sampler(self, steps: int) -> None:
        """The UNet, guidance and the sampler."""
        given, scheduler = self.create_inputs(), create(self.sampler, self.config, self.schedule)
        scheduler.set_timesteps(steps)
        latents = given["sample"][: self.images].float()
        on_device = scheduler.timesteps.to(latents.device)
        for timestep, there in zip(scheduler.timesteps, on_device, strict=True):
            asked = scheduler.scale_model_input(torch.cat([latents] * 2), timestep).to(given["sample"].dtype)
            words = given["encoder_hidden_states"]
            without, answer = self.unet(asked, there, encoder_hidden_states=words, return_dict=False)[0].float().chunk(2)
            latents = scheduler.step(without + 7.5 * (answer - without), timestep, latents, return_dict=False)[0]

    def rate(self, run: Callable[[int], None], steps: int) -> float:
        """Steps per second of one of the two loops, after a warm-up."""
        run(2)
        return steps / measure_seconds(str(next(self.unet.parameters()).device), lambda: run(steps))


def find_plateau(throughputs: Mapping[int, float]) -> tuple[int, float]:
    """The smallest batch within 5 % of the best throughput, and the share of the best that a batch of one reaches."""
    best = max(throughputs.values())
    enough = min(batch for batch, each in throughputs.items() if each >= 0.95 * best)
    return enough, throughputs[min(throughputs)] / best


def find_misplaced(parts: Mapping[str, torch.nn.Module], device: str, dtypes: Mapping[str, str]) -> tuple[int, list[str]]:
    """The number of floating-point tensors, and the names of those on another device or in another precision."""
    tensors = [
        (component, name, tensor)
        for component, part in parts.items()
        for name, tensor in (*part.named_parameters(), *part.named_buffers())
        if tensor.is_floating_point()
    ]
    wrong = [
        f"{component}.{name}"
        for component, name, tensor in tensors
        if str(tensor.device) != device or str(tensor.dtype) != f"torch.{dtypes[component]}"
    ]
    return len(tensors), wrong
