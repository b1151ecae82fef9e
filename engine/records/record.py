"""The record of an image: how it was made, and the same in forms that other programs read.

``Record`` is complete: its JSON reads back as an equal request. ``parameters`` is the text that AUTOMATIC1111's program
writes and most others read; ``xmp`` declares that the image is AI-generated.
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
from engine.records.foreign.control_units import write_units
from engine.requests import (
    AXES,
    GUIDANCES,
    LATENT,
    GenerationRequest,
    ImageToImage,
    Request,
    Resolved,
    ResolvedUpscale,
    kind_of,
    model_of,
    resolved_from_json,
    resolved_to_json,
    size_of,
    write_values,
)
from engine.settings import VERSION

FORMAT = 1
"""The version of the JSON format."""

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
    """How one image was made, by which job, when (ISO 8601 with offset), and by which version of Easel.

    ``source`` holds the texts, by keyword, of the image that this one was made from, so an upscaled image still contains
    its prompt. ``companions`` are related images of the same job: role -> index in the job.
    """

    resolved: Resolved[Request]
    job: str
    index: int = 0
    created: str = field(default_factory=_now)
    easel: str = VERSION
    source: Mapping[str, str] = field(default_factory=dict[str, str])
    companions: Mapping[str, int] = field(default_factory=dict[str, int])


def to_text(record: Record) -> str:
    """``record`` as JSON in ASCII, which survives every encoding, lone surrogates included."""
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
    """The record that :func:`to_text` wrote. Raises RequestError if it is damaged or of an unknown kind."""
    try:
        written = parse_object(text)
        resolved = resolved_from_json(as_object(written.get("resolved")))
        return read_dataclass(Record, written, resolved=resolved)
    except ValueError as error:
        raise RequestError(
            f"The picture's record is damaged and cannot be read ({error}). The picture itself is not affected."
        ) from error


def source_type(request: Request) -> str:
    """The IPTC DigitalSourceType of the images that ``request`` makes."""
    if isinstance(request, ImageToImage) and request.mask_image is not None:
        return COMPOSITE
    return SOURCE_TYPES.get(kind_of(request), TRAINED)


def parameters(record: Record) -> str:
    """The text that AUTOMATIC1111's program would write; for a request without a prompt, that of the source image.

    "Model hash" is the beginning of the whole file's SHA-256, omitted if it was not known yet.
    """
    request = record.resolved.request
    if not request.prompt and "parameters" in record.source:
        return record.source["parameters"]
    fields = [f"{label}: {_quote(value)}" for label, value in _settings(record.resolved) if value is not None]
    lines = [request.prompt, *([f"Negative prompt: {request.negative_prompt}"] if request.negative_prompt else [])]
    return "\n".join([*lines, ", ".join([*fields, f"Version: Easel {record.easel}"])])


def _settings(resolved: Resolved[Request]) -> Iterator[tuple[str, str | float | None]]:
    """Labels and values in the order of AUTOMATIC1111's program; None if not known."""
    request = resolved.request
    sampled = not isinstance(request, ResolvedUpscale) or request.steps > 0
    yield "Steps", request.steps if sampled else None
    yield "Sampler", request.scheduler if sampled else None
    yield "Schedule type", request.schedule if sampled and request.schedule != "Default" else None
    yield "CFG scale", request.guidance_scale if sampled else None
    if isinstance(request, GenerationRequest):
        yield "CFG Rescale", request.guidance_rescale or None
        yield "Guidance", None if request.guidance == GUIDANCES[0] else request.guidance.upper()
    yield "Seed", request.seed
    size = _first_size(request)
    yield "Size", f"{size[0]}x{size[1]}" if size else None
    yield "Model hash", resolved.checkpoint_sha256[:10] or None
    yield "Model", _model(request)
    if isinstance(request, GenerationRequest) and request.variation_strength:
        yield "Variation seed", request.variation_seed
        yield "Variation seed strength", request.variation_strength
    yield "Denoising strength", request.strength if isinstance(request, ImageToImage) else None
    if isinstance(request, GenerationRequest) and request.hires:
        yield from _hires_settings(request)
    if isinstance(request, ImageToImage) and request.mask_image is not None and request.mask_area:
        yield from _mask_settings(request)
    yield from write_units(request.controls) if isinstance(request, GenerationRequest) else ()
    yield from _grid_settings(request) if isinstance(request, GenerationRequest) else ()
    yield "Clip skip", request.clip_skip or None
    yield "Template", request.prompt_template or None
    yield "Negative Template", request.negative_template or None
    yield "Easel hash", resolved.checkpoint_hash[:10] or None


def _grid_settings(request: GenerationRequest) -> Iterator[tuple[str, str | float | None]]:
    """What AUTOMATIC1111's program writes about the sheet of a grid."""
    if request.axes:
        yield "Script", "X/Y/Z plot"
    for name, axis in zip("XYZ", request.axes, strict=False):
        yield f"{name} Type", AXES[axis.field].label
        yield f"{name} Values", write_values(axis.values)


def _first_size(request: Request) -> tuple[int, int] | None:
    """What AUTOMATIC1111's program calls the size: that of the first of two passes."""
    if isinstance(request, GenerationRequest) and request.hires and request.first_width and request.first_height:
        return request.first_width, request.first_height
    return size_of(request)


def _hires_settings(request: GenerationRequest) -> Iterator[tuple[str, str | float | None]]:
    """What AUTOMATIC1111's program writes about a second pass: its size as a factor where that gives it exactly."""
    yield "Denoising strength", request.hires_strength
    factor = round((request.width or 0) / (request.first_width or 1), 3)
    sides = ((request.first_width, request.width), (request.first_height, request.height))
    is_exact = all(round((first or 0) * factor, 6) == side for first, side in sides)
    yield "Hires upscale", factor if is_exact else None
    yield "Hires resize", None if is_exact else f"{request.width}x{request.height}"
    yield "Hires steps", request.hires_steps
    yield "Hires upscaler", HIRES_UPSCALERS.get(request.hires_upscaler or "", request.hires_upscaler)
    differs = request.hires_guidance_scale != request.guidance_scale
    yield "Hires CFG Scale", request.hires_guidance_scale if differs else None
    yield "Hires sampler", request.hires_scheduler if request.hires_scheduler != request.scheduler else None
    yield "Hires schedule type", request.hires_schedule if request.hires_schedule != request.schedule else None


HIRES_UPSCALERS = {LATENT: "Latent", "lanczos": "Lanczos"}
"""Upscaler between two passes -> what AUTOMATIC1111's program calls it, where that is not its name."""

_FILLS = {"fill": "fill", "noise": "latent noise", "nothing": "latent nothing", "lama": "LaMa"}
"""What a masked part begins with -> AUTOMATIC1111's "Masked content", which it leaves out for the original."""


def _mask_settings(request: ImageToImage) -> Iterator[tuple[str, str | float | None]]:
    """What AUTOMATIC1111's program writes about a mask. Its blur reaches as far to both sides of the edge."""
    in_region = request.mask_area == "region"
    yield "Mask blur", request.feather // 2 or None
    yield "Inpaint area", "Only masked" if in_region else None
    yield "Masked area padding", request.padding if in_region else None
    yield "Masked content", _FILLS.get(request.fill)


def _model(request: Request) -> str | None:
    """The name of the checkpoint or upscaler without folders and extension."""
    name = model_of(request)
    return re.split(r"[\\/]", name)[-1].removesuffix(".safetensors") if name else None


def _quote(value: str | float) -> str:
    """Numbers without a redundant ".0"; texts with a comma, colon, quote or line break as JSON strings."""
    text = f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r'[,:"\n]', text) else text


def xmp(record: Record, note: str = "", whole: str = "") -> bytes:
    """The XMP packet: source type, program and time; ``whole`` is the record's JSON to embed.

    ``note`` is the MD5 of a JPEG's extended packet (XMP specification part 3, 1.1.3.1).
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
