"""The outputs folder: finished images, each written completely or not at all, and found by its job's id.

``outputs/2026-11-23/142530-<job>-<index>-<seed>.png``: the day, the time, the job, which image of the job, its seed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from engine.errors import DiskFull
from engine.records import metadata
from engine.records.job_ids import read_submission_time
from engine.records.record import Record
from engine.requests import Request, Resolved
from engine.storage.atomic_files import PART, make_folder, replace_file, translate_errors

SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif"}
"""The endings of saved images by format."""

SPARE = 64 * 2**20
"""Bytes that must be free before a run starts: room for an image and the journal."""

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_JOB = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(r"\d{6}-(?P<job>.+)-(?P<index>\d+)-(?P<seed>\d+)\.(png|jpg|webp|tif)")


def save(
    image: Image.Image,
    resolved: Resolved[Request],
    *,
    outputs: Path,
    job: str,
    index: int,
    format: str = "png",
    write_metadata: bool = True,
    source: Mapping[str, str] | None = None,
    companions: Mapping[str, int] | None = None,
) -> Path:
    """Writes ``image`` with its record and returns its path once it is on disk: written, synced, renamed.

    Saving image ``index`` of ``job`` again returns the file that is there already, so that finishing twice is
    finishing once. ``job`` (letters, digits, ``-``, ``_``) must never be given to two jobs. ``format`` is "png", "jpeg"
    or "webp". ``source`` and ``companions`` are those of :class:`engine.records.record.Record`. Raises OutputError, or
    DiskFull, with nothing left behind.
    """
    if (there := find_saved(outputs, job).get(index)) is not None:
        return there
    record = None
    if write_metadata:
        record = Record(resolved=resolved, job=job, index=index, source=source or {}, companions=companions or {})
    encoded = metadata.encode(image, record, format)
    with create_file(resolved, outputs=outputs, job=job, index=index, format=format) as (stream, path):
        stream.write(encoded)
    return path


@contextmanager
def create_file(
    resolved: Resolved[Request], *, outputs: Path, job: str, index: int, format: str = "png"
) -> Generator[tuple[BinaryIO, Path]]:
    """A stream for an image that is written piece by piece, and the path that it will have when the block ends.

    If the block raises, or the disk does, nothing is left. Raises OutputError or DiskFull.
    """
    if not _JOB.fullmatch(job):
        raise ValueError(f"not the id of a job: {job!r}")
    now = datetime.now()
    seed = resolved.request.seed or 0
    path = outputs / f"{now:%Y-%m-%d}" / f"{now:%H%M%S}-{job}-{index}-{seed}{SUFFIXES[format]}"
    with translate_errors(outputs):
        make_folder(path.parent)
        with replace_file(path) as stream:
            yield stream, path


def read_job(name: str) -> str | None:
    """The job in the file name of an image, None for a name of another kind."""
    match = _NAME.fullmatch(name)
    return match["job"] if match else None


def read_index(name: str) -> int:
    """Which image of its job a file name says that it is; 0 for a name of another kind."""
    match = _NAME.fullmatch(name)
    return int(match["index"]) if match and len(match["index"]) < 10 else 0


def find_saved(outputs: Path, job: str) -> dict[int, Path]:
    """The finished images of ``job``, by index. Empty if the folder is not there."""
    found: dict[int, Path] = {}
    for day in list_days(outputs):
        for name in os.listdir(day):
            if job in name and (match := _NAME.fullmatch(name)) and match["job"] == job:
                found[int(match["index"])] = day / name
    return found


def list_days(outputs: Path) -> list[Path]:
    """The day folders of ``outputs``, the newest first. Raises OutputError if the folder cannot be read."""
    with translate_errors(outputs):
        if not outputs.is_dir():
            return []
        return sorted((d for d in outputs.iterdir() if _DAY.fullmatch(d.name) and d.is_dir()), reverse=True)


def check_writable(outputs: Path, need: int = SPARE) -> None:
    """Raises OutputError unless an image can be written there now, DiskFull unless ``need`` bytes are free."""
    with translate_errors(outputs):
        make_folder(outputs)
        with replace_file(outputs / f".try{PART}") as stream:
            stream.write(b"Easel tries whether it can write here.")
        (outputs / f".try{PART}").unlink(missing_ok=True)
        free = shutil.disk_usage(outputs).free
    if free < need:
        raise DiskFull(
            f"The disk that holds “{outputs}” has {free / 2**20:,.0f} MB left; Easel needs {need / 2**20:,.0f} MB. "
            "Free some space or start Easel with another folder (--outputs, --data)."
        )


def _order(path: Path) -> tuple[float, int, str, str]:
    """Sorts images as they were made: those of jobs whose ids do not say when, by the time in their names before all others."""
    submitted = read_submission_time(read_job(path.name) or "")
    return (submitted or 0.0, read_index(path.name) if submitted else 0, path.parent.name, path.name)


def has_room(folder: Path) -> bool:
    """Whether the disk of ``folder``, which need not be there yet, has room for an image. False if it does not answer."""
    try:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        return shutil.disk_usage(there).free > SPARE
    except (OSError, StopIteration):
        return False


def keep_newest(outputs: Path, count: int) -> None:
    """Removes all but the ``count`` newest images, whatever the clock said: for folders of drafts."""
    with translate_errors(outputs):
        newest_first = sorted((path for day in list_days(outputs) for path in day.iterdir()), key=_order, reverse=True)
        for path in newest_first[count:]:
            path.unlink(missing_ok=True)


def remove_leftovers(outputs: Path) -> int:
    """Removes what a killed worker left half-written, and says how many files. Only while no worker runs."""
    with translate_errors(outputs):
        left = [path for folder in (outputs, *list_days(outputs)) for path in folder.glob(f".*{PART}")]
        for path in left:
            path.unlink(missing_ok=True)
    return len(left)
