"""What all trainers share on GPU and CPU: the device, mixed precision, images as tensors, parallel training.

On a CPU one process a core trains. They share the weights in memory, each takes steps of its own, and nobody waits (Recht et al.
2011, Hogwild): quick, also where others use the cores, and not the same to the bit twice. On a GPU one process trains and all
cores draw for it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as multiprocessing
from torch import nn

Work = Callable[[int, argparse.Namespace, Sequence[nn.Module]], None]
"""What one process does: its number, the flags, the networks that all train."""


def read_flags(
    parser: argparse.ArgumentParser, minutes: float, batch: Mapping[str, int], resumes: bool = True
) -> argparse.Namespace:
    """Adds the flags that every trainer has, and reads them all; how many images and processes follows from the device."""
    cores = os.cpu_count() or 2
    parser.add_argument("--out", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, help="pictures per step in each process")
    parser.add_argument("--members", type=int, help="processes that train; several draw themselves")
    parser.add_argument("--drawers", type=int, default=max(1, cores - 1), help="processes that draw scenes for a single trainer")
    if resumes:
        parser.add_argument("--resume", action="store_true", help="continue from the weights in the folder")
    options = parser.parse_args()
    options.batch = options.batch or batch[options.device]
    options.members = options.members or {"cuda": 1, "cpu": cores}[options.device]
    return options


def together(work: Work, options: argparse.Namespace, networks: Sequence[nn.Module]) -> None:
    """Runs `work` here, or in `options.members` processes that share the networks' weights; the first is number 0."""
    if options.members == 1:
        work(0, options, networks)
        return
    for network in networks:
        network.share_memory()
    multiprocessing.spawn(work, (options, networks), nprocs=options.members, join=True)


def prepare(options: argparse.Namespace) -> None:
    """Sets threads and the GPU's quick float32 products."""
    torch.set_num_threads(1 if options.members > 1 else max(1, (os.cpu_count() or 2) // 2))
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True


def memory_format(device: str) -> torch.memory_format:
    """How images lie in memory: channels last on a GPU, in planes on a CPU, where channels-last GroupNorm learns slowly.

    Its backward pass was measured at 2 to 15 times that in planes, and the whole step of autoencoders at 1.2 to 1.7 times.
    """
    return torch.channels_last if device == "cuda" else torch.contiguous_format


def mixed(device: str) -> AbstractContextManager[Any]:
    """bfloat16 where it is safe."""
    return torch.autocast(device, torch.bfloat16)


def to_images(drawn: torch.Tensor, device: str) -> torch.Tensor:
    """uint8 (n, side, side, 3) to float32 (n, 3, side, side) in -1..1 on the device, channels last in memory."""
    return drawn.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
