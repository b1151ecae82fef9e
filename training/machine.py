"""What all trainers share on GPU and CPU: flags, mixed precision, images as tensors, parallel training.

On a CPU each core runs one training process. They share the weights in memory and update them without locks (Hogwild, Recht et
al. 2011): fast, also if other programs use some cores, but not reproducible to the bit. On a GPU one process trains and all
cores draw scenes for it.
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
"""The work of one process: its rank, the flags, the networks that all processes train."""


def read_flags(
    parser: argparse.ArgumentParser, minutes: float, batch: Mapping[str, int], resumes: bool = True
) -> argparse.Namespace:
    """Adds the flags of all trainers and parses them; batch size and number of processes default to the device's."""
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


def run_processes(work: Work, options: argparse.Namespace, networks: Sequence[nn.Module]) -> None:
    """Runs `work` here, or in `options.members` processes that share the networks' weights; the first has rank 0."""
    if options.members == 1:
        work(0, options, networks)
        return
    for network in networks:
        network.share_memory()
    multiprocessing.spawn(work, (options, networks), nprocs=options.members, join=True)


def prepare(options: argparse.Namespace) -> None:
    """Sets the number of threads, and TF32 on a GPU."""
    torch.set_num_threads(1 if options.members > 1 else max(1, (os.cpu_count() or 2) // 2))
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True


def choose_memory_format(device: str) -> torch.memory_format:
    """The memory format of images: channels last on a GPU, contiguous on a CPU, where GroupNorm in channels last is slow.

    Its backward pass took 2 to 15 times as long as contiguous, a whole step of the autoencoder 1.2 to 1.7 times.
    """
    return torch.channels_last if device == "cuda" else torch.contiguous_format


def autocast(device: str) -> AbstractContextManager[Any]:
    """Mixed precision in bfloat16, on GPU and CPU."""
    return torch.autocast(device, torch.bfloat16)


def to_images(drawn: torch.Tensor, device: str) -> torch.Tensor:
    """uint8 (n, side, side, 3) to float32 (n, 3, side, side) in -1..1 on the device, in channels-last memory format."""
    return drawn.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
