"""The names of a loaded checkpoint's layers in adapter files.

Each file format (:mod:`engine.checkpoints.identify.adapter_names`) has its own, so a table of all possible names is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.checkpoints.families.key_mapping import UNET, Config, map_unet


@dataclass(frozen=True)
class Layer:
    """A layer of a loaded checkpoint: its component, its name there, and its name in the original UNet ("" elsewhere)."""

    component: str
    name: str
    original: str = ""


_ENCODERS: Mapping[str, tuple[str, ...]] = {
    "text_encoder": (
        "lora_te_", "lora_te1_", "oft_te_", "lycoris_te_", "lycoris_te1_", "lycoris_text_encoder_", "text_encoder.", "te1.",
        "clip_l.transformer.", "text_encoders.clip_l.transformer.", "cond_stage_model.transformer.",
        "conditioner.embedders.0.transformer.", "base_model.model.", "text_encoder.base_model.model.",
    ),
    "text_encoder_2": (
        "lora_te2_", "lycoris_te2_", "lycoris_text_encoder_2_", "text_encoder_2.", "te2.", "clip_g.transformer.",
        "text_encoders.clip_g.transformer.", "text_encoder_2.base_model.model.",
    ),
}  # fmt: skip
_UNET_PREFIXES = (
    "lora_unet_", "oft_unet_", "lycoris_unet_", "lycoris_", "unet.", "", "diffusion_model.", UNET, "base_model.model.",
    "unet.base_model.model.", "model.", "base_model.model.unet.",
)  # fmt: skip


def name_layers(component: str, parameters: Iterable[str], config: Config) -> dict[str, Layer]:
    """Every name that a file may use for a layer of ``component`` -> the layer. ``parameters`` are the parameters' names."""
    layers = {name.rpartition(".")[0] for name in parameters if name.endswith((".weight", ".bias"))}
    return {alias: layer for name in sorted(layers) for alias, layer in _aliases(component, name, config)}


def _aliases(component: str, name: str, config: Config) -> Iterator[tuple[str, Layer]]:
    if component == "unet":
        original = map_unet(f"{name}.weight", config).names[0].removeprefix(UNET).removesuffix(".weight")
        layer = Layer(component, name, original)
        for prefix in _UNET_PREFIXES:
            yield from _list_spellings(prefix, (name, original), layer)
    elif component in _ENCODERS:
        bare = name.removeprefix("text_model.")
        layer = Layer(component, name)
        for prefix in _ENCODERS[component]:
            yield from _list_spellings(prefix, (f"text_model.{bare}", bare), layer)


def _list_spellings(prefix: str, names: Iterable[str], layer: Layer) -> Iterator[tuple[str, Layer]]:
    """The names with a prefix; after one that ends in ``_``, dots become underscores."""
    for name in names:
        yield prefix + (name.replace(".", "_") if prefix.endswith("_") else name), layer


_BLOCK = re.compile(r"(input|middle|output)_blocks?\.(\d+)\.")


def block_of(original: str) -> str:
    """The block of a UNet layer by its name in the original layout: ``IN04``, ``M00``, ``OUT11``; BASE outside all blocks."""
    match = _BLOCK.match(original)
    if match is None:
        return "BASE"
    return "M00" if match[1] == "middle" else f"{'IN' if match[1] == 'input' else 'OUT'}{int(match[2]):02}"
