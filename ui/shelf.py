"""What the page needs to know about each checkpoint: its name, what it is best run with, and what the starter can draw."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engine.settings import Settings


@dataclass(frozen=True)
class Repertoire:
    """What the starter was taught, in the words that it knows."""

    things: tuple[str, ...]
    backgrounds: tuple[str, ...]
    colours: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint as the form offers it. Sizes are pixels."""

    name: str
    label: str
    native_size: int
    size_multiple: int
    steps: int
    guidance_scale: float
    scheduler: str
    tokenizer: Path | None = None
    repertoire: Repertoire | None = None


def checkpoints(settings: Settings) -> dict[str, Checkpoint]:
    """The checkpoints that there are now, by name, the one to begin with first."""
    folder = settings.models / "starter"
    told = json.loads((folder / "starter.json").read_text("utf-8"))
    best = told["defaults"]
    return {
        "starter": Checkpoint(
            name="starter",
            label="Easel starter",
            native_size=told["native_size"],
            size_multiple=8,
            steps=best["steps"],
            guidance_scale=best["guidance_scale"],
            scheduler=best["scheduler"],
            tokenizer=folder / "tokenizer",
            repertoire=repertoire(folder),
        )
    }


def repertoire(folder: Path) -> Repertoire | None:
    """What the starter in ``folder`` says that it was taught."""
    told = json.loads((folder / "starter.json").read_text("utf-8"))
    names = {kind: tuple(entry["name"] for entry in told[kind]) for kind in ("things", "backgrounds")}
    return Repertoire(names["things"], names["backgrounds"], tuple(told["colours"]))
