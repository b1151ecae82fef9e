"""Names as clients write them, and what they mean here. Only files in the user's folders are found, never other paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from api.errors import NotFound
from engine.checkpoints.captioners.find import find_captioner
from engine.checkpoints.families import TEXT
from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.upscalers import BUILT_IN, LANCZOS, find_built_in, list_cleaners, list_upscalers
from engine.generate.samplers import SCHEDULERS, SCHEDULES
from engine.records.foreign.nearest_names import plain_name
from engine.records.foreign.sampler_names import nearest_sampler, nearest_schedule, read_sampler
from engine.requests import DescribeImage, Request, Upscale, model_of

SHORT_HASH = 10
"""Digits of a hash that A1111 shows."""

_TITLE = re.compile(r"^(?P<name>.*?)\s*\[(?P<hash>[0-9a-fA-F]{8,64})\]\s*$", re.DOTALL)
_OPEN = ("", "none", "automatic", "auto", "default")
"""What clients write for a choice that they leave to the program."""


def is_open(name: str | None) -> bool:
    """Whether ``name`` leaves the choice to the program."""
    return name is None or name.strip().casefold() in _OPEN


def get_hash(entry: CheckpointEntry) -> str:
    """The SHA-256 of a file as far as it is known, else Easel's own hash."""
    return entry.sha256 or entry.hash


def write_title(entry: CheckpointEntry) -> str:
    """A checkpoint's name as A1111 shows it: with the beginning of its hash."""
    return f"{entry.name} [{get_hash(entry)[:SHORT_HASH]}]"


def list_drawing(inventory: Inventory) -> list[CheckpointEntry]:
    """The checkpoints that draw from text, the default first."""
    return [entry for entry in inventory.checkpoints() if TEXT in entry.family.pipelines]


def list_refiners(inventory: Inventory) -> list[CheckpointEntry]:
    """The checkpoints that take over in the middle of a run."""
    return [entry for entry in inventory.checkpoints() if entry.family.is_refiner]


def list_upscaler_names(inventory: Inventory) -> list[str]:
    """Everything that makes an image larger or cleans it."""
    own = [BUILT_IN] if find_built_in(inventory.of_kind("upscaler")) else []
    others = (*list_upscalers(inventory), *list_cleaners(inventory))
    return [LANCZOS, *own, *(entry.name for entry in others)]


def find_entry(what: str, wanted: str, entries: Sequence[CheckpointEntry]) -> CheckpointEntry:
    """The one of ``entries`` that is called ``wanted``: its name, its title, its file's name, or the beginning of a hash.

    ``what`` is the kind of file in a sentence. Raises NotFound.
    """
    title = _TITLE.match(wanted)
    name = title["name"] if title else wanted.strip()
    for entry in entries:
        if name in (entry.name, entry.path.name):
            return entry
    plain = plain_name(name)
    found = next((entry for entry in entries if plain in (plain_name(entry.name), plain_name(entry.path.name))), None)
    if found is None:
        digits = (title["hash"] if title else name).lower()
        hashes = ((entry, hash) for entry in entries for hash in (entry.hash, entry.sha256))
        found = next((entry for entry, hash in hashes if len(digits) >= 8 and hash.startswith(digits)), None)
    if found is None:
        known = ", ".join(entry.name for entry in entries[:20]) or "none yet"
        raise NotFound(f"{what} not found: “{wanted[:200]}”. There are: {known}.")
    return found


def find_upscaler_name(wanted: str, inventory: Inventory) -> str | None:
    """An upscaler's name in requests, None for the built-in one. Raises NotFound."""
    known = {plain_name(name): name for name in list_upscaler_names(inventory)}
    found = known.get(plain_name(wanted))
    if found is None:
        raise NotFound(f"Upscaler not found: “{wanted[:200]}”. There are: {', '.join(list(known.values())[:20])}.")
    return None if found == BUILT_IN else found


def find_sampler(sampler: str | None, schedule: str | None, notes: list[str]) -> tuple[str | None, str | None]:
    """A sampler and its noise schedule by any program's names, None for what is left open; a sentence in ``notes`` for what is
    replaced by the nearest one here. Raises NotFound for names that no program has."""
    own = next((name for name in SCHEDULES if schedule and name.casefold() == schedule.strip().casefold()), None)
    read = read_sampler(None if is_open(sampler) else sampler, None if own or is_open(schedule) else schedule, usual="")
    found = nearest_sampler(read.name, SCHEDULERS) if read.name else None
    name = _find("Sampler", read.name, found, notes)
    if own or not read.schedule:
        return name, own
    return name, _find("Scheduler", read.schedule, nearest_schedule(read.schedule, SCHEDULES), notes)


def _find(what: str, wanted: str | None, found: str | None, notes: list[str]) -> str | None:
    if wanted is None:
        return None
    if found is None:
        raise NotFound(f"{what} not found: “{wanted[:200]}”. GET /sdapi/v1/{what.lower()}s lists those that there are.")
    if found.casefold() != wanted.casefold():
        notes.append(f"The {what.lower()} “{wanted}” is not here; “{found}” comes nearest and was used.")
    return found


def check_names(request: Request, inventory: Inventory) -> None:
    """Raises NotFound if ``request`` names a checkpoint or an upscaler that is not in the user's folders."""
    name = model_of(request)
    if name is None:
        return
    if isinstance(request, Upscale):
        find_upscaler_name(name, inventory)
    elif isinstance(request, DescribeImage):
        find_captioner(name, inventory)
    else:
        find_entry("Checkpoint", name, inventory.checkpoints())


def join(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(f"“{name[:100]}”" for name in names)
