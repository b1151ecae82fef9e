"""Gives a drawn thing another colour: its body is painted over, its face, outlines and other colours stay."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from training.drawing.palette import RGB

LUMA = np.array([0.30, 0.59, 0.11], np.float32)
HUES = 36
COLOURFUL = 0.24  # from this saturation on a pixel has a hue
DARK = 0.34  # below this brightness a pixel belongs to an outline or an eye
BODY = 0.18  # a hue that a smaller share of a thing has is not the colour of its body
GREYER = 0.66  # nor is one that has less than this share of what is grey
EYE = 31  # pixels about an eye that tell what it is on
PALE = np.array([226, 222, 205], np.float32)  # the eyes of what was painted black


def _hue(rgb: np.ndarray, peak: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Turns from 0 to 1, red at 0."""
    red, green, blue = np.moveaxis(rgb, -1, 0)
    safe = np.maximum(spread, 1e-6)
    turn = np.select([peak == red, peak == green], [(green - blue) / safe, 2 + (blue - red) / safe], 4 + (red - green) / safe)
    return (turn / 6) % 1


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) / (high - low), 0, 1)


def body_mask(tile: np.ndarray) -> np.ndarray:
    """How much each pixel of an RGBA tile belongs to the body, from 0 to 1.

    The body is what has about the most frequent hue; of a thing with little colour its light, else its dark pixels.
    """
    rgb = tile[..., :3].astype(np.float32) / 255
    peak, low = rgb.max(-1), rgb.min(-1)
    spread = peak - low
    saturation = spread / np.maximum(peak, 1e-6)
    solid = tile[..., 3] > 128
    hue = _hue(rgb, peak, spread)
    colourful = solid & (saturation > COLOURFUL) & (peak > DARK)
    counts = np.bincount((hue[colourful] * HUES).astype(int) % HUES, minlength=HUES)
    near = ndimage.convolve1d(counts, np.ones(5), mode="wrap")
    grey = _ramp(-saturation, -COLOURFUL - 0.08, -COLOURFUL)
    light = grey * _ramp(peak, DARK, DARK + 0.12)
    light_share = float(light[solid].mean())
    dark_share = float(grey[solid].mean()) - light_share
    if near.max() / solid.sum() > max(BODY, GREYER * max(light_share, dark_share)):
        apart = np.abs((hue - (near.argmax() + 0.5) / HUES + 0.5) % 1 - 0.5)
        return _ramp(-apart, -0.10, -0.075) * _ramp(saturation, 0.12, COLOURFUL) * _ramp(peak, DARK - 0.06, DARK + 0.06)
    return light if light_share > dark_share else grey


def _pale_eyes(colour: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Dark eyes and mouths inside the body are not seen on black: they are made pale."""
    around = _ramp(ndimage.uniform_filter(body, EYE), 0.3, 0.5)
    dark = _ramp(-colour.max(-1) / 255, -DARK - 0.03, -DARK + 0.05) * (1 - body) * around
    return colour + (PALE - colour) * dark[..., None]


def tint_tile(tile: np.ndarray, rgb: RGB, face: bool) -> np.ndarray:
    """The RGBA tile with its body in the asked colour, light and shade kept. With `face` its eyes stay visible on black."""
    colour = tile[..., :3].astype(np.float32)
    body = body_mask(tile)
    light = colour @ LUMA
    inside = light[(body > 0.5) & (tile[..., 3] > 128)]
    usual = float(np.median(inside)) if inside.size else 128.0
    step = np.clip((light - usual) / max(usual, 110.0), -0.5, 0.5)[..., None]
    target = np.asarray(rgb, np.float32)
    painted = np.where(step < 0, target * (1 + step), target + (255 - target) * step * 0.8)
    if face and float(target @ LUMA) < 64:
        colour = _pale_eyes(colour, body)
    mixed = colour + (painted - colour) * body[..., None]
    return np.concatenate([mixed, tile[..., 3:]], -1).astype(np.uint8)
