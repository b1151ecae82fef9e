"""Pictures as clients send them."""

from __future__ import annotations

import base64
import io

from PIL import Image


def encode(image: Image.Image, format: str = "PNG", orientation: int | None = None) -> bytes:
    """``image`` as a file, with an EXIF orientation if one is given."""
    stream = io.BytesIO()
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    image.save(stream, format, exif=exif)
    return stream.getvalue()


def to_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def decode(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


PICTURE = encode(Image.new("RGB", (32, 24), "red"))
