"""Feature caching: deep features of a UNet are reused in later steps.

From step to step the deep layers change little and cost most. Where the plan lets a step skip them, their last output is used
again and only the outermost layer runs: DeepCache, Ma, Fang and Wang 2023, arXiv 2312.00858.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import torch

from engine.compat.forward import Forward, replace_forward
from engine.compat.unet_blocks import Block, UNetBlocks


class FeatureCache:
    """The input of a UNet's outermost up layer from the layers below, stored at every ``full_every``-th step."""

    def __init__(self, blocks: UNetBlocks, full_every: int) -> None:
        self._blocks, self._every = blocks, full_every
        self._features: torch.Tensor | None = None

    def skips(self, step: int, rows: int) -> bool:
        """Whether step ``step`` runs the outermost layer alone, as :meth:`skip_layers`."""
        return self._features is not None and step % self._every != 0 and len(self._features) == rows

    @contextmanager
    def skip_layers(self, step: int, rows: int) -> Generator[None]:
        """Inside the block the UNet runs whole and its features are kept, or its outermost layer runs alone.

        ``step`` counts from 0, ``rows`` is the batch: a batch of another size, as when guidance ends, cannot use the stored
        features.
        """
        features = self._features
        with self._use(features) if features is not None and self.skips(step, rows) else self._keep():
            yield

    @contextmanager
    def _keep(self) -> Generator[None]:
        def keep(_layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            self._features = inputs[0][:, : -self._blocks.skip_channels]  # the rest is the skip connection, computed anew

        handle = self._blocks.up[-1].resnets[-1].register_forward_pre_hook(keep)
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def _use(self, features: torch.Tensor) -> Generator[None]:
        blocks, outermost = self._blocks, self._blocks.up[-1]
        with ExitStack() as replaced:
            for block in blocks.down:
                replaced.enter_context(replace_forward(block.module, _skip_down(block)))
            for module in (*blocks.middle, *(block.module for block in blocks.up[:-1])):
                replaced.enter_context(replace_forward(module, lambda hidden_states, *_, **__: hidden_states))
            for layer in outermost.resnets[:-1]:
                replaced.enter_context(replace_forward(layer, lambda hidden_states, *_, **__: features.to(hidden_states.dtype)))
            for layer in outermost.attentions[:-1]:
                replaced.enter_context(replace_forward(layer, lambda hidden_states, *_, **__: (hidden_states,)))
            yield


def _skip_down(block: Block) -> Forward:
    """A down block that computes nothing; its skip connections are not used."""
    count = block.skip_connections
    return lambda hidden_states, *_, **__: (hidden_states, (hidden_states,) * count)
