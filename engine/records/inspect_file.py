"""Everything that can be found out about an image file, for the Image info tab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from engine.errors import RequestError
from engine.records import metadata
from engine.records.foreign import readers as foreign
from engine.records.foreign.foreign_record import ForeignRecord
from engine.records.images import metadata_chunks, watermark
from engine.records.images.decoder import decode
from engine.records.images.open_image import open_image
from engine.records.images.previews import ImageDescription, describe, flatten_reduced
from engine.records.record import Record

PREVIEW = 640
"""The longer side of the preview, in pixels."""


@dataclass(frozen=True, kw_only=True)
class ImageInspection:
    """``record`` is Easel's own, ``foreign`` another program's, ``texts`` are all texts in the file by keyword.

    ``watermark`` is the text of the invisible watermark or None. ``problem`` says why Easel's record could not be read, else
    "". ``xmp`` holds all XMP packets. ``preview`` is RGB, its longer side at most :data:`PREVIEW` pixels.
    """

    image: ImageDescription
    preview: Image.Image
    record: Record | None
    foreign: ForeignRecord | None
    texts: Mapping[str, str]
    watermark: str | None
    problem: str = ""
    xmp: str = ""


def inspect_image(source: Path | bytes, watermarks: tuple[str, ...] = watermark.TEXTS) -> ImageInspection:
    """Inspect the bytes of an image: those of the uploaded file, not of what the page converted it to.

    ``watermarks`` are the texts that are tried first. Raises ImageError if the image cannot be opened.
    """
    image = open_image(source)
    hidden = watermark.decode(image.colours, watermarks)
    description, preview = describe(image), flatten_reduced(image, PREVIEW)
    record, problem = _own(source)
    return ImageInspection(
        image=description,
        preview=preview,
        record=record,
        problem=problem,
        foreign=None if record else foreign.read(source),
        texts=texts(source),
        watermark=hidden,
        xmp=_xmp(source),
    )


def inspect_image_file(path: Path) -> ImageInspection:
    """Like :func:`inspect_image`, in the decoding process if the image is large."""
    return decode([path], inspect_image, path)


def texts(source: Path | bytes) -> dict[str, str]:
    """All texts in an image file by keyword; its first free text gets the keyword that PNG would use."""
    found = metadata_chunks.read_texts(source)
    if found is None:
        return {}
    carried = dict(found.keyed)
    if own := found.property(f"{metadata.KEY}:record"):
        carried.setdefault(metadata.KEY, own)
    for name, text in found.list_remarks():
        if text and text not in carried.values():
            carried.setdefault(name if "parameters" in carried else "parameters", text)
    return carried


def _xmp(source: Path | bytes) -> str:
    found = metadata_chunks.read_texts(source)
    return found.xmp if found else ""


def _own(source: Path | bytes) -> tuple[Record | None, str]:
    try:
        return metadata.read(source), ""
    except RequestError as error:
        return None, str(error)
