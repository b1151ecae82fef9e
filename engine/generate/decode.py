"""From latents to an image, and to small previews during the run.

A tiny autoencoder (TAESD) draws the previews of the families that it is made for, if there is one. Else a checkpoint whose VAE is
small decodes its own. For a large one a linear map from latent channels to red, green and blue is good enough and takes no time;
the table of families has the map.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import torch
from diffusers import AutoencoderTiny
from PIL import Image

from engine.checkpoints.families import LatentPreview
from engine.checkpoints.loaded import Autoencoder
from engine.generate.out_of_memory import phase
from engine.generate.precision_guard import PrecisionGuard
from engine.generate.speed.transfers import CopyToRam, send

_SMALL_VAE_PARAMETERS = 10_000_000
_PREVIEW_LATENTS = 16 * 16
"""Larger latents are averaged down before decoding, so a preview of a large image takes no longer."""
_TINY_PREVIEW_LATENTS = 32 * 32
"""The same for a tiny autoencoder."""
_PREVIEW_SIDE = 256


class Decoding:
    """One image that is being decoded. ``latents`` are scaled, 1 x C x H x W.

    ``ahead``: only queue the work, for a device that goes on to the next image's steps meanwhile. Devices take their work in
    order, so decoding and those steps never need memory at the same time.
    """

    def __init__(self, latents: torch.Tensor, vae: Autoencoder, guard: PrecisionGuard, *, ahead: bool) -> None:
        self._image = None if ahead else decode(latents, vae, guard)
        self._pixels = _queue(latents, vae) if ahead else None

    def wait(self) -> Image.Image | None:
        """The image as 8-bit RGB; None if it overflowed or came out black, and must be decoded again by :func:`decode`.

        May be called on any thread, because it uses no network. Raises MemoryShort.
        """
        if self._pixels is None:
            return self._image
        with phase("decode"), torch.inference_mode():
            pixels = self._pixels()
            return None if not torch.isfinite(pixels).all() or _is_black(pixels) else to_image(pixels[0])


def _queue(latents: torch.Tensor, vae: Autoencoder) -> CopyToRam:
    with phase("decode"), torch.inference_mode():
        return CopyToRam(decode_pixels(latents, vae, _parameter(vae).dtype))


def decode(latents: torch.Tensor, vae: Autoencoder, guard: PrecisionGuard) -> Image.Image:
    """The image of ``latents`` (scaled, 1 x C x H x W), as 8-bit RGB.

    An entirely black image is decoded once more in a safer precision, and then accepted. Raises CheckpointError if the VAE's
    output is not finite even in float32, MemoryShort if memory runs out.
    """
    with phase("decode"), torch.inference_mode():
        pixels = guard.run("vae", vae, lambda dtype: decode_pixels(latents, vae, dtype), suspicious=_is_black)[0]
        return to_image(pixels.cpu())


def to_image(pixels: torch.Tensor) -> Image.Image:
    """``pixels`` (3 x H x W, -1..1) as 8-bit RGB."""
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


class PendingPreview:
    """A small image of latents (scaled, 1 x C x H x W) that the device is computing."""

    def __init__(self, numbers: CopyToRam, paint: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """``paint`` turns the copied numbers into pixels: 3 x H x W, -1..1."""
        self._numbers, self._paint = numbers, paint

    @property
    def is_done(self) -> bool:
        """Whether :meth:`render` need not wait."""
        return self._numbers.is_done

    def render(self) -> bytes | None:
        """A JPEG, at most 256 pixels a side; None if its numbers are not finite."""
        pixels = self._paint(self._numbers())
        if not torch.isfinite(pixels).all():
            return None
        image, buffer = to_image(pixels), io.BytesIO()
        image.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
        image.save(buffer, "JPEG", quality=80)
        return buffer.getvalue()


def begin_preview(
    latents: torch.Tensor,
    vae: Autoencoder,
    preview: LatentPreview | None = None,
    tiny_decoder: AutoencoderTiny | None = None,
) -> PendingPreview | None:
    """A preview of ``latents`` (scaled, 1 x C x H x W).

    ``tiny_decoder`` is one for these latents. Without it, for a large ``vae``, the linear map ``preview`` of the family is used.
    None without any of them.
    """
    with phase("decode"), torch.inference_mode():
        if tiny_decoder is not None:
            small = _decode_small(match_tiny_decoder(latents, vae, preview), tiny_decoder, _TINY_PREVIEW_LATENTS)
            return PendingPreview(CopyToRam(small), lambda pixels: pixels)
        if _is_small(vae):
            return PendingPreview(CopyToRam(_decode_small(latents, vae, _PREVIEW_LATENTS)), lambda pixels: pixels)
        if preview is None or latents.shape[1] != len(preview.factors):
            return None
        return PendingPreview(
            CopyToRam(match_tiny_decoder(latents, vae, preview)[0].float()), lambda copy: _map_to_rgb(copy, preview)
        )


def match_tiny_decoder(latents: torch.Tensor, vae: Autoencoder, preview: LatentPreview | None) -> torch.Tensor:
    """``latents`` as the family's own VAE scales them, which is what its tiny autoencoder decodes: a checkpoint may scale them in
    another way."""
    if preview is None or vae.config.get("latents_mean") is None:
        return latents
    return unscale_latents(latents, vae) * preview.scaling_factor


def scale_latents(latents: torch.Tensor, vae: Autoencoder) -> torch.Tensor:
    """Latents as the VAE encodes them -> as the denoiser has them."""
    mean, deviation = _find_moments(vae, latents)
    return (latents - mean) * vae.config["scaling_factor"] / deviation


def unscale_latents(latents: torch.Tensor, vae: Autoencoder, dtype: torch.dtype = torch.float32) -> torch.FloatTensor:
    """The opposite of :func:`scale_latents`: what the VAE decodes, in ``dtype`` on its device."""
    mean, deviation = _find_moments(vae, latents)
    unscaled = latents * deviation / vae.config["scaling_factor"] + mean
    return unscaled.to(_parameter(vae).device, dtype)


def _find_moments(vae: Autoencoder, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | tuple[float, float]:
    """Mean and standard deviation that the denoiser's ``latents`` were normalised with, by channel: 0 and 1 for most families."""
    mean, deviation = vae.config.get("latents_mean"), vae.config.get("latents_std")
    if mean is None or deviation is None:
        return float(vae.config.get("shift_factor") or 0.0), 1.0
    moments = (send(torch.tensor(numbers)[:, None, None], latents.device, latents.dtype) for numbers in (mean, deviation))
    return next(moments), next(moments)


def decode_pixels(latents: torch.Tensor, vae: Autoencoder, dtype: torch.dtype) -> torch.Tensor:
    """Pixels in float32, 1 x 3 x H x W from -1 to 1."""
    return vae.decode(unscale_latents(latents, vae, dtype), return_dict=False)[0].float()


def _parameter(vae: Autoencoder) -> torch.nn.Parameter:
    return next(vae.parameters())


def _is_black(pixels: torch.Tensor) -> bool:
    """Whether the image is entirely black, which may be an overflow or a very dark image."""
    return bool((pixels < -1 + 1 / 255).all())


def _is_small(vae: Autoencoder) -> bool:
    return sum(p.numel() for p in vae.parameters()) < _SMALL_VAE_PARAMETERS


def _decode_small(latents: torch.Tensor, vae: Autoencoder, most: int) -> torch.Tensor:
    """The pixels, on the device, of ``latents``, which are averaged down to ``most`` of them before."""
    height, width = latents.shape[-2:]
    share = math.sqrt(most / (height * width))
    size = max(1, int(height * share)), max(1, int(width * share))
    small = latents if share >= 1 else torch.nn.functional.interpolate(latents.float(), size, mode="area")
    return decode_pixels(small, vae, _parameter(vae).dtype)[0]


def _map_to_rgb(latents: torch.Tensor, preview: LatentPreview) -> torch.Tensor:
    """The image of ``latents``, C x H x W, by a linear map of their channels."""
    to_rgb, bias = torch.tensor(preview.factors), torch.tensor(preview.bias)
    return torch.einsum("chw,cr->rhw", latents, to_rgb) + bias[:, None, None]
