"""Downscales an image and degrades it by given amounts; used in training and in evaluation."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

FACTOR = 4


@dataclass(frozen=True)
class Degradation:
    """`blur`: sigma of the Gaussian in pixels of the large image. `noise`: sigma in steps of 1/255 in the small image.
    `jpeg`: the quality, None for no compression."""

    blur: float = 0.0
    noise: float = 0.0
    jpeg: int | None = None


CLEAN = Degradation()


def choose_degradation(rng: np.random.Generator) -> Degradation:
    """A random degradation for the cleaning weights to undo. One in ten is none, so that clean images stay unchanged."""
    if rng.random() < 0.1:
        return CLEAN
    blur = rng.uniform(0, 3) if rng.random() < 0.7 else 0.0
    noise = rng.uniform(0, 16) if rng.random() < 0.8 else 0.0
    return Degradation(blur, noise, int(rng.integers(45, 98)) if rng.random() < 0.75 else None)


def degrade(image: Image.Image, degradation: Degradation, rng: np.random.Generator) -> Image.Image:
    """The image at a quarter of its side: blurred, downscaled by Pillow's antialiased bicubic filter, then noise, then JPEG."""
    if degradation.blur:
        image = image.filter(ImageFilter.GaussianBlur(degradation.blur))
    small = image.resize((image.width // FACTOR, image.height // FACTOR), Image.Resampling.BICUBIC)
    if degradation.noise:
        noisy = np.asarray(small, np.float32) + rng.normal(size=(small.height, small.width, 3)) * degradation.noise
        small = Image.fromarray(np.clip(noisy + 0.5, 0, 255).astype(np.uint8))
    if degradation.jpeg is not None:
        file = io.BytesIO()
        small.save(file, "JPEG", quality=degradation.jpeg)
        small = Image.open(file).convert("RGB")
    return small
