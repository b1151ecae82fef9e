"""A checkpoint in memory: its components by name and type, and on which device and in which dtype they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ConfigMixin,
    DDPMScheduler,
    DiffusionPipeline,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    DPTForDepthEstimation,
    DPTImageProcessor,
    PreTrainedTokenizerFast,
    T5EncoderModel,
)

from engine.checkpoints.families import Family
from engine.checkpoints.identify.identity import COMPONENT_NAMES
from engine.checkpoints.library.borrowing import name_source
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.load.originals import Originals
from engine.errors import CheckpointError
from engine.json_values import JsonObject
from engine.requests import ExecutionPlan

Autoencoder = AutoencoderKL | AutoencoderTiny
Denoiser = UNet2DConditionModel | SD3Transformer2DModel
"""The network that predicts noise or flow."""
ClipTextEncoder = CLIPTextModel | CLIPTextModelWithProjection
Component = torch.nn.Module | CLIPTokenizer | PreTrainedTokenizerFast | ConfigMixin | DPTImageProcessor
"""A component of a checkpoint."""

_T = TypeVar("_T", bound=Component)


@dataclass(frozen=True, kw_only=True)
class LoadedCheckpoint:
    """The components of a checkpoint of a family that Easel knows, loaded as ``plan`` says.

    ``denoiser`` is the UNet or transformer. ``scheduler`` is the one that came with the checkpoint; runs make their own from its
    configuration. What a family does not have is None: Stable Diffusion 1 and 2 have one text encoder, XL has two, XL's refiner
    the second alone, Stable Diffusion 3 two and, unless it is left out, T5. ``originals``:
    component -> where its weights came from. ``merged`` names the LoRAs that are in the weights, and ``notices`` says what of
    them and of the checkpoint's files is not used.
    ``learned``: text encoder -> textual inversions, each with how many vectors it has.
    """

    name: str
    family: Family
    plan: ExecutionPlan
    denoiser: Denoiser
    vae: Autoencoder
    scheduler: ConfigMixin
    text_encoder: ClipTextEncoder | None = None
    tokenizer: CLIPTokenizer | None = None
    text_encoder_2: CLIPTextModelWithProjection | None = None
    tokenizer_2: CLIPTokenizer | None = None
    text_encoder_3: T5EncoderModel | None = None
    tokenizer_3: PreTrainedTokenizerFast | None = None
    low_res_scheduler: DDPMScheduler | None = None
    depth_estimator: DPTForDepthEstimation | None = None
    feature_extractor: DPTImageProcessor | None = None
    originals: Mapping[str, Originals] = field(default_factory=dict)
    merged: str = ""
    learned: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @property
    def unet(self) -> UNet2DConditionModel:
        """The denoiser of families that have a UNet. Raises TypeError for others."""
        if not isinstance(self.denoiser, UNet2DConditionModel):
            raise TypeError(f"{self.family.label} has no UNet")
        return self.denoiser

    @property
    def device(self) -> torch.device:
        """The device that computes; some weights may be in RAM meanwhile."""
        return torch.device(self.plan.device)

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """The components that have weights, by name."""
        found = {
            self.family.denoiser: self.denoiser,
            "vae": self.vae,
            "text_encoder": self.text_encoder,
            "text_encoder_2": self.text_encoder_2,
            "text_encoder_3": self.text_encoder_3,
            "depth_estimator": self.depth_estimator,
        }
        return {name: module for name, module in found.items() if module is not None}

    @property
    def bytes(self) -> int:
        """What the weights take where they lie."""
        return bytes_of(self.modules.values())

    @property
    def scheduler_config(self) -> JsonObject:
        """The configuration of its scheduler, with the corrections that diffusers makes to the family's published folders."""
        config: JsonObject = {**self.scheduler.config, "_class_name": type(self.scheduler).__name__}
        corrections = {name: value for name, value in self.family.scheduler_overrides.items() if name in config}
        return {**config, **corrections}

    @property
    def vae_scale_factor(self) -> int:
        """Pixels that a latent stands for along one side."""
        return 2 ** (len(self.vae.config["block_out_channels"]) - 1)

    @property
    def latent_channels(self) -> int:
        """Channels of the VAE's latents."""
        return self.vae.config["latent_channels"]

    @property
    def joint_width(self) -> int | None:
        """Numbers of a token that a transformer reads of all text encoders; None for a UNet."""
        return self.denoiser.config.get("joint_attention_dim")

    @property
    def force_zeros_for_empty_prompt(self) -> bool:
        """Whether an empty negative prompt is encoded as zeros (XL's base)."""
        return self.family.force_zeros_for_empty_prompt

    @property
    def requires_aesthetics_score(self) -> bool:
        """Whether the UNet receives an aesthetic score in place of the size (XL's refiner)."""
        return self.family.requires_aesthetics_score


@dataclass(frozen=True)
class LoadedPipeline:
    """A checkpoint of a kind that only diffusers knows: diffusers' pipeline for the folder."""

    pipeline: DiffusionPipeline

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """The components that have weights, by name."""
        parts = self.pipeline.components.items()
        return {name: part for name, part in parts if isinstance(part, torch.nn.Module)}

    @property
    def bytes(self) -> int:
        """What the weights take where they lie."""
        return bytes_of(self.modules.values())


def create_checkpoint(
    entry: CheckpointEntry,
    plan: ExecutionPlan,
    parts: Mapping[str, Component],
    originals: Mapping[str, Originals] | None = None,
) -> LoadedCheckpoint:
    """The checkpoint that ``parts``, by diffusers' names, make up. CheckpointError if one that each needs is missing."""
    vae = _optional(parts, "vae", AutoencoderKL) or _optional(parts, "vae", AutoencoderTiny)
    if vae is None:
        raise missing_component(entry, "vae")
    vae.register_to_config(**entry.family.vae_overrides)
    for component in sorted(entry.family.key_mapping.keys() - entry.family.optional - parts.keys()):
        raise missing_component(entry, component)
    transformer = _optional(parts, "transformer", SD3Transformer2DModel)
    denoiser = transformer or _require(entry, parts, "unet", UNet2DConditionModel)
    return LoadedCheckpoint(
        name=entry.name,
        family=entry.family,
        plan=plan,
        denoiser=denoiser,
        vae=vae,
        scheduler=_require(entry, parts, "scheduler", ConfigMixin),
        text_encoder=_optional(parts, "text_encoder", CLIPTextModel)
        or _optional(parts, "text_encoder", CLIPTextModelWithProjection),
        tokenizer=_optional(parts, "tokenizer", CLIPTokenizer),
        text_encoder_2=_optional(parts, "text_encoder_2", CLIPTextModelWithProjection),
        tokenizer_2=_optional(parts, "tokenizer_2", CLIPTokenizer),
        text_encoder_3=_optional(parts, "text_encoder_3", T5EncoderModel),
        tokenizer_3=_optional(parts, "tokenizer_3", PreTrainedTokenizerFast),
        low_res_scheduler=_optional(parts, "low_res_scheduler", DDPMScheduler),
        depth_estimator=_optional(parts, "depth_estimator", DPTForDepthEstimation),
        feature_extractor=_optional(parts, "feature_extractor", DPTImageProcessor),
        originals=originals or {},
    )


def missing_component(entry: CheckpointEntry, component: str) -> CheckpointError:
    """The error for a file or folder that was saved without a component that it needs."""
    source = name_source(entry.family, component)
    if component == "vae":
        return CheckpointError(
            f"“{entry.path.name}” has no decoder (VAE), and none lies in your folders. Choose a VAE under “LoRA, VAE, refiner, "
            f"clip skip”, or put {source} beside it."
        )
    what = COMPONENT_NAMES.get(component, component)
    return CheckpointError(f"“{entry.path.name}” has no {what}: it was saved without it. Put {source} beside it.")


def bytes_of(modules: Iterable[torch.nn.Module], device: str | None = None) -> int:
    """Bytes of the weights and buffers of ``modules``, shared ones counted once: all, or those on ``device``."""
    tensors = {id(t): t for m in modules for t in (*m.parameters(), *m.buffers())}
    return sum(t.nbytes for t in tensors.values() if device is None or device in (str(t.device), t.device.type))


def _optional(parts: Mapping[str, Component], name: str, kind: type[_T]) -> _T | None:
    part = parts.get(name)
    return part if isinstance(part, kind) else None


def _require(entry: CheckpointEntry, parts: Mapping[str, Component], name: str, kind: type[_T]) -> _T:
    part = _optional(parts, name, kind)
    if part is None:
        raise missing_component(entry, name)
    return part
