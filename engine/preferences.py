"""What the user chose on the Settings tab: a small, human-readable JSON file in the data folder.

The page writes it and the worker reads it for each image, so a change takes effect with the next image.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from engine.errors import OutputError
from engine.json_values import JsonValue, read_dataclass, write_dataclass
from engine.requests import DTYPES
from engine.storage.json_store import JsonStore, UnreadableFile
from engine.storage.name_pattern import check_pattern

FILE = "settings.json"
MOST_WATERMARK = 200
"""Characters that the invisible watermark's text may have."""

MOST_MINUTES = 10_000
"""Minutes after which checkpoints are unloaded, at most: a week."""


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """Settings for all requests.

    ``extra_models``: folders of other programs whose checkpoints are used too, read only. ``extra_outputs``: folders of images by
    other programs, to look at, read only. ``leave_metadata_out``: images are
    saved without their record. ``watermark``: a text that is hidden in every image (see
    :mod:`engine.records.images.watermark`), "" for none. ``safety_checker``: images that a checkpoint's own safety checker
    flags are withheld. ``precision``: as in Settings, which overrules it. ``compile``: torch compiles large networks for the
    device, which takes minutes once. ``keep_usable``: images are made at low priority, with one CPU core less. ``file_format``,
    ``quality`` and ``name_pattern`` are those of :class:`engine.records.outputs.FileStyle`. ``unload_minutes``: after how many
    minutes without a job checkpoints leave the memory; 0 for never. ``troubles`` has a sentence for each part of the file that
    could not be used.
    """

    extra_models: tuple[str, ...] = ()
    extra_outputs: tuple[str, ...] = ()
    leave_metadata_out: bool = False
    watermark: str = ""
    safety_checker: bool = False
    precision: str = "auto"
    compile: bool = False
    keep_usable: bool = False
    file_format: str = "png"
    quality: int = 95
    name_pattern: str = ""
    unload_minutes: int = 30
    troubles: tuple[str, ...] = field(default=(), compare=False)


FILE_FORMATS = ("png", "jpeg", "webp")


def _is_pattern(value: JsonValue) -> bool:
    with suppress(OutputError):
        if isinstance(value, str) and value:
            check_pattern(value)
        return isinstance(value, str)
    return False


_FOLDERS: tuple[Callable[[JsonValue], bool], str] = (
    lambda value: isinstance(value, list) and all(isinstance(path, str) for path in value), "a list of folders in quotes",
)  # fmt: skip

_RULES: Mapping[str, tuple[Callable[[JsonValue], bool], str]] = {
    "extra_models": _FOLDERS,
    "extra_outputs": _FOLDERS,
    "leave_metadata_out": (lambda v: isinstance(v, bool), "true or false"),
    "watermark": (lambda v: isinstance(v, str) and len(v) <= MOST_WATERMARK, f"a text of up to {MOST_WATERMARK} characters"),
    "safety_checker": (lambda v: isinstance(v, bool), "true or false"),
    "compile": (lambda v: isinstance(v, bool), "true or false"),
    "keep_usable": (lambda v: isinstance(v, bool), "true or false"),
    "file_format": (lambda v: v in FILE_FORMATS, f"one of {', '.join(FILE_FORMATS)}"),
    "quality": (lambda v: isinstance(v, int) and not isinstance(v, bool) and 1 <= v <= 100, "a whole number from 1 to 100"),
    "name_pattern": (_is_pattern, "a pattern of names inside the outputs folder, such as {date}/{time} {prompt}"),
    "unload_minutes": (
        lambda v: isinstance(v, int) and not isinstance(v, bool) and 0 <= v <= MOST_MINUTES,
        f"a whole number from 0 to {MOST_MINUTES}",
    ),
    "precision": (lambda v: v in ("auto", *DTYPES), f"one of auto, {', '.join(DTYPES)}"),
}
"""Name -> what a value must be, as a test and in words."""


def read(folder: Path) -> Preferences:
    """The stored preferences, with defaults for missing and unusable ones, which ``troubles`` names. Never raises.

    The file is read again only after it has changed.
    """
    path = folder / FILE
    try:
        state = path.stat()
    except (OSError, ValueError):
        return _read(path)
    return _read_version(path, (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))


@lru_cache(maxsize=8)
def _read_version(path: Path, _version: tuple[int, ...]) -> Preferences:
    return _read(path)


def _read(path: Path) -> Preferences:
    try:
        written = _open_store(path.parent).read()
    except UnreadableFile as error:
        return Preferences(
            troubles=(f"{error} The default settings are used. Repair the file, or save the settings again on the page.",)
        )
    wrong = [name for name, (fits, _) in _RULES.items() if name in written and not fits(written[name])]
    good = {name: written[name] for name in _RULES if name in written and name not in wrong}
    troubles = tuple(f"“{name}” in “{path}” must be {_RULES[name][1]}; the default is used instead." for name in wrong)
    return dataclasses.replace(read_dataclass(Preferences, good), troubles=troubles)


def write(folder: Path, chosen: Preferences) -> None:
    """Store ``chosen``. Raises OutputError for a value that :func:`read` would not take, or if the folder cannot be written, and
    then leaves what was stored before."""
    stored = {name: value for name, value in write_dataclass(chosen).items() if name in _RULES}
    wrong = next((name for name, (fits, _) in _RULES.items() if not fits(stored[name])), None)
    if wrong is not None:
        raise OutputError(f"The settings were not saved: “{wrong}” must be {_RULES[wrong][1]}.")
    try:
        _open_store(folder).update(lambda written: stored)
    except OSError as error:
        raise OutputError(f"The settings could not be saved in “{folder / FILE}”: {error.strerror or error}.") from error


def _open_store(folder: Path) -> JsonStore[JsonValue]:
    return JsonStore(folder / FILE, lambda value: value, lambda value: value)
