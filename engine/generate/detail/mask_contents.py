"""What a masked part begins with, and how it is released to change."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from spandrel import MAIN_REGISTRY, MaskedImageModelDescriptor

from engine.checkpoints.files.headers import create_refusal
from engine.checkpoints.identify.image_networks import MASK_FILLER
from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.load.image_network import read_weights
from engine.errors import RequestError
from engine.generate.context import ImageContext
from engine.generate.denoise import draw_noise
from engine.generate.detail.smooth_fill import fill_masked
from engine.generate.speed.transfers import send
from engine.generate.tasks.conditioning import encode_image, shrink_mask
from engine.generate.tasks.input_image import Canvas
from engine.seeds import MAX_SEED

MaskFiller = Callable[[Image.Image, Image.Image], Image.Image]
"""Fills what a mask (L, 255 = fill) covers of an RGB image of its size."""


def fill_latents(
    kind: str, clean: torch.Tensor, canvas: Canvas, context: ImageContext, mask_filler: MaskFiller | None
) -> torch.Tensor:
    """The latents to begin with: ``clean``, those of the input, with the masked part filled as one of
    :data:`engine.requests.FILLS` says."""
    if canvas.mask is None or kind == "original":
        return clean
    if kind in ("noise", "nothing"):
        inside = shrink_mask(canvas.mask, context)
        seed = (context.resolved.request.seed + 1) % (MAX_SEED + 1)  # not the noise that the steps remove
        return clean * (1 - inside) + inside * (draw_noise(seed, tuple(clean.shape))[0] if kind == "noise" else 0)
    fill = fill_masked if mask_filler is None else mask_filler
    return encode_image(fill(canvas.image, canvas.mask), context.loaded.vae, context.guard)


def release_gradually(
    amounts: Image.Image, clean: torch.Tensor, timesteps: torch.Tensor, context: ImageContext
) -> Callable[[int, torch.Tensor], torch.Tensor]:
    """After each step the input comes back, noised for the next step, wherever its time to change has not come: the less a part
    may change, the later it does (Levin and Fried 2023, arXiv 2306.00950)."""
    values = torch.from_numpy(np.array(amounts, dtype=np.float32))[None, None] / 255
    share = torch.nn.functional.adaptive_max_pool2d(values, context.noise.shape[2:])
    kept, known, noise = (send(part, context.device) for part in (1 - share, clean, context.noise))

    def after_step(index: int, latents: torch.Tensor) -> torch.Tensor:
        done = (index + 1) / len(timesteps)
        last = index + 1 == len(timesteps)
        before = known if last else context.scheduler.add_noise(known, noise, timesteps[index + 1 : index + 2])
        return torch.where(kept >= 1 if last else kept > done, before, latents)

    return after_step


def open_mask_filler(inventory: Inventory) -> MaskFiller:
    """LaMa, from the user's folders. Raises RequestError if there is none, CheckpointError for a file that cannot be used."""
    found = inventory.of_kind(MASK_FILLER)
    if not found:
        raise RequestError(
            "Filling with LaMa needs its file, such as “big-lama.safetensors”, in the models folder. Put it there, or choose "
            "another way to fill the masked part."
        )
    network = MAIN_REGISTRY.load(read_weights(found[0].path))
    if not isinstance(network, MaskedImageModelDescriptor):
        raise create_refusal(found[0].path, "its input is not an image with a mask", is_whole=True)
    network.eval()

    def fill(image: Image.Image, mask: Image.Image) -> Image.Image:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
        covered = (torch.from_numpy(np.array(mask))[None, None] > 0).float()
        with torch.inference_mode():
            filled = network(pixels, covered)[0].float().clamp(0, 1)
        return Image.fromarray((filled * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy())

    return fill
