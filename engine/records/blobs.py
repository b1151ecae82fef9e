"""The input images of requests, each stored once under a hash of its content.

An uploaded file is stored unchanged under the SHA-256 of its bytes, so its colours, profile and texts stay available. An
image in memory (a sketch, a mask) is stored as PNG under the SHA-256 of its mode, size and pixels, so the same drawing
has the same hash whatever version of the PNG encoder wrote it.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from PIL import Image

from engine.errors import ImageError
from engine.records.images.decoder import read_size
from engine.records.images.open_image import open_header, open_image
from engine.records.images.previews import describe_file
from engine.storage.blobs import BlobFolder
from engine.storage.regular_files import open_regular_file

_MODES = ("1", "L", "LA", "RGB", "RGBA")
"""Modes that PNG stores losslessly and every reader supports; others are converted to RGB or RGBA."""


class Blobs(BlobFolder):
    """A folder of input images."""

    def put(self, source: bytes | Image.Image, *, by_head: bool = False) -> str:
        """Store an image and return its hash, 64 hexadecimal digits. Storing it again changes nothing.

        Bytes must be an image that Easel can open: raises ImageError if not, OutputError if it cannot be written. ``by_head``
        only reads the header, so it does not detect a truncated file: for many or very large images that are decoded later
        anyway.
        """
        if isinstance(source, bytes):
            (_check_head if by_head else open_image)(source)
            hash, content = hashlib.sha256(source).hexdigest(), source
        else:
            hash, content = _encode(source)
        self.store(hash, content)
        return hash

    def put_file(self, path: Path, *, by_head: bool = False) -> str:
        """Like :meth:`put` for an image file of any size, which is not read into this process's memory."""
        if by_head:
            read_size(path)
        else:
            describe_file(path)
        try:
            with open_regular_file(path) as stream:
                hash = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise ImageError(f"“{path.name}” cannot be opened ({error.strerror}). Choose another picture.") from error
        self.store_file(hash, path)
        return hash

    def path(self, hash: str) -> Path:
        """The file of an image; its name has no extension. Raises ImageError if it does not exist."""
        if (path := self.find(hash)) is None:
            raise ImageError(
                "The picture that this job starts from has been removed. Choose or draw it again and start a new job."
            )
        return path

    def open(self, hash: str) -> Image.Image:
        """The image, upright, in RGB, or in RGBA if a part of it is transparent. Raises ImageError."""
        return open_image(self.path(hash)).with_alpha


def _encode(image: Image.Image) -> tuple[str, bytes]:
    """The hash of the pixels, and the image as PNG."""
    if image.mode not in _MODES:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    head = f"{image.mode} {image.width} {image.height}\n".encode()
    return hashlib.sha256(head + image.tobytes()).hexdigest(), stream.getvalue()


def _check_head(source: bytes) -> None:
    with open_header(source):
        pass
