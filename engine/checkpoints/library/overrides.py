"""The user's corrections of what a checkpoint's file says or does not say. Stored in the data folder, by path."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from engine.checkpoints.families import BY_NAME, look_alikes
from engine.checkpoints.identify.identity import Identity
from engine.json_values import JsonValue, as_object, read_dataclass
from engine.storage.atomic_files import translate_errors
from engine.storage.json_store import JsonStore

FILE = "checkpoint-choices.json"
PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


@dataclass(frozen=True)
class Override:
    """The user's overrides for one file; "" and None keep the file's own value.

    The last four are what the page fills in for a checkpoint: ``steps``, ``guidance_scale``, the name of a ``vae``, and
    ``words_before``, which every prompt begins with.
    """

    family: str = ""
    prediction_type: str = ""
    steps: int | None = None
    guidance_scale: float | None = None
    vae: str = ""
    words_before: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a value outside its range."""
        if self.steps is not None and not 1 <= self.steps <= MOST_STEPS:
            raise ValueError("steps")
        if self.guidance_scale is not None and not 0 <= self.guidance_scale <= MOST_GUIDANCE:
            raise ValueError("guidance_scale")


MOST_STEPS, MOST_GUIDANCE = 1000, 100.0

_KEYS = {"family": "architecture"} | {
    name: name for name in ("prediction_type", "steps", "guidance_scale", "vae", "words_before")
}
"""Field -> its key in the file, which dates from its first version."""


def read(folder: Path) -> dict[str, Override]:
    """The overrides by path of the checkpoint; empty if the file cannot be read, which is then kept under another name."""
    return _open_store(folder).read_or_empty()


def write(folder: Path, checkpoint: Path, override: Override) -> None:
    """Store the overrides for one file. Raises OutputError if the folder is not writable."""
    with translate_errors(folder):
        _open_store(folder).update(lambda stored: {str(checkpoint): None if override == Override() else override})


def _open_store(folder: Path) -> JsonStore[Override]:
    return JsonStore(folder / FILE, _parse, _dump)


def _parse(value: JsonValue) -> Override:
    written = as_object(value)
    return read_dataclass(Override, {field: written[key] for field, key in _KEYS.items() if key in written})


def _dump(override: Override) -> JsonValue:
    return {_KEYS[field]: value for field, value in dataclasses.asdict(override).items() if value not in ("", None)}


def alternatives(family: str) -> tuple[str, ...]:
    """The families that a checkpoint of ``family`` could be instead, including itself; empty if its content is unambiguous."""
    names = tuple(each.name for each in look_alikes(BY_NAME[family])) if family in BY_NAME else ()
    return names if len(names) > 1 else ()


def apply(identity: Identity, override: Override) -> Identity:
    """``identity`` with the user's overrides; values that this version does not know are ignored."""
    changed = identity
    if override.family in BY_NAME:
        changed = dataclasses.replace(changed, family=override.family, native_size=BY_NAME[override.family].native_size)
    if override.prediction_type in PREDICTION_TYPES:
        changed = dataclasses.replace(changed, prediction_type=override.prediction_type)
    return changed if changed is identity else dataclasses.replace(changed, reason=f"{identity.reason}; chosen by you")
