"""Trains the UNet's cross-attention to look for each part of a thing at the token that describes it.

As in TokenCompose (Wang et al. 2023, arXiv 2312.03626) the drawing's own boxes say what cross-attention should be at: the first
head of a layer sees the first thing of the caption, the second head the second one, each cell the part that covers it, and the
start of the caption where the thing is not. What is found there can be copied, and need not be known by heart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor

from training.parts import FIRST, GRID, SLOTS, first_things
from training.scenes import Scene

NOWHERE = 0
"""The token that stands for no part: the start of the caption."""


def part_map(scene: Scene, side: int) -> np.ndarray:
    """For each slot and each cell of side x side: the token of the part that covers it. uint8 (SLOTS, side, side)."""
    middles = (np.arange(side) + 0.5) / side
    kinds = first_things(scene)
    found = np.full((SLOTS, side, side), NOWHERE, np.uint8)
    for thing in scene.things:  # back to front: the front one covers
        # Looks are squares with the thing at their foot.
        across = np.floor((middles - thing.x) / thing.size * GRID + GRID / 2).astype(int)
        down = np.floor((middles - thing.y - thing.height / 2) / thing.size * GRID).astype(int) + GRID
        inside_x, inside_y = np.abs(middles - thing.x) < thing.width / 2, np.abs(middles - thing.y) < thing.height / 2
        tokens = FIRST + np.clip(down, 0, GRID - 1)[:, None] * GRID + np.clip(across, 0, GRID - 1)[None]
        inside = inside_y[:, None] & inside_x[None]
        found[:, inside] = NOWHERE
        if (thing.name, thing.colour) in kinds:
            found[kinds.index((thing.name, thing.colour)), inside] = tokens[inside]
    return found


class Watch:
    """Keeps what the UNet's cross-attention was at in the last forward pass; takes the plain product of matrices for it."""

    def __init__(self, unet: Any) -> None:
        self._seen: list[tuple[int, torch.Tensor]] = []
        for name, layer in unet.named_modules():
            if name.endswith("attn2"):
                layer.set_processor(AttnProcessor())
                layer.get_attention_scores = self._keeping(layer)

    def _keeping(self, layer: Attention) -> Any:
        scores = layer.get_attention_scores

        def kept(*arguments: Any, **named: Any) -> torch.Tensor:
            shares = scores(*arguments, **named)
            self._seen.append((layer.heads, shares))
            return shares

        return kept

    def loss(self, maps: dict[int, torch.Tensor]) -> torch.Tensor:
        """Cross entropy against the tokens of `maps`, (n, SLOTS, side, side) by side.

        Cells with a part count as much together as all others do.
        """
        found: list[torch.Tensor] = []
        for heads, shares in self._seen:
            side = round(shares.shape[1] ** 0.5)
            if side in maps and heads >= SLOTS:
                wanted = maps[side].flatten(2).long()
                by_head = shares.view(len(wanted), heads, side * side, -1)[:, :SLOTS].float()
                missed = -(by_head.gather(3, wanted[..., None])[..., 0] + 1e-5).log()
                for cells in (wanted != NOWHERE, wanted == NOWHERE):
                    found.append((missed * cells).sum() / cells.sum().clamp(min=1))
        self._seen.clear()
        return torch.stack(found).mean() if found else torch.zeros(())
