"""Reads another program's record from an image with the first reader that understands it.

Each program's format has a module in ``programs`` or ``comfyui``. This module knows where in a file their texts can be, and the
order of the readers.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.json_values import JsonObject, JsonValue
from engine.records.foreign import stealth
from engine.records.foreign.comfyui import reader as comfyui
from engine.records.foreign.fields import Fields, KnownFields, sort_leftovers
from engine.records.foreign.foreign_record import ForeignRecord
from engine.records.foreign.honour import to_request
from engine.records.foreign.programs import automatic1111, draw_things, easy_diffusion, fooocus, invokeai, novelai, swarmui
from engine.records.foreign.values import json_object
from engine.records.images import metadata_chunks
from engine.records.images.decoder import decode
from engine.records.images.texts import COPYRIGHT, IMAGE_DESCRIPTION, MAKE, MODEL, XP_TITLE

__all__ = ["READERS", "ForeignRecord", "Reader", "read", "read_fields", "to_request"]


@dataclass(frozen=True)
class Reader:
    """``read`` understands one format; ``known`` are its fields that Easel does not use."""

    read: Callable[[Fields], ForeignRecord | None]
    known: KnownFields


READERS: tuple[Reader, ...] = (
    Reader(fooocus.read_fooocus, fooocus.KNOWN),
    Reader(fooocus.read_ruined_fooocus, fooocus.KNOWN_RUINED),
    Reader(swarmui.read_swarmui, swarmui.KNOWN),
    Reader(draw_things.read_draw_things, draw_things.KNOWN),
    Reader(automatic1111.read_automatic1111, automatic1111.KNOWN),
    Reader(comfyui.read_comfyui, comfyui.KNOWN),
    Reader(invokeai.read_invokeai, invokeai.KNOWN),
    Reader(novelai.read_novelai, novelai.KNOWN),
    Reader(easy_diffusion.read_easy_diffusion, easy_diffusion.KNOWN),
)
"""In order of precedence: a text written for other programs is more exact than a graph beside it."""

_KEYED_TAGS = (IMAGE_DESCRIPTION, MAKE, MODEL, COPYRIGHT, XP_TITLE)
"""EXIF tags into which ComfyUI and its nodes write "prompt:{...}"."""

_ANY_FILE = KnownFields(
    facts={
        "title|author|description|copyright|creation time|software|disclaimer|warning|source|comment|usercomment": "",
        "date:.*|exif:.*|png:.*|tiff:.*|xmp:.*|icc.*|raw profile type .*|thumb::.*|signature|label|url": "",
        "parameters-json|smproj|generation_data|metadata": "the same in another layout",
        "prompt|workflow": "the graph of ComfyUI that lies beside it",
        "parameters": "the text for other programs that lies beside it",
    }
)
"""What any PNG may contain by keyword, whatever program wrote it."""

_REMARKS = ("Description", "Comment", "UserComment", "generation_data", "metadata")
"""Keywords under which converters and websites store a whole text of settings."""

_NO_RECORDS = ("easel", "XML:com.adobe.xmp")
"""Keywords that are read elsewhere: Easel's own record, and XMP."""


def read(source: Path | bytes, hidden: bool = True) -> ForeignRecord | None:
    """Another program's record in an image file; None if there is none. Raises OSError if it cannot be read.

    ``source`` must be the file or its bytes: an image that was re-encoded has lost its texts. ``hidden`` also searches the
    lowest bits of the pixels, for which the image is decoded.
    """
    texts = metadata_chunks.read_texts(source)
    if texts is None:
        return None
    found = _read_first(_list_candidates(texts))
    return found or (_read_first(_list_readings({}, _read_hidden(source))) if hidden else None)


def _read_first(candidates: Iterator[JsonObject]) -> ForeignRecord | None:
    return next((record for candidate in candidates if (record := read_fields(candidate)) is not None), None)


def read_fields(written: JsonObject) -> ForeignRecord | None:
    """The record in texts by keyword, by the first reader that understands it, with the leftovers sorted."""
    for reader in READERS:
        fields = Fields(written)
        if (record := reader.read(fields)) is not None:
            known = dataclasses.replace(reader.known, facts={**reader.known.facts, **_ANY_FILE.facts})
            return dataclasses.replace(record, unused=sort_leftovers(fields.list_leftovers(), known))
    return None


def _list_candidates(texts: metadata_chunks.Texts) -> Iterator[JsonObject]:
    """The texts by keyword, alone and with each free text: JPEG and others put into one text what PNG has by keyword."""
    keyed: JsonObject = {key: value for key, value in texts.keyed.items() if key not in _NO_RECORDS}
    for text in (texts.tag(number) for number in _KEYED_TAGS):
        key, colon, value = text.partition(":")
        if colon and key.isidentifier() and value.lstrip().startswith("{"):
            keyed.setdefault(key.casefold(), value)
    yield keyed
    for key in _REMARKS:
        if isinstance(remark := keyed.get(key), str):
            yield from _list_readings({name: value for name, value in keyed.items() if name != key}, remark)
    for _, remark in texts.list_remarks():
        yield from _list_readings(keyed, remark)


def _list_readings(keyed: JsonObject, remark: str) -> Iterator[JsonObject]:
    """``remark`` as AUTOMATIC1111's text or a JSON record; if it is a JSON object, also as texts by keyword."""
    if remark:
        yield {**keyed, "parameters": remark}
        if entries := json_object(remark):
            yield {**keyed, **{key: _as_text(value) for key, value in entries.items() if value is not None}}


def _as_text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _read_hidden(source: Path | bytes) -> str:
    """The text hidden in the lowest bits of the pixels."""
    return decode([source], stealth.read, source) if isinstance(source, Path) else stealth.read(source)
