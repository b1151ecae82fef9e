"""Writes PNG files row by row, so that an image may be larger than memory; Pillow can only write whole images.

PNG specification, third edition (W3C 2025): each row is filtered by its neighbours, and all rows are one zlib stream.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

import numpy as np
from PIL.PngImagePlugin import PngInfo

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
"""Channels -> PNG's colour type for grey, RGB and RGBA."""

_LEVEL = 4
"""The zlib level: twice as fast as the default, with files a few per cent larger."""

_ROWS = 64
"""Rows that are filtered at a time: the filters need several times their memory."""

_PIECE = 1 << 20
"""Bytes of one data chunk."""


class PngWriter:
    """Writes an image of ``size`` (width, height) and ``planes`` (1, 3 or 4 channels) to ``stream``, top down.

    ``bits`` (8 or 16) are those of a channel. ``icc_profile`` and ``exif`` are the raw bytes, b"" for none; ``texts`` are the
    text chunks.
    """

    def __init__(
        self,
        stream: BinaryIO,
        size: tuple[int, int],
        planes: int,
        *,
        bits: int = 8,
        icc_profile: bytes = b"",
        exif: bytes = b"",
        texts: PngInfo | None = None,
    ) -> None:
        self._stream, self._bits, self._step = stream, bits, planes * bits // 8
        self._packer, self._waiting = zlib.compressobj(_LEVEL), bytearray()
        self._above = np.zeros((1, size[0] * self._step), np.uint8)
        stream.write(b"\x89PNG\r\n\x1a\n")
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, _COLOUR_TYPES[planes], 0, 0, 0))
        if icc_profile:
            self._chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc_profile))
        if exif:
            self._chunk(b"eXIf", exif)
        for kind, content, *_ in texts.chunks if texts else ():
            self._chunk(kind, content)

    def write(self, rows: np.ndarray) -> None:
        """Write the next rows: n x width x planes, uint8 or uint16."""
        numbers = rows.astype(">u2").view(np.uint8) if self._bits == 16 else rows
        flat = np.ascontiguousarray(numbers).reshape(len(rows), -1)
        for start in range(0, len(flat), _ROWS):
            piece = flat[start : start + _ROWS]
            self._waiting += self._packer.compress(_filter(piece, self._above, self._step).tobytes())
            self._above = piece[-1:].copy()
            if len(self._waiting) >= _PIECE:
                self._flush()

    def close(self) -> None:
        """Finish the file after the last row. The stream is left open."""
        self._waiting += self._packer.flush()
        self._flush()
        self._chunk(b"IEND", b"")

    def _flush(self) -> None:
        self._chunk(b"IDAT", bytes(self._waiting))
        self._waiting.clear()

    def _chunk(self, kind: bytes, content: bytes) -> None:
        self._stream.write(struct.pack(">I", len(content)) + kind + content)
        self._stream.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))


def _filter(rows: np.ndarray, above: np.ndarray, step: int) -> np.ndarray:
    """Each row, preceded by its filter type: of Sub, Up and Paeth the one with the smallest sum of differences.

    ``step``: bytes of a pixel.
    """
    up = np.concatenate([above, rows[:-1]])
    left, corner = (np.pad(each, ((0, 0), (step, 0)))[:, :-step] for each in (rows, up))
    candidates = {1: rows - left, 2: rows - up, 4: rows - _paeth(left, up, corner)}
    costs = np.stack([np.minimum(each, -each).sum(axis=1, dtype=np.int64) for each in candidates.values()])
    numbers = np.array(list(candidates), np.uint8)[costs.argmin(axis=0)]
    chosen = np.select([(numbers == number)[:, None] for number in candidates], list(candidates.values()))
    return np.concatenate([numbers[:, None], chosen], axis=1)


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """The Paeth predictor: of three neighbours the one closest to left + up - corner."""
    a, b, c = (each.astype(np.int16) for each in (left, up, corner))
    to_left, to_up, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, np.where(to_up <= to_corner, up, corner))
