"""What the user says a checkpoint is, where its file does not say or says wrong. Kept in the data folder, by path."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

from engine.checkpoints.families import BY_NAME, look_alikes
from engine.checkpoints.identify.identity import Identity

FILE = "checkpoint-choices.json"
PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


@dataclass(frozen=True)
class Override:
    """What the user says of one file; "" is as the file says."""

    family: str = ""
    prediction_type: str = ""


_KEYS = {"family": "architecture", "prediction_type": "prediction_type"}
"""Field -> what the file calls it: a family was an architecture in its first version."""


def read(folder: Path) -> dict[str, Override]:
    """Path of a checkpoint -> what the user said of it. A file that cannot be read counts as empty: it can be said again."""
    try:
        stored = json.loads((folder / FILE).read_text("utf-8"))
        return {path: Override(**{f: str(said.get(key, "")) for f, key in _KEYS.items()}) for path, said in stored.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def write(folder: Path, checkpoint: Path, override: Override) -> None:
    """Keep what is said of one file. Written whole or not at all."""
    stored = {**read(folder), str(checkpoint): override}
    written = {path: _written(each) for path, each in stored.items() if each != Override()}
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / (FILE + ".part")
    part.write_text(json.dumps(written, indent=1), "utf-8")
    os.replace(part, folder / FILE)


def _written(override: Override) -> dict[str, str]:
    return {_KEYS[field]: value for field, value in dataclasses.asdict(override).items() if value}


def alternatives(family: str) -> tuple[str, ...]:
    """The families that a checkpoint of ``family`` may be instead, itself included; empty where its content is certain."""
    names = tuple(each.name for each in look_alikes(BY_NAME[family])) if family in BY_NAME else ()
    return names if len(names) > 1 else ()


def apply(identity: Identity, override: Override) -> Identity:
    """``identity`` as the user says it is; a name that this version does not know changes nothing."""
    changed = identity
    if override.family in BY_NAME:
        changed = dataclasses.replace(changed, family=override.family, native_size=BY_NAME[override.family].native_size)
    if override.prediction_type in PREDICTION_TYPES:
        changed = dataclasses.replace(changed, prediction_type=override.prediction_type)
    return changed if changed is identity else dataclasses.replace(changed, reason=f"{identity.reason}; chosen by you")
