"""What Easel knows about one of its images, and the same as text that other programs can read.

``Record`` is complete: its JSON reads back into an equal request. ``parameters`` is the text that AUTOMATIC1111's
program writes and most others read; ``xmp`` says to whoever asks that a machine made the image.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from engine.errors import RequestError
from engine.json_values import as_object, parse_object, read_dataclass
from engine.requests import (
    ImageToImage,
    Request,
    Resolved,
    ResolvedUpscale,
    kind_of,
    model_of,
    resolved_from_json,
    resolved_to_json,
    size_of,
)
from engine.settings import VERSION

FORMAT = 1
"""The version of the JSON's own layout."""

TRAINED = "trainedAlgorithmicMedia"
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
ENHANCED = "algorithmicallyEnhanced"

SOURCE_TYPES: dict[str, str] = {"upscale": ENHANCED}
"""Kind of request -> IPTC DigitalSourceType; :data:`TRAINED` for the others, :data:`COMPOSITE` for any with a mask."""

_SOURCE_TYPE_URI = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One image: how it was made, by which job, when (ISO 8601 with offset), by which version of Easel.

    ``source`` holds the texts, by keyword, of the image that this one was made from: an upscaled image still says how
    it came to be. ``companions`` are images of the same job that belong to this one: what each is -> its index there.
    """

    resolved: Resolved[Request]
    job: str
    index: int = 0
    created: str = field(default_factory=_now)
    easel: str = VERSION
    source: Mapping[str, str] = field(default_factory=dict[str, str])
    companions: Mapping[str, int] = field(default_factory=dict[str, int])


def to_text(record: Record) -> str:
    """``record`` as JSON in plain ASCII, so that it lives through every encoding, lone surrogates included."""
    return json.dumps(
        {
            "format": FORMAT,
            "easel": record.easel,
            "job": record.job,
            "index": record.index,
            "created": record.created,
            "source": dict(record.source),
            "companions": dict(record.companions),
            "resolved": resolved_to_json(record.resolved),
        }
    )


def from_text(text: str) -> Record:
    """The record that :func:`to_text` wrote. Raises RequestError if it is damaged or of a kind not known here."""
    try:
        written = parse_object(text)
        resolved = resolved_from_json(as_object(written.get("resolved")))
        return read_dataclass(Record, written, resolved=resolved)
    except ValueError as error:
        raise RequestError(
            f"The picture's record is damaged and cannot be read ({error}). The picture itself is not affected."
        ) from error


def source_type(request: Request) -> str:
    """The IPTC DigitalSourceType that is true for what ``request`` makes."""
    if isinstance(request, ImageToImage) and request.mask_image is not None:
        return COMPOSITE
    return SOURCE_TYPES.get(kind_of(request), TRAINED)


def parameters(record: Record) -> str:
    """The text that AUTOMATIC1111's program would write for this image; for one made from another without words, its.

    "Model hash" is the beginning of the whole file's SHA-256, and is left out where that was not known yet.
    """
    request = record.resolved.request
    if not request.prompt and "parameters" in record.source:
        return record.source["parameters"]
    fields = [f"{label}: {_quote(value)}" for label, value in _settings(record.resolved) if value is not None]
    lines = [request.prompt, *([f"Negative prompt: {request.negative_prompt}"] if request.negative_prompt else [])]
    return "\n".join([*lines, ", ".join([*fields, f"Version: Easel {record.easel}"])])


def _settings(resolved: Resolved[Request]) -> Iterator[tuple[str, str | float | None]]:
    """Labels and values in the order in which AUTOMATIC1111's program writes them; None for what is not known."""
    request = resolved.request
    sampled = not isinstance(request, ResolvedUpscale) or request.steps > 0
    yield "Steps", request.steps if sampled else None
    yield "Sampler", request.scheduler if sampled else None
    yield "CFG scale", request.guidance_scale if sampled else None
    yield "Seed", request.seed
    size = size_of(request)
    yield "Size", f"{size[0]}x{size[1]}" if size else None
    yield "Model hash", resolved.checkpoint_sha256[:10] or None
    yield "Model", _model(request)
    yield "Denoising strength", request.strength if isinstance(request, ImageToImage) else None
    yield "Clip skip", request.clip_skip or None
    yield "Easel hash", resolved.checkpoint_hash[:10] or None


def _model(request: Request) -> str | None:
    """The checkpoint's or the upscaler's name without folders and ending."""
    name = model_of(request)
    return re.split(r"[\\/]", name)[-1].removesuffix(".safetensors") if name else None


def _quote(value: str | float) -> str:
    """Numbers without a needless ".0"; texts with a comma, colon, quote or line break as a JSON string."""
    text = f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r'[,:"\n]', text) else text


def xmp(record: Record, note: str = "", whole: str = "") -> bytes:
    """The XMP packet: the source type, the program, the time; ``whole`` is the record's JSON to carry along.

    ``note`` is the MD5 under which a JPEG's extended packet lies (XMP specification part 3, 1.1.3.1).
    """
    uri = _SOURCE_TYPE_URI + source_type(record.resolved.request)
    optional = f' xmpNote:HasExtendedXMP="{note}"' if note else ""
    body = f"<easel:record>{escape(whole)}</easel:record>" if whole else ""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:easel="urn:easel:record"'
        ' xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f" xmp:CreatorTool={quoteattr('Easel ' + record.easel)} xmp:CreateDate={quoteattr(record.created)}"
        f' Iptc4xmpExt:DigitalSourceType="{uri}"{optional}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()
