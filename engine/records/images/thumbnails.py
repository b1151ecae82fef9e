"""Thumbnails, and reduced copies of very large images, each made once and cached."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from PIL import Image

from engine.errors import OutputError
from engine.records.images.decoder import decode
from engine.records.images.open_image import open_header
from engine.safe_text import name_to_text
from engine.storage.atomic_files import make_folder, replace_file, translate_errors

SIDE = 320
"""The longer side of a thumbnail, in pixels."""

SCREEN = 2048
"""The longer side of the copy that a page shows of a very large image, in pixels."""

_QUALITY = {SIDE: 80, SCREEN: 95}
"""Size -> WebP quality."""


class Thumbnails:
    """A folder of thumbnails. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, path: Path, side: int = SIDE) -> Path:
        """The thumbnail of ``path``, a WebP; the image itself if it is small already or the disk is full.

        ``side`` is :data:`SIDE` or :data:`SCREEN`. Raises ImageError if Easel cannot open the image, OSError if it does not
        exist.
        """
        stat = path.stat()
        small = self._place(path, stat.st_mtime_ns, stat.st_size, side)
        if small.is_file():
            return small
        reduced = decode([path], _encode, path, side)
        if reduced is None:
            return path
        try:
            with translate_errors(self._folder):
                make_folder(small.parent)
                with replace_file(small) as stream:
                    stream.write(reduced)
        except OutputError:
            return path
        return small

    def forget(self, path: Path, mtime_ns: int, size: int) -> None:
        """Remove the thumbnails of a deleted image, given the modification time and size that it had."""
        for side in _QUALITY:
            self._place(path, mtime_ns, size, side).unlink(missing_ok=True)

    def _place(self, path: Path, mtime_ns: int, size: int, side: int) -> Path:
        name = hashlib.sha256(name_to_text(f"{path} {mtime_ns} {size} {side}").encode()).hexdigest()[:32]
        return self._folder / name[:2] / f"{name}.webp"


def _encode(path: Path, side: int) -> bytes | None:
    """The image as a small WebP; None if it is small already."""
    with open_header(path) as opened:
        if max(opened.size) <= side:
            return None
        image = reduce_image(opened, side)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=_QUALITY[side])
    return stream.getvalue()


def reduce_image(opened: Image.Image, side: int) -> Image.Image:
    """An opened image reduced to a longer side of at most ``side`` pixels, without a second full-size copy in memory."""
    opened.draft("RGB", (side, side))
    opened.load()  # an image that is small already would otherwise be read after the file is closed
    wanted = "RGBA" if opened.has_transparency_data else "RGB"
    image = opened if opened.mode == wanted else opened.convert(wanted)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image
