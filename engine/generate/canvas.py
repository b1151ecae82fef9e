"""What the engine sees of a picture that was handed in: fitted, cropped to the mask where asked, and how it goes back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter

from engine.errors import PictureError
from engine.records.blobs import Blobs
from engine.records.pictures import fit, on_paper
from engine.requests import ImageToImage

Box = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """``whole`` is the fitted input (RGB), ``box`` the part that is worked on, ``picture`` that part in the size of the run.

    ``mask`` (L, white = repaint) has the size of ``picture``; ``soft_mask`` is it with its feather, of the size of ``whole``.
    ``depth`` is 1 x 1 x H x W, larger is nearer.
    """

    whole: Image.Image
    box: Box
    picture: Image.Image
    mask: Image.Image | None = None
    soft_mask: Image.Image | None = None
    depth: torch.Tensor | None = None

    def put_back(self, painted: Image.Image) -> Image.Image:
        """``painted`` (the size of ``picture``) in its place; outside mask and feather the input to the bit."""
        if self.soft_mask is None:
            return painted
        size = (self.box[2] - self.box[0], self.box[3] - self.box[1])
        over = self.whole.copy()
        over.paste(painted if painted.size == size else painted.resize(size, Image.Resampling.LANCZOS), self.box[:2])
        return Image.composite(over, self.whole, self.soft_mask)


def canvas_for(asked: ImageToImage, width: int, height: int, blobs: Blobs) -> Canvas:
    """The canvas of a request that runs at ``width`` x ``height`` pixels. Raises PictureError for a mask that covers nothing."""
    given = on_paper(blobs.open(asked.init_image), asked.paper)
    given_mask = on_paper(blobs.open(asked.mask_image), "#000000").convert("L") if asked.mask_image else None
    size = given.size if asked.only_masked and given_mask else (width, height)
    whole = fit(given, *size, how=asked.fit, paper=asked.paper)
    depth = _depth(blobs.open(asked.depth_image)) if asked.depth_image else None
    if given_mask is None:
        return Canvas(whole=whole, box=(0, 0, *size), picture=whole, depth=depth)
    mask = fit(given_mask.resize(given.size), *size, how=asked.fit, paper="#000000")
    return _masked(asked, whole, _hard(mask), (width, height), depth)


def matching_size(size: tuple[int, int], native: int, multiple: int) -> tuple[int, int]:
    """Width and height in pixels: the shape of ``size``, about ``native`` squared pixels, multiples of ``multiple``."""
    ratio = math.sqrt(size[0] / size[1])
    sides = (native * ratio, native / ratio)
    width, height = (max(multiple, round(side / multiple) * multiple) for side in sides)
    return width, height


def _masked(
    asked: ImageToImage, whole: Image.Image, mask: Image.Image, size: tuple[int, int], depth: torch.Tensor | None
) -> Canvas:
    found = mask.getbbox()
    if found is None:
        raise PictureError("The mask covers nothing, so there is nothing to repaint. Paint over the part that should change.")
    box = _around(found, whole.size, asked.padding, size) if asked.only_masked else (0, 0, *whole.size)
    return Canvas(
        whole=whole,
        box=box,
        picture=whole.crop(box).resize(size, Image.Resampling.LANCZOS),
        mask=mask.crop(box).resize(size, Image.Resampling.NEAREST),
        soft_mask=_feathered(mask, asked.feather),
        depth=depth,
    )


def _feathered(mask: Image.Image, feather: int) -> Image.Image:
    """Full strength inside the mask, falling to nothing over ``feather`` pixels outside it, exactly 0 beyond."""
    if feather == 0:
        return mask
    wide = mask.filter(ImageFilter.MaxFilter(2 * (feather // 2) + 1))
    soft = wide.filter(ImageFilter.BoxBlur(feather / 2))
    return Image.composite(mask, soft, mask)


def _around(box: Box, whole: tuple[int, int], padding: int, size: tuple[int, int]) -> Box:
    """``box`` with ``padding``, widened to the shape of ``size`` as far as ``whole`` has room."""
    left, top, right, bottom = box
    width, height = right - left + 2 * padding, bottom - top + 2 * padding
    width, height = max(width, height * size[0] / size[1]), max(height, width * size[1] / size[0])
    width, height = min(math.ceil(width), whole[0]), min(math.ceil(height), whole[1])
    x = min(max(0, (left + right - width) // 2), whole[0] - width)
    y = min(max(0, (top + bottom - height) // 2), whole[1] - height)
    return (x, y, x + width, y + height)


def _hard(mask: Image.Image) -> Image.Image:
    return mask.point([0] * 128 + [255] * 128)


def _depth(image: Image.Image) -> torch.Tensor:
    """A grey picture as a depth map: white is near."""
    return torch.from_numpy(np.array(image.convert("F"), dtype=np.float32))[None, None]
