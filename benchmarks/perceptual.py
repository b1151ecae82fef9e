"""Image similarity: PSNR, and GMSD as a perceptual measure. Needs no weights."""

from __future__ import annotations

import numpy as np

STEADY = 170.0
"""Stabilises the similarity where there are no edges; the paper's constant for levels 0..255."""


def psnr(image: np.ndarray, exact: np.ndarray) -> float:
    """Peak signal-to-noise ratio in decibels of two images with levels 0..255; infinite for equal ones."""
    error = float(np.mean((image.astype(np.float64) - exact.astype(np.float64)) ** 2))
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def gmsd(image: np.ndarray, exact: np.ndarray) -> float:
    """Gradient magnitude similarity deviation: 0 for equal images, about 0.35 for unrelated ones.

    The standard deviation of the local similarity of edges, on luminance at half size; images are H x W x 3, levels 0..255.
    Xue, Zhang, Mou and Bovik 2014, "Gradient magnitude similarity deviation", IEEE Transactions on Image Processing 23(2).
    """
    ours, theirs = (_edges(_halve(_brightness(each))) for each in (image, exact))
    similar = (2 * ours * theirs + STEADY) / (ours**2 + theirs**2 + STEADY)
    return float(similar.std())


def _brightness(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float64) @ np.array([0.299, 0.587, 0.114])


def _halve(levels: np.ndarray) -> np.ndarray:
    height, width = (side // 2 * 2 for side in levels.shape)
    return levels[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))


def _edges(levels: np.ndarray) -> np.ndarray:
    """The Prewitt gradient magnitude at every pixel with all neighbours."""
    across = (levels[:, 2:] - levels[:, :-2]) / 3
    down = (levels[2:, :] - levels[:-2, :]) / 3
    across = across[:-2] + across[1:-1] + across[2:]
    down = down[:, :-2] + down[:, 1:-1] + down[:, 2:]
    return np.hypot(across, down)
