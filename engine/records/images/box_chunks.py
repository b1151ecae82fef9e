"""Reads the texts of AVIF and HEIC (ISO 14496-12 boxes, ISO 23008-12 items), GIF89a and TIFF 6.0 without decoding pixels."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

from engine.records.images.texts import LARGEST, XMP_PACKET, Texts, decode_latin_or_utf8

_MOST_BLOCKS = 100_000
"""The most blocks of a GIF and boxes of an AVIF that are read."""

_XMP_IN_GIF = b"XMP DataXMP"
_XMP_TRAILER = b"\x01\xff\xfe\xfd"
"""The bytes after the XMP in a GIF, by which readers that do not know it find the end of its blocks."""


def read_tiff(stream: BinaryIO, texts: Texts) -> None:
    """TIFF: the file has the structure of EXIF."""
    texts.add_exif(stream)
    texts.add_xmp(texts.tags.get(XMP_PACKET, b""))


def read_gif(stream: BinaryIO, texts: Texts) -> None:
    """GIF: the comments, concatenated, and XMP."""
    head = stream.read(13)
    stream.seek(_palette_size(head[10]) if len(head) == 13 else 0, io.SEEK_CUR)
    for _ in range(_MOST_BLOCKS):
        kind = stream.read(1)
        if kind == b"!":
            _read_gif_extension(stream, texts)
        elif kind == b"," and len(frame := stream.read(9)) == 9:
            stream.seek(_palette_size(frame[8]) + 1, io.SEEK_CUR)
            _read_gif_blocks(stream, 0)
        else:
            return


def _palette_size(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _read_gif_extension(stream: BinaryIO, texts: Texts) -> None:
    label = stream.read(1)
    if label == b"\xfe":
        comment = _read_gif_blocks(stream, texts.room)
        texts.comment += decode_latin_or_utf8(comment) if texts.take(comment) else ""
        return
    if label == b"\xff":
        start = stream.tell()
        if stream.read(12)[1:] == _XMP_IN_GIF and not texts.xmp:
            packet = stream.read(texts.room)
            if (end := packet.find(_XMP_TRAILER)) < 0:
                texts.room = 0  # so that a file of many unfinished blocks is not read to its end for each
            texts.add_xmp(packet[: max(end, 0)])
            stream.seek(start + 12)
        else:
            stream.seek(start)
    _read_gif_blocks(stream, 0)


def _read_gif_blocks(stream: BinaryIO, most: int) -> bytes:
    """The content of a chain of blocks, at most ``most`` bytes; the stream is then after the chain."""
    content = b""
    pieces: list[bytes] = []
    for _ in range(_MOST_BLOCKS * 10):
        size = stream.read(1)
        if size in (b"", b"\0"):
            break
        if len(content) + 255 * len(pieces) < most:
            pieces.append(stream.read(size[0]))
        else:
            stream.seek(size[0], io.SEEK_CUR)
    return content.join(pieces)


def read_boxes(stream: BinaryIO, texts: Texts) -> None:
    """AVIF and HEIC: the items of the types ``Exif`` and ``mime`` (XMP)."""
    meta = next((body for kind, body in _list_boxes(stream, None) if kind == b"meta"), b"")
    boxes = {kind: body for kind, body in _list_boxes(io.BytesIO(meta[4:]), len(meta))}
    try:
        kinds = _read_item_kinds(boxes.get(b"iinf", b""))
        places = _read_places(boxes.get(b"iloc", b""))
    except (struct.error, IndexError):
        return
    for item, kind in kinds.items():
        content = _read_item(stream, places.get(item, []), boxes.get(b"idat", b"")) if texts.room else b""
        if kind == b"Exif" and len(content) > 8:
            start = 4 + int.from_bytes(content[:4], "big")
            texts.add_exif(content[start:].removeprefix(b"Exif\0\0"))
        elif kind == b"mime":
            texts.add_xmp(content)


def _list_boxes(stream: BinaryIO, end: int | None) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each box; the content of large boxes, which hold pixels, is omitted."""
    for _ in range(_MOST_BLOCKS):
        start = stream.tell()
        head = stream.read(16)
        if len(head) < 8 or (end is not None and start >= end):
            return
        size, kind = struct.unpack(">L4s", head[:8])
        header = 8
        if size == 1 and len(head) == 16:
            size, header = int.from_bytes(head[8:], "big"), 16
        if size < header:
            return
        stream.seek(start + header)
        yield kind, stream.read(size - header) if size <= LARGEST and kind != b"mdat" else b""
        stream.seek(start + size)


def _read_item_kinds(iinf: bytes) -> dict[int, bytes]:
    """Item -> its type, for items that hold texts; of ``mime`` items only XMP."""
    count = 2 if iinf[:1] == b"\0" else 4
    found: dict[int, bytes] = {}
    for kind, body in _list_boxes(io.BytesIO(iinf[4 + count :]), len(iinf)):
        width = 4 if body[:1] == b"\x03" else 2
        item = int.from_bytes(body[4 : 4 + width], "big")
        what = body[6 + width : 10 + width]
        if kind == b"infe" and (what == b"Exif" or (what == b"mime" and b"application/rdf+xml" in body)):
            found[item] = what
    return found


Place = tuple[bool, int, int]
"""Whether the content is in ``idat`` rather than in the file; offset; length."""


def _read_places(iloc: bytes) -> dict[int, list[Place]]:
    """Item -> the extents of its content."""
    version, sizes = iloc[0], struct.unpack(">H", iloc[4:6])[0]
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    stream = io.BytesIO(iloc[6:])

    def read(size: int) -> int:
        return int.from_bytes(stream.read(size), "big")

    found: dict[int, list[Place]] = {}
    wide = 4 if version == 2 else 2
    for _ in range(min(read(wide), 10_000)):
        item = read(wide)
        method = read(2) & 15 if version else 0
        read(2)
        base = read(base_size)
        pieces: list[Place] = []
        for _ in range(min(read(2), 1000)):
            read(index_size)
            pieces.append((method == 1, base + read(offset_size), read(length_size)))
        found[item] = pieces
    return found


def _read_item(stream: BinaryIO, places: list[Place], idat: bytes) -> bytes:
    pieces: list[bytes] = []
    for inside, offset, length in places:
        if length > LARGEST or sum(map(len, pieces)) > LARGEST:
            return b""
        if inside:
            pieces.append(idat[offset : offset + length])
        else:
            stream.seek(offset)
            pieces.append(stream.read(length))
    return b"".join(pieces)
