"""The second, larger pass of *hires fix*: the finished latents of the first are enlarged, and noise on them is removed again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from engine.checkpoints.loaded import LoadedCheckpoint
from engine.errors import RequestError
from engine.generate.context import Batch, ImageContext, Start
from engine.generate.decode import decode
from engine.generate.detail.hires_choice import is_network
from engine.generate.engine_state import EngineState
from engine.generate.out_of_memory import phase
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.samplers import skip_steps
from engine.generate.speed.transfers import send
from engine.generate.tasks.conditioning import add_noise, create_extra_channels, encode_image
from engine.generate.upscale.prepare import DirectUpscaler, open_upscaler
from engine.generate.upscale.tiles import upscale_in_tiles
from engine.requests import LATENT, Resolved, ResolvedGeneration, Upscale
from engine.stopping import Stop


def find_passes(batch: Batch) -> tuple[Batch, ...]:
    """``batch`` once for each pass: with hires fix two, the first smaller."""
    request = batch.images[0].resolved.request
    return (_change(batch, _first), _change(batch, _second)) if request.hires else (batch,)


def count_later_steps(passes: tuple[Batch, ...]) -> int:
    """About how many steps the passes after the first take."""
    requests = (later.images[0].resolved.request for later in passes[1:])
    return sum(int(request.steps * (request.hires_strength or 0)) for request in requests)


def start_second(context: ImageContext, strength: float, enlarged: torch.Tensor) -> Start:
    """Where the second pass begins: at ``enlarged``, the latents of the first in its size, noised for its first step."""
    begin, timesteps = skip_steps(context.scheduler, strength)
    return Start(
        latents=add_noise(send(enlarged, context.noise.device), begin, timesteps, context),
        timesteps=timesteps,
        extra_channels=create_extra_channels(None, context),
    )


def enlarge_latents(
    latents: torch.Tensor, second: Resolved, loaded: LoadedCheckpoint, guard: PrecisionGuard, state: EngineState, stop: Stop
) -> torch.Tensor:
    """``latents`` of the first pass in the size of the ``second``, by its upscaler."""
    request, scale = second.request, loaded.vae_scale_factor
    if request.hires_upscaler == LATENT:
        size = request.height // scale, request.width // scale
        return torch.nn.functional.interpolate(latents.float(), size, mode="bilinear", antialias=False)
    small = decode(latents, loaded.vae, guard)
    with phase("decode"):
        return encode_image(_enlarge(small, request, state, stop), loaded.vae, guard)


def _enlarge(image: Image.Image, request: ResolvedGeneration, state: EngineState, stop: Stop) -> Image.Image:
    size, name = (request.width, request.height), request.hires_upscaler or ""
    if not is_network(name):
        return image.resize(size, Image.Resampling.LANCZOS)
    asked = Upscale(images=(), upscaler=name, seed=request.seed, precision=request.precision)
    with open_upscaler(asked, state, stop) as upscaler:
        if not isinstance(upscaler, DirectUpscaler):
            raise RequestError(
                f"“{name}” paints, so it cannot enlarge between two passes. Choose another upscaler under Hires fix."
            )
        planes = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        rows: list[np.ndarray] = []
        for done in upscale_in_tiles(planes, upscaler.tile_upscaler, size, upscaler.side):
            stop.raise_if_set()
            rows.extend([] if done.rows is None else [done.rows])
    return Image.fromarray(np.concatenate(rows))


def _change(batch: Batch, change: Callable[[ResolvedGeneration], ResolvedGeneration]) -> Batch:
    images = (
        dataclasses.replace(image, resolved=image.resolved.with_request(change(image.resolved.request))) for image in batch.images
    )
    return dataclasses.replace(batch, images=tuple(images))


def _first(request: ResolvedGeneration) -> ResolvedGeneration:
    assert request.first_width and request.first_height, "a resolved request of two passes has them"
    return dataclasses.replace(request, width=request.first_width, height=request.first_height)


def _second(request: ResolvedGeneration) -> ResolvedGeneration:
    return dataclasses.replace(
        request,
        steps=request.hires_steps or request.steps,
        guidance_scale=request.guidance_scale if request.hires_guidance_scale is None else request.hires_guidance_scale,
        scheduler=request.hires_scheduler or request.scheduler,
        schedule=request.hires_schedule or request.schedule,
    )
