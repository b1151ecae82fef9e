"""The logic of the Settings tab, without components: preferences are read, checked and saved."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

import engine.preferences as preferences
from engine.checkpoints.library import search_paths
from engine.errors import EaselError, OutputError
from engine.jobs import Jobs
from engine.preferences import MOST_MINUTES, MOST_WATERMARK, Preferences
from engine.settings import Settings
from engine.storage.name_pattern import check_pattern
from ui import messages, sentences
from ui.templates import join, render_notice, render_notices

FREE_MEMORY_SECONDS = 10.0
"""How long a press on "Free memory" waits for a worker that is busy."""


@dataclass(frozen=True)
class DiskPart:
    """A part of what Easel keeps on the disk. ``is_cache``: it is made anew when it is needed."""

    label: str
    folders: tuple[Path, ...]
    is_cache: bool = False

    def measure(self) -> int:
        """Its bytes; what vanishes meanwhile counts nothing."""
        return sum(_measure(folder) for folder in self.folders)


def list_disk_parts(settings: Settings) -> list[DiskPart]:
    """What Easel keeps on the disk, by part."""
    data = settings.data
    return [
        DiskPart(messages.DISK_OUTPUTS, (settings.outputs,)),
        DiskPart(messages.DISK_MODELS, (settings.models,)),
        DiskPart(messages.DISK_BLOBS, (data / "blobs", data / "uploads", settings.drafts)),
        DiskPart(messages.DISK_THUMBNAILS, (data / "thumbnails",), is_cache=True),
        DiskPart(messages.DISK_COMPILED, (data / "compiled", data / "graphs"), is_cache=True),
    ]


def remove_caches(settings: Settings, jobs: Jobs) -> str:
    """Remove every cache, unless a job runs that may be reading one; the sentence to show."""
    if jobs.line(limit=1):
        return render_notice(messages.CACHES_IN_USE, "trouble")
    parts = [part for part in list_disk_parts(settings) if part.is_cache]
    before = sum(part.measure() for part in parts)
    for part in parts:
        for folder in part.folders:
            shutil.rmtree(folder, ignore_errors=True)
    return render_notice(sentences.caches_removed(max(0, before - sum(part.measure() for part in parts))))


def _measure(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


class SettingsService:
    """Each method is what one event does, in plain values."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.data

    def read(self) -> tuple[dict[str, Any], str]:
        """The preferences as the form shows them, with errors in the file and the content of each folder."""
        chosen = preferences.read(self._folder)
        written = {
            "extra_models": "\n".join(chosen.extra_models),
            "extra_outputs": "\n".join(chosen.extra_outputs),
            "precision": chosen.precision,
            "compile": chosen.compile,
            "keep_usable": chosen.keep_usable,
            "unload_minutes": chosen.unload_minutes,
            "leave_metadata_out": chosen.leave_metadata_out,
            "safety_checker": chosen.safety_checker,
            "watermark": chosen.watermark,
            "file_format": chosen.file_format,
            "quality": str(chosen.quality),
            "name_pattern": chosen.name_pattern,
        }
        return written, render_notices(chosen.troubles, "trouble") + _render_folders(chosen.extra_models)

    def save(self, written: Mapping[str, Any]) -> str:
        """Save the preferences and return what to show."""
        folders, albums = _read_folders(written["extra_models"]), _read_folders(written["extra_outputs"])
        chosen = Preferences(
            extra_models=folders,
            extra_outputs=albums,
            precision=str(written["precision"] or "auto"),
            compile=bool(written["compile"]),
            keep_usable=bool(written["keep_usable"]),
            unload_minutes=_read_minutes(written["unload_minutes"]),
            leave_metadata_out=bool(written["leave_metadata_out"]),
            safety_checker=bool(written["safety_checker"]),
            watermark=str(written["watermark"] or "").strip()[:MOST_WATERMARK],
            file_format=str(written["file_format"] or "png"),
            name_pattern=str(written["name_pattern"] or "").strip(),
        )
        try:
            chosen = dataclasses.replace(chosen, quality=_read_quality(written["quality"]))
            if chosen.name_pattern:
                check_pattern(chosen.name_pattern)
            for folder in (*folders, *albums):
                search_paths.check_folder(folder)
            preferences.write(self._folder, chosen)
        except EaselError as error:
            return render_notice(str(error), "trouble")
        missing = [each for each in albums if not os.path.isdir(search_paths.expand_folder(each))]
        told = render_notices(tuple(map(sentences.missing_folder, missing)), "trouble")
        return render_notice(messages.SAVED) + _render_folders(folders) + told


def _read_folders(written: str | None) -> tuple[str, ...]:
    """The folders in a field, one a line."""
    return tuple(line.strip().strip('"') for line in str(written or "").splitlines() if line.strip())


def _read_quality(written: str | float | None) -> int:
    """The quality in a field; an empty one means the default. Raises OutputError for anything but a whole number."""
    text = str(written or "").strip()
    if text and not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= 100):
        raise OutputError(sentences.wrong_quality(text))
    return int(text) if text else Preferences.quality


def describe_freed_memory(jobs: Jobs) -> str:
    """Free memory on every device; a sentence on what was given back."""
    freed = jobs.free_memory(FREE_MEMORY_SECONDS)
    return messages.FREE_MEMORY_BUSY if freed is None else sentences.freed_memory(freed)


def _read_minutes(written: float | None) -> int:
    """A field that is empty is the default."""
    return Preferences().unload_minutes if written is None else min(MOST_MINUTES, max(0, round(written)))


def _render_folders(folders: tuple[str, ...]) -> Markup:
    return join(_render_folder(folder) for folder in folders)


def _render_folder(named: str) -> Markup:
    root = search_paths.expand_folder(named)
    if not os.path.isdir(root):
        return render_notice(sentences.missing_folder(named), "trouble")
    found = search_paths.find_below(root)
    told = render_notice(sentences.found_folder(named, search_paths.find_program(root), len(found.paths)))
    return told + render_notices(tuple(found.troubles.values()), "trouble")
