"""The settings in an image file, by Easel or another program, as a request that can be run here."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from engine.errors import RequestError
from engine.records import metadata
from engine.records.foreign import readers
from engine.records.foreign.foreign_record import ForeignRecord
from engine.records.foreign.honour import KnownNames
from engine.records.foreign.loras import name_loras
from engine.records.foreign.nearest_names import replace_names
from engine.records.record import Record
from engine.requests import GenerationRequest, Request

EARLIER_SPEED = (
    "Speed is {speed}, which leaves out other work now than when this picture was made, so the same settings give a slightly "
    "different picture."
)
"""What is said of a picture whose speed skipped layers."""

SKIPPED_LAYERS, SKIPPED_LAYERS_FROM = ("balanced", "draft"), 10
"""The speeds that did so, and in runs of how many steps."""


@dataclass(frozen=True)
class Recalled:
    """``request`` can be run here; ``notes`` are sentences on what was changed. ``program`` wrote the settings."""

    request: Request
    program: str
    notes: tuple[str, ...] = ()


def recall(
    source: Path | bytes,
    samplers: Collection[str],
    checkpoints: Collection[str],
    hashes: Mapping[str, str] | None = None,
    **others: Unpack[KnownNames],
) -> Recalled | None:
    """The settings in a file or its bytes; None if there are none that can be read. Raises OSError if the file cannot be read.

    ``samplers`` and ``checkpoints`` are the available names, ``hashes`` the names of checkpoints by the SHA-256 of their files,
    as far as it is known.
    """
    try:
        own = metadata.read(source)
    except RequestError:
        own = None
    return recall_record(own, None if own else readers.read(source), samplers, checkpoints, hashes, **others)


def recall_record(
    own: Record | None,
    other: ForeignRecord | None,
    samplers: Collection[str],
    checkpoints: Collection[str],
    hashes: Mapping[str, str] | None = None,
    **others: Unpack[KnownNames],
) -> Recalled | None:
    """Like :func:`recall`, from records that have been read already."""
    if own is not None:
        request, notes = replace_names(own.resolved.request, samplers, checkpoints, others.get("schedules", ()))
        missing: list[str] = []
        prompt = name_loras(request.prompt, (), others.get("loras"), {}, missing)
        said = (*notes, *missing, *_describe_earlier_speed(own))
        return Recalled(dataclasses.replace(request, prompt=prompt), f"Easel {own.easel}", said)
    if other is None:
        return None
    request, notes = readers.to_request(other, samplers, checkpoints, hashes, **others)
    return Recalled(request, other.program, notes)


def _describe_earlier_speed(own: Record) -> tuple[str, ...]:
    """A sentence if a speed skipped layers when the image was made, and skips whole steps now."""
    request = own.resolved.request
    if not isinstance(request, GenerationRequest) or own.resolved.plan.extrapolates or request.speed not in SKIPPED_LAYERS:
        return ()
    return (EARLIER_SPEED.format(speed=request.speed.capitalize()),) if (request.steps or 0) >= SKIPPED_LAYERS_FROM else ()
