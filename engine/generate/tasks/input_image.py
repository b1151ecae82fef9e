"""Prepares an input image: fits it, crops it to the mask if asked, and pastes the result back.

Free of torch: the page shows the same image before anything runs.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops
from scipy import ndimage

from engine.errors import ImageError
from engine.records.blobs import Blobs
from engine.records.images.decoder import decode
from engine.records.images.open_image import fit, open_image
from engine.requests import ImageToImage

Box = tuple[int, int, int, int]

LONGEST_SHAPE = 4.0
"""The largest aspect ratio that is chosen automatically; ``fit`` handles the rest."""

_TINT = "#e11d48"
"""What a mask is shown in."""

_BLANK = "The picture to start from is blank, so the words alone say what to draw. Draw something, or raise the strength to 1."
_MASK_ALL = "The mask covers everything, so the whole picture is repainted."
_STRENGTH_0 = "At strength 0 nothing is repainted: this is the picture to start from, as it was fitted."
_STRENGTH_1 = "At strength 1 nothing of the colours to start from is left: it begins from pure noise, as text to image does."
_MASK_NOTHING = "The mask covers nothing, so there is nothing to repaint. Paint over the part that should change."


@dataclass(frozen=True, kw_only=True)
class InputImages:
    """The input images of a request, opened once: ``image`` RGB; ``mask`` (L, 0 or 255) and ``depth`` (L) of its size, or None.

    ``amounts`` (L, of the same size) says how much of what the mask covers may change, None for all of it. ``notices`` says what
    was done to them and warnings about them, a sentence each.
    """

    image: Image.Image
    mask: Image.Image | None = None
    depth: Image.Image | None = None
    amounts: Image.Image | None = None
    notices: tuple[str, ...] = ()

    def shape(self, asked: ImageToImage) -> tuple[int, int]:
        """Width and height in pixels of the part to repaint."""
        if self.mask is None or not works_on_region(asked):
            return self.image.size
        left, top, right, bottom = _pad_box(find_covered(self.mask), _find_padding(asked), self.image.size)
        return right - left, bottom - top


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """``whole`` is the fitted input (RGB), ``box`` the part to repaint, ``image`` that part in the size of the run.

    ``mask`` (L, 255 = repaint) has the size of ``image``; ``soft_mask`` is the mask with its feather, of the size of ``box``.
    ``amounts`` (L, of the size of ``image``) says how much each part may change, None for all of it. ``depth``
    (float32, height x width of ``image`` where it was given) is larger where things are nearer.
    """

    whole: Image.Image
    box: Box
    image: Image.Image
    mask: Image.Image | None = None
    soft_mask: Image.Image | None = None
    amounts: Image.Image | None = None
    depth: np.ndarray | None = None

    @property
    def depth_image(self) -> Image.Image | None:
        """The depth as a grey image, white where it is near."""
        if self.depth is None:
            return None
        low, high = float(self.depth.min()), float(self.depth.max())
        return Image.fromarray(np.rint((self.depth - low) / max(high - low, 1e-6) * 255).astype(np.uint8))

    def put_back(self, painted: Image.Image) -> Image.Image:
        """``painted`` (the size of ``image``) in its place; outside mask and feather the input to the bit."""
        if self.soft_mask is None:
            return painted
        over = self.whole.copy()
        over.paste(self.stretch(painted), self.box[:2], self.soft_mask)
        return over

    def stretch(self, painted: Image.Image) -> Image.Image:
        """``painted`` (the size of ``image``) in the size of ``box``."""
        size = (self.box[2] - self.box[0], self.box[3] - self.box[1])
        return painted if painted.size == size else painted.resize(size, Image.Resampling.LANCZOS)


def works_on_region(asked: ImageToImage) -> bool:
    """Whether the masked region alone is worked on, and put back into an input that keeps its size."""
    return asked.mask_image is not None and (asked.mask_area == "region" or (not asked.mask_area and asked.only_masked))


def open_images(asked: ImageToImage, blobs: Blobs) -> InputImages:
    """Raises ImageError, one sentence, for a missing or unusable image, and for a mask that covers nothing."""
    opened = open_image(blobs.path(asked.init_image), paper=asked.paper)
    image = opened.image
    mask = _plane(asked.mask_image, "#000000", image.size, blobs)
    depth = _plane(asked.depth_image, "#000000", image.size, blobs)
    hard = None if mask is None else mask.point([0] * 128 + [255] * 128)
    amounts = None
    if mask is not None and asked.soft_mask:
        hard, amounts = mask.point([0] + [255] * 255), mask
    return InputImages(
        image=image, mask=hard, depth=depth, amounts=amounts,
        notices=(*opened.notices, *_describe_oddities(asked, image, hard)),
    )  # fmt: skip


def create_canvas(asked: ImageToImage, given: InputImages, width: int, height: int) -> Canvas:
    """The canvas of a request that runs at ``width`` x ``height`` pixels."""
    in_region = works_on_region(asked)
    size = given.image.size if in_region else (width, height)
    whole = given.image if in_region else fit(given.image, *size, how=asked.fit, paper=asked.paper)
    depth = None if given.depth is None else fit(given.depth, *size, how=asked.fit, paper="#000000")
    if given.mask is None:
        return Canvas(whole=whole, box=(0, 0, *size), image=whole, depth=_values(depth))
    mask = given.mask if in_region else _fit_mask(given.mask, *size, asked)
    box = (0, 0, *size)
    if in_region:
        box = widen_box(find_covered(mask), whole.size, _find_padding(asked), (width, height))
    soft = _feather_part(mask, box, asked.feather)
    return Canvas(
        whole=whole,
        box=box,
        image=whole.crop(box).resize((width, height), Image.Resampling.LANCZOS),
        mask=_resize_mask(mask.crop(box), (width, height), asked),
        soft_mask=soft,
        amounts=None if given.amounts is None else _find_amounts(given.amounts, box, soft, (width, height), asked),
        depth=None if depth is None else _values(depth.crop(box).resize((width, height), Image.Resampling.BICUBIC)),
    )


def _find_padding(asked: ImageToImage) -> int:
    """Pixels around the mask that are worked on too: its feather at least, except in requests of earlier versions."""
    return max(asked.padding, asked.feather) if asked.mask_area else asked.padding


def _fit_mask(mask: Image.Image, width: int, height: int, asked: ImageToImage) -> Image.Image:
    """``mask`` as the image is fitted. A part of it that is smaller than a pixel of the result covers that pixel."""
    reduction = max(mask.width / width, mask.height / height)
    if asked.mask_area and reduction > 1:
        mask = Image.fromarray(ndimage.maximum_filter(np.asarray(mask), 2 * math.ceil(reduction) + 1))
    return fit(mask, width, height, how=asked.fit, paper="#000000").point([0] * 128 + [255] * 128)


def _resize_mask(mask: Image.Image, size: tuple[int, int], asked: ImageToImage) -> Image.Image:
    """``mask`` in another size: every pixel that it touches is covered. Earlier versions looked at one point of each."""
    if not asked.mask_area:
        return mask.resize(size, Image.Resampling.NEAREST)
    shares = np.asarray(mask.convert("F").resize(size, Image.Resampling.BOX))
    return Image.fromarray((shares > 0).astype(np.uint8) * 255)


def _feather_part(mask: Image.Image, box: Box, feather: int) -> Image.Image:
    """:func:`feather_mask` of the part of ``mask`` in ``box``, as it is in the whole mask."""
    left, top, right, bottom = _pad_box(box, feather + 1, mask.size)
    soft = feather_mask(mask.crop((left, top, right, bottom)), feather)
    return soft.crop((box[0] - left, box[1] - top, box[2] - left, box[3] - top))


def _find_amounts(amounts: Image.Image, box: Box, soft: Image.Image, size: tuple[int, int], asked: ImageToImage) -> Image.Image:
    """How much each part of a canvas of ``size`` may change; around the mask, that falls with its feather."""
    if not works_on_region(asked):
        return fit(amounts, *size, how=asked.fit, paper="#000000")
    own = amounts.crop(box)
    around = Image.composite(Image.new("L", own.size, 0), soft, own.point([0] + [255] * 255))
    return ImageChops.lighter(own, around).resize(size, Image.Resampling.BILINEAR)


@dataclass(frozen=True, kw_only=True)
class CanvasPreview:
    """What a run will work on: as PNG with the mask tinted, reduced; ``width`` and ``height`` in pixels are those of the run."""

    png: bytes
    width: int
    height: int
    notices: tuple[str, ...]


def preview_canvas(asked: ImageToImage, blobs: Blobs, native: int, multiple: int, side: int) -> CanvasPreview:
    """The canvas of ``asked`` with its longer side at most ``side`` pixels, for a process whose memory no image may take.

    A size that is left open is chosen as :func:`find_matching_size` does. Raises ImageError.
    """
    named = (asked.init_image, asked.mask_image, asked.depth_image)
    files = [blobs.path(hash) for hash in named if hash is not None]
    return decode(files, _preview_canvas, asked, blobs, (native, multiple), side)


def _preview_canvas(asked: ImageToImage, blobs: Blobs, sizes: tuple[int, int], side: int) -> CanvasPreview:
    given = open_images(asked, blobs)
    width, height = find_matching_size(given.shape(asked), *sizes)
    canvas = create_canvas(asked, given, asked.width or width, asked.height or height)
    image = canvas.image
    if canvas.mask is not None:
        tint = Image.blend(image, Image.new("RGB", image.size, _TINT), 0.5)
        image = Image.composite(tint, image, canvas.mask)
    reduced = image.copy()
    reduced.thumbnail((side, side))
    stream = io.BytesIO()
    reduced.save(stream, "PNG", compress_level=1)
    return CanvasPreview(png=stream.getvalue(), width=image.width, height=image.height, notices=given.notices)


def find_matching_size(size: tuple[int, int], native: int, multiple: int) -> tuple[int, int]:
    """Width and height in pixels: the shape of ``size``, about ``native`` squared pixels, multiples of ``multiple``."""
    ratio = math.sqrt(min(max(size[0] / size[1], 1 / LONGEST_SHAPE), LONGEST_SHAPE))
    sides = (native * ratio, native / ratio)
    width, height = (max(multiple, round(side / multiple) * multiple) for side in sides)
    return width, height


def feather_mask(mask: Image.Image, feather: int) -> Image.Image:
    """Full strength inside ``mask`` (0 or 255), falling to nothing over ``feather`` pixels outside it, exactly 0 beyond."""
    reach = feather // 2
    if reach == 0:
        return mask
    grown = _window_sums(np.asarray(mask, dtype=np.float64) / 255, reach) > 0.5
    soft = _window_sums(grown.astype(np.float64), reach) / (2 * reach + 1) ** 2
    return Image.composite(mask, Image.fromarray(np.rint(soft * 255).astype(np.uint8)), mask)


def find_covered(mask: Image.Image) -> Box:
    """The smallest box around what ``mask`` covers. Raises ImageError if it covers nothing."""
    box = mask.getbbox()
    if box is None:
        raise ImageError(_MASK_NOTHING)
    return box


def widen_box(box: Box, whole: tuple[int, int], padding: int, size: tuple[int, int]) -> Box:
    """``box`` with ``padding``, widened to the shape of ``size`` as far as ``whole`` has room."""
    left, top, right, bottom = box
    width, height = right - left + 2 * padding, bottom - top + 2 * padding
    width, height = max(width, height * size[0] / size[1]), max(height, width * size[1] / size[0])
    width, height = min(math.ceil(width), whole[0]), min(math.ceil(height), whole[1])
    x = min(max(0, (left + right - width) // 2), whole[0] - width)
    y = min(max(0, (top + bottom - height) // 2), whole[1] - height)
    return (x, y, x + width, y + height)


def _describe_oddities(asked: ImageToImage, image: Image.Image, mask: Image.Image | None) -> tuple[str, ...]:
    """Warnings about unexpected effects of these images and this strength."""
    blank = image.getcolors(1) is not None and mask is None
    if mask is not None:
        find_covered(mask)
    remarks = {
        _BLANK: blank and asked.strength < 1,
        _MASK_ALL: mask is not None and mask.getextrema() == (255, 255),
        _STRENGTH_0: asked.strength == 0 and not asked.strengths,
        _STRENGTH_1: asked.strength == 1 and mask is None and not asked.strengths,
    }
    return tuple(remark for remark, holds in remarks.items() if holds)


def _plane(hash: str | None, paper: str, size: tuple[int, int], blobs: Blobs) -> Image.Image | None:
    """An image from the blobs as one grey plane of ``size``."""
    if hash is None:
        return None
    return open_image(blobs.path(hash), paper=paper).image.convert("L").resize(size, Image.Resampling.BICUBIC)


def _values(depth: Image.Image | None) -> np.ndarray | None:
    return None if depth is None else np.array(depth, dtype=np.float32)


def _pad_box(box: Box, padding: int, size: tuple[int, int]) -> Box:
    left, top, right, bottom = box
    return max(0, left - padding), max(0, top - padding), min(size[0], right + padding), min(size[1], bottom + padding)


def _window_sums(values: np.ndarray, reach: int) -> np.ndarray:
    """The sum over the square of ``reach`` pixels around each pixel; the border is repeated outwards."""
    for axis in (0, 1):
        ends = [(reach + 1, reach) if side == axis else (0, 0) for side in (0, 1)]
        sums = np.cumsum(np.pad(values, ends, mode="edge"), axis=axis)
        width, length = 2 * reach + 1, values.shape[axis]
        values = sums.take(range(width, width + length), axis) - sums.take(range(length), axis)
    return values
