"""A small picture of the latents while the run goes on.

A checkpoint whose VAE is small is its own preview. For a large one a linear map from latent channels to red, green and blue
is enough to see what is coming, and costs nothing; the table of families has them.
"""

from __future__ import annotations

import io
import math

import torch
from PIL import Image

from engine.checkpoints.families import LatentPreview
from engine.checkpoints.loaded import Autoencoder

_OWN_DECODER_PARAMETERS = 10_000_000
_OWN_DECODER_LATENTS = 16 * 16
"""More are made fewer before they are decoded: a preview of a large picture takes no longer."""
_LONGEST = 256


def picture(latents: torch.Tensor, vae: Autoencoder, factors: LatentPreview | None = None) -> bytes | None:
    """A JPEG of ``latents`` (scaled, shape 1 x C x H x W), at most 256 pixels long.

    A large ``vae`` is not asked; ``factors`` are then the map of the latents' family. None if there is neither.
    """
    with torch.inference_mode():
        pixels = _decoded(_fewer(latents), vae) if _light(vae) else _mapped(latents, factors)
    return None if pixels is None or not torch.isfinite(pixels).all() else _jpeg(pixels)


def _light(vae: Autoencoder) -> bool:
    return sum(p.numel() for p in vae.parameters()) < _OWN_DECODER_PARAMETERS


def _fewer(latents: torch.Tensor) -> torch.Tensor:
    height, width = latents.shape[-2:]
    share = math.sqrt(_OWN_DECODER_LATENTS / (height * width))
    size = max(1, int(height * share)), max(1, int(width * share))
    return latents if share >= 1 else torch.nn.functional.interpolate(latents.float(), size, mode="area")


def _decoded(latents: torch.Tensor, vae: Autoencoder) -> torch.Tensor:
    parameter = next(vae.parameters())
    shift = vae.config.get("shift_factor") or 0.0
    unscaled = latents / vae.config["scaling_factor"] + shift
    return vae.decode(unscaled.to(parameter.device, parameter.dtype), return_dict=False)[0][0].float().cpu()


def _mapped(latents: torch.Tensor, factors: LatentPreview | None) -> torch.Tensor | None:
    if factors is None or latents.shape[1] != len(factors.factors):
        return None
    to_rgb, bias = torch.tensor(factors.factors), torch.tensor(factors.bias)
    return torch.einsum("chw,cr->rhw", latents[0].float().cpu(), to_rgb) + bias[:, None, None]


def _jpeg(pixels: torch.Tensor) -> bytes:
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    image = Image.fromarray(levels.numpy())
    image.thumbnail((_LONGEST, _LONGEST))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
