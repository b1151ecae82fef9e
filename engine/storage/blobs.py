"""The pictures that requests start from, each kept once under the hash of its content.

A file that was handed in is kept as it is, under the SHA-256 of its bytes, so that its colours, profile and texts can
still be had. A picture in memory (a sketch, a mask) is kept as PNG under the SHA-256 of its mode, size and pixels: the same
drawing has the same name whatever version of the PNG writer packs it.
"""

from __future__ import annotations

import hashlib
import io
import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from PIL import Image

from engine.errors import PictureError
from engine.records.images.open_image import open_picture, opening
from engine.storage.atomic_files import PART, make_folder, replacing, translating

_HASH = re.compile(r"[0-9a-f]{64}")
_MODES = ("1", "L", "LA", "RGB", "RGBA")
"""What PNG keeps to the bit and every reader opens; others become one of the last two."""


class Blobs:
    """A folder of such pictures. Safe to use from several processes at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, source: bytes | Image.Image, *, by_head: bool = False) -> str:
        """Keeps a picture and returns its hash, 64 hexadecimal digits. Keeping it again changes nothing.

        Bytes must be a picture that Easel can open: raises PictureError if not, OutputError if it cannot be written.
        ``by_head`` decodes none of it and so does not see that the end is missing: for many or very large ones, which are
        decoded later anyway.
        """
        if isinstance(source, bytes):
            (_look_at_head if by_head else open_picture)(source)
            return self._keep(hashlib.sha256(source).hexdigest(), source)
        image = source if source.mode in _MODES else source.convert("RGBA" if source.has_transparency_data else "RGB")
        stream = io.BytesIO()
        image.save(stream, "PNG", compress_level=1)
        head = f"{image.mode} {image.width} {image.height}\n".encode()
        return self._keep(hashlib.sha256(head + image.tobytes()).hexdigest(), stream.getvalue())

    def path(self, hash: str) -> Path:
        """The file of a picture; its name says nothing of its format. Raises PictureError if it is not here."""
        if _HASH.fullmatch(hash) and (path := self._place(hash)).is_file():
            return path
        raise PictureError(
            "The picture that this job starts from is no longer kept. Choose or draw it again and start a new job."
        )

    def open(self, hash: str) -> Image.Image:
        """The picture, upright, in RGB or, if a part of it is transparent, RGBA. Raises PictureError."""
        return open_picture(self.path(hash)).with_alpha

    def sweep(self, keep: Collection[str], older: float = 24 * 3600) -> int:
        """Removes all pictures but those in ``keep`` and those put within ``older`` seconds; returns how many.

        The time protects pictures whose request is still being filled in.
        """
        kept, before = set(keep), time.time() - older
        removed = 0
        with translating(self._folder):
            for path in self._files():
                if path.name not in kept and path.stat().st_mtime < before:
                    path.unlink(missing_ok=True)
                    removed += not path.name.endswith(PART)
        return removed

    def _keep(self, hash: str, content: bytes) -> str:
        path = self._place(hash)
        with translating(self._folder):
            if path.is_file():
                path.touch()  # it is in use again: sweep() goes by this time
                return hash
            make_folder(path.parent)
            with replacing(path) as stream:
                stream.write(content)
        return hash

    def _place(self, hash: str) -> Path:
        return self._folder / hash[:2] / hash

    def _files(self) -> Iterator[Path]:
        if self._folder.is_dir():
            for checkpoint_options in self._folder.iterdir():
                yield from checkpoint_options.iterdir() if checkpoint_options.is_dir() else ()


def _look_at_head(source: bytes) -> None:
    with opening(source):
        pass
