"""Everything that an image's file says, as HTML."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from engine.records.compare import Difference, list_facts
from engine.records.inspect_file import ImageInspection
from engine.records.recall import Recalled
from engine.requests import size_of
from ui import messages, sentences
from ui.common import result_view
from ui.common.result_view import Preview
from ui.templates import Macros, render_notice

_HTML = Macros("tabs/image_info/view.html")

_SOURCE_TYPE = re.compile(r"digitalsourcetype/(\w+)")

SOURCES = {
    "trainedAlgorithmicMedia": "made by a machine",
    "compositeWithTrainedAlgorithmicMedia": "a picture of which a machine made a part",
    "algorithmicallyEnhanced": "a picture upscaled or enhanced by a machine",
}
"""IPTC DigitalSourceType -> what it means."""

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class ShownSettings:
    """The settings that can be reused: both prompts with their labels, and the rest."""

    prompts: Rows
    rows: Rows


@dataclass(frozen=True)
class ShownText:
    """A text in the file, unchanged."""

    title: str
    content: str


@dataclass(frozen=True)
class ShownDifference:
    """A difference from when the image was made; ``answer`` says whether it matters."""

    field: str
    then: str
    now: str
    answer: str


def render_inspection(found: ImageInspection, recalled: Recalled | None) -> Markup:
    """What was found in a file."""
    return _HTML.render(
        "inspection",
        preview=_create_preview(found),
        file_rows=_list_file_rows(found),
        problem=found.problem,
        sentences=[*found.image.notices, *(recalled.notes if recalled else ())],
        settings=_describe_settings(recalled) if recalled else None,
        run_rows=_list_run_rows(found),
        texts=[ShownText(sentences.text_heading(name, len(text)), text) for name, text in found.texts.items()],
    )


def _create_preview(found: ImageInspection) -> Preview:
    stream = io.BytesIO()
    found.preview.save(stream, "WEBP", quality=85)
    source = result_view.encode_data_url(stream.getvalue(), "image/webp")
    return Preview(source, result_view.format_ratio(found.preview.width, found.preview.height))


def _list_file_rows(found: ImageInspection) -> Rows:
    rows = [("Size", f"{found.image.width} × {found.image.height}"), ("Format", found.image.format or "?")]
    rows.append(("Invisible watermark", found.watermark or messages.NO_WATERMARK))
    if (source := _SOURCE_TYPE.search(found.xmp)) is not None:
        rows.append(("Says of itself", f"{SOURCES.get(source[1], source[1])} ({source[1]})"))
    return rows


def _describe_settings(recalled: Recalled) -> ShownSettings:
    request = recalled.request
    prompts = [(messages.PROMPT, request.prompt), (messages.NEGATIVE, request.negative_prompt)]
    sides = size_of(request)
    size = [("Size", f"{sides[0]} × {sides[1]}")] if sides else []
    rows = [("Made with", recalled.program), *size, *result_view.list_settings(request)]
    return ShownSettings([(label, text) for label, text in prompts if text], rows)


def _list_run_rows(found: ImageInspection) -> Rows | None:
    """The machine that Easel's own record names; None without a record."""
    if found.record is None:
        return None
    return [(name.replace("_", " ").capitalize(), value) for name, value in list_facts(found.record.resolved).items() if value]


def render_differences(found: Sequence[Difference]) -> Markup:
    """The differences from when the image was made."""
    if not found:
        return render_notice(messages.NOTHING_DIFFERS)
    rows = [
        ShownDifference(
            field=each.label,
            then=_shorten_hash(each.then),
            now=_shorten_hash(each.now),
            answer=f"{messages.MATTERS if each.matters else messages.MATTERS_NOT}. {each.why}",
        )
        for each in found
    ]
    return _HTML.render("differences", rows=rows)


def _shorten_hash(value: str) -> str:
    """The first ten digits of a hash."""
    return value[:10] if re.fullmatch(r"[0-9a-f]{64}", value) else value
