"""Recolours the image of a thing: its body changes colour; face, outlines and other colours stay."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from training.drawing.palette import RGB

LUMA = np.array([0.30, 0.59, 0.11], np.float32)
HUES = 36
COLOURFUL = 0.24  # saturation above which a pixel has a hue
DARK = 0.34  # brightness below which a pixel belongs to an outline or an eye
BODY = 0.18  # a hue with a smaller share of the pixels is not the body's
GREYER = 0.66  # nor is one with fewer pixels than this share of the grey ones
EYE = 31  # side in pixels of the neighbourhood of an eye that decides what it lies on
PALE = np.array([226, 222, 205], np.float32)  # the colour of eyes on a thing recoloured to black


def _compute_hue(rgb: np.ndarray, peak: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """The hue from 0 to 1, red at 0."""
    red, green, blue = np.moveaxis(rgb, -1, 0)
    safe = np.maximum(spread, 1e-6)
    turn = np.select([peak == red, peak == green], [(green - blue) / safe, 2 + (blue - red) / safe], 4 + (red - green) / safe)
    return (turn / 6) % 1


def _interpolate(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) / (high - low), 0, 1)


def find_body(tile: np.ndarray) -> np.ndarray:
    """How much each pixel of an RGBA tile belongs to the body, 0 to 1.

    The body is the pixels near the most frequent hue; for a thing of little colour its light pixels, else its dark ones.
    """
    rgb = tile[..., :3].astype(np.float32) / 255
    peak, low = rgb.max(-1), rgb.min(-1)
    spread = peak - low
    saturation = spread / np.maximum(peak, 1e-6)
    solid = tile[..., 3] > 128
    hue = _compute_hue(rgb, peak, spread)
    colourful = solid & (saturation > COLOURFUL) & (peak > DARK)
    counts = np.bincount((hue[colourful] * HUES).astype(int) % HUES, minlength=HUES)
    near = ndimage.convolve1d(counts, np.ones(5), mode="wrap")
    grey = _interpolate(-saturation, -COLOURFUL - 0.08, -COLOURFUL)
    light = grey * _interpolate(peak, DARK, DARK + 0.12)
    light_share = float(light[solid].mean())
    dark_share = float(grey[solid].mean()) - light_share
    if near.max() / solid.sum() > max(BODY, GREYER * max(light_share, dark_share)):
        apart = np.abs((hue - (near.argmax() + 0.5) / HUES + 0.5) % 1 - 0.5)
        return (
            _interpolate(-apart, -0.10, -0.075)
            * _interpolate(saturation, 0.12, COLOURFUL)
            * _interpolate(peak, DARK - 0.06, DARK + 0.06)
        )
    return light if light_share > dark_share else grey


def _brighten_eyes(colour: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Brightens dark eyes and mouths inside the body, which would be invisible on black."""
    around = _interpolate(ndimage.uniform_filter(body, EYE), 0.3, 0.5)
    dark = _interpolate(-colour.max(-1) / 255, -DARK - 0.03, -DARK + 0.05) * (1 - body) * around
    return colour + (PALE - colour) * dark[..., None]


def tint_tile(tile: np.ndarray, rgb: RGB, face: bool) -> np.ndarray:
    """The RGBA tile with its body recoloured, keeping its shading. With `face` its eyes stay visible on black."""
    colour = tile[..., :3].astype(np.float32)
    body = find_body(tile)
    light = colour @ LUMA
    inside = light[(body > 0.5) & (tile[..., 3] > 128)]
    usual = float(np.median(inside)) if inside.size else 128.0
    step = np.clip((light - usual) / max(usual, 110.0), -0.5, 0.5)[..., None]
    target = np.asarray(rgb, np.float32)
    painted = np.where(step < 0, target * (1 + step), target + (255 - target) * step * 0.8)
    if face and float(target @ LUMA) < 64:
        colour = _brighten_eyes(colour, body)
    mixed = colour + (painted - colour) * body[..., None]
    return np.concatenate([mixed, tile[..., 3:]], -1).astype(np.uint8)
