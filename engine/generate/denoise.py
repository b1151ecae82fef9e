"""From noise to latents: the part of a denoising step that all kinds of request share.

Latents stay in float32 between steps whatever the UNet's dtype is, so a sampler's small differences are not rounded away. They
are on the UNet's device; the sampler's own tables and its timesteps stay on the CPU, where reading them does not wait for the
device.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from diffusers import SD3Transformer2DModel, UNet2DConditionModel

from engine.checkpoints.loaded import Denoiser as Network
from engine.checkpoints.loaded import LoadedCheckpoint
from engine.compat.schedulers import Scheduler, takes_generator
from engine.compat.unet_blocks import perturb_self_attention, skip_blocks
from engine.generate.control.residuals import ControlInputs, Residuals
from engine.generate.control.running import Controls
from engine.generate.detail.latent_tiles import LatentTiles
from engine.generate.guidance import Guidance
from engine.generate.precision_guard import Overflowed, PrecisionGuard, dtype_of
from engine.generate.speed.extrapolation import Extrapolation
from engine.generate.speed.transfers import send
from engine.prompt.encoding.steps import Encodings, StepEncodings

Generator = torch.Generator | list[torch.Generator]
"""The source of a sampler's noise; a batch has a list, one a row."""

_Input = torch.Tensor | dict[str, torch.Tensor] | tuple[torch.Tensor, ...] | list[torch.Tensor] | None


@dataclass(frozen=True)
class _Conditions:
    """The network's conditioning inputs on its device, and the encodings and dtype from which they were made.
    ``pooled_projections`` are a transformer's, the last three a UNet's."""

    encodings: StepEncodings
    dtype: torch.dtype
    encoder_hidden_states: torch.Tensor
    pooled_projections: torch.Tensor | None = None
    class_labels: torch.Tensor | None = None
    timestep_cond: torch.Tensor | None = None
    added_cond_kwargs: dict[str, torch.Tensor] | None = None

    def select_last(self, rows: int) -> _Conditions:
        """Those of the last ``rows`` rows of the batch."""
        if rows == len(self.encoder_hidden_states):
            return self
        added = self.added_cond_kwargs
        return dataclasses.replace(
            self,
            encoder_hidden_states=self.encoder_hidden_states[-rows:],
            pooled_projections=None if self.pooled_projections is None else self.pooled_projections[-rows:],
            class_labels=None if self.class_labels is None else self.class_labels[-rows:],
            timestep_cond=None if self.timestep_cond is None else self.timestep_cond[-rows:],
            added_cond_kwargs=None if added is None else {name: tensor[-rows:] for name, tensor in added.items()},
        )

    def serves(self, encodings: StepEncodings, dtype: torch.dtype) -> bool:
        """Whether it was made from the same tensor objects."""
        return self.dtype == dtype and all(one is other for one, other in zip(self.encodings, encodings, strict=True))


@dataclass(frozen=True, kw_only=True)
class SizeConditioning:
    """XL's size conditioning for prompt and negative, 1 x 5 or 1 x 6 each."""

    prompt: torch.Tensor
    negative: torch.Tensor


@dataclass(kw_only=True)
class Denoiser:
    """A UNet or transformer, ``network``, with everything that stays the same from step to step.

    ``device`` is where it computes, which differs from that of its weights if they are moved layer by layer.
    ``extra_channels`` (1 x C x H x W) goes beside the latents into UNets that take more than the latents: a mask and a masked
    image, a depth map. ``size`` is for XL alone. ``refiner`` takes over for timesteps below ``refine_below``. ``noise_level`` is
    that of the image beside the latents, for the x4 upscaler. ``extrapolation`` lets steps skip the network. ``controls`` add to
    what the UNet computes. ``ahead``: steps are queued while the device computes those before, so an overflow is noticed only by
    :meth:`settle`. ``tiles``: the network sees those of a large image one by one. ``prepare_network`` is called with the network
    of the next step, where two take turns on the device.
    """

    network: Network
    device: torch.device
    scheduler: Scheduler
    encodings: Encodings
    guidance_scale: float
    guidance: Guidance = field(default_factory=Guidance)
    guard: PrecisionGuard
    generator: Generator
    extra_channels: torch.Tensor | None = None
    size: SizeConditioning | None = None
    noise_level: int | None = None
    refiner: Denoiser | None = None
    refine_below: int = 0
    extrapolation: Extrapolation | None = None
    controls: Controls | None = None
    ahead: bool = False
    tiles: LatentTiles | None = None
    prepare_network: Callable[[Network], None] | None = None
    _conditions: _Conditions | None = field(default=None, init=False)
    _finite: tuple[torch.dtype, torch.Tensor] | None = field(default=None, init=False)
    """Whether all predictions so far were finite, on the device, and the precision that they were made in."""

    def find_expert(self, timestep: torch.Tensor) -> Denoiser:
        """The refiner for its timesteps, or else this denoiser."""
        return self.refiner if self.refiner is not None and timestep < self.refine_below else self

    def expert(self, timestep: torch.Tensor) -> Denoiser:
        """:meth:`find_expert`. Its network is ready."""
        expert = self.find_expert(timestep)
        if self.prepare_network is not None:
            self.prepare_network(expert.network)
        return expert

    def extrapolate(self, index: int, latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor | None:
        """The guided prediction for step ``index`` by those of earlier steps; None if the network must run, as it must where the
        words change."""
        if self.extrapolation is None:
            return None
        if self._conditions is None or not _are_equal(self._conditions.encodings, self.encodings.at(index)):
            self.extrapolation.forget()
            return None
        return self.extrapolation.extrapolate(index, self.scheduler.scale_model_input(latents, timestep), float(timestep))

    def keep(self, latents: torch.Tensor, timestep: torch.Tensor, prediction: torch.Tensor) -> None:
        """Keep what :meth:`predict` said for :meth:`extrapolate`. To be called before the sampler's step."""
        if self.extrapolation is not None:
            self.extrapolation.keep(self.scheduler.scale_model_input(latents, timestep), float(timestep), prediction)

    def predict(
        self, index: int, latents: torch.Tensor, timestep: torch.Tensor, device_timestep: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The UNet's prediction for step ``index``, guided. ``device_timestep`` is ``timestep`` on the device, if it is there.

        Classifier-free guidance: Ho and Salimans 2022, arXiv 2207.12598. Negative and prompt, or each of its parts, run as one
        batch.
        """
        if self.tiles is not None:
            return self._predict_tiles(self.tiles, index, latents, timestep, device_timestep)
        seen = timestep if device_timestep is None else device_timestep
        guided = self.encodings.at(index)[1] is not None
        copies = guided + len(self.encodings.weights)
        scaled = sample = self.scheduler.scale_model_input(torch.cat([latents] * copies), timestep)
        if self.extra_channels is not None:
            sample = torch.cat([sample, self.extra_channels.expand(len(sample), -1, -1, -1)], dim=1)
        negatives = len(latents) if guided else 0
        found: list[torch.Tensor] = []
        with torch.inference_mode():
            for rows, manner in self._list_passes(index, sample):
                with manner:
                    while True:
                        conditions = self._find_conditions(index, dtype_of(self.network))
                        residuals = self._find_residuals(index, scaled, seen, conditions, negatives)
                        inputs = self._name_inputs(rows, seen, conditions.select_last(len(rows)), residuals)
                        prediction: torch.Tensor = self.network(**inputs, return_dict=False)[0].float()
                        if self._accepts(prediction):
                            break
                found.append(prediction)
        return self._guide(index, found[0], found[1] if len(found) > 1 else None, guided)

    def _predict_tiles(
        self, tiles: LatentTiles, index: int, latents: torch.Tensor, timestep: torch.Tensor, device_timestep: torch.Tensor | None
    ) -> torch.Tensor:
        """The prediction for a large image, of those for its tiles."""
        controls, extra = self.controls, self.extra_channels

        def predict_tile(rows: slice, columns: slice) -> torch.Tensor:
            self.controls = None if controls is None else controls.crop(rows, columns, latents.shape[-2])
            self.extra_channels = None if extra is None else extra[..., rows, columns]
            return self.predict(index, latents[..., rows, columns], timestep, device_timestep)

        self.tiles = None
        try:
            return tiles.blend(predict_tile)
        finally:
            self.tiles, self.controls, self.extra_channels = tiles, controls, extra

    def _list_passes(self, index: int, sample: torch.Tensor) -> Iterator[tuple[torch.Tensor, AbstractContextManager[None]]]:
        """The passes of a step through the network: rows of ``sample``, and how it runs meanwhile. The first has all rows; one
        with perturbed self-attention, or without some layers, has those of the prompt."""
        yield sample, nullcontext()
        if self.guidance.kind.perturbed_scale and isinstance(self.network, UNet2DConditionModel):
            yield sample[-len(self.encodings.at(index)[0]) :], perturb_self_attention(self.network)
        skipped = self.guidance.layers_to_skip(index) if self.encodings.at(index)[1] is not None else ()
        if skipped and isinstance(self.network, SD3Transformer2DModel):
            yield sample[-len(self.encodings.at(index)[0]) :], skip_blocks(self.network, skipped)

    def _find_residuals(
        self, index: int, sample: torch.Tensor, timestep: torch.Tensor, conditions: _Conditions, negatives: int
    ) -> Residuals | None:
        """What the controls add in step ``index``, for all rows; None for nothing."""
        if self.controls is None:
            return None
        inputs = ControlInputs(
            sample=send(sample, self.device, conditions.dtype), timestep=timestep, negatives=negatives,
            encoder_hidden_states=conditions.encoder_hidden_states, added_cond_kwargs=conditions.added_cond_kwargs,
        )  # fmt: skip
        return self.controls.find_residuals(index, inputs)

    def _name_inputs(
        self, sample: torch.Tensor, timestep: torch.Tensor, conditions: _Conditions, residuals: Residuals | None
    ) -> dict[str, _Input]:
        """The network's arguments."""
        sample = send(sample, self.device, conditions.dtype)
        if isinstance(self.network, SD3Transformer2DModel):
            return {
                "hidden_states": sample,
                "timestep": timestep.to(self.device).expand(len(sample)),
                "encoder_hidden_states": conditions.encoder_hidden_states,
                "pooled_projections": conditions.pooled_projections,
            }
        return {
            "sample": sample,
            "timestep": timestep,
            "encoder_hidden_states": conditions.encoder_hidden_states,
            "class_labels": conditions.class_labels,
            "timestep_cond": conditions.timestep_cond,
            "added_cond_kwargs": conditions.added_cond_kwargs,
            **_name_residuals(residuals, len(sample)),
        }

    def step(self, prediction: torch.Tensor, timestep: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """The latents after the sampler's step. Samplers that add noise draw it from the generator."""
        if takes_generator(self.scheduler):
            return self.scheduler.step(prediction, timestep, latents, generator=self.generator, return_dict=False)[0]
        return self.scheduler.step(prediction, timestep, latents, return_dict=False)[0]

    def settle(self) -> None:
        """Look whether the predictions were finite; waits for the device. Raises Overflowed if the image must start again."""
        for expert in (self, self.refiner):
            if expert is None or expert._finite is None or expert._finite[1].item():
                continue
            if expert._finite[0] == dtype_of(expert.network):  # another image may have raised it meanwhile
                expert.guard.raise_after_overflow(component_of(expert.network), expert.network)
            raise Overflowed

    def _guide(self, index: int, prediction: torch.Tensor, perturbed: torch.Tensor | None, guided: bool) -> torch.Tensor:
        """Each part of the prompt moves the prediction away from that of the negative, by its weight times the scale. A composed
        prompt needs that without guidance too, with a scale of 1."""
        if not guided:
            return self.guidance.finish(index, prediction, prediction, perturbed) if perturbed is not None else prediction
        without, *parts = prediction.chunk(1 + len(self.encodings.weights))
        scale = self.guidance_scale if self.guidance_scale > 1 and guidance_embedding_width(self.network) is None else 1.0
        usual, prompt = self._compose(without, parts, scale), self._compose(without, parts, 1.0)
        disturbed = None if perturbed is None else self._compose(without, perturbed.chunk(len(parts)), 1.0)
        return self.guidance.finish(index, self.guidance.guide(index, usual, prompt, without, scale), prompt, disturbed)

    def _compose(self, without: torch.Tensor, parts: Sequence[torch.Tensor], scale: float) -> torch.Tensor:
        composed = without
        for weight, part in zip(self.encodings.weights, parts, strict=True):
            composed = composed + weight * scale * (part - without)
        return composed

    def _accepts(self, prediction: torch.Tensor) -> bool:
        """Whether the prediction is finite; if not, the UNet has been moved to a safer precision."""
        if not self.ahead:
            return self.guard.check(component_of(self.network), self.network, prediction)
        finite = torch.isfinite(prediction).all()
        self._finite = dtype_of(self.network), finite if self._finite is None else self._finite[1] & finite
        return True

    def _find_conditions(self, index: int, dtype: torch.dtype) -> _Conditions:
        """The UNet's conditioning inputs, moved to the device only when they change."""
        encodings = self.encodings.at(index)
        if self._conditions is None or not self._conditions.serves(encodings, dtype):
            self._conditions = self._create_conditions(encodings, dtype)
        return self._conditions

    def _create_conditions(self, encodings: StepEncodings, dtype: torch.dtype) -> _Conditions:
        prompt, negative, pooled, pooled_negative = encodings
        hidden_states, level = _stack(negative, prompt), self.noise_level
        if isinstance(self.network, SD3Transformer2DModel) and pooled is not None:
            return _Conditions(
                encodings=encodings,
                dtype=dtype,
                encoder_hidden_states=send(hidden_states, self.device, dtype),
                pooled_projections=send(_stack(pooled_negative, pooled), self.device, dtype),
            )
        return _Conditions(
            encodings=encodings,
            dtype=dtype,
            encoder_hidden_states=send(hidden_states, self.device, dtype),
            class_labels=None if level is None else torch.full((len(hidden_states),), level, device=self.device),
            timestep_cond=self._embed_guidance(len(hidden_states), dtype),
            added_cond_kwargs=None if pooled is None else self._add_size(pooled_negative, pooled, dtype),
        )

    def _add_size(
        self, pooled_negative: torch.Tensor | None, pooled: torch.Tensor, dtype: torch.dtype
    ) -> dict[str, torch.Tensor] | None:
        if self.size is None:
            return None
        negative_ids = None if pooled_negative is None else self.size.negative.expand(len(pooled_negative), -1)
        return {
            "text_embeds": send(_stack(pooled_negative, pooled), self.device, dtype),
            "time_ids": send(_stack(negative_ids, self.size.prompt.expand(len(pooled), -1)), self.device, dtype),
        }

    def _embed_guidance(self, batch: int, dtype: torch.dtype) -> torch.Tensor | None:
        """Checkpoints with distilled guidance (LCM) read the scale as an input instead of running twice."""
        width = guidance_embedding_width(self.network)
        if width is None:
            return None
        half = width // 2
        frequencies = torch.exp(torch.arange(half) * (-torch.log(torch.tensor(10000.0)) / (half - 1)))
        angles = (self.guidance_scale - 1) * 1000.0 * frequencies
        return send(torch.cat([angles.sin(), angles.cos()]).expand(batch, -1), self.device, dtype)


def _name_residuals(residuals: Residuals | None, rows: int) -> dict[str, _Input]:
    """The arguments with which a UNet takes what controls add, for the last ``rows`` rows."""
    if residuals is None:
        return {}
    own = residuals.select_last(rows)
    named: dict[str, _Input] = {}
    if own.middle is not None:
        named |= {"down_block_additional_residuals": own.down, "mid_block_additional_residual": own.middle}
    if own.inside:
        named["down_intrablock_additional_residuals"] = list(own.inside)  # the UNet empties it
    return named


def _are_equal(some: StepEncodings, others: StepEncodings) -> bool:
    """Whether two steps have the same encodings. They lie in RAM, and mostly are the same objects."""
    return all(
        one is other or (one is not None and other is not None and torch.equal(one, other))
        for one, other in zip(some, others, strict=True)
    )


AESTHETICS, NEGATIVE_AESTHETICS = 6.0, 2.5
"""Aesthetic scores that the refiner was trained with: for the prompt, and for the negative prompt."""


def component_of(network: Network) -> str:
    """The name of a denoising network in plans."""
    return "unet" if isinstance(network, UNet2DConditionModel) else "transformer"


def guidance_embedding_width(unet: Network) -> int | None:
    """The width of the guidance scale's embedding in a UNet with distilled guidance (LCM); None for others."""
    return unet.config.get("time_cond_proj_dim")


def condition_on_size(loaded: LoadedCheckpoint, width: int, height: int) -> SizeConditioning | None:
    """What XL reads of an image of ``width`` x ``height`` pixels: its size, the crop's corner, and its size again, or for the
    refiner its score (Podell et al. 2023, arXiv 2307.01952). None for other UNets."""
    if loaded.denoiser.config.get("addition_embed_type") != "text_time":
        return None
    ends = ((AESTHETICS,), (NEGATIVE_AESTHETICS,)) if loaded.requires_aesthetics_score else ((height, width), (height, width))
    prompt, negative = (torch.tensor([[height, width, 0, 0, *end]], dtype=torch.float32) for end in ends)
    return SizeConditioning(prompt=prompt, negative=negative)


def draw_noise(seed: int, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Generator]:
    """Noise of ``shape`` in float32, and the generator to go on with.

    It is drawn on the CPU on all machines, so that a seed gives the same noise everywhere.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float32), generator


def vary_noise(noise: torch.Tensor, seed: int, strength: float) -> torch.Tensor:
    """``noise`` moved the share ``strength`` (0..1) of the way to that of another ``seed``, along the great circle between both
    (Shoemake 1985, "slerp"), so that it keeps the length that a network expects of noise."""
    other, _ = draw_noise(seed, tuple(noise.shape))
    one, two = noise.flatten().double(), other.flatten().double()  # in fewer digits an angle near 0 is not found
    cosine = torch.dot(one, two) / (one.norm() * two.norm())
    angle = torch.acos(cosine.clamp(-1, 1))
    if angle < 1e-6:  # the same seed twice
        return noise
    return (torch.sin((1 - strength) * angle) * noise + torch.sin(strength * angle) * other) / torch.sin(angle)


def copy_timesteps(timesteps: torch.Tensor, device: torch.device) -> torch.Tensor:
    """``timesteps`` on ``device``, all at once. Fractions become float32, as in the UNet: not all devices have float64."""
    return send(timesteps, device, torch.float32 if timesteps.is_floating_point() else None)


def _stack(negative: torch.Tensor | None, positive: torch.Tensor) -> torch.Tensor:
    return positive if negative is None else torch.cat([negative, positive])
