"""A loss on the UNet's cross-attention: each part of a thing should attend to the token that describes it.

As in TokenCompose (Wang et al. 2023, arXiv 2312.03626), segmentations supervise cross-attention, here the drawn scenes' own
boxes: the first head of a layer is trained on the first thing of the caption, the second head on the second. Each cell attends to
the token of the part that covers it, and to the start of the caption where the thing is not. The UNet can then copy a part's look
from its token instead of memorising it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor

from training.parts import FIRST, GRID, SLOTS, list_first_things
from training.scenes import Scene

NOWHERE = 0
"""The token that stands for no part: the start-of-text token."""


def map_parts(scene: Scene, side: int) -> np.ndarray:
    """For each slot and cell, the token of the part that covers it: uint8 (SLOTS, side, side)."""
    middles = (np.arange(side) + 0.5) / side
    kinds = list_first_things(scene)
    found = np.full((SLOTS, side, side), NOWHERE, np.uint8)
    for thing in scene.things:  # back to front: nearer things cover farther ones
        # Looks are square, with the thing at the bottom.
        across = np.floor((middles - thing.x) / thing.size * GRID + GRID / 2).astype(int)
        down = np.floor((middles - thing.y - thing.height / 2) / thing.size * GRID).astype(int) + GRID
        inside_x, inside_y = np.abs(middles - thing.x) < thing.width / 2, np.abs(middles - thing.y) < thing.height / 2
        tokens = FIRST + np.clip(down, 0, GRID - 1)[:, None] * GRID + np.clip(across, 0, GRID - 1)[None]
        inside = inside_y[:, None] & inside_x[None]
        found[:, inside] = NOWHERE
        if (thing.name, thing.colour) in kinds:
            found[kinds.index((thing.name, thing.colour)), inside] = tokens[inside]
    return found


class AttentionRecorder:
    """Records the cross-attention probabilities of the last forward pass; fused kernels, which hide them, are replaced."""

    def __init__(self, unet: Any) -> None:
        self._seen: list[tuple[int, torch.Tensor]] = []
        for name, layer in unet.named_modules():
            if name.endswith("attn2"):
                layer.set_processor(AttnProcessor())
                layer.get_attention_scores = self._record(layer)

    def _record(self, layer: Attention) -> Any:
        scores = layer.get_attention_scores

        def record(*arguments: Any, **named: Any) -> torch.Tensor:
            shares = scores(*arguments, **named)
            self._seen.append((layer.heads, shares))
            return shares

        return record

    def loss(self, maps: dict[int, torch.Tensor]) -> torch.Tensor:
        """Cross entropy against the tokens in `maps`, side -> (n, SLOTS, side, side).

        Cells with a part have the same total weight as all others.
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
