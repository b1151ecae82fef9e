"""Identifies control networks, files and diffusers folders, by their tensors. Does not import torch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from engine.checkpoints.control.purposes import describe_purpose
from engine.checkpoints.control.shape import ControlShape
from engine.checkpoints.files.headers import Header, Tensor, read_header
from engine.checkpoints.identify.identity import Identity, Part
from engine.storage.regular_files import read_regular_file

CONTROLNET = "controlnet"
"""The kind of files of control networks."""

_LAYOUTS: tuple[tuple[str, str, str], ...] = (
    (r"(controlnet\.)?controlnet_down_blocks\.(\d+)\.weight", "conv_in.weight", "attn2.to_k.weight"),
    (r"(control_model\.)?zero_convs\.(\d+)\.0\.weight", "input_blocks.0.0.weight", "attn2.to_k.weight"),
)
"""For diffusers' layout and the original one: the layers after which a ControlNet's results are taken, its first layer, and a
cross-attention's."""

_OWN = "control_model."

_MOST_CONFIG = 2**20
"""Bytes of a network's ``config.json`` that are read."""


def identify_control(names: Mapping[str, Tensor], header: Header, path: Path) -> Identity | None:
    """A control network in one file; None for anything else."""
    shape = _read_shape(_select(names))
    if shape is None:
        return None
    return Identity(
        kind=CONTROLNET,
        family=shape.family,
        parts={CONTROLNET: Part.sum(_select(names).values())},
        container=header.container,
        digest=header.digest,
        control=shape,
        reason=f"a ControlNet{describe_purpose(path)}",
    )


def identify_control_folder(folder: Path, weights: Path) -> Identity | None:
    """A control network in diffusers' folder, whose weights are in the file ``weights``; None for any other network's."""
    header = read_header(weights)
    found = identify_control(header.tensors, header, folder)
    if found is None:
        return None
    digest = hashlib.sha256(read_regular_file(folder / "config.json", _MOST_CONFIG) + header.digest.encode())
    return Identity(
        kind=found.kind, family=found.family, parts=found.parts, container="folder", digest=digest.hexdigest(),
        control=found.control, reason=f"{found.reason}, in diffusers' folder",
    )  # fmt: skip


def _select(names: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors of the network alone: the first ControlNets were published with the whole checkpoint that they were trained
    beside."""
    own = {name: tensor for name, tensor in names.items() if name.startswith(_OWN)}
    return own or names


def _read_shape(names: Mapping[str, Tensor]) -> ControlShape | None:
    """The denoiser that a ControlNet with these tensors works beside; None if they are no ControlNet's."""
    for zero, first, attention in _LAYOUTS:
        found = {int(match[2]): tensor for name, tensor in names.items() if (match := re.fullmatch(zero, name))}
        start = next((tensor for name, tensor in names.items() if _ends(name, first)), None)
        if not found or start is None or len(start.shape) < 2:
            continue
        context = next((tensor.shape[-1] for name, tensor in names.items() if name.endswith(attention) and tensor.shape), 0)
        widths = tuple(found[place].shape[0] for place in sorted(found) if found[place].shape)
        return ControlShape(widths=widths, latent_channels=start.shape[1], context_width=context)
    return None


def _ends(name: str, layer: str) -> bool:
    """Whether ``name`` is ``layer`` of the network itself, whatever stands before it; the embedding of the picture has a first
    layer too."""
    return name == layer or (name.endswith(f".{layer}") and "controlnet_cond_embedding" not in name)
