"""The properties of an image that lists show, read without decoding it."""

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
    """``created`` is in seconds since 1970. ``width`` is 0 for a file that is not an image."""

    created: float
    width: int = 0
    height: int = 0
    prompt: str = ""
    negative_prompt: str = ""
    checkpoint: str = ""


def summarise(path: Path, modified: float) -> Summary:
    """The summary of ``path`` by Easel's record or another program's. ``modified`` is used if neither has a time.

    Never raises: a file that cannot be read has no width.
    """
    try:
        width, height = read_size(path)
    except Exception:  # decoders raise all kinds of exceptions on damaged files
        return Summary(created=modified)
    try:
        words = _read_words(path, modified)
    except Exception:  # the image is listed nevertheless; History shows what is wrong with its record
        words = Summary(created=modified)
    return dataclasses.replace(words, width=width, height=height)


def _read_words(path: Path, modified: float) -> Summary:
    """The prompts and the checkpoint in the record of ``path``, by any program; without the size."""
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
    """``record``, or the one of the image that it was made from if it has no prompt itself."""
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
