"""A picture from a sketch or a photo: denoising starts part of the way, from the input with noise on it.

Strength is SDEdit's (Meng et al. 2021, arXiv 2108.01073). Both ends are exact: at 0 the fitted input comes back, at 1
nothing of it is left, which is text to image. With a mask only its white part is repainted, by inpainting checkpoints through
their own channels and by ordinary ones by putting the rest back after each step (Lugmayr et al. 2022, arXiv 2201.09865).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image

from engine.events import Event
from engine.generate.canvas import Canvas, canvas_for, matching_size
from engine.generate.guard import PrecisionGuard
from engine.generate.run import Bench, Start
from engine.generate.run import run as run_task
from engine.generate.workshop import Workshop
from engine.records.blobs import Blobs
from engine.requests import ImageToImage
from engine.stopping import Stop

_INPAINTING_CHANNELS = 5
"""Beside four of latents: one of mask, four of the masked picture. Depth UNets have one more than the latents."""


class FromPicture:
    """The task of :class:`~engine.requests.ImageToImage`."""

    kind = "image_to_image"

    def __init__(self, asked: ImageToImage, blobs: Blobs) -> None:
        self._asked, self._blobs = asked, blobs
        self._canvas: Canvas | None = None

    def size(self, native: int, multiple: int) -> tuple[int, int]:
        """The input's shape at about the checkpoint's native area."""
        return matching_size(self._blobs.open(self._asked.init_image).size, native, multiple)

    def start(self, bench: Bench) -> Start:
        """The input's latents, noised for the first of the steps that strength leaves."""
        canvas = self._seen(bench)
        begin, timesteps = remaining(bench.scheduler, self._asked.strength)
        clean = encode(canvas.picture, bench.pipeline.vae, bench.guard)
        return Start(
            latents=_noised(clean, begin, timesteps, bench),
            timesteps=timesteps,
            extra_channels=_extra_channels(canvas, bench),
            after_step=None if canvas.mask is None else _keep_outside(canvas.mask, clean, timesteps, bench),
        )

    def finish(self, image: Image.Image, bench: Bench) -> Image.Image:
        """The input where the mask does not reach, and all of it at strength 0."""
        canvas = self._seen(bench)
        return canvas.whole if self._asked.strength == 0 else canvas.put_back(image)

    def _seen(self, bench: Bench) -> Canvas:
        if self._canvas is None:
            request = bench.resolved.request
            assert request.width and request.height
            self._canvas = canvas_for(self._asked, request.width, request.height, self._blobs)
        return self._canvas


def run(job: str, asked: ImageToImage, workshop: Workshop, stop: Stop) -> Iterator[Event]:
    """The pictures of an image-to-image job; see :func:`engine.generate.run.run`. PictureError for an input that is lost."""
    return run_task(job, asked, FromPicture(asked, Blobs(workshop.settings.data / "blobs")), workshop, stop)


def remaining(scheduler: Any, strength: float) -> tuple[int, torch.Tensor]:
    """The first step that runs, and the timesteps from there on. Any strength above 0 runs at least one step."""
    steps = scheduler.num_inference_steps
    count = 0 if strength == 0 else max(1, min(steps, int(steps * strength)))
    # Samplers with two evaluations a step take only one for the first or the last: the list is not `order` times the steps.
    begin = (steps - count) * scheduler.order if count else len(scheduler.timesteps)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(begin)
    return begin, scheduler.timesteps[begin:]


def encode(image: Image.Image, vae: Any, guard: PrecisionGuard) -> torch.Tensor:
    """Scaled latents of an RGB picture. The most likely ones, not a sample: the same picture always gives the same."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1

    def call(dtype: torch.dtype) -> torch.Tensor:
        encoded = vae.encode(pixels.to(next(vae.parameters()).device, dtype))
        return (encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents).float()

    with torch.inference_mode():
        latents = guard.run("vae", vae, call).cpu()
    return (latents - (getattr(vae.config, "shift_factor", None) or 0.0)) * vae.config.scaling_factor


def _noised(clean: torch.Tensor, begin: int, timesteps: torch.Tensor, bench: Bench) -> torch.Tensor:
    if not len(timesteps):
        return clean
    if begin == 0:
        return bench.noise * bench.scheduler.init_noise_sigma
    return bench.scheduler.add_noise(clean, bench.noise, timesteps[:1])


def _keep_outside(
    mask: Image.Image, clean: torch.Tensor, timesteps: torch.Tensor, bench: Bench
) -> Callable[[int, torch.Tensor], torch.Tensor]:
    """After each step the part outside the mask becomes the input again, noised as the next step expects it."""
    inside = _latent_mask(mask, bench)

    def after_step(index: int, latents: torch.Tensor) -> torch.Tensor:
        last = index + 1 == len(timesteps)
        outside = clean if last else bench.scheduler.add_noise(clean, bench.noise, timesteps[index + 1 : index + 2])
        return outside * (1 - inside) + latents * inside

    return after_step


def _latent_mask(mask: Image.Image, bench: Bench) -> torch.Tensor:
    """The mask at the size of the latents: 1 wherever any pixel under a latent is to be repainted."""
    white = torch.from_numpy(np.array(mask))[None, None].float() / 255
    return (torch.nn.functional.adaptive_max_pool2d(white, bench.noise.shape[2:]) > 0.5).float()


def _extra_channels(canvas: Canvas, bench: Bench) -> torch.Tensor | None:
    """What inpainting and depth UNets read beside the latents."""
    channels = bench.pipeline.unet.config.in_channels - bench.noise.shape[1]
    if channels == 0:
        return None
    return _inpainting_channels(canvas, bench) if channels == _INPAINTING_CHANNELS else _depth_channel(canvas, bench)


def _inpainting_channels(canvas: Canvas, bench: Bench) -> torch.Tensor:
    """The mask, and the latents of the picture with its masked part grey. Without a mask everything is to be repainted."""
    mask = canvas.mask or Image.new("L", canvas.picture.size, 255)
    hidden = Image.composite(Image.new("RGB", canvas.picture.size, (128, 128, 128)), canvas.picture, mask.point(_hard))
    return torch.cat([_latent_mask(mask, bench), encode(hidden, bench.pipeline.vae, bench.guard)], dim=1)


def _hard(level: int) -> int:
    return 255 if level > 127 else 0


def _depth_channel(canvas: Canvas, bench: Bench) -> torch.Tensor:
    """The depth map at the size of the latents, scaled to -1..1 as the depth checkpoints were trained."""
    depth = canvas.depth if canvas.depth is not None else estimate_depth(canvas.picture, bench.pipeline)
    small = torch.nn.functional.interpolate(depth, bench.noise.shape[2:], mode="bicubic", align_corners=False)
    low, high = small.amin(), small.amax()
    return 2 * (small - low) / (high - low).clamp(min=1e-6) - 1


def estimate_depth(image: Image.Image, pipeline: Any) -> torch.Tensor:
    """The depth estimator's map of ``image``, 1 x 1 x H x W, larger is nearer (MiDaS, Ranftl et al., arXiv 1907.01341)."""
    estimator = pipeline.depth_estimator
    parameter = next(estimator.parameters())
    pixels = pipeline.feature_extractor(images=image, return_tensors="pt").pixel_values
    with torch.inference_mode():
        return estimator(pixels.to(parameter.device, parameter.dtype)).predicted_depth[:, None].float().cpu()
