"""Everything that a picture's file says, as HTML."""

from __future__ import annotations

import base64
import io
import re
from html import escape

from engine.records.compare import Difference, list_facts
from engine.records.inspect_file import Findings
from engine.records.recall import Recalled
from engine.requests import size_of
from ui import messages
from ui.common import result_view
from ui.tabs.history import view as history_view

_PREVIEW = 640
"""Pixels of the longer side at which the picture is shown."""

_SOURCE_TYPE = re.compile(r"digitalsourcetype/(\w+)")

SOURCES = {
    "trainedAlgorithmicMedia": "made by a machine",
    "compositeWithTrainedAlgorithmicMedia": "a picture of which a machine made a part",
    "algorithmicallyEnhanced": "a picture that a machine enlarged or enhanced",
}
"""IPTC DigitalSourceType -> what it means."""


def show(found: Findings, recalled: Recalled | None) -> str:
    """What was found in a file."""
    parts = (
        _picture(found),
        result_view.says(found.problem, "trouble"),
        "".join(result_view.says(note) for note in (*found.picture.notices, *(recalled.notes if recalled else ()))),
        _settings(recalled),
        _how(found),
        _texts(found),
    )
    return f'<div class="inspection">{"".join(parts)}</div>'


def _picture(found: Findings) -> str:
    small = found.picture.image.copy()
    small.thumbnail((_PREVIEW, _PREVIEW))
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=85)
    source = f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
    ratio = f'style="--ratio: {small.width / small.height:.4f}"'
    facts = history_view.facts(_file(found))
    return f'<div class="frame" {ratio}><img class="picture" src="{source}" alt="The picture"></div>{facts}'


def _file(found: Findings) -> list[tuple[str, str]]:
    colours = found.picture.colours
    rows = [("Size", f"{colours.width} × {colours.height}"), ("Format", found.picture.format or "?")]
    rows.append(("Invisible watermark", found.watermark or messages.NO_WATERMARK))
    if (source := _SOURCE_TYPE.search(found.xmp)) is not None:
        rows.append(("Says of itself", f"{SOURCES.get(source[1], source[1])} ({source[1]})"))
    return rows


def _settings(recalled: Recalled | None) -> str:
    if recalled is None:
        return result_view.says(messages.NO_RECORD)
    request = recalled.request
    words = "".join(
        f'<p class="prompt"><b>{name}:</b> {escape(text)}</p>'
        for name, text in ((messages.PROMPT, request.prompt), (messages.NEGATIVE, request.negative_prompt))
        if text
    )
    sides = size_of(request)
    size = [("Size", f"{sides[0]} × {sides[1]}")] if sides else []
    return f"{words}{history_view.facts([('Made with', recalled.program), *size, *history_view.settings_in(request)])}"


def _how(found: Findings) -> str:
    """The machine that Easel's own record names."""
    if found.record is None:
        return ""
    rows = [(name.replace("_", " ").capitalize(), value) for name, value in list_facts(found.record.resolved).items() if value]
    return _folded(messages.HOW_IT_RAN, history_view.facts(rows))


def _texts(found: Findings) -> str:
    written = found.texts.items()
    return "".join(_folded(messages.text_found(name, len(text)), f"<pre>{escape(text)}</pre>") for name, text in written)


def _folded(title: str, shown: str) -> str:
    return f'<details class="folded"><summary>{escape(title)}</summary>{shown}</details>'


def different(found: list[Difference]) -> str:
    """What is not as it was when the picture was made."""
    if not found:
        return result_view.says(messages.NOTHING_DIFFERS)
    rows = "".join(
        f"<tr><th>{escape(each.label)}</th><td>{escape(_cut(each.then))}</td><td>{escape(_cut(each.now))}</td>"
        f"<td>{messages.MATTERS if each.matters else messages.MATTERS_NOT}. {escape(each.why)}</td></tr>"
        for each in found
    )
    head = "".join(f"<th>{name}</th>" for name in ("", "Then", "Now", "Does it matter?"))
    return f'<table class="differences"><tr>{head}</tr>{rows}</table>'


def _cut(value: str) -> str:
    """A hash is told by its first ten digits."""
    return value[:10] if re.fullmatch(r"[0-9a-f]{64}", value) else value
