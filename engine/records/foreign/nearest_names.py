"""Maps names from other programs to the closest available ones."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Collection, Mapping

from engine.records.foreign.sampler_names import nearest_sampler, nearest_schedule
from engine.requests import GenerationRequest, Request, as_asked

_ENDINGS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".sft")
_LONGEST = 200
"""The most characters of a name that are compared; file names are not longer."""


_TABLES: Mapping[str, Callable[[str, Collection[str]], str | None]] = {
    "sampler": nearest_sampler,
    "noise schedule": nearest_schedule,
}


def find_nearest(what: str, name: str | None, known: Collection[str], notes: list[str]) -> str | None:
    """The available name for ``name``: the same, else the closest of ``known`` or None, with a sentence in ``notes``.

    ``what`` is "sampler", "noise schedule" or "checkpoint". If ``known`` is empty, any name is accepted.
    """
    if name is None or not known:
        return name
    plain = {plain_name(k): k for k in known}
    if (same := plain.get(plain_name(name))) is not None:
        return same
    close = difflib.get_close_matches(plain_name(name)[:_LONGEST], plain, n=1, cutoff=0.5)
    table = _TABLES.get(what)
    found = table(name, known) if table else None
    found = found or (plain[close[0]] if close else None)
    instead = f"“{found}” comes nearest" if found else "none here comes near, so it is left open"
    notes.append(f"The {what} “{name[:_LONGEST]}” is not here; {instead}.")
    return found


def find_same(what: str, name: str | None, known: Collection[str] | None, notes: list[str]) -> str | None:
    """The available name for ``name``; None, with a sentence in ``notes``, if there is none, since no other can replace it.

    If ``known`` is None, any name is accepted.
    """
    if name is None or known is None:
        return name
    found = next((each for each in known if plain_name(each) == plain_name(name)), None)
    if found is None:
        notes.append(
            f"The {what} “{name[:_LONGEST]}” is not in your models folder, so it is left out. Put its file there to use it."
        )
    return found


def find_by_hash(written: str, hashes: Mapping[str, str]) -> str | None:
    """The name of the file whose SHA-256 begins with ``written``: most programs write the first 10 or 12 digits."""
    digits = written.strip().lower().removeprefix("0x").removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{10,64}", digits):
        return None
    return next((name for sha256, name in hashes.items() if sha256.startswith(digits)), None)


def replace_names(
    request: Request, samplers: Collection[str], checkpoints: Collection[str], schedules: Collection[str] = ()
) -> tuple[Request, tuple[str, ...]]:
    """``request`` with unavailable samplers, schedules and checkpoints replaced, and a sentence for each replacement.

    An upscaler is not a checkpoint, so an :class:`~engine.requests.Upscale` is unchanged.
    """
    if not isinstance(request, GenerationRequest):
        return request, ()
    notes: list[str] = []
    scheduler = find_nearest("sampler", request.scheduler, samplers, notes)
    schedule = find_nearest("noise schedule", request.schedule, schedules, notes)
    checkpoint = find_nearest("checkpoint", request.checkpoint, checkpoints, notes)
    asked = dataclasses.replace(as_asked(request), scheduler=scheduler, schedule=schedule, checkpoint=checkpoint)
    return asked, tuple(notes)


def plain_name(name: str) -> str:
    """A name without folders, extension and case, which not all programs write."""
    file = name.replace("\\", "/").rstrip("/").rpartition("/")[2].casefold()
    return next((file.removesuffix(ending) for ending in _ENDINGS if file.endswith(ending)), file)
