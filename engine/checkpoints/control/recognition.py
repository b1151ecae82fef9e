"""Identifies control networks, files and diffusers folders, by their tensors. Does not import torch."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engine.checkpoints.control.purposes import describe_purpose
from engine.checkpoints.control.shape import CONTROL_LORA, CONTROLNET, METHODS, T2I_ADAPTER, UNION, ControlShape
from engine.checkpoints.files.headers import Header, Tensor, read_header
from engine.checkpoints.identify.identity import Identity, Part
from engine.storage.regular_files import read_regular_file

KIND = "controlnet"
"""The kind of files of control networks, whatever their method is."""

_LAYOUTS: tuple[tuple[str, str], ...] = (
    (r"(controlnet\.)?controlnet_down_blocks\.(\d+)\.weight", "conv_in.weight"),
    (r"(control_model\.)?zero_convs\.(\d+)\.0\.weight", "input_blocks.0.0.weight"),
)
"""For diffusers' layout and the original one: the layers after which a ControlNet's results are taken, and its first layer."""

_ATTENTION = ("attn2.to_k.weight", "attn2.to_k.down")
"""A cross-attention's weights, and how a Control-LoRA changes them: both are as wide as a token."""

_OWN = "control_model."

_HINTS = (
    r"(?:controlnet\.)?controlnet_cond_embedding\.blocks\.\d+\.weight",
    r"(?:control_model\.)?input_hint_block\.(?!0\.)\d+\.weight",
)
"""The layers that embed the map, without the first: in diffusers' layout, and in the original one, where the last is among
them."""

_LORA_MARK = "lora_controlnet"
_UNION_MARK = "task_embedding"

_RESNETS = 2
"""Residual blocks in each stage of a T2I-Adapter whose file does not tell: all published ones have as many."""

_ADAPTERS: tuple[str, ...] = (
    r"adapter\.body\.(\d+)\.resnets\.\d+\.block1\.weight",
    r"(?:adapter\.)?body\.(\d+)\.block1\.weight",
    r"(?:adapter\.)?body\.(\d+)\.body\.\d+\.block1\.weight",
)
"""The layers of T2I-Adapters, with the number of their stage: in diffusers' layout; in the original one, where full adapters
number all their blocks in one row, and light ones do not."""

_BLOCKS_IN_A_ROW = 1

_PUBLISHED_ADAPTERS: Mapping[tuple[tuple[int, ...], int], int] = {
    ((320, 640, 1280, 1280), 8): 768, ((320, 640, 1280, 1280), 16): 2048,
}  # fmt: skip
"""Widths and patch of the published T2I-Adapters -> the width of the tokens of the checkpoints that they are for. Their weights
do not tell, since they read no text: Stable Diffusion 2 has the levels of 1."""

_MOST_CONFIG = 2**20
"""Bytes of a network's ``config.json`` that are read."""

Names = Mapping[str, Tensor]


def identify_control(names: Names, header: Header, path: Path) -> Identity | None:
    """A control network in one file; None for anything else."""
    own = _select(names)
    shape = next((shape for read in _READERS if (shape := read(own)) is not None), None)
    if shape is None:
        return None
    return Identity(
        kind=KIND,
        family=shape.family,
        parts={KIND: Part.sum(own.values())},
        container=header.container,
        digest=header.digest,
        control=shape,
        reason=f"a {METHODS[shape.method]}{describe_purpose(path)}",
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


def _select(names: Names) -> Names:
    """The tensors of the network alone: the first ControlNets were published with the whole checkpoint that they were trained
    beside."""
    own = {name: tensor for name, tensor in names.items() if name.startswith(_OWN)}
    return own or names


def _read_controlnet(names: Names) -> ControlShape | None:
    """The denoiser that a ControlNet with these tensors works beside, a union or a Control-LoRA too; None for others."""
    for zero, first in _LAYOUTS:
        found = {int(match[2]): tensor for name, tensor in names.items() if (match := re.fullmatch(zero, name))}
        start = next((tensor for name, tensor in names.items() if _ends(name, first)), None)
        is_lora = _LORA_MARK in names
        if not found or not (is_lora or (start is not None and len(start.shape) > 1)):
            continue
        context = next((tensor.shape[-1] for name, tensor in names.items() if name.endswith(_ATTENTION) and tensor.shape), 0)
        tasks = next((tensor.shape[0] for name, tensor in names.items() if name.endswith(_UNION_MARK) and tensor.shape), 0)
        return ControlShape(
            widths=tuple(found[place].shape[0] for place in sorted(found) if found[place].shape),
            latent_channels=start.shape[1] if start is not None and len(start.shape) > 1 else 0,
            context_width=context,
            method=CONTROL_LORA if is_lora else UNION if tasks else CONTROLNET,
            tasks=tasks,
            patch=_find_patch(names),
        )
    return None


def _find_patch(names: Names) -> int:
    """The pixels along a side of the map that a ControlNet reads as one: it halves them in every second of its layers that embed
    the map, but for the first and the last. 0 if there are none."""
    layers = max(sum(re.fullmatch(pattern, name) is not None for name in names) for pattern in _HINTS)
    return 2 ** (layers // 2) if layers else 0


def _read_adapter(names: Names) -> ControlShape | None:
    """The denoiser that a T2I-Adapter with these tensors works beside; None if they are no T2I-Adapter's."""
    for layout, pattern in enumerate(_ADAPTERS):
        blocks = [(int(match[1]), tensor) for name, tensor in names.items() if (match := re.fullmatch(pattern, name))]
        start = _find_first(names)
        if not blocks or start is None or any(len(tensor.shape) != 4 for _, tensor in blocks):
            continue
        per_stage = _RESNETS if layout == _BLOCKS_IN_A_ROW else 1
        stages = {number // per_stage: tensor.shape[0] for number, tensor in blocks}
        widths = tuple(_find_output(names, stage) or stages[stage] for stage in sorted(stages))
        _, patch = split_picture_channels(start.shape[1])
        context = _PUBLISHED_ADAPTERS.get((widths, patch), 0)
        return ControlShape(widths=widths, context_width=context, method=T2I_ADAPTER, patch=patch) if patch else None
    return None


def _find_first(names: Names) -> Tensor | None:
    """The layer that reads the picture: of a full adapter, or of a light one."""
    ends = ("conv_in.weight", "body.0.in_conv.weight")
    found = (names.get(f"{prefix}{end}") for end in ends for prefix in ("adapter.", ""))
    return next((tensor for tensor in found if tensor is not None and len(tensor.shape) == 4), None)


def _find_output(names: Names, stage: int) -> int:
    """The channels of the last layer of a light adapter's stage; 0 for a full adapter."""
    found = (names.get(f"{prefix}body.{stage}.out_conv.weight") for prefix in ("adapter.", ""))
    return next((tensor.shape[0] for tensor in found if tensor is not None and tensor.shape), 0)


def split_picture_channels(channels: int) -> tuple[int, int]:
    """The channels of the picture, 1 or 3, and the pixels along a side of its patches, for a T2I-Adapter whose first layer has
    so many input channels; zeros if there is no such adapter."""
    sizes = ((colours, math.isqrt(channels // colours)) for colours in (1, 3) if channels % colours == 0)
    return next(((colours, side) for colours, side in sizes if colours * side * side == channels), (0, 0))


_READERS: Sequence[Callable[[Names], ControlShape | None]] = (_read_controlnet, _read_adapter)


def _ends(name: str, layer: str) -> bool:
    """Whether ``name`` is ``layer`` of the network itself, whatever stands before it; the embedding of the picture has a first
    layer too."""
    return name == layer or (name.endswith(f".{layer}") and "controlnet_cond_embedding" not in name)
