"""What a UNet reads beside the latents: the picture itself, a mask and what it hides, a depth map.

Channels of inpainting UNets: one of mask, four of the masked picture (Rombach et al. 2022, arXiv 2112.10752). Depth UNets have
one, MiDaS's map (Ranftl et al. 2020, arXiv 1907.01341) scaled to -1..1.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import DPTForDepthEstimation, DPTImageProcessor

from engine.checkpoints.loaded import LoadedCheckpoint
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.run import ImageContext
from engine.generate.tasks.input_image import Canvas


def encode(image: Image.Image, vae: Any, guard: PrecisionGuard) -> torch.Tensor:
    """Scaled latents of an RGB picture. The most likely ones, not a sample: the same picture always gives the same."""
    return _encode(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1, vae, guard)


def extra_channels(canvas: Canvas | None, context: ImageContext) -> torch.Tensor | None:
    """What this checkpoint's UNet reads beside the latents; ``canvas`` is None where no picture was given.

    Without a mask an inpainting UNet is told to repaint everything, without a picture a depth UNet that all is flat.
    """
    channels = context.pipeline.unet.config["in_channels"] - context.noise.shape[1]
    if channels == 0:
        return None
    return _depth_channel(canvas, context) if channels == 1 else _inpainting_channels(canvas, context)


def latent_mask(mask: Image.Image, context: ImageContext) -> torch.Tensor:
    """The mask at the size of the latents: 1 wherever any pixel under a latent is to be repainted."""
    white = torch.from_numpy(np.array(mask))[None, None].float() / 255
    return (torch.nn.functional.adaptive_max_pool2d(white, context.noise.shape[2:]) > 0.5).float()


def with_depth(canvas: Canvas, pipeline: LoadedCheckpoint) -> Canvas:
    """``canvas`` with the estimator's depth, where the checkpoint reads depth and none was given."""
    if canvas.depth is not None or pipeline.depth_estimator is None or pipeline.feature_extractor is None:
        return canvas
    depth = estimate_depth(canvas.picture, pipeline.depth_estimator, pipeline.feature_extractor)
    return dataclasses.replace(canvas, depth=depth)


def estimate_depth(image: Image.Image, estimator: DPTForDepthEstimation, extractor: DPTImageProcessor) -> np.ndarray:
    """The depth estimator's map of ``image``, float32, larger is nearer."""
    parameter = next(estimator.parameters())
    pixels = extractor(images=image, return_tensors="pt").pixel_values
    with torch.inference_mode():
        return estimator(pixels.to(parameter.device, parameter.dtype)).predicted_depth[0].float().cpu().numpy()


def _encode(pixels: torch.Tensor, vae: Any, guard: PrecisionGuard) -> torch.Tensor:
    """Scaled latents of ``pixels``, 1 x 3 x H x W from -1 to 1."""

    def call(dtype: torch.dtype) -> torch.Tensor:
        encoded = vae.encode(pixels.to(next(vae.parameters()).device, dtype))
        return (encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents).float()

    with torch.inference_mode():
        latents = guard.run("vae", vae, call).cpu()
    return (latents - (getattr(vae.config, "shift_factor", None) or 0.0)) * vae.config.scaling_factor


def _inpainting_channels(canvas: Canvas | None, context: ImageContext) -> torch.Tensor:
    """The mask, and the latents of the picture with its masked part grey."""
    scale = context.pipeline.vae_scale_factor
    height, width = (side * scale for side in context.noise.shape[2:])
    if canvas is None or canvas.mask is None:
        mask, seen = Image.new("L", (width, height), 255), torch.zeros(1, 3, height, width)
    else:
        kept = torch.from_numpy(np.array(canvas.mask))[None, None] < 128
        mask = canvas.mask
        seen = (torch.from_numpy(np.array(canvas.picture)).permute(2, 0, 1)[None].float() / 127.5 - 1) * kept
    return torch.cat([latent_mask(mask, context), _encode(seen, context.pipeline.vae, context.guard)], dim=1)


def _depth_channel(canvas: Canvas | None, context: ImageContext) -> torch.Tensor:
    """The depth map at the size of the latents, scaled to -1..1 as the depth checkpoints were trained."""
    if canvas is None or canvas.depth is None:
        return torch.zeros(1, 1, *context.noise.shape[2:])
    depth = torch.from_numpy(canvas.depth)[None, None]
    small = torch.nn.functional.interpolate(depth, context.noise.shape[2:], mode="bicubic", align_corners=False)
    low, high = small.amin(), small.amax()
    return 2 * (small - low) / (high - low).clamp(min=1e-6) - 1
