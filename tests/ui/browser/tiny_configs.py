"""The real engine, which takes tiny checkpoints' configurations for the published ones: single files bring none of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.checkpoints.families import Family
from engine.checkpoints.library import entry
from engine.json_values import JsonObject
from engine.local import Local
from engine.settings import Settings
from tests.engine.checkpoints import tiny

ENGINE = "tests.ui.browser.tiny_configs:TinyConfigsEngine"
FOLDER = "configs"


def write_configs(settings: Settings, kinds: Sequence[str]) -> None:
    """Write the configurations of these kinds of :mod:`tests.engine.checkpoints.tiny`, which are named like their families."""
    for kind in kinds:
        tiny.pipeline(kind).save_pretrained(settings.data / FOLDER / kind)


def find_config(data: Path) -> Callable[[Family, str], JsonObject]:
    """What stands in for :func:`engine.checkpoints.families.bundled_config`."""

    def find(family: Family, component: str) -> JsonObject:
        (path,) = (data / FOLDER / family.name / component).glob("*config.json")
        return json.loads(path.read_text("utf-8"))

    return find


class TinyConfigsEngine(Local):
    """The engine as the worker creates it, in a process of its own."""

    def __init__(self, settings: Settings) -> None:
        entry.bundled_config = find_config(settings.data)
        super().__init__(settings)
