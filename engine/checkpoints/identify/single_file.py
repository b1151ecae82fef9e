"""Checkpoints in the original layout: one file with the tensors of all components."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.checkpoints.families import FAMILIES, TEXT_LAYOUTS, Family, TextLayout
from engine.checkpoints.families.key_mapping import UNET, rename_to_original
from engine.checkpoints.families.noise_schedules import find_noise_schedule
from engine.checkpoints.families.stable_diffusion_xl import BOTH
from engine.checkpoints.files.headers import Header, Tensor
from engine.checkpoints.identify.evidence import FEW_STEPS, Evidence, find_family, find_few_step_words
from engine.checkpoints.identify.folders import UNCLIP
from engine.checkpoints.identify.identity import Identity, Part
from engine.checkpoints.identify.markers import read_markers, read_numbers
from engine.checkpoints.identify.unet_layouts import find_small_unet

PREFIXES: Mapping[str, tuple[str, ...]] = {
    "unet": (UNET,),
    "vae": ("first_stage_model.", "vae."),
    "depth_estimator": ("depth_model.",),
}
"""Component -> prefix of its tensors' names; those of text encoders are in the table of families."""

_FIRST = UNET + "input_blocks.0.0.weight"
_GUIDANCE_EMBEDDING = UNET + "time_embed.cond_proj.weight"
_LAST_NORM = re.compile(re.escape(UNET) + r"output_blocks\.(\d{1,3})\.1\.transformer_blocks\.0\.norm1\.bias")
_V_FROM = 0.09
"""ComfyUI's rule (SD20.model_type): v-prediction checkpoints have a larger standard deviation of the last block's bias."""

_DIFFUSERS_UNET = ("conv_in.weight", "down_blocks.0.resnets.0.conv1.weight", "time_embedding.linear_1.weight", "conv_out.weight")

_UNCLIP = ("noise_augmentor.", "embedder.model.visual.")
"""Stability-AI/stablediffusion, ``v2-1-stable-unclip-h-inference.yaml``: beside the UNet, the image encoder and its noise."""

_EPSILON_STEPS = (875_000, 220_000)
"""Training steps in the metadata of 2-base and 2.1-base; those of the 768 models differ (diffusers' conversion script)."""

_AT_FULL_SIZE = {*FEW_STEPS} - {"turbo"}
"""Words for what is distilled at the size of the family's base (XL: 1024); Turbo is made for 512."""


def identify_checkpoint(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """The identity of a checkpoint file, of kind ``"unknown"`` if no family has its shapes; None if it is not a checkpoint."""
    if any(name.startswith(_UNCLIP) for name in names):
        return Identity(kind="unknown", digest=header.digest, container=header.container, reason=UNCLIP)
    first = names.get(_FIRST)
    if first is None or len(first.shape) != 4:
        return None
    channels, text = first.shape[1], _text_layout(names)
    evidence = text and Evidence(
        text=text, channels=channels, guidance_embedding=_GUIDANCE_EMBEDDING in names, few_steps=says_few_steps(header)
    )
    markers = read_markers(header, path)
    prediction_type = markers.prediction_type if markers else ""
    if evidence and not prediction_type:
        prediction_type = _prediction_type(evidence, names, header, path)
    family = find_family(evidence, prediction_type) if evidence else None
    if text is None or family is None:
        reason = f"it is a kind of Stable Diffusion that Easel does not know ({channels} input channels)"
        return Identity(kind="unknown", digest=header.digest, container=header.container, reason=reason)
    parts = _parts(names, {**PREFIXES, **text.prefixes})
    small = find_small_unet(names) if text.context_width == BOTH.context_width else None
    alone = set(parts) == {"unet"}
    return Identity(
        kind="unet" if alone else "checkpoint",
        family=family.name,
        prediction_type=prediction_type,
        parts=parts,
        native_size=_native_size(family, header),
        noise_schedule=find_noise_schedule(markers.configs.get("scheduler", {})) if markers else "",
        markers=markers.names if markers else (),
        configs={**(markers.configs if markers else {}), **({"unet": small.config} if small else {})},
        container=header.container,
        digest=header.digest,
        reason="a UNet without text encoders and VAE"
        if alone
        else f"{small.name if small else 'a UNet'} with {channels} input channels and {text.description}",
    )


def identify_unet_in_diffusers_layout(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """The identity of a UNet alone as diffusers saves it, ``diffusion_pytorch_model.safetensors``; None for any other file."""
    for prefix in ("", "unet."):
        bare = {name.removeprefix(prefix): tensor for name, tensor in names.items() if name.startswith(prefix)}
        if bare.keys() >= set(_DIFFUSERS_UNET):
            renamed = {new: bare[name] for name, new in rename_to_original(list(bare)).items()}
            return identify_checkpoint(renamed, dataclasses.replace(header, tensors=renamed), path)
    return None


def _native_size(family: Family, header: Header) -> int:
    """Pixels a side; few-step checkpoints have their base's size, but for Turbo."""
    words = _few_step_words(header)
    if family.signature is None or not family.signature.few_steps or "turbo" in words or not words & _AT_FULL_SIZE:
        return family.native_size
    alike = (other for other in FAMILIES if other.signature and other.signature.looks_like(family.signature))
    return max(other.native_size for other in alike if other.prediction_type == family.prediction_type)


def _text_layout(names: Mapping[str, Tensor]) -> TextLayout | None:
    """The layout with the file's text encoders; for a UNet alone, the width of its cross-attention decides."""
    widths = (t.shape[-1] for n, t in names.items() if t.shape and n.startswith(UNET) and n.endswith("attn2.to_k.weight"))
    width = next(widths, 0)
    layouts = list(TEXT_LAYOUTS.values())
    places = [
        (place, layout)
        for layout in layouts
        for place, prefix in enumerate(layout.last_prefixes)
        if any(name.startswith(prefix) for name in names)
    ]
    there = [layout for _, layout in sorted(places, key=lambda pair: pair[0])]
    fitting = [layout for layout in there or layouts if layout.context_width == width]
    return next(iter((*fitting, *there)), None)


def says_few_steps(header: Header) -> bool:
    """Whether the metadata says that the checkpoint needs few steps; its shapes are those of the family's others."""
    return bool(_few_step_words(header))


def _few_step_words(header: Header) -> set[str]:
    """The words for few-step training in the file's title and architecture; other metadata is not searched."""
    return find_few_step_words(" ".join(header.metadata.get(f"modelspec.{field}", "") for field in ("title", "architecture")))


def _prediction_type(evidence: Evidence, names: Mapping[str, Tensor], header: Header, path: Path) -> str:
    """The UNet's prediction type, from the file's metadata, or else by ComfyUI's rules."""
    said = header.metadata.get("modelspec.prediction_type", "").lower()
    if said:
        return "v_prediction" if said.startswith("v") else "epsilon"
    published = {family.prediction_type for family in evidence.candidates()}
    if len(published) < 2:
        return next(iter(published), "epsilon")
    if header.values.get("global_step") in _EPSILON_STEPS:
        return "epsilon"
    biases = [(int(match[1]), tensor) for name, tensor in names.items() if (match := _LAST_NORM.fullmatch(name))]
    last = max(biases, default=None, key=lambda pair: pair[0])
    return "v_prediction" if last and _standard_deviation(read_numbers(path, last[1])) > _V_FROM else "epsilon"


def _standard_deviation(numbers: Sequence[float]) -> float:
    mean = sum(numbers) / max(1, len(numbers))
    return math.sqrt(sum((n - mean) ** 2 for n in numbers) / max(1, len(numbers)))


def _parts(names: Mapping[str, Tensor], prefixes: Mapping[str, tuple[str, ...]]) -> dict[str, Part]:
    """Size and dtype of each component in the file."""
    found: dict[str, Part] = {}
    for component, starts in prefixes.items():
        tensors = [t for n, t in names.items() if n.startswith(starts)]
        if tensors:
            found[component] = Part.sum(tensors)
    return found
