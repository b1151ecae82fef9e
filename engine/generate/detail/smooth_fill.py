"""Continues known pixels smoothly into unknown ones: for filling a masked part, and for matching colours at its seam. No torch.

The pull-push method of Gortler, Grzeszczuk, Szeliski and Cohen 1996, "The Lumigraph", section 3.2: known values are averaged into
ever smaller images, and what is unknown takes the value of the next smaller one.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

_SEAM = 16
"""Pixels around a repainted part whose colours say nothing about it: they lie in latents that it changes too."""

_CELL = 8
"""Pixels over which colours are averaged before they are compared: differences of detail are no differences of colour."""


def fill_masked(image: Image.Image, mask: Image.Image) -> Image.Image:
    """``image`` (RGB) with what ``mask`` (L, 255 = fill) covers filled by the colours around it; grey where it covers all."""
    known = (np.asarray(mask) == 0).astype(np.float32)
    if not known.any():
        return Image.new("RGB", image.size, (128, 128, 128))
    filled = continue_smoothly(np.asarray(image, dtype=np.float32), known)
    return Image.fromarray(np.rint(filled).clip(0, 255).astype(np.uint8))


def match_colours(painted: Image.Image, original: Image.Image, mask: Image.Image) -> Image.Image:
    """``painted`` without the drift of colours that repainting brings, so that no seam shows around ``mask`` (L, 255 = painted).

    How far the colours drifted is seen outside the mask, and continued smoothly into it. All images have one size.
    """
    near = ndimage.maximum_filter(np.asarray(mask), 2 * _SEAM + 1)
    known = (near == 0).astype(np.float32)
    if not known.any():
        return painted
    after = np.asarray(painted, dtype=np.float32)
    drift, weights = _average(np.asarray(original, dtype=np.float32) - after, known, _CELL)
    coarse = continue_smoothly(drift, (weights > 0).astype(np.float32))
    matched = after + _stretch(coarse, known.shape, _CELL)
    return Image.fromarray(np.rint(matched).clip(0, 255).astype(np.uint8))


def continue_smoothly(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """``values`` (H x W x C, float32) as they are where ``known`` (H x W, float32) is 1, continued to where it is 0."""
    if min(known.shape) == 0 or known.all() or known.shape == (1, 1):
        return values
    small, weights = _average(values, known, 2)
    coarse = continue_smoothly(small, np.minimum(weights, 1))
    share = known[..., None]
    return values * share + _stretch(coarse, known.shape, 2) * (1 - share)


def _average(values: np.ndarray, weights: np.ndarray, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """The weighted means of squares of ``cell`` pixels, and the sums of their weights."""
    height, width = (-(-side // cell) for side in weights.shape)
    beyond = [(0, height * cell - weights.shape[0]), (0, width * cell - weights.shape[1])]
    padded = np.pad(weights, beyond)
    weighted = np.pad(values * weights[..., None], [*beyond, (0, 0)])
    sums = padded.reshape(height, cell, width, cell).sum((1, 3))
    means = weighted.reshape(height, cell, width, cell, -1).sum((1, 3)) / np.maximum(sums, 1e-6)[..., None]
    return means.astype(np.float32), sums.astype(np.float32)


def _stretch(values: np.ndarray, shape: tuple[int, ...], cell: int) -> np.ndarray:
    """``values``, one for each ``cell`` pixels, at every pixel of an image of ``shape``."""
    box, size = (0, 0, shape[1] / cell, shape[0] / cell), (shape[1], shape[0])
    planes = [Image.fromarray(np.ascontiguousarray(values[..., plane])) for plane in range(values.shape[-1])]
    return np.stack([np.asarray(plane.resize(size, Image.Resampling.BILINEAR, box)) for plane in planes], axis=-1)
