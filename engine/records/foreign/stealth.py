"""Texts in the lowest bits of an image's alpha plane, as NovelAI and some AUTOMATIC1111 extensions hide them.

Column by column: the signature "stealth_pnginfo" or, packed with gzip, "stealth_pngcomp"; the length in bits as 32 bits,
highest first; the text. They live through programs that drop texts and keep pixels.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from engine.errors import ImageError
from engine.records.images.metadata_chunks import LARGEST
from engine.records.images.open_image import open_header

_PLAIN, _PACKED = b"stealth_pnginfo", b"stealth_pngcomp"
_MOST_PIXELS = 64 * 2**20


def read(source: Path | bytes) -> str:
    """The hidden text of an image with an alpha plane; "" if there is none. Raises OSError if a file cannot be read."""
    try:
        with open_header(source, _MOST_PIXELS) as image:
            if "A" not in image.getbands():
                return ""
            lowest = np.asarray(image.getchannel("A"), dtype=np.uint8).T.reshape(-1) & 1
    except ImageError:
        if isinstance(source, Path):
            source.stat()  # a file that is gone is an error, a damaged one only has no text
        return ""
    return _text(lowest)


def _text(bits: np.ndarray) -> str:
    start = len(_PLAIN) * 8
    signature = np.packbits(bits[:start]).tobytes()
    length = int.from_bytes(np.packbits(bits[start : start + 32]).tobytes(), "big")
    if signature not in (_PLAIN, _PACKED) or start + 32 + length > bits.size:
        return ""
    written = np.packbits(bits[start + 32 : start + 32 + length]).tobytes()
    try:
        unpacked = zlib.decompressobj(wbits=31).decompress(written, LARGEST) if signature == _PACKED else written
    except zlib.error:
        return ""
    return unpacked.decode("utf-8", "replace")
