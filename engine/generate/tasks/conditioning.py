"""A UNet's inputs besides the latents: an image, a mask and the masked image, a depth map.

Channels of inpainting UNets: one of mask, four of the masked image (Rombach et al. 2022, arXiv 2112.10752). Depth UNets have
one, MiDaS's map (Ranftl et al. 2020, arXiv 1907.01341) scaled to -1..1.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKLOutput
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput
from PIL import Image
from transformers import DPTForDepthEstimation, DPTImageProcessor

from engine.checkpoints.loaded import Autoencoder, LoadedCheckpoint
from engine.generate.context import ImageContext
from engine.generate.decode import scale_latents
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.tasks.input_image import Canvas


def encode_image(image: Image.Image, vae: Autoencoder, guard: PrecisionGuard) -> torch.Tensor:
    """Scaled latents of an RGB image. The mode of the distribution, not a sample, so the same image always gives the same
    latents."""
    return _encode_pixels(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1, vae, guard)


def add_noise(clean: torch.Tensor, begin: int, timesteps: torch.Tensor, context: ImageContext) -> torch.Tensor:
    """``clean`` latents, noised for the first of ``timesteps``, step ``begin`` of all: pure noise for the first of all."""
    if not len(timesteps):
        return clean
    if begin == 0:
        return context.noise * context.scheduler.init_noise_sigma
    return context.scheduler.add_noise(clean, context.noise, timesteps[:1])


def create_extra_channels(canvas: Canvas | None, context: ImageContext) -> torch.Tensor | None:
    """The UNet's extra input channels; ``canvas`` is None if no image was given.

    Without a mask an inpainting UNet repaints everything; without an image a depth UNet gets a flat depth map.
    """
    channels = context.loaded.denoiser.config["in_channels"] - context.noise.shape[1]
    if channels == 0:
        return None
    return _depth_channel(canvas, context) if channels == 1 else _inpainting_channels(canvas, context)


def shrink_mask(mask: Image.Image, context: ImageContext) -> torch.Tensor:
    """The mask at the size of the latents: 1 wherever any pixel under a latent is to be repainted."""
    white = torch.from_numpy(np.array(mask))[None, None].float() / 255
    return (torch.nn.functional.adaptive_max_pool2d(white, context.noise.shape[2:]) > 0.5).float()


def add_depth(canvas: Canvas, loaded: LoadedCheckpoint) -> Canvas:
    """``canvas`` with the estimator's depth, if the checkpoint uses depth and none was given."""
    estimator, extractor = loaded.depth_estimator, loaded.feature_extractor
    if canvas.depth is not None or estimator is None or extractor is None:
        return canvas
    return dataclasses.replace(canvas, depth=estimate_depth(canvas.image, estimator, extractor))


def estimate_depth(image: Image.Image, estimator: DPTForDepthEstimation, extractor: DPTImageProcessor) -> np.ndarray:
    """The depth estimator's map of ``image``, float32, larger is nearer."""
    parameter = next(estimator.parameters())
    pixels = extractor(images=image, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        return estimator(pixels.to(parameter.device, parameter.dtype)).predicted_depth[0].float().cpu().numpy()


def _encode_pixels(pixels: torch.Tensor, vae: Autoencoder, guard: PrecisionGuard) -> torch.Tensor:
    """Scaled latents of ``pixels``, 1 x 3 x H x W from -1 to 1."""

    def call(dtype: torch.dtype) -> torch.Tensor:
        encoded = vae.encode(pixels.to(next(vae.parameters()).device, dtype))
        if isinstance(encoded, AutoencoderKLOutput):
            return encoded.latent_dist.mode().float()
        assert isinstance(encoded, AutoencoderTinyOutput), "the two kinds of VAE that there are"
        return encoded.latents.float()

    with torch.inference_mode():
        latents = guard.run("vae", vae, call).cpu()
    return scale_latents(latents, vae)


def _inpainting_channels(canvas: Canvas | None, context: ImageContext) -> torch.Tensor:
    """The mask, and the latents of the image with its masked part grey."""
    scale = context.loaded.vae_scale_factor
    height, width = (side * scale for side in context.noise.shape[2:])
    if canvas is None or canvas.mask is None:
        mask, seen = Image.new("L", (width, height), 255), torch.zeros(1, 3, height, width)
    else:
        kept = torch.from_numpy(np.array(canvas.mask))[None, None] < 128
        mask = canvas.mask
        seen = (torch.from_numpy(np.array(canvas.image)).permute(2, 0, 1)[None].float() / 127.5 - 1) * kept
    return torch.cat([shrink_mask(mask, context), _encode_pixels(seen, context.loaded.vae, context.guard)], dim=1)


def _depth_channel(canvas: Canvas | None, context: ImageContext) -> torch.Tensor:
    """The depth map at the size of the latents, scaled to -1..1 as the depth checkpoints were trained."""
    if canvas is None or canvas.depth is None:
        return torch.zeros(1, 1, *context.noise.shape[2:])
    depth = torch.from_numpy(canvas.depth)[None, None]
    small = torch.nn.functional.interpolate(depth, context.noise.shape[2:], mode="bicubic", align_corners=False)
    low, high = small.amin(), small.amax()
    return 2 * (small - low) / (high - low).clamp(min=1e-6) - 1
