"""The blocks of a diffusers UNet by depth. diffusers gives them no common type, so they are found by the names of their parts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel


@dataclass(frozen=True)
class Block:
    """A down or up block. ``skip_connections`` is how many tensors a down block hands to the up blocks."""

    module: torch.nn.Module
    resnets: tuple[torch.nn.Module, ...]
    attentions: tuple[torch.nn.Module, ...]
    skip_connections: int


@dataclass(frozen=True)
class UNetBlocks:
    """A UNet from the outside in: ``down`` begins with the outermost block, ``up`` ends with it.

    ``skip_channels`` are those of the skip connection into the outermost up layer."""

    skip_channels: int
    down: tuple[Block, ...]
    middle: tuple[torch.nn.Module, ...]
    up: tuple[Block, ...]


def find_blocks(unet: UNet2DConditionModel) -> UNetBlocks | None:
    """The blocks of ``unet``; None if it is not built of those that Stable Diffusion has."""
    down, up = (tuple(map(_find_block, unet.get_submodule(name).children())) for name in ("down_blocks", "up_blocks"))
    middle = tuple(module for name, module in unet.named_children() if name == "mid_block")
    conv_in = unet.get_submodule("conv_in")
    if not isinstance(conv_in, torch.nn.Conv2d) or not up or not all(block.resnets for block in (*down, *up)):
        return None
    return UNetBlocks(conv_in.out_channels, down, middle, up)


def _find_block(module: torch.nn.Module) -> Block:
    parts = {name: tuple(part.children()) for name, part in module.named_children() if isinstance(part, torch.nn.ModuleList)}
    resnets = parts.get("resnets", ())
    skip_connections = len(resnets) + len(parts.get("downsamplers", ()))
    return Block(module, resnets, parts.get("attentions", ()), skip_connections)
