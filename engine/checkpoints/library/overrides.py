"""What the user knows better than the file: the kind of a checkpoint or what it predicts, remembered per file."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path

from engine.checkpoints.families import BY_NAME
from engine.checkpoints.identify.identity import Identity

FILE = "checkpoint-choices.json"
PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")

ALIKE: tuple[tuple[str, ...], ...] = (("sd2_base", "sd2_v", "sd_turbo"), ("xl", "xl_turbo"))
"""Families whose files look the same, so that the user may know better which one it is."""


def read(folder: Path) -> dict[str, dict[str, str]]:
    """Path of a checkpoint -> what was chosen for it. A file that cannot be read counts as empty: choices can be made again."""
    try:
        stored = json.loads((folder / FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in stored.items() if isinstance(v, dict)} if isinstance(stored, dict) else {}


def remember(folder: Path, checkpoint: Path, *, prediction_type: str = "", architecture: str = "") -> None:
    """Keep a choice for one file; empty goes back to what the file says. Written whole or not at all."""
    chosen = {"prediction_type": prediction_type, "architecture": architecture}
    stored = {**read(folder), str(checkpoint): {k: v for k, v in chosen.items() if v}}
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / (FILE + ".part")
    part.write_text(json.dumps({k: v for k, v in stored.items() if v}, indent=1), "utf-8")
    os.replace(part, folder / FILE)


def alternatives(architecture: str) -> tuple[str, ...]:
    """The families that a checkpoint of ``architecture`` may be instead, itself included; empty where its content is certain."""
    return next((alike for alike in ALIKE if architecture in alike), ())


def applied(identity: Identity, chosen: Mapping[str, str]) -> Identity:
    """``identity`` as the user says it is."""
    architecture, prediction = chosen.get("architecture", ""), chosen.get("prediction_type", "")
    changes: dict[str, object] = {}
    if architecture in BY_NAME:
        changes = {"architecture": architecture, "native_size": BY_NAME[architecture].native_size}
    if prediction in PREDICTION_TYPES:
        changes["prediction_type"] = prediction
    return dataclasses.replace(identity, **changes, reason=f"{identity.reason}; chosen by you") if changes else identity
