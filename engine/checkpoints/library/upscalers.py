"""The catalogue's entries that upscale or clean images, and the built-in one among them. Does not import torch."""

from __future__ import annotations

from collections.abc import Sequence

from engine.checkpoints.families import UPSCALE
from engine.checkpoints.identify.identity import KINDS
from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import CheckpointError

LANCZOS = "lanczos"
"""The upscaler that needs no file."""

BUILT_IN = "starter-x4"
"""The folder and the name of the built-in upscaler."""

_CLEAN, _CLEANING = "clean", "cleaning"

_OTHER_NETWORKS = ("face_restorer", "mask_filler")
"""Kinds of image networks that neither upscale nor clean."""


def find_built_in(upscalers: Sequence[CheckpointEntry]) -> tuple[CheckpointEntry, CheckpointEntry] | None:
    """The two sets of weights of the built-in upscaler: for sharp images, and for cleaning. None if they are missing."""
    own = {entry.path.stem: entry for entry in upscalers if entry.path.parent.name == BUILT_IN}
    return (own[_CLEAN], own[_CLEANING]) if own.keys() >= {_CLEAN, _CLEANING} else None


def list_upscalers(inventory: Inventory) -> list[CheckpointEntry]:
    """All upscalers except the built-in one: networks first, then diffusion upscalers."""
    networks = [entry for entry in inventory.of_kind("upscaler") if entry.path.parent.name != BUILT_IN]
    return [*networks, *(entry for entry in inventory.of_kind("checkpoint") if is_diffusion(entry))]


def list_cleaners(inventory: Inventory) -> list[CheckpointEntry]:
    """Networks that restore an image at its own size: they remove noise, blur, haze or JPEG artefacts."""
    return inventory.of_kind("cleaner")


def is_diffusion(entry: CheckpointEntry) -> bool:
    """Whether it is a Stable Diffusion upscaler."""
    return entry.identity.kind == "checkpoint" and UPSCALE in entry.family.pipelines


def is_cleaner(entry: CheckpointEntry) -> bool:
    """Whether it restores an image at its own size."""
    return entry.identity.kind == "cleaner"


def find_upscaler(name: str | None, inventory: Inventory) -> CheckpointEntry:
    """The upscaler or cleaner called ``name``; None is the built-in one. Raises CheckpointError for any other file."""
    if name in (None, "", BUILT_IN):
        own = find_built_in(inventory.of_kind("upscaler"))
        if own is None:
            raise CheckpointError(f"The built-in upscaler is missing: put its folder “{BUILT_IN}” back into the models folder.")
        return own[0]
    entry = _find_any(name, inventory)
    if entry.identity.kind not in ("upscaler", "cleaner") and not is_diffusion(entry):
        raise CheckpointError(f"“{entry.name}” is not an upscaler but {_describe(entry)}. Choose another one.")
    return entry


def _find_any(name: str | None, inventory: Inventory) -> CheckpointEntry:
    for kind in ("upscaler", "cleaner", *_OTHER_NETWORKS):
        try:
            return inventory.find(name, kind)
        except CheckpointError:
            continue
    return inventory.find(name)


def _describe(entry: CheckpointEntry) -> str:
    if entry.identity.kind == "checkpoint":
        return entry.family.label
    return f"a file of the kind “{KINDS[entry.identity.kind]}”"
