"""The texts of an image file by where they were found, and the encodings that programs use for them.

In EXIF 2.3 a UserComment may begin with eight bytes that name its encoding. Programs write UTF-16 in either byte order there,
whatever the byte order of the EXIF, and UTF-8 under every name and under none.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import BinaryIO

LARGEST = 16 * 2**20
"""The most bytes of all texts of a file, decompressed. Further texts are skipped: no program writes so much, but attackers do."""

_OVERHEAD = 256
"""Bytes of memory that a text takes besides its content."""

_MOST_TAGS = 512
"""The most entries of one directory that are read."""

IMAGE_DESCRIPTION, MAKE, MODEL, SOFTWARE, XMP_PACKET, COPYRIGHT = 0x010E, 0x010F, 0x0110, 0x0131, 0x02BC, 0x8298
EXIF_DIRECTORY, MAKER_NOTE, USER_COMMENT, XP_TITLE, XP_COMMENT, XP_SUBJECT = 0x8769, 0x927C, 0x9286, 0x9C9B, 0x9C9C, 0x9C9F
"""EXIF tags. Those whose names begin with XP are Windows' own, in UTF-16."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1, 13: 4}
"""TIFF types of bytes, texts and offsets -> bytes of one value."""

_ELEMENT = r"<{0}(?:\s[^>]*)?>(.*?)</{0}>"
_ATTRIBUTE = r"\s{0}\s*=\s*(?:\"([^\"]*)\"|'([^']*)')"


@dataclass
class Texts:
    """The texts found. ``keyed``: PNG texts by keyword; ``tags``: raw texts of EXIF or TIFF; ``xmp``: all packets."""

    format: str
    keyed: dict[str, str] = field(default_factory=dict[str, str])
    tags: dict[int, bytes] = field(default_factory=dict[int, bytes])
    xmp: str = ""
    comment: str = ""
    room: int = LARGEST

    def take(self, raw: bytes) -> bool:
        """Whether this text fits into the limit; if so, it is counted."""
        fits = len(raw) <= self.room and self.room > 0
        self.room = max(self.room - len(raw) - _OVERHEAD, 0)
        return fits

    def add_text(self, keyword: bytes, raw: bytes, decode: Callable[[bytes], str]) -> None:
        """Add a text by keyword, unless the keyword is there already."""
        if self.take(raw):
            self.keyed.setdefault(keyword.decode("latin-1"), decode(raw))

    def add_xmp(self, packet: bytes) -> None:
        """Add a packet, or a further part of it."""
        if self.take(packet):
            self.xmp += decode_utf8(packet)

    @property
    def user_comment(self) -> str:
        """The EXIF UserComment, decoded; "" if there is none. Fooocus puts it into the first directory."""
        return decode_comment(self.tags.get(USER_COMMENT, b""))

    def tag(self, number: int) -> str:
        """An EXIF text such as Make or ImageDescription; "" if there is none."""
        raw = self.tags.get(number, b"")
        if number in (XP_TITLE, XP_COMMENT, XP_SUBJECT):
            return raw.decode("utf-16-le", "replace").strip("\0\ufeff")
        return decode_comment(raw)

    def property(self, name: str) -> str:
        """The text of an XMP element or attribute such as ``easel:record``; "" if there is none."""
        found = re.search(_ELEMENT.format(re.escape(name)), self.xmp, re.DOTALL)
        if found is not None:
            first = re.search(_ELEMENT.format("rdf:li"), found[1], re.DOTALL)
            return unescape((first or found)[1])
        attribute = re.search(_ATTRIBUTE.format(re.escape(name)), self.xmp)
        return unescape(attribute[1] or attribute[2] or "") if attribute else ""

    def list_remarks(self) -> Iterator[tuple[str, str]]:
        """All free texts, without keyword, the most likely place of settings first."""
        yield "UserComment", self.user_comment
        yield "ImageDescription", self.tag(IMAGE_DESCRIPTION)
        yield "XPComment", self.tag(XP_COMMENT)
        yield "XPSubject", self.tag(XP_SUBJECT)
        yield "exif:UserComment", self.property("exif:UserComment")
        yield "dc:description", self.property("dc:description")
        yield "comment", self.comment

    def add_exif(self, source: bytes | BinaryIO) -> None:
        """Add the texts of a TIFF structure, which EXIF is as well. Damage is common, so everything readable is kept."""
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        try:
            new = {tag: raw for tag, raw in _read_directories(stream, self.room).items() if tag not in self.tags}
            self.tags |= {tag: raw for tag, raw in new.items() if self.take(raw)}
        except (struct.error, OSError, OverflowError, ValueError):
            return


def _read_directories(stream: BinaryIO, room: int) -> dict[int, bytes]:
    """The texts of the first directory of a TIFF structure and of its EXIF directory, at most ``room`` bytes of each."""
    stream.seek(0)
    head = stream.read(8)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None:
        return {}
    found = _read_directory(stream, struct.unpack(f"{order}L", head[4:])[0], order, room)
    inner = found.pop(EXIF_DIRECTORY, b"")
    if len(inner) != 4:
        return found
    return {**found, **_read_directory(stream, struct.unpack(f"{order}L", inner)[0], order, room)}


def _read_directory(stream: BinaryIO, start: int, order: str, room: int) -> dict[int, bytes]:
    stream.seek(start)
    count = struct.unpack(f"{order}H", stream.read(2))[0]
    entries = stream.read(12 * min(count, _MOST_TAGS))
    found: dict[int, bytes] = {}
    for tag, kind, length, value in struct.iter_unpack(f"{order}HHL4s", entries[: len(entries) // 12 * 12]):
        size = _SIZES.get(kind, 0) * length
        if 0 < size <= 4:
            found[tag] = value[:size]
        elif 4 < size <= room and kind != 3:
            room -= size
            stream.seek(struct.unpack(f"{order}L", value)[0])
            found[tag] = stream.read(size)
    return found


def decode_comment(raw: bytes) -> str:
    """A UserComment or another EXIF text, in the encoding that it names or actually has."""
    prefix, body = raw[:8], raw[8:]
    decode = _ENCODINGS.get(prefix)
    return (decode(body) if decode else _decode_unnamed(raw)).strip("\0\ufeff")


def _decode_utf16(raw: bytes) -> str:
    """UTF-16 in the byte order in which most characters have a zero byte. UTF-8 if there is no zero byte."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    if b"\0" not in raw.rstrip(b"\0") and (text := _decode_strictly(raw, "utf-8")) is not None:
        return text
    likelier = "utf-16-le" if raw[1::2].count(0) > raw[0::2].count(0) else "utf-16-be"
    other = "utf-16-be" if likelier == "utf-16-le" else "utf-16-le"
    even = raw[: len(raw) // 2 * 2]
    return _decode_strictly(even, likelier) or _decode_strictly(even, other) or raw.decode(likelier, "replace")


def _decode_jis(raw: bytes) -> str:
    """JIS X 0208: ISO-2022-JP by the standard, in practice also UTF-8, Shift-JIS and EUC."""
    encodings = ("iso2022_jp_ext", "utf-8") if b"\x1b" in raw else ("utf-8", "shift_jis", "euc_jp")
    decoded = (_decode_strictly(raw.rstrip(b"\0"), name) for name in encodings)
    return next((text for text in decoded if text is not None), None) or raw.decode("utf-8", "replace")


def _decode_unnamed(raw: bytes) -> str:
    """UTF-8, else Latin-1; UTF-16 if it begins with a byte order mark or every other byte is zero."""
    pairs = len(raw) // 2
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or (pairs > 3 and max(raw[0::2].count(0), raw[1::2].count(0)) > pairs // 2):
        return _decode_utf16(raw)
    return decode_latin_or_utf8(raw)


_ENCODINGS = {
    b"UNICODE\0": _decode_utf16,
    b"Unicode\0": _decode_utf16,
    b"ASCII\0\0\0": _decode_unnamed,
    b"JIS\0\0\0\0\0": _decode_jis,
    b"\0" * 8: _decode_unnamed,
}
"""The first eight bytes of a UserComment -> the decoder of the rest."""


def _decode_strictly(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def decode_latin_or_utf8(raw: bytes) -> str:
    """PNG's tEXt: Latin-1 by the standard, but several programs write UTF-8."""
    text = _decode_strictly(raw, "utf-8")
    return raw.decode("latin-1") if text is None else text


def decode_utf8(raw: bytes) -> str:
    """UTF-8, with replacement characters where it is invalid."""
    return raw.decode("utf-8", "replace")


def unpack(packed: bytes, most: int) -> bytes:
    """``packed`` decompressed by zlib, at most ``most`` bytes; b"" if it is damaged."""
    try:
        return zlib.decompressobj().decompress(packed, max(most, 1))
    except zlib.error:
        return b""
