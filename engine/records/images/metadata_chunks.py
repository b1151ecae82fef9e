"""The texts that image files carry, read from their raw bytes without decoding a pixel.

Only the small chunks are read; image data is skipped, so indexing thousands of large files is fast, and the texts of a
damaged image can still be read. Formats: PNG (W3C), JPEG segments (ITU T.81), RIFF WebP, EXIF 2.3, XMP part 3.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from engine.records.images.box_chunks import read_boxes, read_gif, read_tiff
from engine.records.images.texts import EXIF_DIRECTORY, LARGEST, USER_COMMENT, Texts, decode_latin_or_utf8, decode_utf8, unpack
from engine.storage.regular_files import open_regular_file

__all__ = ["LARGEST", "Texts", "exif_with_comment", "jpeg_extended_xmp", "jpeg_xmp", "merge_exif", "read_texts"]

_EXIF = b"Exif\0\0"
_SEGMENT_ROOM = 65_500
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"


def read_texts(source: Path | bytes) -> Texts | None:
    """The texts of a PNG, JPEG, WebP, GIF, TIFF, AVIF or HEIC; None for any other file. Raises OSError if it cannot be read."""
    with io.BytesIO(source) if isinstance(source, bytes) else open_regular_file(source) as stream:
        start = stream.read(16)
        stream.seek(0)
        for format, is_one, read in _FORMATS:
            if is_one(start):
                texts = Texts(format)
                read(stream, texts)
                return texts
    return None


def _read_png(stream: BinaryIO, texts: Texts) -> None:
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in _PNG_CHUNKS and length <= texts.room:
            if len(chunk := stream.read(length)) < length:
                return  # truncated: an incomplete text is of no use
            _PNG_CHUNKS[kind](chunk, texts)
            stream.seek(4, io.SEEK_CUR)
        elif kind == b"IEND":
            return
        else:
            stream.seek(length + 4, io.SEEK_CUR)


def _png_text(chunk: bytes, texts: Texts) -> None:
    key, _, value = chunk.partition(b"\0")
    texts.add_text(key, value, decode_latin_or_utf8)


def _png_packed_text(chunk: bytes, texts: Texts) -> None:
    key, _, rest = chunk.partition(b"\0")
    texts.add_text(key, unpack(rest[1:], texts.room), decode_latin_or_utf8)


def _png_international_text(chunk: bytes, texts: Texts) -> None:
    key, _, rest = chunk.partition(b"\0")
    value = rest[2:].split(b"\0", 2)[-1]
    text = unpack(value, texts.room) if rest[:1] == b"\1" else value
    texts.add_text(key, text, decode_utf8)
    if key == b"XML:com.adobe.xmp":
        texts.add_xmp(text)


def _png_exif(chunk: bytes, texts: Texts) -> None:
    texts.add_exif(chunk.removeprefix(_EXIF))


_PNG_CHUNKS: dict[bytes, Callable[[bytes, Texts], None]] = {
    b"tEXt": _png_text,
    b"zTXt": _png_packed_text,
    b"iTXt": _png_international_text,
    b"eXIf": _png_exif,
}


def _read_jpeg(stream: BinaryIO, texts: Texts) -> None:
    stream.seek(2)
    more: dict[int, bytes] = {}
    while len(head := stream.read(4)) == 4:
        marker, length = struct.unpack(">HH", head)
        if marker == 0xFFFF:  # a fill byte
            stream.seek(-3, io.SEEK_CUR)
        elif marker < 0xFF00 or marker == 0xFFDA or length < 2:
            break
        elif marker in (0xFFE1, 0xFFFE):
            if len(segment := stream.read(length - 2)) < length - 2:
                return
            _jpeg_segment(marker, segment, texts, more)
        else:
            stream.seek(length - 2, io.SEEK_CUR)
    texts.add_xmp(b"".join(more[offset] for offset in sorted(more)))


def _jpeg_segment(marker: int, segment: bytes, texts: Texts, more: dict[int, bytes]) -> None:
    """``more`` gathers the pieces of an extended XMP packet by their offset."""
    if marker == 0xFFFE:
        texts.comment = decode_utf8(segment)
    elif segment.startswith(_EXIF):
        texts.add_exif(segment[len(_EXIF) :])
    elif segment.startswith(_XMP):
        texts.add_xmp(segment[len(_XMP) :])
    elif segment.startswith(_XMP_MORE) and len(segment) > (start := len(_XMP_MORE) + 40) and texts.take(segment):
        more[int.from_bytes(segment[start - 4 : start], "big")] = segment[start:]


def _read_webp(stream: BinaryIO, texts: Texts) -> None:
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind in (b"EXIF", b"XMP ") and length <= texts.room:
            if len(chunk := stream.read(length)) < length:
                return
            stream.seek(length % 2, io.SEEK_CUR)
            if kind == b"EXIF":
                texts.add_exif(chunk.removeprefix(_EXIF))
            else:
                texts.add_xmp(chunk)
        else:
            stream.seek(length + length % 2, io.SEEK_CUR)


_FORMATS: tuple[tuple[str, Callable[[bytes], bool], Callable[[BinaryIO, Texts], None]], ...] = (
    ("png", lambda start: start.startswith(b"\x89PNG\r\n\x1a\n"), _read_png),
    ("jpeg", lambda start: start.startswith(b"\xff\xd8\xff"), _read_jpeg),
    ("webp", lambda start: start[:4] == b"RIFF" and start[8:12] == b"WEBP", _read_webp),
    ("gif", lambda start: start.startswith((b"GIF87a", b"GIF89a")), read_gif),
    ("tiff", lambda start: start.startswith((b"II*\0", b"MM\0*")), read_tiff),
    (
        "avif",
        lambda start: start[4:8] == b"ftyp" and start[8:12] in (b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix"),
        read_boxes,
    ),
)


def exif_with_comment(text: str) -> bytes:
    """EXIF that holds ``text`` as its UserComment and nothing else, with the ``Exif`` header, big-endian."""
    plain = text.isascii()
    comment = b"ASCII\0\0\0" + text.encode("ascii") if plain else b"UNICODE\0" + text.encode("utf-16-be", "replace")
    first = struct.pack(">HHHLLL", 1, EXIF_DIRECTORY, 4, 1, 26, 0)
    second = struct.pack(">HHHLLL", 1, USER_COMMENT, 7, len(comment), 44, 0)
    return _EXIF + b"MM\0\x2a\0\0\0\x08" + first + second + comment


def merge_exif(exif: bytes, own: bytes) -> bytes:
    """The EXIF of a photo, a bare TIFF structure, with the UserComment of ``own`` (see :func:`exif_with_comment`), b"" for none.

    Without the photo's own comment, and without the rest if it would not fit into a JPEG segment.
    """
    theirs, comments = Image.Exif(), Image.Exif()
    theirs.load(_EXIF + exif)
    if own:
        comments.load(own)
        theirs.get_ifd(EXIF_DIRECTORY)[USER_COMMENT] = comments.get_ifd(EXIF_DIRECTORY)[USER_COMMENT]
    merged = theirs.tobytes()
    return merged if len(merged) <= _SEGMENT_ROOM else own


def jpeg_xmp(packet: bytes) -> bytes:
    """``packet`` as a JPEG APP1 segment. It must fit: 65,502 bytes."""
    return _segment(_XMP + packet)


def jpeg_extended_xmp(packet: bytes, digest: str) -> bytes:
    """``packet``, of any length, as the APP1 segments of an extended XMP packet; ``digest`` is its MD5 in capitals."""
    head = _XMP_MORE + digest.encode() + struct.pack(">L", len(packet))
    pieces = range(0, len(packet), 65_000)
    return b"".join(_segment(head + struct.pack(">L", at) + packet[at : at + 65_000]) for at in pieces)


def _segment(payload: bytes) -> bytes:
    return struct.pack(">HH", 0xFFE1, len(payload) + 2) + payload
