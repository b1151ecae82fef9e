"""What the trainers do alike on a GPU and on a CPU: the device, mixed precision, averages of weights, pictures as tensors."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import nn


def add_flags(parser: argparse.ArgumentParser, minutes: float, batch: int) -> None:
    """The flags that every trainer has."""
    parser.add_argument("--out", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=batch, help="pictures a step")
    parser.add_argument("--drawers", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="processes that draw scenes")
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="threads that compute on a CPU")
    parser.add_argument("--resume", action="store_true", help="go on from the weights in the folder")


def prepare(options: argparse.Namespace) -> None:
    """Sets threads and the GPU's quick float32 products."""
    torch.set_num_threads(options.threads)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True


def memory_format(device: str) -> torch.memory_format:
    """How pictures lie in memory: channels last on a GPU, in planes on a CPU, where channels-last GroupNorm learns slowly.

    Its backward pass was measured at 2 to 15 times that in planes, and the whole step of autoencoders at 1.2 to 1.7 times.
    """
    return torch.channels_last if device == "cuda" else torch.contiguous_format


def mixed(device: str) -> AbstractContextManager[Any]:
    """bfloat16 where it is safe."""
    return torch.autocast(device, torch.bfloat16)


def to_pictures(drawn: torch.Tensor, device: str) -> torch.Tensor:
    """uint8 (n, side, side, 3) to float32 (n, 3, side, side) in -1..1 on the device, channels last in memory."""
    return drawn.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


class Average:
    """An exponential moving average of a network's weights, kept on its device; young averages forget faster."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self._live = [value for value in network.state_dict().values() if value.is_floating_point()]
        self._names = [name for name, value in network.state_dict().items() if value.is_floating_point()]
        self._kept = [value.detach().clone() for value in self._live]

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        torch._foreach_lerp_(self._kept, self._live, 1 - min(self.decay, (1 + self.steps) / (10 + self.steps)))

    def weights(self) -> dict[str, torch.Tensor]:
        return dict(zip(self._names, self._kept, strict=True))

    @torch.no_grad()
    def take(self, weights: Mapping[str, Any], steps: int) -> None:
        """Goes on from kept weights."""
        self.steps = steps
        for kept, name in zip(self._kept, self._names, strict=True):
            kept.copy_(weights[name])
