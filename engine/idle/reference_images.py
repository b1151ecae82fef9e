"""The images of the self-test, drawn by the starter under any plan, and how far apart two drawings are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from engine.checkpoints.adapters.additions import NOTHING
from engine.checkpoints.cache import CheckpointCache
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.compat.stop_hooks import raise_on_stop
from engine.generate.decode import decode_pixels
from engine.generate.denoise import Denoiser, draw_noise
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.samplers import create
from engine.generate.speed.compile import find_store, run_compiled
from engine.generate.speed.network_kinds import EVEN, describe_decoder, describe_denoiser
from engine.prompt.encoding.encode import encode_pair
from engine.prompt.encoding.text_encoders import EncodingCache
from engine.requests import DTYPES, ExecutionPlan
from engine.requests.resolved import ResolvedTextToImage
from engine.stopping import Stop

Pixels = torch.Tensor
"""An image, 3 x H x W from -1 to 1, in float32 on the CPU."""


def create_reference(prompt: str, negative_prompt: str, *, width: int, height: int, steps: int, seed: int) -> ResolvedTextToImage:
    """The request of an image of the self-test, ``width`` x ``height`` pixels."""
    return ResolvedTextToImage(
        prompt=prompt, negative_prompt=negative_prompt, checkpoint="", width=width, height=height, steps=steps, seed=seed,
        guidance_scale=5.0, scheduler="DPM++ 2M", schedule="Karras", clip_skip=0,
    )  # fmt: skip


IMAGES = (
    create_reference("a red fox in the snow", "", width=128, height=128, steps=4, seed=1),
    create_reference("a blue boat on a lake", "a house", width=96, height=128, steps=4, seed=2),
)
"""Of different sizes, because kernels are chosen by size, and one after the other, because some faults come with the second."""


@dataclass(frozen=True)
class Distance:
    """How far two images are apart, in shares of the range of a level (1 is black from white). ``pixels``: root of the mean
    squared difference; ``colour``: the largest difference between the means of red, green or blue, which shows a tint."""

    pixels: float
    colour: float

    def exceeds(self, limit: Distance) -> float:
        """The distance in multiples of ``limit``; more than 1 is too far."""
        return max(self.pixels / limit.pixels, self.colour / limit.colour)


DISTANCES: Mapping[str, Distance] = {
    "float32": Distance(0.0, 0.0),
    "bfloat16": Distance(0.0115, 0.0050),
    "float16": Distance(0.0010, 0.0003),
}
"""Precision -> how far :data:`IMAGES` are from those in float32 on a CPU, the farther one. ``python -m benchmarks self_test``
measures them again."""

INVISIBLE = Distance(1 / 255, 0.5 / 255)
"""A smaller distance cannot be seen: images have 255 levels. Cards that compute float32's convolutions in TF32 stay below it."""

TOLERANCE = 2.0
"""How many times as far as on the CPU a device's images may be."""


def find_limit(plan: ExecutionPlan) -> Distance:
    """How far images made under ``plan`` may be from those of the CPU in float32: by its least exact precision."""
    measured = [DISTANCES[dtype] for dtype in {*plan.dtypes.values()} if dtype in DTYPES]
    return Distance(
        max(INVISIBLE.pixels, *(TOLERANCE * each.pixels for each in measured)),
        max(INVISIBLE.colour, *(TOLERANCE * each.colour for each in measured)),
    )


def measure_distance(images: Sequence[Pixels], others: Sequence[Pixels]) -> Distance:
    """How far the farthest of ``images`` is from its counterpart; infinite where an image has no numbers."""
    pairs = [_measure_distance(one, other) for one, other in zip(images, others, strict=True)]
    return Distance(max(each.pixels for each in pairs), max(each.colour for each in pairs))


def _measure_distance(image: Pixels, other: Pixels) -> Distance:
    difference = (image - other) / 2
    if not torch.isfinite(difference).all():
        return Distance(math.inf, math.inf)
    return Distance(difference.square().mean().sqrt().item(), difference.mean(dim=(1, 2)).abs().max().item())


def reference_plan(plan: ExecutionPlan) -> ExecutionPlan:
    """The plan that others are compared with: the CPU in float32, with the plainest attention and layout."""
    return ExecutionPlan(
        device="cpu", dtypes=dict.fromkeys(plan.dtypes, "float32"), channels_last=False, attention_backend="sliced"
    )


def draw_images(
    entry: CheckpointEntry, plan: ExecutionPlan, data: Path, stop: Stop, images: Sequence[ResolvedTextToImage] = IMAGES
) -> list[Pixels]:
    """``images`` by the checkpoint ``entry`` under ``plan``, one after the other. Its weights are loaded for this alone. What a
    compiler keeps lies in the ``data`` folder.

    Raises CheckpointError if a network's numbers are not finite, CancelledError soon after ``stop`` is set, and what drivers do.
    """
    cache = CheckpointCache(0)
    try:
        with ExitStack() as stack:
            loaded = stack.enter_context(cache.lease(entry, plan, cancelled=stop.is_set))
            stack.enter_context(raise_on_stop(stop, loaded.denoiser, loaded.vae, loaded.text_encoder))
            compiled = stack.enter_context(run_compiled(loaded, plan, stop, data))
            guard = stack.enter_context(PrecisionGuard(lambda component, dtype: None))
            drawn: list[Pixels] = []
            for image in images:
                if plan.compiler == "openvino":
                    _trace(loaded, image, data)
                compiled.start_image(image, NOTHING)
                drawn.append(_draw(image, loaded, guard))
            return drawn
    finally:
        cache.release()


def _trace(loaded: LoadedCheckpoint, image: ResolvedTextToImage, data: Path) -> None:
    """Make the graphs that OpenVINO compiles, which for other images are made by and by. A few seconds that no stop ends."""
    store, scale = find_store(data), loaded.vae_scale_factor
    even = not any(side // scale % EVEN for side in (image.width, image.height))
    decoders = [describe_decoder(loaded.vae)] if isinstance(loaded.vae, AutoencoderKL) else []
    for architecture in (describe_denoiser(loaded.denoiser, even), *decoders):
        if store.find(architecture) is None:
            store.make(architecture)


def _draw(image: ResolvedTextToImage, loaded: LoadedCheckpoint, guard: PrecisionGuard) -> Pixels:
    scheduler = create(image.scheduler, loaded.scheduler_config, image.schedule, seeds=[image.seed])
    scheduler.set_timesteps(image.steps)
    scale = loaded.vae_scale_factor
    noise, generator = draw_noise(image.seed, (1, loaded.latent_channels, image.height // scale, image.width // scale))
    encodings = encode_pair(
        loaded, image.prompt, image.negative_prompt, steps=image.steps, clip_skip=0, guidance=True, cache=EncodingCache(),
        guard=guard,
    )  # fmt: skip
    denoiser = Denoiser(
        network=loaded.denoiser, device=loaded.device, scheduler=scheduler, encodings=encodings,
        guidance_scale=image.guidance_scale, guard=guard, generator=generator,
    )  # fmt: skip
    latents = (noise * scheduler.init_noise_sigma).to(loaded.device)
    for index, timestep in enumerate(scheduler.timesteps):
        latents = denoiser.step(denoiser.predict(index, latents, timestep), timestep, latents)
    with torch.inference_mode():
        return guard.run("vae", loaded.vae, lambda dtype: decode_pixels(latents, loaded.vae, dtype))[0].clamp(-1, 1).cpu()
