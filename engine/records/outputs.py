"""The outputs folder: finished images, written atomically and found by their job's id.

``outputs/2026-11-23/142530-<job>-<index>-<seed>.png``: date, time, job, index of the image in its job, seed. The user may choose
another pattern (:mod:`engine.storage.name_pattern`) before the job's id, with folders of any depth, so images are looked for in
all of them.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from engine.errors import DiskFull
from engine.records import metadata
from engine.records.images.photo import ImageToSave
from engine.records.job_ids import read_submission_time
from engine.records.record import Record
from engine.requests import GenerationRequest, Request, Resolved, kind_of, model_of, size_of
from engine.storage.atomic_files import PART, make_folder, replace_file, translate_errors
from engine.storage.name_pattern import MARK, PARTS, fill_pattern

SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif"}
"""Format -> file extension."""

LONGEST_SIDES = {"png": 2**31 - 1, "jpeg": 65_500, "webp": 16_383, "tiff": 2**31 - 1}
"""Format -> the longest side in pixels that it can hold."""

STUDIES = "studies"
"""The folder inside the outputs for the images of studies: apart from those that the user wants to keep."""

SPARE = 64 * 2**20
"""Bytes that must be free before a run starts: room for an image and the journal."""

_JOB = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(rf"(?:\d{{6}}-|.*{MARK})(?P<job>[^{MARK}]+)-(?P<index>\d+)-(?P<seed>\d+)\.(png|jpg|webp|tif)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class FileStyle:
    """How image files are written: ``format`` is "png", "jpeg" or "webp", ``quality`` (1 to 100) is for the last two, and
    ``pattern`` is that of the names, "" for the usual one."""

    format: str = "png"
    quality: int = 95
    pattern: str = ""


PLAIN = FileStyle()


def save(
    image: Image.Image | ImageToSave,
    resolved: Resolved[Request],
    *,
    outputs: Path,
    job: str,
    index: int,
    style: FileStyle = PLAIN,
    write_metadata: bool = True,
    source: Mapping[str, str] | None = None,
    companions: Mapping[str, int] | None = None,
) -> Path:
    """Write ``image`` with its record and return its path once it is on disk: written, synced, renamed.

    Saving image ``index`` of ``job`` again returns the existing file, so the call is idempotent. ``job`` (letters, digits,
    ``-``, ``_``) must be unique. What a format cannot hold is written as PNG. ``source`` and ``companions`` are those of
    :class:`engine.records.record.Record`. Raises OutputError or DiskFull, and then leaves no file behind.
    """
    if (there := find_saved(outputs, job).get(index)) is not None:
        return there
    record = None
    if write_metadata:
        record = Record(resolved=resolved, job=job, index=index, source=source or {}, companions=companions or {})
    finished = image if isinstance(image, ImageToSave) else ImageToSave(image=image)
    exif = finished.exif if write_metadata else b""
    is_held = finished.deep is None and max(finished.image.size) <= LONGEST_SIDES[style.format]
    used = style if is_held else dataclasses.replace(style, format="png")
    if finished.deep is None:
        encoded = metadata.encode(finished.image, record, used.format, used.quality, exif)
    else:
        encoded = metadata.encode_deep(finished.deep, record, finished.image.info.get("icc_profile") or b"", exif)
    with create_file(resolved, outputs=outputs, job=job, index=index, style=used) as (stream, path):
        stream.write(encoded)
    return path


@contextmanager
def create_file(
    resolved: Resolved[Request], *, outputs: Path, job: str, index: int, style: FileStyle = PLAIN
) -> Generator[tuple[BinaryIO, Path]]:
    """A stream for an image that is written in pieces, and the path that it gets when the block ends.

    If the block or the disk fails, no file is left behind. Raises OutputError or DiskFull.
    """
    if not _JOB.fullmatch(job):
        raise ValueError(f"not the id of a job: {job!r}")
    name = fill_pattern(style.pattern, describe_parts(resolved.request), f"{job}-{index}-{resolved.request.seed or 0}")
    path = outputs / f"{name}{SUFFIXES[style.format]}"
    with translate_errors(outputs):
        make_folder(path.parent)
        with replace_file(path) as stream:
            yield stream, path


def describe_parts(request: Request, now: datetime | None = None) -> dict[str, str]:
    """What the parts of a pattern stand for, in the order of :data:`~engine.storage.name_pattern.PARTS`."""
    now, size = now or datetime.now(), size_of(request) or (0, 0)
    sampled = request if isinstance(request, GenerationRequest) else None
    model = re.split(r"[\\/]", model_of(request) or "")[-1].removesuffix(".safetensors")
    values = (
        f"{now:%Y-%m-%d}", f"{now:%H%M%S}", f"{now:%Y}", f"{now:%m}", f"{now:%d}", request.prompt, request.negative_prompt, model,
        request.seed or 0, *size, sampled and sampled.steps, sampled and sampled.guidance_scale, sampled and sampled.scheduler,
        kind_of(request),
    )  # fmt: skip
    texts = ("" if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in values)
    return dict(zip(PARTS, texts, strict=True))


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
    for path in list_images(outputs):
        if job in path.name and (match := _NAME.fullmatch(path.name)) and match["job"] == job:
            found[int(match["index"])] = path
    return found


def list_images(outputs: Path) -> list[Path]:
    """The images of jobs in ``outputs`` and all folders below it, by their names alone, the newest first: by job id, which holds
    the time of submission, then by number. Raises OutputError if a folder cannot be read."""
    with translate_errors(outputs):
        found = [Path(folder, name) for folder, names in _walk(outputs) for name in names if _NAME.fullmatch(name)]
    return sorted(found, key=_order, reverse=True)


def _walk(outputs: Path) -> Iterator[tuple[str, list[str]]]:
    """Every folder that is not hidden, with the names in it. Links to folders are not followed. Raises OSError."""
    if not outputs.is_dir():
        return
    for folder, folders, names in os.walk(outputs, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield folder, names


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # removed meanwhile
        raise error


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
        for path in list_images(outputs)[count:]:
            path.unlink(missing_ok=True)


def remove_leftovers(outputs: Path) -> int:
    """Delete the part-files of a killed worker, and return their number. Must not be called while a worker runs."""
    with translate_errors(outputs):
        hidden = (Path(folder, name) for folder, names in _walk(outputs) for name in names if name.startswith("."))
        left = [path for path in hidden if path.name.endswith(PART)]
        for path in left:
            path.unlink(missing_ok=True)
    return len(left)
