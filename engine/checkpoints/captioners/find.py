"""The catalogue's entries that put an image into words."""

from __future__ import annotations

from engine.checkpoints.captioners.identify_captioner import KIND, ONNX
from engine.checkpoints.library.catalogue import Inventory
from engine.checkpoints.library.entry import CheckpointEntry
from engine.errors import CheckpointError

NO_CAPTIONER = (
    "There is nothing yet that can describe a picture. Put the folder of BLIP (Salesforce/blip-image-captioning-base) or of "
    "Florence-2 (florence-community/Florence-2-base), or a WD14 tagger (model.onnx with selected_tags.csv beside it), into the "
    "models folder."
)


def list_captioners(inventory: Inventory) -> list[CheckpointEntry]:
    """All captioners and taggers, by name."""
    return sorted(inventory.of_kind(KIND), key=lambda entry: entry.name.casefold())


def find_captioner(name: str | None, inventory: Inventory) -> CheckpointEntry:
    """The captioner called ``name``; None is the first. Raises CheckpointError if there is none."""
    known = list_captioners(inventory)
    if not known:
        raise CheckpointError(NO_CAPTIONER)
    return inventory.find(name, KIND) if name else known[0]


def is_tagger(entry: CheckpointEntry) -> bool:
    """Whether it writes tags, each with a confidence, and no sentence."""
    return entry.identity.container == ONNX
