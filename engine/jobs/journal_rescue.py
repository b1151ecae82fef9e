"""What is left of a damaged journal, and finished jobs found again by their images."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from datetime import datetime
from itertools import islice
from pathlib import Path

from PIL import Image

from engine.errors import EaselError
from engine.records import metadata, outputs
from engine.records.record import Record
from engine.requests import to_json
from engine.safe_text import name_to_text
from engine.storage.database import Replacement
from engine.storage.regular_files import is_regular_or_absent

MOST_JOBS = 200
"""Jobs that are found again by their images, the newest."""

Row = Mapping[str, str | int | float | bytes | None]


def read_rows(damaged: Path, table: str) -> list[Row]:
    """The rows of ``table`` that can be read, from its beginning until the damage and from its end back to it."""
    found: dict[int, Row] = {}
    if not is_regular_or_absent(damaged):
        return []
    for direction in ("ASC", "DESC"):
        try:
            with closing(sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=ro", uri=True)) as database:
                database.row_factory = sqlite3.Row
                database.text_factory = lambda raw: raw.decode("utf-8", "replace")
                for row in database.execute(f"SELECT rowid AS rowid, * FROM {table} ORDER BY rowid {direction}"):
                    found[row["rowid"]] = {name: row[name] for name in row.keys() if name != "rowid"}  # noqa: SIM118
        except (sqlite3.Error, OSError, ValueError):
            continue
    return [found[number] for number in sorted(found)]


def insert_row(database: sqlite3.Connection, table: str, row: Row) -> None:
    """Those columns of ``row`` that ``table`` has; nothing where it has the row already or one of its columns is missing."""
    columns = [column["name"] for column in database.execute(f"PRAGMA table_info({table})") if column["name"] in row]
    places = ", ".join("?" * len(columns))
    with suppress(sqlite3.IntegrityError):
        query = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({places})"
        database.execute(query, [row[column] for column in columns])


def find_finished(folder: Path, known: set[str]) -> Iterator[tuple[Row, list[Row]]]:
    """The newest jobs whose images lie in the outputs ``folder`` and whose ids are not in ``known``: each with its results,
    the oldest first."""
    images: dict[str, list[Path]] = defaultdict(list)
    try:
        for path in outputs.list_images(folder):
            job = outputs.read_job(path.name)
            if job is not None and job not in known and (job in images or len(images) < MOST_JOBS):
                images[job].append(path)
    except (EaselError, OSError):
        return
    for job, paths in islice(reversed(images.items()), MOST_JOBS):
        read = [(path, record) for path in reversed(paths) if (record := _read_record(path)) is not None and record.job == job]
        if read:
            yield _write_job(read[0][1]), [_write_result(path, record) for path, record in read]


def _read_record(path: Path) -> Record | None:
    try:
        return metadata.read(path)
    except (EaselError, OSError):
        return None


def _write_job(record: Record) -> Row:
    made = _read_time(record.created)
    return {
        "id": record.job, "page": "", "request": json.dumps(to_json(record.resolved.request)), "state": "finished",
        "attempt": 1, "place": made, "submitted": made, "started": made, "ended": made,
    }  # fmt: skip


def _write_result(path: Path, record: Record) -> Row:
    try:
        with Image.open(path) as opened:
            width, height = opened.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        width, height = 0, 0
    return {
        "job": record.job, "picture": record.index, "path": name_to_text(str(path)), "seed": record.resolved.request.seed or 0,
        "width": width, "height": height, "seconds": 0.0,
    }  # fmt: skip


def _read_time(written: str) -> float:
    try:
        return datetime.fromisoformat(written).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def describe_replacement(path: Path, replacement: Replacement, restored: int) -> str:
    """What became of a file that could not be used; ``restored`` jobs of it are in the new one."""
    if replacement.newer:
        return (
            f"The queue in “{path}” was written by a newer version of Easel, so it was moved to “{replacement.aside}” and an "
            f"empty one was created. To have it back, close Easel, update it, and rename that file to “{path.name}”."
        )
    jobs = {0: "No job", 1: "One job"}.get(restored, f"{restored} jobs")
    return (
        f"The queue in “{path}” was damaged, so it was moved to “{replacement.aside}” and a new one was created. {jobs} could be "
        "restored, and those that were waiting go on. Finished pictures are on the History tab as before; if a job is missing "
        "from the queue, start it again."
    )


def describe_unreadable(count: int, path: Path) -> str:
    """That ``count`` rows of the file are left as they are."""
    jobs = "One job" if count == 1 else f"{count} jobs"
    return (
        f"{jobs} in “{path}” cannot be read: damaged, or written by a newer version of Easel. Nothing was removed; all other "
        "jobs are listed and run. Update Easel, or start these again."
    )
