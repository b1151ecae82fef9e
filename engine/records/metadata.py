"""Writes Easel's own record into an image's bytes, and reads it back.

* PNG: the record as iTXt ``easel``, AUTOMATIC1111's text as ``parameters``, XMP.
* JPEG: AUTOMATIC1111's text as EXIF UserComment; the record in XMP, as an extended packet when it outgrows a segment's
  64 KB.
* WebP: the same without the limit.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.records.images import metadata_chunks
from engine.records.images.png_writer import PngWriter
from engine.records.record import Record, from_text, parameters, to_text, xmp
from engine.safe_text import make_encodable

KEY = "easel"
"""The keyword of the record in PNG, and its namespace prefix in XMP."""

_COMMENT_ROOM = 65_000
_PACKET_ROOM = 60_000
"""The most bytes of the comment, and of the main packet, that fit into one JPEG segment."""


def read(source: Path | bytes) -> Record | None:
    """The record that Easel wrote into a PNG, JPEG or WebP; None if there is none.

    ``source`` must be the file or its bytes, not an image that was re-encoded. Raises RequestError for a record that is
    damaged or from a newer Easel, OSError if the file cannot be read.
    """
    texts = metadata_chunks.read_texts(source)
    written = (texts.keyed.get(KEY) or texts.property(f"{KEY}:record")) if texts else ""
    return from_text(written) if written else None


def encode(image: Image.Image, record: Record | None, format: str = "png", quality: int = 95, exif: bytes = b"") -> bytes:
    """``image`` as the bytes of a "png", "jpeg" or "webp" with ``record``; without any metadata if it is None. ``quality`` is for
    the last two, 1 to 100; WebP at 100 is lossless. ``exif`` is that of a photo, to be kept beside the record.

    An ICC profile in ``image.info`` is kept either way, since it defines the colours. JPEG shows transparent parts in white.
    """
    prepare, options = _WRITERS[format]
    image = _flatten(image) if format == "jpeg" else image
    stream = io.BytesIO()
    carried = prepare(record) if record else {}
    if exif:
        carried["exif"] = metadata_chunks.merge_exif(exif, carried.get("exif", b""))
    if format != "png":
        options = {**options, "quality": quality, **({"lossless": True} if format == "webp" and quality == 100 else {})}
    image.save(stream, format, icc_profile=image.info.get("icc_profile"), **options, **carried)
    return stream.getvalue()


def encode_deep(pixels: np.ndarray, record: Record | None, icc_profile: bytes, exif: bytes) -> bytes:
    """``pixels`` (H x W x 3 or 4, uint16) as the bytes of a PNG with 16 bits a channel."""
    stream, (height, width, planes) = io.BytesIO(), pixels.shape
    texts = png_info(record) if record else None
    writer = PngWriter(stream, (width, height), planes, bits=16, icc_profile=icc_profile, exif=exif, texts=texts)
    writer.write(pixels)
    writer.close()
    return stream.getvalue()


def png_info(record: Record) -> PngInfo:
    """The text chunks of a record for a PNG, for Pillow (``pnginfo=``) or for writing them directly (``.chunks``)."""
    chunks = PngInfo()
    chunks.add_text("parameters", _make_writable(parameters(record)))
    chunks.add_itxt(KEY, to_text(record))
    chunks.add_itxt("XML:com.adobe.xmp", xmp(record).decode())
    return chunks


def _for_png(record: Record) -> dict[str, Any]:
    return {"pnginfo": png_info(record)}


def _for_jpeg(record: Record) -> dict[str, Any]:
    packet = xmp(record, whole=to_text(record))
    segments = metadata_chunks.jpeg_xmp(packet) if len(packet) <= _PACKET_ROOM else _split_packet(record, packet)
    return {"exif": metadata_chunks.exif_with_comment(_shorten(parameters(record))), "extra": segments}


def _for_webp(record: Record) -> dict[str, Any]:
    text = _make_writable(parameters(record))
    return {"exif": metadata_chunks.exif_with_comment(text), "xmp": xmp(record, whole=to_text(record))}


_WRITERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "png": (_for_png, {}),
    "jpeg": (_for_jpeg, {"subsampling": "4:4:4", "comment": b""}),
    "webp": (_for_webp, {}),
}


def _split_packet(record: Record, packet: bytes) -> bytes:
    """The main XMP packet, which refers to the extended one, and the extended packet in segments."""
    digest = hashlib.md5(packet, usedforsecurity=False).hexdigest().upper()
    return metadata_chunks.jpeg_xmp(xmp(record, note=digest)) + metadata_chunks.jpeg_extended_xmp(packet, digest)


def _shorten(text: str) -> str:
    """``text`` truncated to fit a JPEG segment; its last line (the settings) is kept. Easel's own record stays complete."""
    text = _make_writable(text)
    prompts, _, settings = text.rpartition("\n")
    room = _COMMENT_ROOM - 2 * len(settings) - 2
    if 2 * len(text.encode("utf-8")) <= _COMMENT_ROOM:
        return text
    return prompts.encode("utf-16-be")[: room - room % 2].decode("utf-16-be", "ignore") + "\n" + settings


def _make_writable(text: str) -> str:
    """``text`` without what no text chunk can hold: NUL and lone surrogates."""
    return make_encodable(text).replace("\0", " ")


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode in ("RGB", "L", "CMYK"):
        return image
    paper = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")
    flat.info = dict(image.info)
    return flat
