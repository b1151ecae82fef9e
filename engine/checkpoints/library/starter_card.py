"""A starter checkpoint's ``starter.json``: its recommended settings, and what it was trained on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from pathlib import Path

from engine.checkpoints.identify.folders import is_plain_name, read_json
from engine.errors import CheckpointError
from engine.json_values import JsonObject, JsonValue, as_object, read_dataclass
from engine.storage.items import read_each

FILE = "starter.json"

_MOST_NAMES = 5000
_LONGEST_NAME = 100
_MOST_STEPS = 1000
_MOST_GUIDANCE = 100.0


@dataclass(frozen=True, kw_only=True)
class RunDefaults:
    """A checkpoint's recommended settings; None for the family's default. ``lora``: a file in its folder, or ""."""

    steps: int | None = None
    guidance_scale: float | None = None
    sketch_guidance_scale: float | None = None
    negative_guidance_scale: float | None = None
    scheduler: str | None = None
    lora: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a value outside its valid range."""
        scales = (self.guidance_scale, self.sketch_guidance_scale, self.negative_guidance_scale)
        if self.steps is not None and not 1 <= self.steps <= _MOST_STEPS:
            raise ValueError("steps")
        if not all(scale is None or (isfinite(scale) and 0 <= scale <= _MOST_GUIDANCE) for scale in scales):
            raise ValueError("guidance scale")
        if self.lora and not is_plain_name(self.lora):
            raise ValueError("lora")


@dataclass(frozen=True, kw_only=True)
class StarterCard:
    """``few_steps``: the recommended settings with its own few-step LoRA. ``words``: every word that it was taught.
    ``troubles``: a sentence for each section that is invalid."""

    defaults: RunDefaults = RunDefaults()
    few_steps: RunDefaults = RunDefaults()
    things: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    troubles: tuple[str, ...] = field(default=(), compare=False)


def read_card(folder: Path) -> StarterCard | None:
    """The card of a starter, without invalid sections; None for any other checkpoint. Never raises."""
    path = folder / FILE
    if not os.path.isfile(path):
        return None
    try:
        state = path.stat()
        return _read_version(path, (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))
    except (CheckpointError, OSError) as error:
        return StarterCard(troubles=(str(error),))


@lru_cache(maxsize=32)
def _read_version(path: Path, _version: tuple[int, ...]) -> StarterCard:
    written = read_json(path)

    def describe(section: str) -> str:
        return f"the section “{section}” of {path.parent.name}/{path.name}"

    runs, no_runs = read_each(_present(written, _RUNS), lambda name: _read_defaults(written[name]), describe)
    names, no_names = read_each(_present(written, _NAMES), lambda name: _read_names(written[name]), describe)
    return StarterCard(
        defaults=runs.get("defaults", RunDefaults()),
        few_steps=runs.get("few_steps", RunDefaults()),
        things=names.get("things", ()),
        backgrounds=names.get("backgrounds", ()),
        styles=names.get("styles", ()),
        colours=names.get("colours", ()),
        words=names.get("words", ()),
        troubles=(*no_runs.values(), *no_names.values()),
    )


_RUNS = ("defaults", "few_steps")
_NAMES = ("things", "backgrounds", "styles", "colours", "words")


def _present(written: JsonObject, sections: tuple[str, ...]) -> list[str]:
    return [name for name in sections if written.get(name) is not None]


def _read_defaults(value: JsonValue) -> RunDefaults:
    return read_dataclass(RunDefaults, as_object(value))


def _read_names(value: JsonValue) -> tuple[str, ...]:
    """The strings in a list, or the names of the objects in it. Raises ValueError for anything else."""
    if not isinstance(value, list) or len(value) > _MOST_NAMES:
        raise ValueError("not a short list")
    names = [each.get("name") if isinstance(each, dict) else each for each in value]
    short = tuple(name for name in names if isinstance(name, str) and len(name) <= _LONGEST_NAME)
    if len(short) != len(names):
        raise ValueError("not names")
    return short
