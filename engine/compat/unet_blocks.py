"""Passes through a network with blocks that are changed or left out: a UNet's deepest, by name, or a transformer's, by number."""

from __future__ import annotations

from collections.abc import Collection, Generator
from contextlib import ExitStack, contextmanager

import torch
from diffusers import LayerSkipConfig, SD3Transformer2DModel, UNet2DConditionModel, apply_layer_skip
from diffusers.hooks import HookRegistry

from engine.compat.attention import allow_layer_skip
from engine.compat.forward import replace_forward


@contextmanager
def perturb_self_attention(unet: UNet2DConditionModel) -> Generator[None]:
    """Inside the block, the self-attention of the deepest layers gives each place its own value: PAG's perturbation."""
    allow_layer_skip()
    try:
        for name in list_deepest_attention(unet):
            layers = range(len(list(unet.get_submodule(name).children())))
            config = LayerSkipConfig(
                indices=list(layers), fqn=name, skip_attention=False, skip_attention_scores=True, skip_ff=False
            )
            apply_layer_skip(unet, config)
        yield
    finally:
        HookRegistry.check_if_exists_or_initialize(unet).remove_hook("layer_skip_hook", recurse=True)


def list_deepest_attention(unet: UNet2DConditionModel) -> list[str]:
    """The names of the lists of transformer blocks in the middle of a UNet, or the last before it where the middle has none."""
    lists = [
        name for name, module in unet.named_modules() if isinstance(module, torch.nn.ModuleList) and "transformer_blocks" in name
    ]
    middle = [name for name in lists if name.startswith("mid_block.")]
    return middle or [name for name in lists if name.startswith("down_blocks.")][-1:]


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
