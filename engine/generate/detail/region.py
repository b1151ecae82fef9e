"""Puts a repainted region back into the photo that it was taken from. No torch: it runs while the next image is computed."""

from __future__ import annotations

from PIL import Image

from engine.generate.detail.smooth_fill import match_colours
from engine.generate.tasks.input_image import Canvas
from engine.records.images.photo import ImageToSave, Photo


def repaint_part(photo: Photo, canvas: Canvas, painted: Image.Image) -> ImageToSave:
    """``photo`` with ``painted`` (the size of ``canvas.image``) in its mask, its colours matched to those around it."""
    assert canvas.mask is not None and canvas.soft_mask is not None, "a region is that of a mask"
    matched = match_colours(painted, canvas.image, canvas.mask)
    return photo.replace_part(canvas.stretch(matched), canvas.soft_mask, canvas.box[:2]).finish()
