"""Deep features of a UNet, kept from one step for the next.

From step to step the deep layers change little and cost most. Where the plan lets a step skip them, their last output is used
again and only the outermost layer runs: DeepCache, Ma, Fang and Wang 2023, arXiv 2312.00858.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch


class Features:
    """What the outermost up layer of ``unet`` gets from below, kept at every ``full_every``-th step."""

    def __init__(self, unet: Any, full_every: int) -> None:
        self._unet, self._every = unet, full_every
        self._kept: torch.Tensor | None = None

    @contextmanager
    def at(self, step: int, rows: int) -> Generator[None]:
        """The UNet, inside the block, runs whole and is listened to, or runs its outermost layer alone.

        ``step`` counts from 0, ``rows`` is the batch: one of another size, as when guidance ends, cannot use what is kept.
        """
        kept = self._kept
        shallow = step % self._every and kept is not None and len(kept) == rows
        with self._skipping(kept) if shallow and kept is not None else self._listening():
            yield

    @contextmanager
    def _listening(self) -> Generator[None]:
        outermost = self._unet.up_blocks[-1].resnets[-1]
        own = self._unet.conv_in.out_channels

        def keep(_layer: Any, given: tuple[Any, ...]) -> None:
            self._kept = given[0][:, :-own]  # what lies behind it is the skip connection, which is made anew

        handle = outermost.register_forward_pre_hook(keep)
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def _skipping(self, kept: torch.Tensor) -> Generator[None]:
        unet, last = self._unet, self._unet.up_blocks[-1]
        with ExitStack() as replaced:
            for block in unet.down_blocks:
                replaced.enter_context(instead(block, _down(len(block.resnets) + len(block.downsamplers or ()))))
            for block in (unet.mid_block, *unet.up_blocks[:-1]):
                if block is not None:
                    replaced.enter_context(instead(block, lambda hidden_states, *_, **__: hidden_states))
            for layer in last.resnets[:-1]:
                replaced.enter_context(instead(layer, lambda hidden_states, *_, **__: kept.to(hidden_states.dtype)))
            for layer in getattr(last, "attentions", ())[:-1]:
                replaced.enter_context(instead(layer, lambda hidden_states, *_, **__: (hidden_states,)))
            yield


def can_skip(unet: Any) -> bool:
    """Whether ``unet`` is built of the blocks that this knows."""
    return all(hasattr(unet, part) for part in ("conv_in", "down_blocks", "mid_block", "up_blocks"))


def _down(count: int) -> Callable[..., tuple[torch.Tensor, tuple[torch.Tensor, ...]]]:
    """A down block that computes nothing; of its ``count`` skip connections none is looked at."""
    return lambda hidden_states, *_, **__: (hidden_states, (hidden_states,) * count)


@contextmanager
def instead(module: torch.nn.Module, forward: Callable[..., Any]) -> Generator[None]:
    """``module`` computes ``forward`` inside the block."""
    own = module.__dict__.get("forward")
    module.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own  # type: ignore[method-assign]
