"""Which of the catalogue's entries enlarge pictures, and which of them came with Easel. Without torch."""

from __future__ import annotations

from collections.abc import Sequence

from engine.checkpoints.families import UPSCALE
from engine.checkpoints.library.catalogue import Catalogue, CheckpointEntry
from engine.errors import CheckpointError

LANCZOS = "lanczos"
"""The upscaler that needs no file."""

BUILT_IN = "starter-x4"
"""The folder, and the name, of the upscaler that ships with Easel."""

_CLEAN, _CLEANING = "clean", "cleaning"


def built_in(upscalers: Sequence[CheckpointEntry]) -> tuple[CheckpointEntry, CheckpointEntry] | None:
    """The two trainings of the built-in upscaler: for sharp pictures, and for those that need cleaning. None if they are gone."""
    own = {entry.path.stem: entry for entry in upscalers if entry.path.parent.name == BUILT_IN}
    return (own[_CLEAN], own[_CLEANING]) if own.keys() >= {_CLEAN, _CLEANING} else None


def upscalers(catalogue: Catalogue) -> list[CheckpointEntry]:
    """All but the built-in one: networks first, then diffusion upscalers."""
    networks = [entry for entry in catalogue.of_kind("upscaler") if entry.path.parent.name != BUILT_IN]
    return [*networks, *(entry for entry in catalogue.of_kind("checkpoint") if is_diffusion(entry))]


def is_diffusion(entry: CheckpointEntry) -> bool:
    """Whether it is a Stable Diffusion upscaler."""
    return UPSCALE in entry.architecture.pipelines


def find(name: str | None, catalogue: Catalogue) -> CheckpointEntry:
    """The upscaler called ``name``; None is the built-in one. Raises CheckpointError, also for a file that is none."""
    if name in (None, "", BUILT_IN):
        own = built_in(catalogue.of_kind("upscaler"))
        if own is None:
            raise CheckpointError(f"The built-in upscaler is missing: put its folder “{BUILT_IN}” back into the models folder.")
        return own[0]
    try:
        entry = catalogue.find(name, "upscaler")
    except CheckpointError:
        entry = catalogue.find(name)
    if entry.identity.kind != "upscaler" and not is_diffusion(entry):
        raise CheckpointError(f"“{entry.name}” is {_what(entry)}, not an upscaler. Choose another one.")
    return entry


def _what(entry: CheckpointEntry) -> str:
    return entry.architecture.label if entry.identity.kind == "checkpoint" else f"a file of the kind “{entry.identity.kind}”"
