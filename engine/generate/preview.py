"""A small picture of the latents while the run goes on.

A checkpoint whose VAE is small is its own preview. For a large one a linear map from latent channels to red, green and blue
is enough to see what is coming, and costs nothing. The maps were fitted by others and are facts of the VAEs:
for Stable Diffusion 1 and 2 by user keturn (discuss.huggingface.co/t/23204), for XL in diffusers' own documentation
("Display image after each generation step", after Timothy Alexis Vass).
"""

from __future__ import annotations

import io
import math
from typing import Any

import torch
from PIL import Image

_OWN_DECODER_PARAMETERS = 10_000_000
_OWN_DECODER_LATENTS = 16 * 16
"""More are made fewer before they are decoded: a preview of a large picture takes no longer."""
_LONGEST = 256

_MAPS: dict[int, dict[float, tuple[list[list[float]], list[float]]]] = {
    4: {
        0.18215: (
            [[0.298, 0.207, 0.208], [0.187, 0.286, 0.173], [-0.158, 0.189, 0.264], [-0.184, -0.271, -0.473]],
            [0.0, 0.0, 0.0],
        ),
        0.13025: (
            [
                [0.4706, 0.4706, 0.4706],
                [-0.4706, -0.0392, 0.0784],
                [0.1961, 0.1176, -0.0392],
                [-0.5490, -0.3922, -0.2745],
            ],
            [0.1765, 0.0980, 0.0196],
        ),
    }
}
"""Latent channels -> VAE scaling factor -> (channels x RGB, offset), for scaled latents and pictures in -1..1."""


def picture(latents: torch.Tensor, vae: Any) -> bytes | None:
    """A JPEG of ``latents`` (scaled, shape 1 x C x H x W), at most 256 pixels long, or None if nothing fits this VAE."""
    with torch.inference_mode():
        pixels = _decoded(_fewer(latents), vae) if _light(vae) else _mapped(latents, vae)
    return None if pixels is None or not torch.isfinite(pixels).all() else _jpeg(pixels)


def _light(vae: Any) -> bool:
    return sum(p.numel() for p in vae.parameters()) < _OWN_DECODER_PARAMETERS


def _fewer(latents: torch.Tensor) -> torch.Tensor:
    height, width = latents.shape[-2:]
    share = math.sqrt(_OWN_DECODER_LATENTS / (height * width))
    size = max(1, int(height * share)), max(1, int(width * share))
    return latents if share >= 1 else torch.nn.functional.interpolate(latents.float(), size, mode="area")


def _decoded(latents: torch.Tensor, vae: Any) -> torch.Tensor:
    parameter = next(vae.parameters())
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    unscaled = latents / vae.config.scaling_factor + shift
    return vae.decode(unscaled.to(parameter.device, parameter.dtype)).sample[0].float().cpu()


def _mapped(latents: torch.Tensor, vae: Any) -> torch.Tensor | None:
    entry = _MAPS.get(latents.shape[1], {}).get(vae.config.scaling_factor)
    if entry is None:
        return None
    to_rgb, offset = (torch.tensor(part) for part in entry)
    return torch.einsum("chw,cr->rhw", latents[0].float().cpu(), to_rgb) + offset[:, None, None]


def _jpeg(pixels: torch.Tensor) -> bytes:
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    image = Image.fromarray(levels.numpy())
    image.thumbnail((_LONGEST, _LONGEST))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
