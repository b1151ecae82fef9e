"""A network with a LoRA merged into its weights: for a version of a checkpoint that is used often and must be fast.

A LoRA named in a prompt is applied beside the weights and removed again (:mod:`engine.checkpoints.adapters`), which costs
time on each use and in each step. Here it is merged once, while the weights are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from engine.checkpoints.files.tensors import TensorStore


class MergedLoraStore(TensorStore):
    """The tensors of weights files with a LoRA of full strength added, W + BA (Hu et al. 2021, arXiv 2106.09685).

    ``lora`` is a file in diffusers' layout; ``component`` is what its names begin with. Each sum is in float32.
    """

    def __init__(self, paths: Iterable[Path], lora: Path, component: str) -> None:
        super().__init__(paths)
        self._lora, self._component = TensorStore([lora]), component

    def read(self, name: str) -> torch.Tensor:
        """As in TensorStore."""
        weight, layer = super().read(name), f"{self._component}.{name.removesuffix('.weight')}"
        down, up = f"{layer}.lora_A.weight", f"{layer}.lora_B.weight"
        if down not in self._lora:
            return weight
        added = self._lora.read(up).float().flatten(1) @ self._lora.read(down).float().flatten(1)
        return weight.float() + added.view(weight.shape)
