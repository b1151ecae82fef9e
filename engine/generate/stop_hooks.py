"""Stop that is heard inside a step.

A full-size UNet takes seconds a step on a CPU, and a VAE decode as long again. Both are trees of blocks, so a hook before
each block asks whether Stop was pressed; nobody waits for a step to end.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from engine.stopping import Stop

_HEARS = ("ResnetBlock2D", "Transformer2DModel", "CLIPEncoderLayer", "AutoencoderTinyBlock", "Attention")
"""Blocks between which a run can end: small enough to be quick, large enough that asking costs nothing."""


@contextmanager
def listening(stop: Stop, *components: torch.nn.Module | None, everywhere: bool = False) -> Generator[None]:
    """While this is open, a forward pass through any of ``components`` raises Cancelled soon after ``stop`` is set.

    ``everywhere`` asks before every layer: for small networks of unknown make.
    """

    def ask(*_: Any) -> None:
        stop.raise_if_set()

    with ExitStack() as hooks:
        for component in components:
            for block in component.modules() if component is not None else ():
                if everywhere or type(block).__name__ in _HEARS:
                    hooks.enter_context(_Hook(block.register_forward_pre_hook(ask)))
        yield


class _Hook:
    """A torch hook as a context manager that removes it."""

    def __init__(self, handle: torch.utils.hooks.RemovableHandle) -> None:
        self._handle = handle

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._handle.remove()
