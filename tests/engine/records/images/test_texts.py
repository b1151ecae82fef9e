"""Every kind of file and of encoding in which a text may lie gives the same text."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.records import inspect_file
from engine.records.images.metadata_chunks import read_texts
from engine.records.images.texts import IMAGE_DESCRIPTION, XP_COMMENT, Texts, decode_comment

ASCII = "a cat\nSteps: 20, Seed: 1"
MIXED = "猫と🐈 Füchsin\nSteps: 20, Seed: 1"
KANJI = "猫の絵"


def exif(raw: bytes, *, order: str = ">", tag: int = 0x9286, inner: bool = True, kind: int = 7) -> bytes:
    """A TIFF structure (TIFF 6.0) with one text, in the EXIF directory or in the first."""
    mark = b"MM\0*" if order == ">" else b"II*\0"
    head = mark + struct.pack(f"{order}L", 8)
    entry = struct.pack(f"{order}HHLL", tag, kind, len(raw), 44 if inner else 26)
    directory = struct.pack(f"{order}H", 1) + entry + struct.pack(f"{order}L", 0)
    if not inner:
        return head + directory + raw
    return head + struct.pack(f"{order}HHHLLL", 1, 0x8769, 4, 1, 26, 0) + directory + raw


def save(format: str, **options: bytes | str | PngInfo) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (32, 32)).save(stream, format, **options)
    return stream.getvalue()


ENCODINGS = {
    "unicode, big-endian": (b"UNICODE\0", "utf-16-be", MIXED),
    "unicode, little-endian": (b"UNICODE\0", "utf-16-le", MIXED),
    "unicode with a mark": (b"UNICODE\0", "utf-16", MIXED),
    "unicode that is utf-8": (b"UNICODE\0", "utf-8", MIXED),
    "ascii": (b"ASCII\0\0\0", "ascii", ASCII),
    "ascii that is utf-8": (b"ASCII\0\0\0", "utf-8", MIXED),
    "ascii that is utf-16": (b"ASCII\0\0\0", "utf-16-le", ASCII),
    "undefined": (b"\0" * 8, "utf-8", MIXED),
    "undefined utf-16": (b"\0" * 8, "utf-16-be", ASCII),
    "no prefix": (b"", "utf-8", MIXED),
    "no prefix, latin-1": (b"", "latin-1", "Füchsin am See"),
    "jis": (b"JIS\0\0\0\0\0", "iso2022_jp", KANJI),
    "jis that is utf-8": (b"JIS\0\0\0\0\0", "utf-8", KANJI),
    "jis that is shift-jis": (b"JIS\0\0\0\0\0", "shift_jis", KANJI),
    "jis that is ascii": (b"JIS\0\0\0\0\0", "ascii", ASCII),
}


@pytest.mark.parametrize(("prefix", "encoding", "text"), ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("order", [">", "<"])
def test_a_comment_in_every_encoding(prefix: bytes, encoding: str, text: str, order: str) -> None:
    raw = prefix + text.encode(encoding)
    assert decode_comment(raw) == text
    assert decode_comment(raw + b"\0\0") == text
    texts = Texts("jpeg")
    texts.add_exif(exif(raw, order=order))
    assert texts.user_comment == text


def xmp(body: str, attributes: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about=""{attributes}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def gif(text: str) -> bytes:
    """A comment after the frames, in blocks of 255 bytes (GIF89a, 24)."""
    bare = save("GIF")[:-1]
    raw = text.encode()
    blocks = b"".join(bytes([len(piece)]) + piece for at in range(0, len(raw), 255) if (piece := raw[at : at + 255]))
    return bare + b"!\xfe" + blocks + b"\0" + b";"


def gif_xmp(packet: bytes) -> bytes:
    """XMP specification part 3, 1.1.2."""
    trailer = b"\x01" + bytes(range(0xFF, -1, -1)) + b"\0"
    return save("GIF")[:-1] + b"!\xff\x0bXMP DataXMP" + packet + trailer + b";"


def tiff(text: str, tag: int) -> bytes:
    """Pillow writes ASCII alone, so the text takes the place of one of its length."""
    raw = text.encode()
    directory = Image.Exif()
    directory[tag] = "x" * len(raw)
    return save("TIFF", exif=directory.tobytes()).replace(b"x" * len(raw), raw)


COMMENT = b"UNICODE\0" + MIXED.encode("utf-16-be")
DESCRIBED = xmp(f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{MIXED}</rdf:li></rdf:Alt></dc:description>')
CARRIERS: dict[str, Callable[[], bytes]] = {
    "png exif": lambda: save("PNG", exif=b"Exif\0\0" + exif(COMMENT)),
    "jpeg": lambda: save("JPEG", exif=b"Exif\0\0" + exif(COMMENT)),
    "webp": lambda: save("WEBP", exif=b"Exif\0\0" + exif(COMMENT, order="<")),
    "avif": lambda: save("AVIF", exif=exif(COMMENT)),
    "tiff description": lambda: tiff(MIXED, IMAGE_DESCRIPTION),
    "jpeg description": lambda: save("JPEG", exif=b"Exif\0\0" + exif(MIXED.encode(), tag=IMAGE_DESCRIPTION, inner=False, kind=2)),
    "avif description": lambda: save("AVIF", exif=exif(MIXED.encode(), tag=IMAGE_DESCRIPTION, inner=False, kind=2)),
    "jpeg xp comment": lambda: save(
        "JPEG", exif=b"Exif\0\0" + exif(MIXED.encode("utf-16-le") + b"\0\0", tag=XP_COMMENT, inner=False, kind=1)
    ),
    "jpeg comment": lambda: save("JPEG", comment=MIXED.encode()),
    "jpeg xmp": lambda: save("JPEG", xmp=DESCRIBED),
    "webp xmp": lambda: save("WEBP", xmp=DESCRIBED),
    "avif xmp": lambda: save("AVIF", xmp=DESCRIBED),
    "png xmp": lambda: save("PNG", pnginfo=_png_xmp(DESCRIBED)),
    "gif xmp": lambda: gif_xmp(DESCRIBED),
    "gif comment": lambda: gif(MIXED),
    "gif comment of Pillow": lambda: save("GIF", comment=MIXED.encode()),
    "xmp comment": lambda: save("JPEG", xmp=xmp(f"<exif:UserComment>{MIXED}</exif:UserComment>")),
    "xmp attribute": lambda: save("JPEG", xmp=xmp("", f' dc:description="{MIXED.replace(chr(10), "&#10;")}"')),
}


def _png_xmp(packet: bytes) -> PngInfo:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    return info


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_text_in_every_carrier(carrier: str) -> None:
    source = CARRIERS[carrier]()
    texts = read_texts(source)
    assert texts is not None
    assert MIXED in [text for _, text in texts.list_remarks()]
    assert MIXED in inspect_file.inspect_image(source).texts.values()


@given(st.sampled_from(["GIF", "AVIF", "TIFF", "JPEG", "WEBP", "PNG"]), st.integers(0, 2000), st.binary(min_size=1, max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_damage_is_too_odd(format: str, at: int, instead: bytes) -> None:
    source = _SOUND[format]
    at %= len(source)
    read_texts(source[:at] + instead + source[at + len(instead) :])
    read_texts(source[:at])


_SOUND = {
    "GIF": gif_xmp(DESCRIBED),
    "TIFF": tiff(MIXED, IMAGE_DESCRIPTION),
    **{format: save(format, exif=b"Exif\0\0" + exif(COMMENT)) for format in ("AVIF", "JPEG", "WEBP", "PNG")},
}
