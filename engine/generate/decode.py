"""From latents to a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image

from engine.generate.out_of_memory import phase
from engine.generate.precision_guard import PrecisionGuard


def decode(latents: torch.Tensor, vae: Any, guard: PrecisionGuard) -> Image.Image:
    """The picture of ``latents`` (scaled, 1 x C x H x W), as 8-bit RGB.

    An all-black one is tried once more in safer precision, and then believed. Raises CheckpointError if the VAE gives numbers
    that are not finite even in float32, MemoryShort if memory runs out.
    """
    call = _call(latents, vae)
    with phase("decode"), torch.inference_mode():
        pixels = guard.run("vae", vae, call, doubted=_black)[0]
    return to_image(pixels.cpu())


def decoded(latents: torch.Tensor, vae: Any, guard: PrecisionGuard, *, beside: bool) -> Callable[[], Image.Image]:
    """As :func:`decode`. ``beside``: only asked of the device; the function returned waits for the picture, on any thread, and
    until it has the VAE must be left alone.

    A device takes its work in order, so memory for the decoding and for the next picture's steps is never needed at once.
    """
    if not beside:
        image = decode(latents, vae, guard)
        return lambda: image
    call = _call(latents, vae)
    with phase("decode"), torch.inference_mode():
        pixels = guard.run_beside("vae", vae, call, doubted=_black)

    def arrived() -> Image.Image:
        with phase("decode"), torch.inference_mode():
            return to_image(pixels()[0])

    return arrived


def _call(latents: torch.Tensor, vae: Any) -> Callable[[torch.dtype], torch.Tensor]:
    """What decodes in a given precision."""
    unscaled = latents / vae.config.scaling_factor + (getattr(vae.config, "shift_factor", None) or 0.0)

    def call(dtype: torch.dtype) -> torch.Tensor:
        device = next(vae.parameters()).device
        return vae.decode(unscaled.to(device, dtype), return_dict=False)[0].float()

    return call


def _black(pixels: torch.Tensor) -> bool:
    """Whether nothing but black is seen. Overflow looks so, and some nights do."""
    return bool((pixels < -1 + 1 / 255).all())


def to_image(pixels: torch.Tensor) -> Image.Image:
    """``pixels`` (3 x H x W, -1..1) as 8-bit RGB."""
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())
