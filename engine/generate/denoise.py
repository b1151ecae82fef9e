"""From noise to latents: the loop that every kind of request shares.

The loop is a generator. Whoever runs it takes one latent a step, shows it, or stops. Latents stay in float32 between steps
whatever the UNet's dtype is, so a sampler's small differences are not rounded away. They lie on the UNet's device; the sampler's
own tables and its timesteps stay on the CPU, where reading them waits for nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from engine.checkpoints.loaded import LoadedCheckpoint
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.speed.feature_cache import Features


class Encodings(Protocol):
    """What the prompt says at each step; see :mod:`engine.prompt.encode`."""

    def at(self, step: int) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """Prompt, negative, pooled prompt, pooled negative; each with a row a picture, negatives None without guidance."""
        ...


@dataclass(frozen=True)
class GuidedUntil:
    """``encodings``, without the negative from step ``end`` on."""

    encodings: Encodings
    end: int

    def at(self, step: int) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """As :meth:`Encodings.at`."""
        prompt, negative, pooled, pooled_negative = self.encodings.at(step)
        return (prompt, negative, pooled, pooled_negative) if step < self.end else (prompt, None, pooled, None)


@dataclass
class _Carried:
    """What the UNet reads of words and sizes, on its device, and what it was made from."""

    said: tuple[torch.Tensor | None, ...] = ()
    dtype: torch.dtype | None = None
    given: dict[str, Any] = field(default_factory=dict)

    def serves(self, said: tuple[torch.Tensor | None, ...], dtype: torch.dtype) -> bool:
        """Whether it was made from the very same tensors."""
        return self.dtype == dtype and all(one is other for one, other in zip(self.said, said, strict=True))


@dataclass(frozen=True, kw_only=True)
class Denoiser:
    """A UNet with everything that stays the same from step to step.

    ``device`` is where it computes, which is not where its weights lie if they come to the device layer by layer.
    ``extra_channels`` (1 x C x H x W, or None) goes beside the latents into UNets that want more than the latents: a mask
    and a masked picture, a depth map. ``time_ids`` and ``negative_time_ids`` are
    XL's (see :func:`size_conditioning`), or None. ``refiner`` takes over for timesteps below ``refine_below``.
    ``noise_level`` is what the x4 upscaler is told of the picture beside its latents, or None. ``features`` lets steps skip the
    deep layers; None: none does. ``ahead``: a step is asked for while the device computes the one before, so overflow is seen
    a step late and :meth:`steps` raises Overflowed.
    """

    unet: Any
    device: torch.device
    scheduler: Any
    encodings: Encodings
    guidance_scale: float
    guard: PrecisionGuard
    extra_channels: torch.Tensor | None = None
    time_ids: torch.Tensor | None = None
    negative_time_ids: torch.Tensor | None = None
    noise_level: int | None = None
    step_options: dict[str, Any] = field(default_factory=dict)
    refiner: Denoiser | None = None
    refine_below: int = 0
    features: Features | None = None
    ahead: bool = False
    _carried: _Carried = field(default_factory=_Carried, init=False)

    def steps(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        after_step: Callable[[int, torch.Tensor], torch.Tensor] | None = None,
    ) -> Iterator[torch.Tensor]:
        """Latents after each of ``timesteps``. ``after_step(index, latents)`` may put part of them right (inpainting)."""
        latents, there = latents.to(self.device), _carried_times(timesteps, self.device)
        for index, timestep in enumerate(timesteps):
            expert = self.refiner if self.refiner is not None and timestep < self.refine_below else self
            noise = expert.predict(index, latents, timestep, there[index]).to(latents.device)
            latents = self.scheduler.step(noise, timestep, latents, **self.step_options, return_dict=False)[0]
            if after_step is not None:
                latents = after_step(index, latents)
            yield latents
        for expert in (self, self.refiner) if self.ahead else ():
            if expert is not None:
                expert.guard.settle()

    def predict(
        self, index: int, latents: torch.Tensor, timestep: torch.Tensor, there: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The UNet's answer for one step, guided. ``there`` is ``timestep`` on the device, if it is there already.

        Classifier-free guidance: Ho and Salimans 2022, arXiv 2207.12598. Prompt and negative run as one batch of two.
        """
        guided = self.encodings.at(index)[1] is not None
        sample = self.scheduler.scale_model_input(torch.cat([latents] * (2 if guided else 1)), timestep)
        if self.extra_channels is not None:
            sample = torch.cat([sample, self.extra_channels.expand(len(sample), -1, -1, -1)], dim=1)

        def call(dtype: torch.dtype) -> torch.Tensor:
            return self.unet(
                sample.to(self.device, dtype),
                timestep if there is None else there,
                **self._conditions(index, dtype),
                return_dict=False,
            )[0].float()

        skipping = self.features.at(index, len(sample)) if self.features is not None else nullcontext()
        with torch.inference_mode(), skipping:
            answer = (self.guard.run_ahead if self.ahead else self.guard.run)("unet", self.unet, call)
        if not guided:
            return answer
        without, with_prompt = answer.chunk(2)
        return without + self.guidance_scale * (with_prompt - without)

    def _conditions(self, index: int, dtype: torch.dtype) -> dict[str, Any]:
        """What the UNet reads beside latents and timestep: carried to the device when it changes, and not at every step."""
        said, carried = self.encodings.at(index), self._carried
        if not carried.serves(said, dtype):
            carried.given = self._carry(*said, dtype)
            carried.said, carried.dtype = said, dtype
        return carried.given

    def _carry(
        self,
        prompt: torch.Tensor,
        negative: torch.Tensor | None,
        pooled: torch.Tensor | None,
        pooled_negative: torch.Tensor | None,
        dtype: torch.dtype,
    ) -> dict[str, Any]:
        words, level = _both(negative, prompt), self.noise_level
        return {
            "encoder_hidden_states": words.to(self.device, dtype),
            "class_labels": None if level is None else torch.full((len(words),), level, device=self.device),
            "timestep_cond": self._guidance_embedding(len(words), dtype),
            "added_cond_kwargs": self._added(pooled_negative, pooled, len(prompt), dtype),
        }

    def _added(
        self, pooled_negative: torch.Tensor | None, pooled: torch.Tensor | None, batch: int, dtype: torch.dtype
    ) -> dict[str, torch.Tensor] | None:
        if pooled is None or self.time_ids is None or self.negative_time_ids is None:
            return None
        negative_ids = None if pooled_negative is None else self.negative_time_ids.expand(batch, -1)
        return {
            "text_embeds": _both(pooled_negative, pooled).to(self.device, dtype),
            "time_ids": _both(negative_ids, self.time_ids.expand(batch, -1)).to(self.device, dtype),
        }

    def _guidance_embedding(self, batch: int, dtype: torch.dtype) -> torch.Tensor | None:
        """Checkpoints with distilled guidance (LCM) read the scale as an input instead of running twice."""
        width = getattr(self.unet.config, "time_cond_proj_dim", None)
        if width is None:
            return None
        half = width // 2
        frequencies = torch.exp(torch.arange(half) * (-torch.log(torch.tensor(10000.0)) / (half - 1)))
        angles = (self.guidance_scale - 1) * 1000.0 * frequencies
        return torch.cat([angles.sin(), angles.cos()]).expand(batch, -1).to(self.device, dtype)


AESTHETICS, NEGATIVE_AESTHETICS = 6.0, 2.5
"""Scores of how well liked a picture is, that the refiner was trained with: for the prompt, and for what to stay away from."""


def size_conditioning(pipeline: LoadedCheckpoint, width: int, height: int) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """What XL is told of a picture of ``width`` x ``height`` pixels, for prompt and negative: its size, the crop's corner, and
    its size again, or for the refiner its score (Podell et al. 2023, arXiv 2307.01952). None for other UNets."""
    if pipeline.unet.config.get("addition_embed_type") != "text_time":
        return None, None
    if pipeline.requires_aesthetics_score:
        ends = ((AESTHETICS,), (NEGATIVE_AESTHETICS,))
    else:
        ends = ((height, width), (height, width))
    wanted, unwanted = (torch.tensor([[height, width, 0, 0, *end]], dtype=torch.float32) for end in ends)
    return wanted, unwanted


def step_options(scheduler: Any, generator: torch.Generator | list[torch.Generator]) -> dict[str, Any]:
    """What this scheduler's ``step`` takes beside the latents: samplers that add noise draw it from ``generator``, or for a
    batch from one generator a row."""
    accepted = inspect.signature(scheduler.step).parameters
    return {"generator": generator} if "generator" in accepted else {}


def first_noise(seed: int, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Generator]:
    """Noise of ``shape`` in float32, and the generator to go on with.

    Drawn on the CPU whatever the device is, so that a seed means the same on every machine.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float32), generator


def _carried_times(timesteps: torch.Tensor, device: torch.device) -> torch.Tensor:
    """``timesteps`` on ``device``, all at once. Fractions are float32, which UNets make of them anyway: not all know more."""
    return timesteps.to(device, torch.float32 if timesteps.is_floating_point() else timesteps.dtype)


def _both(negative: torch.Tensor | None, positive: torch.Tensor | None) -> Any:
    if negative is None or positive is None:
        return positive
    return torch.cat([negative, positive])
