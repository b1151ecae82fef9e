"""Small images: Easel's own big results without a warning, and no stranger's bomb."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import ImageError
from engine.records.images.open_image import MAX_PIXELS
from engine.records.images.thumbnails import SCREEN, SIDE, Thumbnails


def png(width: int, height: int, rows: int) -> bytes:
    """A white image in 1 bit that claims ``height`` rows and has ``rows``."""
    pixels = zlib.compress(b"".join(b"\0" + b"\xff" * ((width + 7) // 8) for _ in range(rows)))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", pixels), (b"IEND", b"")]
    packed = (struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_a_large_picture_is_reduced_to_a_screen_and_to_a_thumbnail(tmp_path: Path) -> None:
    Image.new("RGBA", (4096, 1024), (255, 0, 0, 128)).save(tmp_path / "wide.png")
    small = Thumbnails(tmp_path / "small")
    for side in (SIDE, SCREEN):
        with Image.open(small.of(tmp_path / "wide.png", side)) as opened:
            assert (opened.size, opened.mode) == ((side, side // 4), "RGBA")
    stat = (tmp_path / "wide.png").stat()
    small.forget(tmp_path / "wide.png", stat.st_mtime_ns, stat.st_size)
    assert [path for path in (tmp_path / "small").rglob("*") if path.is_file()] == []


def test_a_picture_as_large_as_easel_makes_them_opens_without_a_warning(tmp_path: Path) -> None:
    side = int(MAX_PIXELS**0.5)
    (tmp_path / "own.png").write_bytes(png(side, side // 2, side // 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Image.open(Thumbnails(tmp_path / "small").of(tmp_path / "own.png")) as opened:
            assert opened.size == (SIDE, SIDE // 2)


@pytest.mark.parametrize("height", [20_000, 60_000])  # Pillow itself warns of the one and refuses the other
def test_a_bomb_is_refused_in_a_sentence(height: int, tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png(20_000, height, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ImageError, match=r"far too large|megapixels"):
            Thumbnails(tmp_path / "small").of(tmp_path / "bomb.png")
