"""Opens any image from a user, upright, in 8-bit RGB, or raises a one-sentence reason why it cannot.

Sizes are checked before pixels are decoded. Formats are detected by content, not by name, and only formats that are plain
data are opened: Pillow would pass an EPS file to Ghostscript.
"""

from __future__ import annotations

import importlib.util
import io
import struct
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageColor

from engine.errors import ImageError
from engine.storage.regular_files import open_regular_file

MAX_PIXELS = 2**28
"""The most pixels of an image (16,384 x 16,384): more would not fit into the memory of an ordinary computer."""

_STRIP_PIXELS = 2**20
"""Pixels that are processed at a time where each takes eight bytes."""

# Pillow's own limit is one number for the whole process, and it warns of sizes that Easel's upscaler produces.
# Here every image is checked against its own limit before it is decoded.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
_READABLE = "PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF or HEIC"
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)
"""Exceptions that Pillow raises for truncated or inconsistent files."""

_ORIENTATION = 0x0112
"""The EXIF tag for the orientation."""

_USUAL_EXIF = 2**16
"""Bytes of EXIF above which the orientation is not read."""

_TURNS = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT, "mirrored"),
    3: (Image.Transpose.ROTATE_180, "turned"),
    4: (Image.Transpose.FLIP_TOP_BOTTOM, "mirrored"),
    5: (Image.Transpose.TRANSPOSE, "turned and mirrored"),
    6: (Image.Transpose.ROTATE_270, "turned"),
    7: (Image.Transpose.TRANSVERSE, "turned and mirrored"),
    8: (Image.Transpose.ROTATE_90, "turned"),
}
"""EXIF orientation -> the transposition that makes the image upright, for Pillow and in words."""


@dataclass(frozen=True)
class OpenedImage:
    """An image as the user provided it.

    ``colours`` is RGB without transparency, ``alpha`` its alpha channel (L, 255 opaque) or None. ``icc_profile`` is the
    profile of the colours, b"" for sRGB. ``notices`` are sentences on how it was converted.
    """

    colours: Image.Image
    alpha: Image.Image | None
    paper: str
    format: str
    icc_profile: bytes = b""
    notices: tuple[str, ...] = ()

    @property
    def image(self) -> Image.Image:
        """The image flattened onto its paper colour: RGB, opaque."""
        return flatten(self.with_alpha, self.paper)

    @property
    def with_alpha(self) -> Image.Image:
        """RGBA if a part of it is transparent, else RGB."""
        if self.alpha is None:
            return self.colours
        both = self.colours.convert("RGBA")
        both.putalpha(self.alpha)
        return both


def open_image(
    source: Path | bytes, *, paper: str = "#ffffff", max_pixels: int = MAX_PIXELS, keep_profile: bool = False
) -> OpenedImage:
    """The image in ``source``, upright and in 8-bit RGB.

    ``paper`` is the colour behind transparent parts; it may be "" if only ``colours`` and ``alpha`` are used. Colours are
    converted to sRGB; ``keep_profile`` leaves RGB colours unchanged and returns their profile. Raises ImageError, one
    sentence, for images that cannot be used.
    """
    with open_header(source, max_pixels) as opened:
        return _convert(opened, paper, keep_profile)


@contextmanager
def open_header(source: Path | bytes, max_pixels: int = MAX_PIXELS) -> Generator[Image.Image]:
    """The image in ``source``, opened by Pillow: its size has been checked, and no pixel is decoded yet.

    Raises ImageError, one sentence, for images that cannot be used, also for errors of decoding inside the block.
    """
    stream, start = _stream(source)
    formats = _formats(start)
    try:
        with Image.open(stream, formats=formats) as opened:
            _refuse_by_size(opened.size, max_pixels)
            yield opened
    except Image.DecompressionBombError as error:
        raise _too_large("The picture is far too large", max_pixels) from error
    except Image.UnidentifiedImageError as error:
        raise ImageError(f"This file is not a picture that Easel can read. Choose a {_READABLE} file.") from error
    except _DAMAGED as error:
        raise ImageError(
            "The picture is damaged or cut off and cannot be opened. Save or download it again, or choose another one."
        ) from error
    except MemoryError as error:
        raise ImageError("There is not enough memory for a picture of this size. Choose a smaller one.") from error


def upright_exif(source: Path) -> bytes:
    """The EXIF of an image file, corrected for an upright copy, as a bare TIFF structure; b"" if it has no valid EXIF."""
    try:
        with Image.open(source, formats=_FORMATS) as opened:
            exif = opened.getexif() if _has_usual_exif(opened) else None
            if not exif:
                return b""
            exif[_ORIENTATION] = 1
            return exif.tobytes().removeprefix(b"Exif\0\0")
    except _DAMAGED:
        return b""


def flatten(image: Image.Image, paper: str = "#ffffff") -> Image.Image:
    """``image`` (any mode) in RGB, its transparent parts in the colour ``paper``."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, paper), image).convert("RGB")


def fit(image: Image.Image, width: int, height: int, how: str = "crop", paper: str = "#ffffff") -> Image.Image:
    """``image`` (any mode) at ``width`` x ``height`` pixels.

    "crop" fills the frame and crops the rest, "pad" shows the whole image on ``paper``, "stretch" changes the aspect ratio.
    """
    if how == "stretch":
        return image.resize((width, height), Image.Resampling.LANCZOS)
    scales = (width / image.width, height / image.height)
    scale = {"crop": max, "pad": min}[how](scales)
    if how == "crop":
        cut_width, cut_height = width / scale, height / scale
        left, top = (image.width - cut_width) / 2, (image.height - cut_height) / 2
        box = (left, top, left + cut_width, top + cut_height)
        return image.resize((width, height), Image.Resampling.LANCZOS, box=_inside(box, image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    frame = Image.new(image.mode, (width, height), ImageColor.getcolor(paper, image.mode))
    frame.paste(image.resize(size, Image.Resampling.LANCZOS), ((width - size[0]) // 2, (height - size[1]) // 2))
    return frame


def _inside(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """``box`` clamped to ``size``, since rounding errors may put it slightly outside."""
    return (max(0.0, box[0]), max(0.0, box[1]), min(float(size[0]), box[2]), min(float(size[1]), box[3]))


def _stream(source: Path | bytes) -> tuple[io.BytesIO | Path, bytes]:
    """What Pillow can open, and the first bytes."""
    if isinstance(source, bytes):
        return io.BytesIO(source), source[:1024]
    try:
        with open_regular_file(source) as file:
            return source, file.read(1024)
    except OSError as error:
        raise ImageError(f"“{source.name}” cannot be opened ({error.strerror}). Choose another picture.") from error


def _formats(start: bytes) -> tuple[str, ...]:
    """The formats that a file with these first bytes may have. Raises ImageError if it cannot be an image."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        raise ImageError("The file is empty. Choose another picture.")
    if text.startswith(b"<") and b"<svg" in text:
        raise ImageError("An SVG is a set of drawing commands, not pixels. Export it as PNG and choose that.")
    if start[4:8] != b"ftyp" or start[8:12] not in _HEIC_BRANDS:
        return _FORMATS
    _register_heif()
    return ("HEIF", "AVIF")


def _register_heif() -> None:
    """Register HEIC with Pillow. Raises ImageError if the plugin is missing."""
    if importlib.util.find_spec("pillow_heif") is None:
        raise ImageError(
            "This is a HEIC photo, and the part that reads them does not exist for this kind of computer. Save the photo as JPEG."
        )
    import pillow_heif

    pillow_heif.register_heif_opener()


def _refuse_by_size(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise _too_large(f"The picture has {size[0]:,} x {size[1]:,} pixels", max_pixels)


def _too_large(claim: str, max_pixels: int) -> ImageError:
    return ImageError(f"{claim}; Easel opens up to {max_pixels / 1e6:,.0f} megapixels. Make it smaller first.")


def _convert(opened: Image.Image, paper: str, keep_profile: bool) -> OpenedImage:
    """``opened`` decoded, in numbered steps that may each add a notice."""
    notices: list[str] = []
    # 1. the first frame, decoded
    if getattr(opened, "is_animated", False) and opened.format != "MPO":
        notices.append("The picture has several frames or pages; the first one is used.")
    opened.load()
    # 2. eight bits
    image = _eight_bits(opened, notices)
    # 3. upright
    turn = _TURNS.get(_orientation(opened))
    if turn:
        image = image.transpose(turn[0])
        notices.append(f"The photo was {turn[1]} upright, as its EXIF orientation says.")
    # 4. colours and transparency apart
    alpha = _alpha(image)
    colours, profile = _colours(image, opened.info.get("icc_profile") or b"", keep_profile, notices)
    if alpha is not None and paper:
        notices.append(f"Transparent parts show paper in {paper}.")
    return OpenedImage(colours, alpha, paper, opened.format or "", profile, tuple(notices))


def _eight_bits(image: Image.Image, notices: list[str]) -> Image.Image:
    """16 and 32 bits per channel, scaled instead of clipped. Pillow converts 16-bit colour itself, but clips grey."""
    if not image.mode.startswith(("I", "F")):
        return image
    low, high = _range(image)
    notices.append("The picture has more than 8 bits a channel; it was scaled to 8.")
    scaled = Image.new("L", image.size)
    for top, values in _strips(image):
        strip = np.rint((values - low) / (high - low) * 255).astype(np.uint8)
        scaled.paste(Image.fromarray(strip, "L"), (0, top))
    return scaled


def _strips(image: Image.Image) -> Iterator[tuple[int, np.ndarray]]:
    """Index of the first row, and the values, of a few rows at a time: the whole image in 64 bits takes eight times its size."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        yield top, np.asarray(image.crop((0, top, image.width, bottom)), dtype=np.float64)


def _range(image: Image.Image) -> tuple[float, float]:
    """The values of black and white: the format's range if the values are within it, else their minimum and maximum."""
    ends = np.array([(values.min(), values.max()) for _, values in _strips(image)])
    least, most = float(ends.min()), float(ends.max())
    usual = 1.0 if image.mode.startswith("F") else 65535.0
    if not np.isfinite([least, most]).all():
        raise ValueError("not numbers")
    return (0.0, usual) if least >= 0 and most <= usual else (least, max(most, least + 1))


def find_turn(image: Image.Image) -> Image.Transpose | None:
    """What makes an opened image upright by its EXIF orientation; None for nothing."""
    turn = _TURNS.get(_orientation(image))
    return turn[0] if turn else None


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if the EXIF is damaged, which occurs in valid images, or too large."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1)) if _has_usual_exif(image) else 1
    except _DAMAGED:
        return 1


def _has_usual_exif(image: Image.Image) -> bool:
    """Whether EXIF fits into a JPEG segment. Pillow reads every entry, and all of them may point to the same megabytes."""
    hexadecimal = str(image.info.get("Raw profile type exif", ""))
    return len(image.info.get("exif") or b"") <= _USUAL_EXIF and len(hexadecimal) <= 3 * _USUAL_EXIF


def _alpha(image: Image.Image) -> Image.Image | None:
    """The alpha channel of any mode, including transparent palette entries and colours; None if all is opaque."""
    if not image.has_transparency_data:
        return None
    plane = (image if image.mode == "RGBA" else image.convert("RGBA")).getchannel("A")
    return None if plane.getextrema() == (255, 255) else plane


def _colours(image: Image.Image, profile: bytes, keep_profile: bool, notices: list[str]) -> tuple[Image.Image, bytes]:
    """``image`` as RGB, and the profile of its colours; b"" for sRGB."""
    through_alpha = image.has_transparency_data and image.mode != "RGBA"
    plain = (image.convert("RGBA") if through_alpha else image).convert("RGB")
    try:
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else None
        space = getattr(theirs.profile, "xcolor_space", "").strip() if theirs else ""
        name = ImageCms.getProfileDescription(theirs).strip() if theirs else ""
        printed = image.mode == "CMYK"
        if theirs is None and printed:
            notices.append("The picture is in print colours without a profile; the colours on screen are a guess.")
        if theirs is None or space != ("CMYK" if printed else "RGB") or (space == "RGB" and "sRGB" in name):
            return plain, b""
        if keep_profile and not printed:
            return plain, profile
        moved = ImageCms.profileToProfile(image if printed else plain, theirs, ImageCms.createProfile("sRGB"), outputMode="RGB")
        notices.append(f"The colours were converted from “{name}” to sRGB.")
        return moved or plain, b""
    except (ImageCms.PyCMSError, OSError, ValueError):
        notices.append("The picture's colour profile could not be used; its colours may look a little off.")
        return plain, b""
