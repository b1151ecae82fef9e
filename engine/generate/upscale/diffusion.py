"""Stable Diffusion's x4 upscaler, in tiles: it needs only the memory of one tile, whatever the image's size.

The latents of the whole image are denoised together. In every step the UNet processes them tile by tile, its predictions are
blended where tiles meet, and then the sampler takes one step for the whole image (Bar-Tal et al. 2023, arXiv 2302.08113,
without its
random offsets). So tiles stay consistent, one seed gives one noise for the whole image, and every tile is guided by the
prompt. The
VAE then decodes in tiles, too. Without tiles the result is that of diffusers' StableDiffusionUpscalePipeline.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import torch

from engine.checkpoints.families import UPSCALE
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.compat.schedulers import Scheduler
from engine.compat.stop_hooks import raise_on_stop
from engine.compat.vae_tiling import tile_vae
from engine.generate.decode import unscale_latents
from engine.generate.denoise import Denoiser
from engine.generate.engine_state import EngineState
from engine.generate.estimate import plan_for
from engine.generate.out_of_memory import lend_text_encoders
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.samplers import bound_steps, create, find_pair, fit_pair
from engine.generate.upscale.tiles import Axis, TileUpscaler, halve
from engine.plan import Layout, Work, fit_plan
from engine.plan.hardware.driver_errors import is_out_of_memory
from engine.prompt.composition import split_prompt
from engine.prompt.encoding.encode import encode_pair
from engine.prompt.encoding.steps import Encodings
from engine.requests import ExecutionPlan, Resolved, ResolvedUpscale, Upscale
from engine.stopping import Stop

SIDE = 96
"""Side of a tile's own part in pixels of the source. With its context it is 128, which the checkpoint turns into 512."""

FEATHER = 8


class _LatentTiles:
    """How the UNet sees latents: tiles of a multiple of 8, which its levels halve three times, with 8 more on each side."""

    scale, around, feather, multiple = 1, 8, FEATHER, 8

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        """Latents are not upscaled."""
        return tile


_LATENT_TILES = _LatentTiles()


class _Decoder:
    """Latents to pixels, tile by tile."""

    around, feather, multiple = 16, FEATHER, 1

    def __init__(self, pipeline: LoadedCheckpoint, guard: PrecisionGuard) -> None:
        self._vae, self._guard = pipeline.vae, guard
        self.scale = pipeline.vae_scale_factor

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        """Red, green and blue."""
        vae = self._vae

        def call(dtype: torch.dtype) -> torch.Tensor:
            return vae.decode(unscale_latents(tile[None], vae, dtype), return_dict=False)[0].float()

        with torch.inference_mode():
            pixels = self._guard.run("vae", vae, call)[0]
        return (pixels.clamp(-1, 1) + 1).mul(127.5).cpu()


class DiffusionUpscaler:
    """Implements :class:`engine.generate.upscale.prepare.Upscaler`. Create it with :meth:`open`."""

    keeps_size = False

    def __init__(
        self,
        entry: CheckpointEntry,
        plan: ExecutionPlan,
        side: int,
        pipeline: LoadedCheckpoint,
        guard: PrecisionGuard,
        state: EngineState,
    ) -> None:
        self.name, self.hash, self.plan, self.side = entry.name, entry.hash, plan, side
        self._entry, self._pipeline, self._guard, self._state = entry, pipeline, guard, state

    @classmethod
    @contextmanager
    def open(cls, entry: CheckpointEntry, asked: Upscale, state: EngineState, stop: Stop) -> Generator[DiffusionUpscaler]:
        """The checkpoint, leased while the block runs. Raises DoesNotFit if not even one tile has room."""
        side = asked.tile or SIDE
        plan = dataclasses.replace(plan_for(entry, asked, state.circumstances), compiler="")  # tiles are of several sizes
        plan, _ = fit_plan(count_work(entry, side, len(split_prompt(asked.prompt))), plan, state.look_at_memory().budget)
        with ExitStack() as held:
            pipeline = held.enter_context(state.cache.lease(entry, plan, task=UPSCALE, cancelled=stop.is_set))
            guard = held.enter_context(PrecisionGuard())
            held.enter_context(tile_vae(pipeline.vae, plan.vae_tile))
            held.enter_context(raise_on_stop(stop, pipeline.unet, pipeline.vae, pipeline.text_encoder))
            yield cls(entry, plan, side, pipeline, guard, state)

    def resolve(self, asked: Upscale, request: ResolvedUpscale) -> ResolvedUpscale:
        """Steps, guidance and sampler of the family where ``asked`` leaves them open."""
        family = self._entry.family
        config = self._entry.config("scheduler")
        pair, _ = fit_pair(find_pair(asked.scheduler or family.scheduler, asked.schedule), config)
        return dataclasses.replace(
            request,
            steps=bound_steps(pair, asked.steps or family.steps, config)[0],
            guidance_scale=float(family.guidance_scale if asked.guidance_scale is None else asked.guidance_scale),
            scheduler=pair.sampler,
            schedule=pair.schedule,
            clip_skip=asked.clip_skip or 0,
        )

    def count_steps(self, request: ResolvedUpscale, size: tuple[int, int]) -> int:
        """One per step and tile."""
        across, down = (_axis(side) for side in size)
        return len(self._scheduler(request).timesteps) * len(across.spans(0, self.side)) * len(down.spans(0, self.side))

    def prepare(
        self, source: torch.Tensor, resolved: Resolved[ResolvedUpscale]
    ) -> Generator[None, None, tuple[torch.Tensor, TileUpscaler]]:
        """The denoised latents, and the VAE."""
        request, pipeline = resolved.request, self._pipeline
        # 1. The prompts.
        encodings = self._encode(request)
        # 2. The image, -1 to 1, its sides multiples of 8, with noise of the level that is asked for.
        height, width = source.shape[1:]
        low = torch.nn.functional.pad(source[None].float() / 127.5 - 1, (0, -width % 8, 0, -height % 8), mode="replicate")
        generator = torch.Generator("cpu").manual_seed(request.seed)
        noise = torch.randn(low.shape, generator=generator)
        assert pipeline.low_res_scheduler is not None, "every x4 upscaler has one"
        low = pipeline.low_res_scheduler.add_noise(low, noise, torch.IntTensor([request.noise_level]))
        # 3. From noise to latents, a step for the whole image at a time.
        scheduler = self._scheduler(request)
        latents = torch.randn((1, pipeline.latent_channels, *low.shape[2:]), generator=generator)
        latents = latents * scheduler.init_noise_sigma
        denoiser = Denoiser(
            network=pipeline.unet, device=torch.device(self.plan.device), scheduler=scheduler, encodings=encodings,
            guidance_scale=request.guidance_scale, guard=self._guard, generator=generator,
            noise_level=request.noise_level,
        )  # fmt: skip
        for index, timestep in enumerate(scheduler.timesteps):
            answer = yield from self._predict(denoiser, low, index, latents, timestep)
            latents = denoiser.step(answer, timestep, latents)
        return latents[0, :, :height, :width], _Decoder(pipeline, self._guard)

    def _predict(
        self, denoiser: Denoiser, low: torch.Tensor, index: int, latents: torch.Tensor, timestep: torch.Tensor
    ) -> Generator[None, None, torch.Tensor]:
        """The UNet's prediction for the whole image; yields after each tile. If memory runs out, tiles are halved."""
        while True:
            try:
                return (yield from self._predict_in_tiles(denoiser, low, index, latents, timestep))
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                self.side = halve(self.side, error)

    def _predict_in_tiles(
        self, denoiser: Denoiser, low: torch.Tensor, index: int, latents: torch.Tensor, timestep: torch.Tensor
    ) -> Generator[None, None, torch.Tensor]:
        down, across = _axis(latents.shape[2]), _axis(latents.shape[3])
        total = torch.zeros_like(latents)
        for row in down.spans(0, self.side):
            for column in across.spans(0, self.side):
                seen = (..., slice(*row.source), slice(*column.source))
                answer = dataclasses.replace(denoiser, extra_channels=low[seen]).predict(index, latents[seen], timestep)
                (top, bottom), (left, right) = (tuple(at - s.source[0] for at in s.place) for s in (row, column))
                weights = torch.from_numpy(row.weights(down.feather)[:, None] * column.weights(across.feather))
                total[..., slice(*row.place), slice(*column.place)] += answer[..., top:bottom, left:right].cpu() * weights
                yield
        return total

    def _scheduler(self, request: ResolvedUpscale) -> Scheduler:
        scheduler = create(
            request.scheduler,
            self._pipeline.scheduler_config,
            request.schedule,
            aligned_steps=self._entry.family.aligned_steps,
            seeds=[request.seed],
        )
        scheduler.set_timesteps(request.steps)
        return scheduler

    def _encode(self, request: ResolvedUpscale) -> Encodings:
        with lend_text_encoders(self._pipeline, self.plan, self._guard) as guard:
            return encode_pair(
                self._pipeline, request.prompt, request.negative_prompt, steps=request.steps, clip_skip=request.clip_skip,
                guidance=request.guidance_scale > 1, cache=self._state.encodings, guard=guard,
            )  # fmt: skip


def count_work(entry: CheckpointEntry, side: int, parts: int = 1) -> Work:
    """What a tile of ``side`` pixels takes, for the memory estimate. ``parts`` are those of the prompt."""
    layout = Layout.of(entry.config("unet"), entry.config("vae"))
    denoised, decoded = (side + 2 * (tiles.feather + tiles.around) for tiles in (_LATENT_TILES, _Decoder))
    return Work(
        parameters=entry.parameters, parts=parts, layout=layout, width=denoised * layout.scale, height=denoised * layout.scale,
        decoder_context=(decoded - denoised) * layout.scale,
    )  # fmt: skip


def _axis(length: int) -> Axis:
    """The tiles along one side of the image."""
    length += -length % 8
    return Axis(length, length, _LATENT_TILES)
