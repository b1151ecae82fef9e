"""Pictures as clients send and receive them: base64 with or without a data URL's head, masks in alpha or grey."""

from __future__ import annotations

import base64
import binascii
import io
import re
from pathlib import Path
from typing import Literal

from PIL import Image, ImageOps

from api.context import ApiContext
from engine.errors import ImageError, RequestError
from engine.records import metadata
from engine.records.images.decoder import decode
from engine.records.images.open_image import open_header, open_image
from engine.storage.regular_files import open_regular_file

MaskKind = Literal["white", "black", "transparent"]
"""Which part of a mask is repainted. A mask of "white" or "black" with an alpha channel is read from that, as A1111 does."""

_DATA_URL = re.compile(r"data:[^,]{0,200},", re.I)
_ADDRESS = re.compile(r"(https?|ftp|file):", re.I)
_ORIENTATION = 0x0112
_FULL = [0] * 128 + [255] * 128
"""Value of a mask -> 0 or 255."""

_UNREADABLE = "Invalid encoded image: send the picture's file in base64."


def read_base64(text: str) -> bytes:
    """The file in ``text``. Raises ImageError if it is not base64."""
    if _ADDRESS.match(text):
        raise ImageError("Easel fetches no pictures from other computers. Send the picture's file in base64.")
    head = _DATA_URL.match(text)
    plain = "".join(text[head.end() if head else 0 :].split()).rstrip("=")
    try:
        content = base64.b64decode(
            plain + "=" * (-len(plain) % 4), altchars=b"-_" if "-" in plain or "_" in plain else None, validate=True
        )
    except (binascii.Error, ValueError) as error:
        raise ImageError(_UNREADABLE) from error
    if not content:
        raise ImageError(_UNREADABLE)
    return content


def write_base64(content: bytes) -> str:
    """A file as clients decode it: bare base64."""
    return base64.b64encode(content).decode("ascii")


def store_image(context: ApiContext, content: bytes) -> str:
    """Store an image file as a job's input and return its hash. Raises ImageError if it cannot be opened."""
    with context.keep_temporarily(content) as path:
        return context.blobs.put_file(path)


def store_mask(context: ApiContext, mask: bytes, image: bytes, repaint: MaskKind) -> str:
    """Store ``mask``, prepared for the image file ``image``: upright, of its size, white where it is repainted."""
    with context.keep_temporarily(mask) as mask_path, context.keep_temporarily(image) as image_path:
        return context.blobs.put(decode([mask_path, image_path], prepare_mask, mask_path, image_path, repaint))


def store_transparency(context: ApiContext, image: bytes) -> str | None:
    """A mask of the transparent parts of an image file, None if there are none."""
    with context.keep_temporarily(image) as path:
        mask = decode([path], _read_transparency, path)
    return None if mask is None else context.blobs.put(mask)


def prepare_mask(mask: Path, image: Path, repaint: MaskKind) -> Image.Image:
    """The mask for an image, 255 where it is repainted and 0 elsewhere. Runs in the decoding process if the files are large.

    A mask that was drawn on the photo as it lies in the file, before its EXIF orientation, is turned as the photo is.
    """
    with open_header(image) as opened:
        raw, orientation = opened.size, opened.getexif().get(_ORIENTATION, 1)
    size = (raw[1], raw[0]) if orientation in (5, 6, 7, 8) else raw
    found = open_image(mask, paper="")
    if repaint == "transparent":
        if found.alpha is None:
            raise RequestError("The mask has no transparent part. Make the part that is to be drawn anew transparent.")
        values = ImageOps.invert(found.alpha)
    else:
        values = found.alpha or found.colours.convert("L")
    if raw != size and values.size == raw and raw[0] != raw[1]:
        values.getexif()[_ORIENTATION] = orientation
        values = ImageOps.exif_transpose(values)
    values = values if values.size == size else values.resize(size, Image.Resampling.BILINEAR)
    white = values.point(_FULL)
    return ImageOps.invert(white) if repaint == "black" else white


def _read_transparency(image: Path) -> Image.Image | None:
    alpha = open_image(image, paper="").alpha
    return None if alpha is None else alpha.point(_FULL[::-1])


def encode_image(path: Path, format: str, quality: int = 95) -> bytes:
    """The file of a finished image as "png", "jpeg" or "webp", with its record. A PNG is sent as it is.

    Raises ImageError if the file is gone.
    """
    try:
        with open_regular_file(path) as file:
            content = file.read()
    except OSError as error:
        raise ImageError("The picture was made, but its file is no longer in the outputs folder.") from error
    if format == "png" and path.suffix == ".png":
        return content
    with Image.open(io.BytesIO(content)) as image:
        return metadata.encode(image, metadata.read(content), format, max(1, quality))
