"""Thumbnails, and reduced copies of very large images, each made once."""

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
"""Pixels of a thumbnail's longer side."""

SCREEN = 2048
"""Pixels of the longer side of what stands for an image that is too large for a page."""

_QUALITY = {SIDE: 80, SCREEN: 95}
"""Sizes that are made -> quality as WebP."""


class Thumbnails:
    """A folder of them. Any thread may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, path: Path, side: int = SIDE) -> Path:
        """A small WebP of ``image``; the image itself if it is small already or if there is no room for another file.

        ``side`` is :data:`SIDE` or :data:`SCREEN`. Raises ImageError if it is no image that Easel opens, OSError if it
        is gone.
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
        """Remove the thumbnails of an image that is gone, by the time and size that it had."""
        for side in _QUALITY:
            self._place(path, mtime_ns, size, side).unlink(missing_ok=True)

    def _place(self, path: Path, mtime_ns: int, size: int, side: int) -> Path:
        name = hashlib.sha256(name_to_text(f"{path} {mtime_ns} {size} {side}").encode()).hexdigest()[:32]
        return self._folder / name[:2] / f"{name}.webp"


def _encode(path: Path, side: int) -> bytes | None:
    """A small WebP; None of what is small already."""
    with open_header(path) as opened:
        if max(opened.size) <= side:
            return None
        image = reduce_image(opened, side)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=_QUALITY[side])
    return stream.getvalue()


def reduce_image(opened: Image.Image, side: int) -> Image.Image:
    """An opened image, its longer side at most ``side`` pixels, with no second copy of all its pixels on the way."""
    opened.draft("RGB", (side, side))
    opened.load()  # what is small already would otherwise be read when the file is closed
    wanted = "RGBA" if opened.has_transparency_data else "RGB"
    image = opened if opened.mode == wanted else opened.convert(wanted)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image
