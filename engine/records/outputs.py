"""The outputs folder: finished images, written atomically and found by their job's id.

``outputs/2026-11-23/142530-<job>-<index>-<seed>.png``: date, time, job, index of the image in its job, seed.
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
"""Format -> file extension."""

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
    """Write ``image`` with its record and return its path once it is on disk: written, synced, renamed.

    Saving image ``index`` of ``job`` again returns the existing file, so the call is idempotent. ``job`` (letters, digits,
    ``-``, ``_``) must be unique. ``format`` is "png", "jpeg" or "webp". ``source`` and ``companions`` are those of
    :class:`engine.records.record.Record`. Raises OutputError or DiskFull, and then leaves no file behind.
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
    """A stream for an image that is written in pieces, and the path that it gets when the block ends.

    If the block or the disk fails, no file is left behind. Raises OutputError or DiskFull.
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
    """The job's id in the file name of an image; None for other names."""
    match = _NAME.fullmatch(name)
    return match["job"] if match else None


def read_index(name: str) -> int:
    """The image's index in its job, by its file name; 0 for other names."""
    match = _NAME.fullmatch(name)
    return int(match["index"]) if match and len(match["index"]) < 10 else 0


def find_saved(outputs: Path, job: str) -> dict[int, Path]:
    """The finished images of ``job`` by index; empty if the folder does not exist."""
    found: dict[int, Path] = {}
    for day in list_days(outputs):
        for name in os.listdir(day):
            if job in name and (match := _NAME.fullmatch(name)) and match["job"] == job:
                found[int(match["index"])] = day / name
    return found


def list_days(outputs: Path) -> list[Path]:
    """The day folders of ``outputs``, newest first. Raises OutputError if the folder cannot be read."""
    with translate_errors(outputs):
        if not outputs.is_dir():
            return []
        return sorted((d for d in outputs.iterdir() if _DAY.fullmatch(d.name) and d.is_dir()), reverse=True)


def check_writable(outputs: Path, need: int = SPARE) -> None:
    """Raises OutputError unless images can be written there, DiskFull unless ``need`` bytes are free."""
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
    """A sort key for the order in which images were made. Old ids without a time sort first, by the time in the name."""
    submitted = read_submission_time(read_job(path.name) or "")
    return (submitted or 0.0, read_index(path.name) if submitted else 0, path.parent.name, path.name)


def has_room(folder: Path) -> bool:
    """Whether the disk of ``folder``, which need not exist, has room for an image. False if that cannot be found out."""
    try:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        return shutil.disk_usage(there).free > SPARE
    except (OSError, StopIteration):
        return False


def keep_newest(outputs: Path, count: int) -> None:
    """Delete all but the ``count`` newest images, by job id: for folders of drafts."""
    with translate_errors(outputs):
        newest_first = sorted((path for day in list_days(outputs) for path in day.iterdir()), key=_order, reverse=True)
        for path in newest_first[count:]:
            path.unlink(missing_ok=True)


def remove_leftovers(outputs: Path) -> int:
    """Delete the part-files of a killed worker, and return their number. Must not be called while a worker runs."""
    with translate_errors(outputs):
        left = [path for folder in (outputs, *list_days(outputs)) for path in folder.glob(f".*{PART}")]
        for path in left:
            path.unlink(missing_ok=True)
    return len(left)
