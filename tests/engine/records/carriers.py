"""Real files that carry texts the way other programs write them. Pillow packs the pixels; the layouts are by hand.

Where each layout is documented: AUTOMATIC1111 ``modules/images.py`` (PNG text "parameters"; JPEG and WebP: EXIF UserComment,
"UNICODE" and UTF-16, big-endian as piexif writes it); ComfyUI ``nodes.py`` SaveImage and, for WebP, EXIF Model and Make; Fooocus
``modules/private_logger.py`` (EXIF UserComment in the first directory); NovelAI's alpha plane, ``novelai-image-metadata``.
"""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Mapping
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def png(texts: Mapping[str, str], mode: str = "RGB") -> bytes:
    """A PNG with each text as tEXt, or iTXt where Latin-1 does not reach."""
    carried = PngInfo()
    for key, value in texts.items():
        carried.add_text(key, value)
    return _packed(Image.new(mode, (64, 64)), "PNG", pnginfo=carried)


def user_comment(text: str, format: str, *, little: bool = False, prefix: bytes = b"UNICODE\0") -> bytes:
    """A JPEG or WebP with ``text`` as EXIF UserComment."""
    encoding = ("utf-16-le" if little else "utf-16-be") if prefix == b"UNICODE\0" else "utf-8"
    comment = prefix + text.encode(encoding)
    order, mark = ("<", b"II\x2a\0") if little else (">", b"MM\0\x2a")
    first = struct.pack(f"{order}HHHLLL", 1, 0x8769, 4, 1, 26, 0)
    second = struct.pack(f"{order}HHHLLL", 1, 0x9286, 7, len(comment), 44, 0)
    exif = b"Exif\0\0" + mark + struct.pack(f"{order}L", 8) + first + second + comment
    return _packed(Image.new("RGB", (64, 64)), format, exif=exif)


def tags(values: Mapping[int, str], format: str) -> bytes:
    """A JPEG or WebP with texts in EXIF's first directory."""
    exif = Image.Exif()
    for number, value in values.items():
        exif[number] = value
    return _packed(Image.new("RGB", (64, 64)), format, exif=exif.tobytes())


def stealth(text: str, *, pack: bool = True, size: tuple[int, int] = (80, 120), format: str = "PNG") -> bytes:
    """An image with ``text`` in the lowest bits of its alpha plane, column by column."""
    content = gzip.compress(text.encode()) if pack else text.encode()
    signature = b"stealth_pngcomp" if pack else b"stealth_pnginfo"
    bits = np.unpackbits(np.frombuffer(signature + struct.pack(">I", 8 * len(content)) + content, np.uint8))
    alpha = np.full(size[0] * size[1], 254, np.uint8)
    alpha[: bits.size] |= bits
    image = Image.new("RGBA", size, (90, 60, 200, 255))
    image.putalpha(Image.fromarray(np.ascontiguousarray(alpha.reshape(size).T)))
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    return _packed(image, format, **options)


def gif(text: str) -> bytes:
    """A GIF with a comment."""
    return _packed(Image.new("RGB", (64, 64)), "GIF", comment=text.encode())


def stealth_colours(text: str, *, size: tuple[int, int] = (80, 120)) -> bytes:
    """The same in the lowest bits of red, green and blue, for images without alpha (sd-webui-stealth-pnginfo, mode "rgb")."""
    content = gzip.compress(text.encode())
    bits = np.unpackbits(np.frombuffer(b"stealth_rgbcomp" + struct.pack(">I", 8 * len(content)) + content, np.uint8))
    pixels = np.full(size[0] * size[1] * 3, 90, np.uint8)
    pixels[: bits.size] |= bits
    return _packed(Image.fromarray(np.ascontiguousarray(pixels.reshape(*size, 3).transpose(1, 0, 2))), "PNG")


def xmp(properties: Mapping[str, str]) -> bytes:
    """A PNG with XMP as Draw Things writes it: each text as the default of a list of languages."""
    items = "".join(
        f'<{name}><rdf:Alt><rdf:li xml:lang="x-default">{escape(text)}</rdf:li></rdf:Alt></{name}>'
        for name, text in properties.items()
    )
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
        f' xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">{items}</rdf:Description></rdf:RDF></x:xmpmeta>'
    )
    carried = PngInfo()
    carried.add_itxt("XML:com.adobe.xmp", packet)
    return _packed(Image.new("RGB", (64, 64)), "PNG", pnginfo=carried)


def _packed(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()
