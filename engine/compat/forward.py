"""Temporarily replaces the forward pass of a torch module.

torch calls the ``forward`` that it finds on the instance, which it does not promise; a subclass or a hook cannot leave the
module's own work out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch

Output = torch.Tensor | tuple[torch.Tensor, ...] | tuple[torch.Tensor, tuple[torch.Tensor, ...]]
Forward = Callable[..., Output]


@contextmanager
def replace_forward(module: torch.nn.Module, forward: Forward) -> Generator[None]:
    """Inside the block ``module`` computes ``forward``, which is called without the module."""
    before = module.__dict__.get("forward")
    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        del module.__dict__["forward"]
        if before is not None:
            module.__dict__["forward"] = before


def own_forward(module: torch.nn.Module) -> Forward:
    """The forward pass of the module's class, whatever replaces it now."""
    return type(module).forward.__get__(module)
