"""Leaves blocks of a diffusers transformer out of its forward pass, by their numbers."""

from __future__ import annotations

from collections.abc import Collection, Generator
from contextlib import ExitStack, contextmanager

import torch
from diffusers import SD3Transformer2DModel

from engine.compat.forward import replace_forward


def _pass_through(
    hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor, **_others: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a block that does nothing returns: the states of the prompt, then those of the image."""
    return encoder_hidden_states, hidden_states


@contextmanager
def skip_blocks(transformer: SD3Transformer2DModel, numbers: Collection[int]) -> Generator[None]:
    """Inside the block ``transformer`` runs without those of its blocks that ``numbers`` names; others are no error."""
    with ExitStack() as stack:
        for number, block in enumerate(transformer.get_submodule("transformer_blocks").children()):
            if number in numbers:
                stack.enter_context(replace_forward(block, _pass_through))
        yield
