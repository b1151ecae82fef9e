"""What the person at the machine chose on the Settings tab: a small JSON file in the data folder, made to be read by people.

The page writes it and the worker reads it before each job, so that a change counts from the next picture on.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import OutputError
from engine.requests import DTYPES

FILE = "settings.json"
MOST_WATERMARK = 200
"""Characters that the invisible watermark's text may have."""


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """``extra_models``: folders of other programs whose checkpoints are used too, read only. ``leave_metadata_out``:
    pictures are saved without their record. ``watermark``: a text that is hidden in every picture (see
    :mod:`engine.records.images.watermark`), "" for none. ``safety_checker``: pictures that a checkpoint's own safety checker
    objects to
    are withheld. ``precision``: as in Settings, which overrules it. ``compile``: torch compiles large networks for the device,
    which takes minutes once.

    ``troubles`` says, a sentence each, what in the file could not be used.
    """

    extra_models: tuple[str, ...] = ()
    leave_metadata_out: bool = False
    watermark: str = ""
    safety_checker: bool = False
    precision: str = "auto"
    compile: bool = False
    troubles: tuple[str, ...] = field(default=(), compare=False)


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "extra_models": (lambda v: isinstance(v, list) and all(isinstance(p, str) for p in v), "a list of folders in quotes"),
    "leave_metadata_out": (lambda v: isinstance(v, bool), "true or false"),
    "watermark": (lambda v: isinstance(v, str) and len(v) <= MOST_WATERMARK, f"a text of up to {MOST_WATERMARK} characters"),
    "safety_checker": (lambda v: isinstance(v, bool), "true or false"),
    "compile": (lambda v: isinstance(v, bool), "true or false"),
    "precision": (lambda v: v in ("auto", *DTYPES), f"one of auto, {', '.join(DTYPES)}"),
}
"""Name -> what a value must be, for the machine and in words."""


def read(folder: Path) -> Preferences:
    """What was chosen; the default for what is missing or cannot be used, which ``troubles`` then says. Never raises."""
    path = folder / FILE
    try:
        written = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError, RecursionError) as error:
        return Preferences(troubles=(_unreadable(path, str(error)),))
    if not isinstance(written, dict):
        return Preferences(troubles=(_unreadable(path, "it must begin with {"),))
    wrong = [name for name, (fits, _) in _RULES.items() if name in written and not fits(written[name])]
    good = {name: written[name] for name in _RULES if name in written and name not in wrong}
    troubles = tuple(f"“{name}” in “{path}” must be {_RULES[name][1]}; the default is used instead." for name in wrong)
    folders = tuple(good.pop("extra_models", ()))
    return Preferences(**good, extra_models=folders, troubles=troubles)


def write(folder: Path, chosen: Preferences) -> None:
    """Keep ``chosen``, whole or not at all. Raises OutputError if the folder cannot be written."""
    path = folder / FILE
    kept = {name: value for name, value in dataclasses.asdict(chosen).items() if name in _RULES}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", "utf-8")
        os.replace(part, path)
    except OSError as error:
        raise OutputError(f"The settings could not be saved in “{path}”: {error.strerror or error}.") from error


def _unreadable(path: Path, why: str) -> str:
    return f"“{path}” cannot be read ({why}), so the default settings are used. Mend it, or save the settings again on the page."
