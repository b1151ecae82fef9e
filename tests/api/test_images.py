"""Masks on photos of every orientation, and base64 in every spelling."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageOps

from api.images import prepare_mask, read_base64
from engine.errors import ImageError, RequestError
from tests.api.images import PICTURE, encode, to_base64


def store(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("drawn_on", ["upright", "file"])
def test_a_mask_lies_where_it_was_drawn(orientation: int, drawn_on: str, tmp_path: Path) -> None:
    """Clients draw on the photo as it is shown, or as it lies in the file."""
    raw = Image.new("L", (40, 24))
    raw.paste(255, (0, 0, 10, 10))
    turned = raw.copy()
    turned.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(turned)
    photo = store(tmp_path, "photo", encode(Image.new("RGB", (40, 24)), "JPEG", orientation))
    # A client that ignores the orientation sees the photo lying, so only then does its mask have the file's size.
    drawn = raw if drawn_on == "file" and orientation >= 5 else upright
    mask = prepare_mask(store(tmp_path, "mask", encode(drawn)), photo, "white")
    assert mask.size == upright.size and mask.tobytes() == upright.tobytes()


def test_masks_are_read_from_grey_alpha_and_sixteen_bits(tmp_path: Path) -> None:
    photo = store(tmp_path, "photo", PICTURE)
    grey = Image.new("L", (32, 24))
    grey.paste(255, (0, 0, 16, 24))
    clear = Image.new("RGBA", (32, 24), (9, 9, 9, 0))
    clear.paste((9, 9, 9, 255), (0, 0, 16, 24))
    deep = Image.new("I;16", (32, 24))
    deep.paste(65535, (0, 0, 16, 24))
    for name, drawn in {"grey": grey, "clear": clear, "deep": deep, "colour": grey.convert("RGB")}.items():
        mask = prepare_mask(store(tmp_path, name, encode(drawn)), photo, "white")
        assert mask.getbbox() == (0, 0, 16, 24), name
    assert prepare_mask(tmp_path / "clear", photo, "transparent").getbbox() == (16, 0, 32, 24)
    assert prepare_mask(tmp_path / "grey", photo, "black").getbbox() == (16, 0, 32, 24)
    with pytest.raises(RequestError, match="no transparent part"):
        prepare_mask(tmp_path / "grey", photo, "transparent")


def test_a_mask_of_another_size_is_brought_to_that_of_the_picture(tmp_path: Path) -> None:
    half = Image.new("L", (16, 12), 255)
    assert prepare_mask(store(tmp_path, "m", encode(half)), store(tmp_path, "p", PICTURE), "white").size == (32, 24)


def test_base64_is_read_in_every_spelling() -> None:
    plain = to_base64(PICTURE)
    lines = "\n".join(plain[start : start + 76] for start in range(0, len(plain), 76))
    url_safe = plain.replace("+", "-").replace("/", "_")
    for text in (plain, plain.rstrip("="), lines, url_safe, f"data:image/png;base64,{plain}", f"DATA:;base64,{plain}"):
        assert read_base64(text) == PICTURE


@pytest.mark.parametrize("text", ["", "data:image/png;base64,", "*", "http://example.com", "file:///etc/passwd", "a"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ImageError):
        read_base64(text)
