"""Which of torch's and diffusers' ways to compute attention runs, where the plan names one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch.nn.attention import SDPBackend, sdpa_kernel

MATH, SLICED = "math", "sliced"


@contextmanager
def use_attention_backend(name: str) -> Generator[None]:
    """Inside the block torch computes attention by plain matrix products if ``name`` says so, else by the kernel it takes."""
    if name not in (MATH, SLICED):
        yield
        return
    with sdpa_kernel(SDPBackend.MATH):
        yield


def slice_attention(module: torch.nn.Module, name: str, *, upcast: bool) -> None:
    """Have the attention of a UNet or VAE computed one head at a time, without torch's own attention, if ``name`` says so;
    ``upcast``: in float32.

    Transformers and text encoders have no such processor: :func:`use_attention_backend` serves them.
    """
    if name != SLICED or not isinstance(module, (UNet2DConditionModel, AutoencoderKL)):
        return
    for block in module.modules():
        if isinstance(block, Attention):
            block.set_attention_slice(1)
            block.upcast_attention = upcast
