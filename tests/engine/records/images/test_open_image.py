from __future__ import annotations

import io
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from engine.errors import ImageError
from engine.records.images.open_image import MAX_PIXELS, OpenedImage, fit, flatten, open_image
from tests.engine.records.conftest import textured


def packed(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def opened(image: Image.Image, format: str = "PNG", **options: object) -> OpenedImage:
    return open_image(packed(image, format, **options))


CORNERS = Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8)).resize(
    (32, 32), Image.Resampling.NEAREST
)


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """The four corners as pure colours: top left, top right, bottom left, bottom right."""
    right, bottom = image.width - 3, image.height - 3
    return [tuple(255 * (c > 127) for c in image.getpixel(at)) for at in ((2, 2), (right, 2), (2, bottom), (right, bottom))]


@pytest.mark.parametrize(
    "format, options",
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("JPEG", {"quality": 95}),
        ("AVIF", {"quality": 95}),
        ("PPM", {}),
        ("JPEG2000", {}),
    ],
)
def test_formats(format: str, options: dict[str, object]) -> None:
    picture = opened(CORNERS, format, **options)
    assert picture.image.mode == "RGB" and picture.alpha is None and picture.notices == ()
    assert corners(picture.image) == corners(CORNERS)


def test_heic() -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    picture = opened(textured(64, 64), "HEIF", quality=95)
    assert picture.image.size == (64, 64) and picture.format == "HEIF"


def test_heic_without_the_part_that_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    photo = packed(textured(64, 64), "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImageError, match="Save the photo as JPEG"):
        open_image(photo)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation_is_made_upright(orientation: int, format: str) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = CORNERS.resize((48, 32), Image.Resampling.NEAREST)
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, object] = {"exif": exif} if format != "TIFF" else {"tiffinfo": {0x0112: orientation}}
    if format in ("JPEG", "WEBP"):
        options["quality"] = 95
    picture = opened(stored, format, **options)
    assert picture.image.size == (48, 32)
    assert corners(picture.image) == corners(upright)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_is_no_reason_to_refuse_a_photo() -> None:
    photo = packed(CORNERS, "JPEG", exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff")
    assert open_image(photo).image.size == (32, 32)


def test_transparency_shows_the_paper_and_is_kept() -> None:
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 2, 4))
    image.putpixel((3, 3), (0, 255, 0, 128))
    picture = open_image(packed(image), paper="#ffcc00")
    assert picture.image.getpixel((3, 0)) == (255, 204, 0)
    assert picture.image.getpixel((0, 0)) == (0, 0, 255)
    assert picture.image.getpixel((3, 3)) == pytest.approx((127, 229, 0), abs=1)
    assert picture.with_alpha.tobytes() == image.tobytes()
    assert "#ffcc00" in picture.notices[-1]


def test_an_opaque_alpha_plane_is_none() -> None:
    picture = opened(CORNERS.convert("RGBA"))
    assert picture.alpha is None and picture.with_alpha.mode == "RGB" and picture.notices == ()


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_transparent_colours_and_palette_entries(mode: str) -> None:
    image = Image.new(mode, (8, 8), 0)
    image.paste({"P": 1, "L": 200, "RGB": (200, 0, 0)}[mode], (0, 0, 4, 8))
    if mode == "P":
        image.putpalette([255, 0, 0, 0, 0, 255])
    transparent = (0, 0, 0) if mode == "RGB" else 0
    picture = opened(image, transparency=transparent)
    assert picture.alpha is not None
    assert picture.alpha.getpixel((6, 2)) == 0 and picture.alpha.getpixel((1, 1)) == 255
    assert picture.image.getpixel((6, 2)) == (255, 255, 255)


def test_grey_and_one_bit() -> None:
    for mode in ("L", "1", "LA"):
        picture = opened(Image.linear_gradient("L").convert(mode))
        assert picture.image.mode == "RGB" and picture.image.getextrema()[0] == (0, 255)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_never_clipped(format: str) -> None:
    ramp = np.linspace(0, 65535, 256 * 256).reshape(256, 256).astype(np.uint16)
    picture = opened(Image.fromarray(ramp), format)
    red = np.asarray(picture.image)[..., 0].astype(int)
    assert np.abs(red - ramp / 257).max() <= 1
    assert len(np.unique(red)) == 256 and "8 bits" in picture.notices[0]


def test_sixteen_bits_of_colour() -> None:
    rows = b"".join(b"\0" + struct.pack(">3H", 1000 * i, 65535 - 1000 * i, 32768) * 4 for i in range(65))
    png = _png(4, 65, depth=16, colour=2, rows=rows)
    seen = np.asarray(open_image(png).image).astype(int)[:, 0]
    expected = np.array([[1000 * i, 65535 - 1000 * i, 32768] for i in range(65)]) / 257
    assert np.abs(seen - expected).max() <= 1


def _png(width: int, height: int, *, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG by hand: Pillow cannot write this one."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_thirty_two_bits() -> None:
    for top in (1.0, 40.0):
        values = np.linspace(0, top, 100 * 100, dtype=np.float32).reshape(100, 100)
        red = np.asarray(opened(Image.fromarray(values), "TIFF").image)[..., 0]
        assert (int(red.min()), int(red.max())) == (0, 255)
    with pytest.raises(ImageError, match="damaged"):
        opened(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF")


def test_print_colours_without_a_profile() -> None:
    picture = opened(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = picture.image.getpixel((8, 8))
    assert red > 200 and green < 60 and blue < 60 and "print colours" in picture.notices[0]


def test_a_profile_is_turned_into_srgb_or_kept() -> None:
    wide = ImageCms.ImageCmsProfile(io.BytesIO(_swapped_profile()))
    image = Image.new("RGB", (16, 16), (200, 30, 30))
    profile = wide.tobytes()
    turned = opened(image, icc_profile=profile)
    kept = open_image(packed(image, icc_profile=profile), keep_profile=True)
    assert kept.icc_profile == profile and kept.image.getpixel((0, 0)) == (200, 30, 30)
    assert turned.icc_profile == b"" and turned.image.getpixel((0, 0)) != (200, 30, 30)
    assert "sRGB" in turned.notices[0]


def _swapped_profile() -> bytes:
    """sRGB with the red and green primaries swapped and its name changed: a profile that shows when it is used."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    for at in range(132, 132 + 12 * count, 12):
        kind = bytes(profile[at : at + 4])
        profile[at : at + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(kind, kind)
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def test_srgb_itself_is_left_alone_and_a_broken_profile_is_said() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = textured(16, 16)
    assert opened(image, icc_profile=srgb).image.tobytes() == image.tobytes()
    assert opened(image, icc_profile=srgb).notices == ()
    broken = opened(image, icc_profile=b"no profile at all")
    assert broken.image.tobytes() == image.tobytes() and "profile" in broken.notices[0]


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_of_several_frames(format: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    picture = opened(frames[0], format, save_all=True, append_images=frames[1:])
    assert corners(picture.image)[0] == (255, 0, 0) and "first one" in picture.notices[0]


def test_one_pixel_and_a_ribbon() -> None:
    for size in ((1, 1), (7, 3000)):
        assert opened(Image.new("RGB", size)).image.size == size


def test_a_claim_of_gigabytes_is_refused_before_anything_is_decoded() -> None:
    claim = _png(30_000, 30_000, depth=8, colour=2, rows=b"\0" * 1000)
    assert len(claim) < 2000
    tracemalloc.start()
    with pytest.raises(ImageError, match="megapixels"):
        open_image(claim)
    assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    tracemalloc.stop()
    with pytest.raises(ImageError, match="16,000 x 16,000"):
        open_image(_png(16_000, 16_000, depth=8, colour=2, rows=b""), max_pixels=10**8)


def test_a_caller_may_allow_less_and_big_pictures_give_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    with pytest.raises(ImageError, match="1 megapixels"):
        open_image(packed(Image.new("L", (1001, 1000))), max_pixels=10**6)
    big = _png(16_000, 16_000, depth=8, colour=2, rows=b"")
    assert MAX_PIXELS > 16_000 * 16_000
    with pytest.raises(ImageError, match="16,000 x 16,000"):
        open_image(big, max_pixels=10**8)
    assert not recwarn.list


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "empty"),
        (b"just some words in a file named .png", "not a picture"),
        (b"\x89PNG\r\n\x1a\n", "not a picture|damaged"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"\xef\xbb\xbf  <SVG width='4'></SVG>", "SVG"),
        (b"<html><body>no</body></html>", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (b"%PDF-1.7\n", "not a picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "not a picture|damaged"),
        (b"GIF89a", "not a picture|damaged"),
    ],
)
def test_what_is_no_picture_is_said_in_a_sentence(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    for source in (content, path):
        with pytest.raises(ImageError, match=words) as caught:
            open_image(source)
        assert str(caught.value).endswith(".") and "Error" not in str(caught.value)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_files_that_are_cut_off(format: str) -> None:
    whole = packed(textured(64, 64), format)
    for share in (0.02, 0.3, 0.6, 0.9):
        with pytest.raises(ImageError, match=r"damaged|not a picture"):
            open_image(whole[: int(len(whole) * share)])


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be opened"):
        open_image(tmp_path / "nothing.png")
    with pytest.raises(ImageError, match="cannot be opened"):
        open_image(tmp_path)


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (7, 3000), (3000, 7), (64, 64), (641, 479)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_fit_gives_the_size(how: str, size: tuple[int, int], mode: str) -> None:
    fitted = fit(Image.new(mode, size), 96, 64, how)
    assert (fitted.size, fitted.mode) == ((96, 64), mode)


def test_how_a_picture_is_fitted() -> None:
    wide = CORNERS.resize((64, 32), Image.Resampling.NEAREST)
    assert corners(fit(wide, 40, 40, "stretch")) == corners(wide)
    assert corners(fit(wide, 40, 40, "crop")) == corners(wide)
    padded = fit(wide, 40, 40, "pad", paper="#00ffff")
    assert corners(padded) == [(0, 255, 255)] * 4
    assert corners(padded.crop((0, 10, 40, 30))) == corners(wide)
    tall = Image.new("RGB", (10, 100), "red")
    tall.paste((0, 0, 255), (0, 45, 10, 55))
    assert corners(fit(tall, 10, 10, "crop")) == [(0, 0, 255)] * 4
    with pytest.raises(KeyError):
        fit(wide, 40, 40, "squeeze")


def test_fitting_to_its_own_size_changes_nothing() -> None:
    image = textured(64, 48)
    for how in ("crop", "pad", "stretch"):
        assert fit(image, 64, 48, how).tobytes() == image.tobytes()


def test_on_paper() -> None:
    assert flatten(Image.new("RGBA", (2, 2), (9, 9, 9, 0)), "#102030").getpixel((0, 0)) == (16, 32, 48)
    assert flatten(Image.new("L", (2, 2), 7)).getpixel((0, 0)) == (7, 7, 7)
