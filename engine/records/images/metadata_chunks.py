"""The texts that PNG, JPEG and WebP files carry, read from their raw bytes without decoding a pixel.

Only the small chunks are read; picture data is skipped over, so a history of thousands of large files stays quick and a
damaged picture still gives its texts. Formats: PNG (W3C), JPEG segments (ITU T.81), RIFF WebP, EXIF 2.3, XMP part 3.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import BinaryIO

from PIL import Image

LARGEST = 16 * 2**20
"""Bytes that one text may have, unpacked. Larger ones are left out: no program writes such, but a bomb does."""

_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_EXIF_IFD = 0x8769
_USER_COMMENT = 0x9286


@dataclass
class Texts:
    """What was found. ``keyed``: PNG texts by keyword; ``exif``: a bare TIFF structure; ``xmp``: all packets."""

    format: str
    keyed: dict[str, str] = field(default_factory=dict)
    exif: bytes = b""
    xmp: str = ""
    comment: str = ""

    @property
    def user_comment(self) -> str:
        """The EXIF UserComment, decoded; "" if there is none. Fooocus puts it into the first directory."""
        return _decode_comment(self._ifd(_EXIF_IFD).get(_USER_COMMENT) or self._ifd(None).get(_USER_COMMENT, b""))

    def tag(self, number: int) -> str:
        """A text of EXIF's first directory, such as Make or ImageDescription; "" if there is none."""
        value = self._ifd(None).get(number, "")
        return _utf8(value.encode("latin-1", "replace") if isinstance(value, str) else bytes(value)).strip("\0")

    def property(self, name: str) -> str:
        """The text of an XMP element such as ``easel:record``; "" if there is none."""
        found = re.search(rf"<{re.escape(name)}>(.*?)</{re.escape(name)}>", self.xmp, re.DOTALL)
        return unescape(found[1]) if found else ""

    def _ifd(self, number: int | None) -> dict[int, str | bytes]:
        if not self.exif:
            return {}
        try:
            exif = Image.Exif()
            exif.load(self.exif)
            return {k: v for k, v in (exif.get_ifd(number) if number else exif).items() if isinstance(v, (str, bytes))}
        except (SyntaxError, ValueError, struct.error, KeyError, TypeError, OSError, OverflowError):
            return {}  # damaged EXIF is common in pictures that went through many programs; the rest still counts


def read_texts(source: Path | bytes) -> Texts | None:
    """The texts of a PNG, JPEG or WebP, or None if ``source`` is not such a file. Raises OSError if it cannot be read."""
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
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
        if kind in _PNG_CHUNKS and length <= LARGEST:
            if len(chunk := stream.read(length)) < length:
                return  # truncated: half a text is of no use
            _PNG_CHUNKS[kind](chunk, texts)
            stream.seek(4, io.SEEK_CUR)
        elif kind == b"IEND":
            return
        else:
            stream.seek(length + 4, io.SEEK_CUR)


def _png_text(chunk: bytes, texts: Texts) -> None:
    key, _, value = chunk.partition(b"\0")
    texts.keyed.setdefault(key.decode("latin-1"), _latin_or_utf8(value))


def _png_packed_text(chunk: bytes, texts: Texts) -> None:
    key, _, rest = chunk.partition(b"\0")
    texts.keyed.setdefault(key.decode("latin-1"), _latin_or_utf8(_unpack(rest[1:])))


def _png_international_text(chunk: bytes, texts: Texts) -> None:
    key, _, rest = chunk.partition(b"\0")
    value = rest[2:].split(b"\0", 2)[-1]
    text = _utf8(_unpack(value) if rest[:1] == b"\1" else value)
    texts.keyed.setdefault(key.decode("latin-1"), text)
    if key == b"XML:com.adobe.xmp":
        texts.xmp += text


def _png_exif(chunk: bytes, texts: Texts) -> None:
    texts.exif = chunk.removeprefix(_EXIF)


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
    texts.xmp += _utf8(b"".join(more[offset] for offset in sorted(more)))


def _jpeg_segment(marker: int, segment: bytes, texts: Texts, more: dict[int, bytes]) -> None:
    """``more`` gathers the pieces of an extended XMP packet by their offset."""
    if marker == 0xFFFE:
        texts.comment = _utf8(segment)
    elif segment.startswith(_EXIF):
        texts.exif = texts.exif or segment[len(_EXIF) :]
    elif segment.startswith(_XMP):
        texts.xmp += _utf8(segment[len(_XMP) :])
    elif segment.startswith(_XMP_MORE) and len(segment) > (start := len(_XMP_MORE) + 40):
        more[int.from_bytes(segment[start - 4 : start], "big")] = segment[start:]


def _read_webp(stream: BinaryIO, texts: Texts) -> None:
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind in (b"EXIF", b"XMP ") and length <= LARGEST:
            if len(chunk := stream.read(length)) < length:
                return
            stream.seek(length % 2, io.SEEK_CUR)
            if kind == b"EXIF":
                texts.exif = chunk.removeprefix(_EXIF)
            else:
                texts.xmp += _utf8(chunk)
        else:
            stream.seek(length + length % 2, io.SEEK_CUR)


_FORMATS: tuple[tuple[str, Callable[[bytes], bool], Callable[[BinaryIO, Texts], None]], ...] = (
    ("png", lambda start: start.startswith(b"\x89PNG\r\n\x1a\n"), _read_png),
    ("jpeg", lambda start: start.startswith(b"\xff\xd8\xff"), _read_jpeg),
    ("webp", lambda start: start[:4] == b"RIFF" and start[8:12] == b"WEBP", _read_webp),
)


def exif_with_comment(text: str) -> bytes:
    """EXIF that holds ``text`` as its UserComment and nothing else, with the ``Exif`` header, big-endian."""
    plain = text.isascii()
    comment = b"ASCII\0\0\0" + text.encode("ascii") if plain else b"UNICODE\0" + text.encode("utf-16-be", "replace")
    first = struct.pack(">HHHLLL", 1, _EXIF_IFD, 4, 1, 26, 0)
    second = struct.pack(">HHHLLL", 1, _USER_COMMENT, 7, len(comment), 44, 0)
    return _EXIF + b"MM\0\x2a\0\0\0\x08" + first + second + comment


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


def _decode_comment(value: str | bytes) -> str:
    """A UserComment: eight bytes name the encoding. UTF-16 is written in either order, whatever EXIF's own order is."""
    if isinstance(value, str):
        return _utf8(value.encode("latin-1", "replace")).strip("\0")
    prefix, body = value[:8], value[8:]
    if prefix == b"UNICODE\0":
        likelier = "utf-16-le" if body[1::2].count(0) > body[0::2].count(0) else "utf-16-be"
        return body.decode(likelier, "replace").strip("\0\ufeff")
    known = prefix.rstrip(b"\0") in (b"ASCII", b"JIS", b"")
    return _utf8(body if known else value).strip("\0")


def _unpack(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, LARGEST)
    except zlib.error:
        return b""


def _utf8(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _latin_or_utf8(raw: bytes) -> str:
    """tEXt is Latin-1 by the book; several programs write UTF-8 into it all the same."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
