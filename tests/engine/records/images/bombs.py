"""Small files that become large when they are opened."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator

from PIL import Image

CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""PNG's colour types: grey, RGB, grey and RGB with alpha."""

MEGABYTE = bytes(2**20)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def pack(pieces: Iterator[bytes]) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(piece) for piece in pieces) + packer.flush()


def png(side: int, colour: int = 0, depth: int = 16, extra: bytes = b"") -> bytes:
    """A black image of ``side`` x ``side`` pixels, packed row by row; ``extra`` are chunks before the pixels."""
    row = bytes(1 + side * CHANNELS[colour] * depth // 8)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", pack(row for _ in range(side))) + chunk(b"IEND", b"")


def ico(side: int) -> bytes:
    """An icon that says that it has 16 x 16 pixels and holds a PNG of another size."""
    inside = png(side)
    return struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inside), 22) + inside


def animated(format: str, frames: int = 120, side: int = 512) -> bytes:
    stream = io.BytesIO()
    pictures = [Image.new("RGB", (side, side), (number % 256, number // 256, 0)) for number in range(frames)]
    pictures[0].save(stream, format, save_all=True, append_images=pictures[1:])
    return stream.getvalue()


def texts(kind: bytes, head: bytes) -> bytes:
    """A PNG with 40 texts of 16 MB each, ``head`` between the keyword and the packed content."""
    packed = pack(MEGABYTE for _ in range(16))
    return png(8, 2, 8, b"".join(chunk(kind, b"text%d" % number + head + packed) for number in range(40)))


def exif_of_one_place() -> bytes:
    """EXIF whose 500 entries all point to the same 4 MB."""
    entries = b"".join(struct.pack(">HHLL", 0x9000 + number, 7, 2**22, 8192) for number in range(500))
    structure = b"MM\0*" + struct.pack(">LH", 8, 500) + entries + bytes(4)
    return structure.ljust(8192, b"\0") + bytes(2**22)


FILES: dict[str, Callable[[], bytes]] = {
    "grey, 16 bits": lambda: png(4096, 0),
    "RGB, 16 bits": lambda: png(4096, 2),
    "grey and alpha, 16 bits": lambda: png(4096, 4),
    "RGBA, 16 bits": lambda: png(4096, 6),
    "grey, 16 bits, 16,384 pixels wide": lambda: png(16_384, 0),
    "RGBA, 16 bits, 16,384 pixels wide": lambda: png(16_384, 6),
    "ICO around a PNG": lambda: ico(6000),
    "GIF of many frames": lambda: animated("GIF"),
    "WebP of many frames": lambda: animated("WEBP"),
    "AVIF of many frames": lambda: animated("AVIF", 100, 256),
    "TIFF of many pages": lambda: animated("TIFF", 60, 256),
    "PNG of many frames": lambda: animated("PNG"),
    "zTXt": lambda: texts(b"zTXt", b"\0\0"),
    "iTXt": lambda: texts(b"iTXt", b"\0\1\0\0\0"),
    "iCCP": lambda: png(8, 2, 8, chunk(b"iCCP", b"profile\0\0" + pack(MEGABYTE for _ in range(256)))),
    "EXIF": lambda: png(8, 2, 8, chunk(b"eXIf", exif_of_one_place())),
    "many small texts": lambda: png(8, 2, 8, b"".join(chunk(b"tEXt", b"%d\0x" % number) for number in range(50_000))),
    "one large text": lambda: png(8, 2, 8, chunk(b"tEXt", b"text\0" + bytes(100 * 2**20))),
    "SVG": lambda: b"<svg xmlns='http://www.w3.org/2000/svg' width='99999' height='99999'/>",
}
"""What it is -> its content."""

QUICK = ("grey, 16 bits", "zTXt", "iCCP", "EXIF", "one large text", "SVG")
"""Those that take no second each; the others are of the long tests."""
