"""torch's compiler: its limit on recompilations and the error that it raises are only found in its private module."""

from __future__ import annotations

import torch
from torch._dynamo.exc import TorchDynamoException

CompilerError = TorchDynamoException
"""What ``torch.compile`` raises where it cannot compile."""


def allow_recompiles(count: int) -> None:
    """Let torch compile a network for ``count`` shapes before it falls back to running it uncompiled."""
    torch._dynamo.config.recompile_limit = count  # pyright: ignore[reportPrivateUsage]
