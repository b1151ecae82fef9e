"""The few facts about a picture that a list of many shows, read without decoding it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PIL import Image

from engine.errors import EaselError
from engine.records import metadata
from engine.records.foreign import readers
from engine.records.record import Record, from_text
from engine.requests import model_of


@dataclass(frozen=True, kw_only=True)
class Summary:
    """``created`` is seconds since 1970. A file that is no picture has no width."""

    created: float
    width: int = 0
    height: int = 0
    prompt: str = ""
    negative_prompt: str = ""
    checkpoint: str = ""


def summarise(path: Path, modified: float) -> Summary:
    """What ``path`` says of itself, in Easel's own record or another program's. ``modified`` stands in for the time.

    Never raises: whatever a person puts into the folder is listed or left out.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as opened:
            width, height = opened.size
        return Summary(width=width, height=height, **_said(path, modified))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Summary(created=modified)


def _said(path: Path, modified: float) -> dict:
    try:
        own = metadata.read(path)
    except EaselError:
        own = None
    if own is not None:
        words = _worded(own).resolved.request
        texts = {"prompt": words.prompt, "negative_prompt": words.negative_prompt}
        checkpoint = model_of(own.resolved.request) or ""
        return {"created": _seconds(own.created, modified), "checkpoint": checkpoint, **texts}
    other = readers.read(path, hidden=False)
    if other is None:
        return {"created": modified}
    texts = {"prompt": other.prompt, "negative_prompt": other.negative_prompt, "checkpoint": other.checkpoint or ""}
    return {"created": modified, **texts}


def _worded(record: Record) -> Record:
    """``record``, or where it was made without words the one of the picture that it was made from."""
    source = record.source.get(metadata.KEY, "")
    if record.resolved.request.prompt or not source:
        return record
    try:
        return _worded(from_text(source))
    except EaselError:
        return record


def _seconds(written: str, otherwise: float) -> float:
    try:
        return datetime.fromisoformat(written).timestamp()
    except (ValueError, OverflowError, OSError):
        return otherwise
