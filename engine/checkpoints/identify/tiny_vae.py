"""Recognises tiny autoencoders (TAESD), which decode latents in a small part of a VAE's time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.checkpoints.families.tiny_vaes import find_latents
from engine.checkpoints.files.headers import Header, Tensor
from engine.checkpoints.identify.identity import Identity, Part

TINY_VAE = "tiny_vae"
"""The kind of these files."""

_FOLDERS = 3
"""Folders above the file whose names may tell, the nearest first: the hub's cache has two between a repository and its files."""

_WIDTH = 64


@dataclass(frozen=True)
class LayerNames:
    """The names of a part's layers in a file: the layer that is diffusers' number n is ``prefix`` and n + ``shift``."""

    prefix: str
    shift: int

    def name(self, layer: int, rest: str) -> str:
        """The name in the file of tensor ``rest`` of diffusers' layer ``layer``."""
        return f"{self.prefix}{layer + self.shift}.{rest}"


DECODERS = (LayerNames("decoder.layers.", 0), LayerNames("decoder.", 1), LayerNames("", 1))
"""diffusers', and the original with both parts or the decoder alone, where the clamp before the first convolution counts."""

_ENCODERS = (LayerNames("encoder.layers.", 0), LayerNames("encoder.", 0), LayerNames("", 0))


def find_decoder(tensors: Mapping[str, tuple[int, ...]]) -> tuple[LayerNames, int] | None:
    """The layout of the decoder among tensors with these shapes, and its latents' channels; None if there is none."""
    return _find(tensors, DECODERS, first=0, block=2, last=18, is_decoder=True)


def _find_encoder(tensors: Mapping[str, tuple[int, ...]]) -> tuple[LayerNames, int] | None:
    return _find(tensors, _ENCODERS, first=0, block=1, last=14, is_decoder=False)


def _find(
    tensors: Mapping[str, tuple[int, ...]],
    layouts: tuple[LayerNames, ...],
    *,
    first: int,
    block: int,
    last: int,
    is_decoder: bool,
) -> tuple[LayerNames, int] | None:
    for layout in layouts:
        inputs, outputs = (tensors.get(layout.name(layer, "weight"), ()) for layer in (first, last))
        inside = tensors.get(layout.name(block, "conv.4.weight"), ())
        if len(inputs) != 4 or len(outputs) != 4 or inside != (_WIDTH, _WIDTH, 3, 3):
            continue
        latents, colours = (inputs[1], outputs[0]) if is_decoder else (outputs[0], inputs[1])
        if colours == 3 and inputs[0] == outputs[1] == _WIDTH:
            return layout, latents
    return None


def identify_tiny_vae(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """The identity of a tiny autoencoder, or of its encoder or decoder alone; None for any other file."""
    shapes = {name: tensor.shape for name, tensor in names.items()}
    there = {"decoder": find_decoder(shapes), "encoder": _find_encoder(shapes)}
    found = {part: place for part, place in there.items() if place is not None}
    if not found:
        return None
    channels = next(latents for _, latents in found.values())
    family = find_latents(channels, (path.stem, *(folder.name for folder in list(path.parents)[:_FOLDERS])))
    if family is None:
        reason = "it is a tiny autoencoder (TAESD) for a family that Easel does not draw with, such as Flux"
        return Identity(kind="unknown", container=header.container, digest=header.digest, reason=reason)
    parts = {part: Part.sum(t for n, t in names.items() if n.startswith(layout.prefix)) for part, (layout, _) in found.items()}
    return Identity(
        kind=TINY_VAE, family=family, parts=parts, container=header.container, digest=header.digest,
        reason=_describe(family, "decoder" in parts),
    )  # fmt: skip


def _describe(family: str, decodes: bool) -> str:
    if not decodes:
        return "the encoder of a tiny autoencoder (TAESD), which Easel does not need: its decoder is in another file"
    if not family:
        return "a tiny autoencoder (TAESD) whose name does not say whether it is for Stable Diffusion 1 or XL: say that here"
    return "a tiny autoencoder (TAESD): it shows the steps, and decodes if Speed is Draft"
