"""Texts in the lowest bits of an image's alpha channel or colours, as NovelAI and some AUTOMATIC1111 extensions hide them.

Format, column by column: a signature, which says whether the text is compressed with gzip; the length in bits as 32 bits, most
significant first; the text. It survives programs that drop metadata and keep pixels.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from engine.errors import ImageError
from engine.records.images.metadata_chunks import LARGEST
from engine.records.images.open_image import open_header

_SIGNATURES = {
    "A": {b"stealth_pnginfo": False, b"stealth_pngcomp": True},
    "RGB": {b"stealth_rgbinfo": False, b"stealth_rgbcomp": True},
}
"""Channels -> signatures in their lowest bits, and whether the text is compressed. Colours have three bits a pixel: R, G, B."""

_SIGNATURE_BITS = 15 * 8
_MOST_PIXELS = 64 * 2**20


def read(source: Path | bytes) -> str:
    """The hidden text of an image; "" if there is none. Raises OSError if a file cannot be read."""
    try:
        with open_header(source, _MOST_PIXELS) as image:
            bands = image.getbands()
            alpha = _read_plane(np.asarray(image.getchannel("A"), dtype=np.uint8)[..., np.newaxis], "A") if "A" in bands else ""
            if alpha or bands[:3] != ("R", "G", "B"):
                return alpha
            return _read_plane(np.asarray(image.convert("RGB"), dtype=np.uint8), "RGB")
    except ImageError:
        if isinstance(source, Path):
            source.stat()  # a missing file is an error, a damaged one only has no text
        return ""


def _read_plane(pixels: np.ndarray, planes: str) -> str:
    """The text in ``pixels``, uint8 (height, width, channels)."""
    columns = -(-(_SIGNATURE_BITS + 32) // (pixels.shape[0] * pixels.shape[2]))
    head = _lowest_bits(pixels[:, :columns])
    packed = _SIGNATURES[planes].get(np.packbits(head[:_SIGNATURE_BITS]).tobytes())
    if packed is None:
        return ""
    start = _SIGNATURE_BITS + 32
    length = int.from_bytes(np.packbits(head[_SIGNATURE_BITS:start]).tobytes(), "big")
    bits = _lowest_bits(pixels)
    if start + length > bits.size:
        return ""
    written = np.packbits(bits[start : start + length]).tobytes()
    try:
        unpacked = zlib.decompressobj(wbits=31).decompress(written, LARGEST) if packed else written
    except zlib.error:
        return ""
    return unpacked.decode("utf-8", "replace")


def _lowest_bits(pixels: np.ndarray) -> np.ndarray:
    return pixels.transpose(1, 0, 2).reshape(-1) & 1
