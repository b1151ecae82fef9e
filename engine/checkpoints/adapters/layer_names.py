"""The names of a loaded checkpoint's layers in adapter files.

Each file format (:mod:`engine.checkpoints.identify.adapter_names`) has its own, so a table of all possible names is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from engine.checkpoints.families.key_mapping import UNET, Config, map_unet
from engine.checkpoints.families.mmdit_keys import map_mmdit


@dataclass(frozen=True)
class Layer:
    """A layer of a loaded checkpoint: its component, its name there, and its name in the original UNet ("" elsewhere)."""

    component: str
    name: str
    original: str = ""


@dataclass(frozen=True)
class NamedLayers:
    """What a file means by a name: a layer, or several whose outputs lie one after the other (query, key and value in one).
    ``swapped``: the two halves of a layer's outputs are in the other order."""

    layers: tuple[Layer, ...]
    swapped: bool = False

    def join(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """The weights or biases of :attr:`layers`, as the file has them."""
        joined = torch.cat(list(tensors)) if len(tensors) > 1 else tensors[0]
        return _swap(joined) if self.swapped else joined

    def take(self, joined: torch.Tensor, layer: Layer) -> torch.Tensor:
        """The part of :attr:`layers` that is ``layer``, as the checkpoint has it."""
        part = joined.chunk(len(self.layers))[self.layers.index(layer)]
        return _swap(part) if self.swapped else part


def _swap(tensor: torch.Tensor) -> torch.Tensor:
    return torch.cat(tensor.chunk(2)[::-1])


_ENCODERS: Mapping[str, tuple[str, ...]] = {
    "text_encoder": (
        "lora_te_", "lora_te1_", "lora_te.", "lora_te1.", "clip_l.",
        "oft_te_", "lycoris_te_", "lycoris_te1_", "lycoris_text_encoder_", "text_encoder.", "te1.",
        "clip_l.transformer.", "text_encoders.clip_l.transformer.", "cond_stage_model.transformer.",
        "conditioner.embedders.0.transformer.", "base_model.model.", "text_encoder.base_model.model.",
    ),
    "text_encoder_2": (
        "lora_te2_", "lora_te2.", "clip_g.",
        "lycoris_te2_", "lycoris_text_encoder_2_", "text_encoder_2.", "te2.", "clip_g.transformer.",
        "text_encoders.clip_g.transformer.", "text_encoder_2.base_model.model.",
    ),
    "text_encoder_3": (
        "lora_te3_", "lora_te3.", "t5.",
        "lycoris_te3_", "lycoris_text_encoder_3_", "text_encoder_3.", "te3.", "t5xxl.transformer.",
        "text_encoders.t5xxl.transformer.", "text_encoder_3.base_model.model.",
    ),
}  # fmt: skip
_UNET_PREFIXES = (
    "lora_unet_", "lora_unet.",
    "oft_unet_", "lycoris_unet_", "lycoris_", "unet.", "", "diffusion_model.", UNET, "base_model.model.",
    "unet.base_model.model.", "model.", "base_model.model.unet.",
)  # fmt: skip


_TRANSFORMER_PREFIXES = (
    "transformer.", "", "lora_transformer_", "lora_unet_", "lycoris_", "lycoris_unet_", "base_model.model.",
    "transformer.base_model.model.", "diffusion_model.", UNET,
)  # fmt: skip
"""OneTrainer's, diffusers' and PEFT's for diffusers' names, kohya's and ComfyUI's for the original ones; LyCORIS has both."""


def name_layers(component: str, parameters: Iterable[str], config: Config) -> dict[str, NamedLayers]:
    """Every name that a file may use for layers of ``component`` -> the layers. ``parameters`` are the parameters' names."""
    layers = sorted({name.rpartition(".")[0] for name in parameters if name.endswith((".weight", ".bias"))})
    if component == "transformer":
        return dict(_aliases_of_transformer(component, layers, config))
    return {alias: NamedLayers((layer,)) for name in layers for alias, layer in _aliases(component, name, config)}


def _aliases_of_transformer(component: str, names: Iterable[str], config: Config) -> Iterator[tuple[str, NamedLayers]]:
    """diffusers' names, and the original ones, under which query, key and value are one layer."""
    originals: dict[str, list[Layer]] = {}
    swapped: set[str] = set()
    for name in names:
        source = map_mmdit(f"{name}.weight", config)
        original = source.names[-1].removesuffix(".weight")
        originals.setdefault(original, []).append(Layer(component, name))
        swapped.update({original} if source.swapped else ())
        for prefix in _TRANSFORMER_PREFIXES:
            for alias, layer in _list_spellings(prefix, (name,), Layer(component, name)):
                yield alias, NamedLayers((layer,))
    for original, layers in originals.items():
        named = NamedLayers(tuple(sorted(layers, key=_place_in_joined)), swapped=original in swapped)
        for prefix in _TRANSFORMER_PREFIXES:
            yield from ((alias, named) for alias, _ in _list_spellings(prefix, (original,), layers[0]))


def _place_in_joined(layer: Layer) -> int:
    """Query, key, value: ``attn.to_q``, ``attn.add_q_proj``."""
    match = re.search(r"\.(?:to|add)_([qkv])(?:_proj)?$", layer.name)
    return "qkv".index(match[1]) if match else 0


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
