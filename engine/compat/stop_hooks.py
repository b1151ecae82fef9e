"""Stop inside a step.

A full-size UNet takes seconds a step on a CPU, and a VAE decode as long again. Both are trees of blocks, and neither diffusers
nor transformers can be interrupted, so a hook before each block checks whether Stop was pressed.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import torch
from diffusers.models.attention import JointTransformerBlock
from diffusers.models.attention_processor import Attention
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from transformers.models.clip.modeling_clip import CLIPEncoderLayer
from transformers.models.t5.modeling_t5 import T5Block

from engine.stopping import Stop

BLOCKS = (
    ResnetBlock2D, Transformer2DModel, JointTransformerBlock, CLIPEncoderLayer, T5Block, AutoencoderTinyBlock, Attention,
)  # fmt: skip
"""Blocks between which a run can end: small enough for a quick stop, large enough that the check costs no time."""


@contextmanager
def raise_on_stop(stop: Stop, *components: torch.nn.Module | None, every_layer: bool = False) -> Generator[None]:
    """Inside the block a forward pass through any of ``components`` raises CancelledError soon after ``stop`` is set.

    ``every_layer`` checks before every layer: for small networks of unknown structure.
    """

    def check(_module: torch.nn.Module, _inputs: tuple[torch.Tensor, ...]) -> None:
        stop.raise_if_set()

    with ExitStack() as hooks:
        for component in components:
            for block in component.modules() if component is not None else ():
                if every_layer or isinstance(block, BLOCKS):
                    hooks.callback(block.register_forward_pre_hook(check).remove)
        yield
