"""torch's compiler: its limit on recompilations and the error that it raises are only found in its private module, and the
blocks worth compiling only inside diffusers."""

from __future__ import annotations

import torch
from diffusers.models.attention import BasicTransformerBlock, JointTransformerBlock
from torch._dynamo.exc import TorchDynamoException

REPEATED_BLOCKS: tuple[type[torch.nn.Module], ...] = (BasicTransformerBlock, JointTransformerBlock)
"""Blocks that denoisers repeat many times and spend most of a step in. Diffusers names them by network, but not for every one."""

CompilerError = TorchDynamoException
"""What ``torch.compile`` raises where it cannot compile."""


def allow_recompiles(count: int) -> None:
    """Let torch compile a function in ``count`` variants before it falls back to running it uncompiled."""
    torch._dynamo.config.recompile_limit = count  # pyright: ignore[reportPrivateUsage]
