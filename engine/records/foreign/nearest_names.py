"""Finds the closest available name for a name from another program."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection
from pathlib import PurePosixPath

from engine.requests import GenerationRequest, Request, as_asked


def find_nearest(what: str, name: str | None, known: Collection[str], notes: list[str]) -> str | None:
    """``name`` as it is called here; else the nearest of ``known``, or None, and a sentence in ``notes``.

    ``what`` is "sampler" or "checkpoint". Where nothing is ``known`` any name will do.
    """
    if name is None or not known:
        return name
    plain = {_plain(k): k for k in known}
    if (same := plain.get(_plain(name))) is not None:
        return same
    close = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.5)
    found = plain[close[0]] if close else None
    instead = f"“{found}” comes nearest" if found else "none here comes near, so it is left open"
    notes.append(f"The {what} “{name}” is not here; {instead}.")
    return found


def replace_names(request: Request, samplers: Collection[str], checkpoints: Collection[str]) -> tuple[Request, tuple[str, ...]]:
    """The request that can be made with what there is here, and a sentence for each thing that had to be another.

    An upscaler is not a checkpoint, so an :class:`~engine.requests.Upscale` stays as it is.
    """
    if not isinstance(request, GenerationRequest):
        return request, ()
    notes: list[str] = []
    scheduler = find_nearest("sampler", request.scheduler, samplers, notes)
    checkpoint = find_nearest("checkpoint", request.checkpoint, checkpoints, notes)
    return dataclasses.replace(as_asked(request), scheduler=scheduler, checkpoint=checkpoint), tuple(notes)


def _plain(name: str) -> str:
    """A name without folders, ending and case: programs differ in which of these they write."""
    file = PurePosixPath(name.replace("\\", "/"))
    return (file.stem if file.suffix.casefold() in (".safetensors", ".ckpt", ".pt") else file.name).casefold()
