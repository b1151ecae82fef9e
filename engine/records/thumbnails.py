"""Small pictures for looking at many, each made once."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from engine.errors import OutputError
from engine.records.files import make_folder, replacing, translating

SIDE = 320
"""Pixels of a thumbnail's longer side."""

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")


class Thumbnails:
    """A folder of them. Any thread may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, picture: Path) -> Path:
        """A small WebP of ``picture``; the picture itself if it is small already or if there is no room for another file.

        Raises OSError if it cannot be read.
        """
        stat = picture.stat()
        small = self._place(picture, stat.st_mtime_ns, stat.st_size)
        if small.is_file():
            return small
        with Image.open(picture, formats=_FORMATS) as opened:
            if max(opened.size) <= SIDE:
                return picture
            opened.draft("RGB", (SIDE, SIDE))
            image = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
        image.thumbnail((SIDE, SIDE))
        try:
            with translating(self._folder):
                make_folder(small.parent)
                with replacing(small) as stream:
                    image.save(stream, "WEBP", quality=80)
        except OutputError:
            return picture
        return small

    def forget(self, picture: Path, mtime_ns: int, size: int) -> None:
        """Remove the thumbnail of a picture that is gone, by the time and size that it had."""
        self._place(picture, mtime_ns, size).unlink(missing_ok=True)

    def _place(self, picture: Path, mtime_ns: int, size: int) -> Path:
        name = hashlib.sha256(f"{picture} {mtime_ns} {size}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self._folder / name[:2] / f"{name}.webp"
