"""What is made of a picture before a control network reads it: a table of filters that need no weights. Free of torch.

Maps of lines are white on black, as the networks were trained with them. Lengths are in pixels of a map of 512 x 512 and grow
with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps
from scipy import ndimage

from engine.checkpoints.control.purposes import LINES, PURPOSES, find_purpose
from engine.requests import Control

_TRAINED_SIDE = 512

_INK = 24
"""How far from the paper, of 255, a drawn line is at least."""

_CANNY_SIGMA, _CANNY_LOW, _CANNY_HIGH = 1.0, 0.1, 0.2
_COLOUR_CELL = 64
_BLUR_SIGMA = 9.0

Plane = np.ndarray[tuple[int, int], np.dtype[np.float64]]
"""Height x width, 0 to 1."""


@dataclass(frozen=True)
class Preprocessor:
    """``make(image, purpose)`` makes the map of an RGB or RGBA image, for a control network with
    a purpose of :data:`~engine.checkpoints.control.purposes.PURPOSES`, "" if that is not known. ``paper`` is the colour of its
    transparent parts, "" if ``make`` reads the transparency itself."""

    make: Callable[[Image.Image, str], Image.Image]
    paper: str = "#ffffff"


def _keep(image: Image.Image, _purpose: str) -> Image.Image:
    return image


def _invert(image: Image.Image, _purpose: str) -> Image.Image:
    return ImageOps.invert(image.convert("RGB"))


def draw_lines(image: Image.Image, purpose: str) -> Image.Image:
    """The lines of a drawing, white on black, as wide as a network with this purpose knows them. Opaque parts of a transparent
    layer are lines; in an opaque drawing, whatever is not of the colour of the paper."""
    ink = _find_ink(image)
    widths = LINES.get(purpose)
    if widths is None:
        return _to_map(ink)
    scale, drawn = _scale_of(image), ink >= 0.5
    distances = _measure(drawn)
    width = 2 * float(np.percentile(distances[drawn], 90)) / scale if drawn.any() else 0.0
    if width > widths[1]:
        drawn = _thin(drawn, distances, widths[1] * scale / 2)
    elif width < widths[0]:
        drawn = _thicken(drawn, (widths[0] - width) * scale / 2)
    return _to_map(ndimage.gaussian_filter(drawn.astype(np.float64), 0.5))


def _find_ink(image: Image.Image) -> Plane:
    if image.mode == "RGBA":
        return np.asarray(image.getchannel("A"), dtype=np.float64) / 255
    grey = np.asarray(image.convert("L"), dtype=np.float64)
    edges = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    away = np.abs(grey - float(np.median(edges)))
    return np.clip((away - _INK / 2) / _INK, 0, 1)


def _thin(drawn: np.ndarray, distances: np.ndarray, reach: float) -> np.ndarray:
    """The middle of each line, ``reach`` pixels to both sides: the ridges of the distance to its border."""
    ridges = drawn & (distances >= ndimage.maximum_filter(distances, 3) - 0.5)
    return drawn & _thicken(ridges, reach)


def _thicken(drawn: np.ndarray, reach: float) -> np.ndarray:
    return _measure(~drawn) <= max(reach, 0.0) if drawn.any() else drawn


def _draw_scribble(image: Image.Image, purpose: str) -> Image.Image:
    """Thick lines as somebody would draw them from a picture."""
    lines = _find_line_art(image, sigma=2.0) > 0.5
    sizes = ndimage.sum_labels(lines, labels := _label(lines), index=np.arange(labels.max() + 1))
    kept = np.asarray(sizes)[labels] * lines > 20 * _scale_of(image) ** 2
    return _to_map(_thicken(kept, 2.0 * _scale_of(image)).astype(np.float64))


def find_canny(image: Image.Image, _purpose: str = "") -> Image.Image:
    """Edges one pixel wide: Canny 1986, IEEE TPAMI 8(6)."""
    grey = ndimage.gaussian_filter(_grey(image), _CANNY_SIGMA)
    down, right = (ndimage.sobel(grey, axis) / 4 for axis in (0, 1))
    slope, angle = np.hypot(down, right), np.arctan2(down, right)
    steps = np.stack([np.rint(np.sin(angle)), np.rint(np.cos(angle))]).astype(int)
    rows, columns = np.indices(slope.shape)
    padded = np.pad(slope, 1)
    ahead, behind = (padded[rows + 1 + sign * steps[0], columns + 1 + sign * steps[1]] for sign in (1, -1))
    ridge = (slope >= ahead) & (slope > behind) & (slope >= _CANNY_LOW)
    labels = _label(ridge)
    strong = np.unique(labels[ridge & (slope >= _CANNY_HIGH)])
    return _to_map((np.isin(labels, strong[strong > 0])).astype(np.float64))


def _find_soft_edges(image: Image.Image, _purpose: str) -> Image.Image:
    """How steep the colours are, over two widths: what HED's networks draw, without one."""
    colours, scale = np.asarray(image.convert("RGB"), dtype=np.float64) / 255, _scale_of(image)
    steep = [
        np.max([ndimage.gaussian_gradient_magnitude(colours[..., channel], sigma * scale) for channel in range(3)], axis=0)
        * sigma * scale
        for sigma in (1.0, 2.5)
    ]  # fmt: skip
    mean = np.mean(steep, axis=0)
    return _to_map(np.clip(mean / 0.15, 0, 1) ** 0.8)


def _draw_line_art(image: Image.Image, _purpose: str) -> Image.Image:
    return _to_map(_find_line_art(image, sigma=1.0))


def _find_line_art(image: Image.Image, sigma: float) -> Plane:
    """Lines by differences of Gaussians with a soft threshold: XDoG, Winnemöller, Kyprianidis and Olsen 2012, Computers &
    Graphics 36(6)."""
    grey, width = _grey(image), sigma * _scale_of(image)
    sharp, wide = ndimage.gaussian_filter(grey, width), ndimage.gaussian_filter(grey, 1.6 * width)
    darker = wide - sharp
    return np.clip((darker - 0.01) / 0.04, 0, 1)


def _threshold(image: Image.Image, _purpose: str) -> Image.Image:
    return _to_map((_grey(image) >= 0.5).astype(np.float64))


def _blur(image: Image.Image, _purpose: str) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(_BLUR_SIGMA * _scale_of(image)))


def _pick_colours(image: Image.Image, _purpose: str) -> Image.Image:
    """A grid of the picture's colours."""
    cell = _COLOUR_CELL * _scale_of(image)
    size = (max(1, round(image.width / cell)), max(1, round(image.height / cell)))
    return image.resize(size, Image.Resampling.BOX).resize(image.size, Image.Resampling.NEAREST)


PREPROCESSORS: Mapping[str, Preprocessor] = {
    "none": Preprocessor(_keep, "#000000"),
    "invert": Preprocessor(_invert),
    "lines": Preprocessor(draw_lines, ""),
    "scribble": Preprocessor(_draw_scribble),
    "canny": Preprocessor(find_canny),
    "soft_edges": Preprocessor(_find_soft_edges),
    "line_art": Preprocessor(_draw_line_art),
    "threshold": Preprocessor(_threshold),
    "tile": Preprocessor(_keep),
    "blur": Preprocessor(_blur),
    "colours": Preprocessor(_pick_colours),
    "inpaint": Preprocessor(_keep, ""),
}
"""By the names of :data:`engine.requests.control_settings.PREPROCESSORS`. """


_SHOWN_BY: Mapping[str, str] = {
    "lines": "scribble", "scribble": "scribble", "canny": "canny", "soft_edges": "soft_edge", "line_art": "line_art",
    "tile": "tile", "blur": "tile", "colours": "colours", "inpaint": "inpaint",
}  # fmt: skip
"""Preprocessor -> what its maps show, a purpose."""


def choose_purpose(control: Control, network: Path) -> str:
    """What the map of ``control`` shows its network: as the control says, as the network's name says, or what the preprocessor
    makes; "" if nothing says it."""
    return control.shows or find_purpose(network) or _SHOWN_BY.get(control.preprocessor, "")


def suggest_preprocessor(purpose: str, *, is_drawing: bool = False) -> str:
    """The preprocessor that makes of a picture, or of a drawing, what a network with this purpose reads."""
    if is_drawing and (purpose in LINES or not purpose):
        return "lines"
    return PURPOSES[purpose].preprocessor or "none" if purpose else "none"


def _grey(image: Image.Image) -> Plane:
    return np.asarray(image.convert("L"), dtype=np.float64) / 255


def _measure(mask: np.ndarray) -> Plane:
    """The distance of each pixel of ``mask`` from the next one outside it."""
    distances: Plane = np.zeros((mask.shape[0], mask.shape[1]), dtype=np.float64)
    ndimage.distance_transform_edt(mask, distances=distances)
    return distances


def _label(mask: np.ndarray) -> np.ndarray:
    """Numbers of the connected parts of ``mask``, 0 outside them."""
    labels = np.zeros(mask.shape, dtype=np.int32)
    ndimage.label(mask, np.ones((3, 3)), output=labels)
    return labels


def _scale_of(image: Image.Image) -> float:
    return min(image.size) / _TRAINED_SIDE


def _to_map(plane: np.ndarray) -> Image.Image:
    """Values from 0 to 1 as an RGB image."""
    return Image.fromarray(np.rint(np.clip(plane, 0, 1) * 255).astype(np.uint8)).convert("RGB")
