from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import ImageError, OutputError
from engine.records.blobs import Blobs
from tests.engine.records.conftest import textured


def png(image: Image.Image, level: int = 6) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=level)
    return stream.getvalue()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1"])
def test_pixels_come_back_to_the_bit(tmp_path: Path, mode: str) -> None:
    blobs = Blobs(tmp_path / "blobs")
    image = textured(30, 20).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize((30, 20)))
    read = blobs.open(blobs.put(image))
    assert read.mode == ("RGBA" if mode == "RGBA" else "RGB")
    assert read.convert(mode).tobytes() == image.tobytes()


def test_the_same_picture_is_kept_once_under_one_name(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    image = textured(30, 20)
    names = {blobs.put(image), blobs.put(image.copy()), Blobs(tmp_path).put(image)}
    assert len(names) == 1 and len(files(tmp_path)) == 1
    assert blobs.put(image.transpose(Image.Transpose.ROTATE_90)) not in names
    assert blobs.put(textured(20, 30)) not in names
    assert blobs.put(Image.new("L", (2, 2))) != blobs.put(Image.new("L", (4, 1)))


def test_a_file_is_kept_byte_for_byte(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    photo = png(textured(30, 20), 9)
    hash = blobs.put(photo)
    assert blobs.path(hash).read_bytes() == photo
    assert blobs.open(hash).tobytes() == textured(30, 20).tobytes()
    assert hash != blobs.put(png(textured(30, 20), 1))


def test_only_pictures_are_kept(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not a picture"):
        Blobs(tmp_path).put(b"no picture at all")
    assert files(tmp_path) == []


@pytest.mark.parametrize("hash", ["0" * 64, "", "../../../etc/passwd", "0" * 63 + "/", "G" * 64])
def test_what_is_not_kept_is_said(tmp_path: Path, hash: str) -> None:
    with pytest.raises(ImageError, match="has been removed"):
        Blobs(tmp_path).open(hash)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="not a folder"):
        Blobs(tmp_path / "file").put(textured(8, 8))
