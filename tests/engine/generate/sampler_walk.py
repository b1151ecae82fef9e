"""Runs of samplers with a network that always knows the image, which is the constant 0.5."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.compat.component_classes import load_t5_tokenizer
from engine.compat.schedulers import Scheduler, takes_generator
from engine.generate.samplers import SCHEDULERS, SCHEDULES, SamplingMethod, bound_steps, create, fit_pair, skip_steps
from tests.engine.checkpoints import tiny_sd3

CHECKPOINT = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
    "steps_offset": 1, "clip_sample": False, "timestep_spacing": "leading",
}  # fmt: skip
BEGIN_ROUGHLY = ("PLMS",)
"""Samplers that finish with some noise left if they begin part of the way: diffusers' has no start for that."""


def list_schedules(name: str) -> list[str]:
    """The schedules that a sampler can follow."""
    return [schedule for schedule in SCHEDULES if not fit_pair(SamplingMethod(name, schedule), CHECKPOINT)[1]]


def answer(prediction: str, scheduler: Scheduler, noisy: torch.Tensor, clean: float, timestep: torch.Tensor) -> torch.Tensor:
    """What a perfect UNet answers when the image is the constant ``clean``: epsilon or v, of a variance-preserving sample.

    The noise levels between two timesteps are those that diffusers interpolates.
    """
    alphas = scheduler.alphas_cumprod  # type: ignore[attr-defined]
    lower = min(int(timestep), len(alphas) - 2)
    share = float(timestep) - lower
    first, second = (((1 - alphas[at]) / alphas[at]).sqrt().log() for at in (lower, lower + 1))
    alpha = 1 / (1 + (first * (1 - share) + second * share).exp() ** 2)
    epsilon = (noisy - alpha.sqrt() * clean) / (1 - alpha).sqrt()
    return epsilon if prediction == "epsilon" else alpha.sqrt() * epsilon - (1 - alpha).sqrt() * clean


def run(scheduler: Scheduler, steps: int, strength: float = 1.0, prediction: str = "epsilon", rows: int = 1) -> torch.Tensor:
    """The image that a run of ``scheduler`` with a perfect UNet ends with."""
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(0)
    noise, clean = torch.randn(1, 4, 4, 4, generator=generator).expand(rows, -1, -1, -1), torch.full((rows, 4, 4, 4), 0.5)
    begin, timesteps = skip_steps(scheduler, strength)
    latents = noise * scheduler.init_noise_sigma if begin == 0 else scheduler.add_noise(clean, noise, timesteps[:1])
    options = {"generator": generator} if takes_generator(scheduler) else {}
    for timestep in timesteps:
        noisy = scheduler.scale_model_input(latents, timestep)
        given = answer(prediction, scheduler, noisy, 0.5, timestep)
        latents = scheduler.step(given, timestep, latents, **options, return_dict=False)[0]
    return latents


def read_with_t5(folder: Path) -> list[list[int]]:
    """The tokens of a prompt by T5's tokenizer from each kind of file."""
    tiny_sd3.t5_tokenizer().save_pretrained(folder)
    (folder / "spiece.model").write_bytes(tiny_sd3.sentencepiece_model())
    return [load_t5_tokenizer(folder / name)("a cat on grass")["input_ids"] for name in ("tokenizer.json", "spiece.model")]


def walk() -> None:
    """A run of every sampler with every schedule that it can follow. Raises what a run raises."""
    for name in SCHEDULERS:
        for schedule in list_schedules(name):
            steps, _ = bound_steps(SamplingMethod(name, schedule), 2, CHECKPOINT)
            assert run(create(name, CHECKPOINT, schedule), steps).isfinite().all(), (name, schedule)
