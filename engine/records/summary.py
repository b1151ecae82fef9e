"""The few facts about an image that a list shows, read without decoding it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.errors import EaselError
from engine.records import metadata
from engine.records.foreign import readers
from engine.records.images.decoder import read_size
from engine.records.record import Record, from_text
from engine.requests import model_of


@dataclass(frozen=True, kw_only=True)
class Summary:
    """``created`` is seconds since 1970. A file that is not an image has no width."""

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
        width, height = read_size(path)
    except Exception:  # readers of damaged files raise whatever they stumble over
        return Summary(created=modified)
    try:
        words = _read_words(path, modified)
    except Exception:  # the picture is listed all the same; History says what is wrong with its record when it is chosen
        words = Summary(created=modified)
    return dataclasses.replace(words, width=width, height=height)


def _read_words(path: Path, modified: float) -> Summary:
    """What the record in ``path`` says, whoever wrote it; the size is left open."""
    try:
        own = metadata.read(path)
    except EaselError:
        own = None
    if own is not None:
        words = _find_words(own).resolved.request
        return Summary(
            created=_to_seconds(own.created, modified), prompt=words.prompt, negative_prompt=words.negative_prompt,
            checkpoint=model_of(own.resolved.request) or "",
        )  # fmt: skip
    other = readers.read(path, hidden=False)
    if other is None:
        return Summary(created=modified)
    return Summary(
        created=modified, prompt=other.prompt, negative_prompt=other.negative_prompt, checkpoint=other.checkpoint or ""
    )


def _find_words(record: Record) -> Record:
    """``record``, or where it was made without words the one of the image that it was made from."""
    source = record.source.get(metadata.KEY, "")
    if record.resolved.request.prompt or not source:
        return record
    try:
        return _find_words(from_text(source))
    except EaselError:
        return record


def _to_seconds(written: str, otherwise: float) -> float:
    try:
        return datetime.fromisoformat(written).timestamp()
    except (ValueError, OverflowError, OSError):
        return otherwise
