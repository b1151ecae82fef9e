"""A searchable index of all images in the outputs folder. It can be deleted: it is rebuilt from the files."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.records import favourites, history_file
from engine.records.history_file import COLUMNS
from engine.records.images.thumbnails import Thumbnails
from engine.records.job_ids import read_submission_time
from engine.records.local_time import to_day
from engine.records.outputs import STUDIES, read_index, read_job
from engine.records.summary import Summary, summarise
from engine.safe_text import make_encodable, name_to_text, text_to_name
from engine.storage.database import describe_database_error, transaction

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")

_BATCH = 200
"""Images that are indexed between two progress reports of :meth:`History.refresh`."""

_LARGEST = 2**63 - 1
"""The largest integer that SQLite can store."""

_Value = str | float


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One image. ``name`` is its path inside the outputs with forward slashes, as safe text (:mod:`engine.safe_text`);
    ``created`` is in seconds since 1970."""

    name: str
    created: float
    width: int
    height: int
    prompt: str
    checkpoint: str
    favourite: bool


@dataclass(frozen=True, kw_only=True)
class Search:
    """Search criteria; empty ones match everything. All ``words`` must be in the prompts. ``day`` is a prefix of a date:
    ``"2026"``, ``"2026-11"`` or ``"2026-11-25"``. ``studies``: also the trials of studies, which are not meant to be kept."""

    words: str = ""
    checkpoint: str = ""
    day: str = ""
    favourites: bool = False
    studies: bool = True


class History:
    """The index of one folder of images, Easel's outputs or another program's. Thread-safe.

    A damaged index is rebuilt as soon as the damage is found. If the data folder is not writable, the index is in memory and
    :attr:`trouble` is a sentence about it, else "". Raises OutputError when the disk fails or is full.
    """

    def __init__(self, outputs: Path, data: Path, file: str = "history.db") -> None:
        """``file`` is the name of the index in the ``data`` folder."""
        self._outputs, self._path = outputs, data / file
        self._lock = threading.RLock()
        self.thumbnails = Thumbnails(data / "thumbnails")
        self._db, self.trouble = history_file.open_index(self._path)

    @property
    def is_folder_gone(self) -> bool:
        """Whether the outputs folder does not exist, as before the first image."""
        return not self._outputs.is_dir()

    def rebuild(self) -> None:
        """Delete the index; the next :meth:`refresh` reads every image again."""
        with self._lock:
            self.close()
            with suppress(OSError):
                history_file.remove_index(self._path)
            self._db, self.trouble = history_file.open_index(self._path)

    def refresh(self) -> Iterator[int]:
        """Update the index with images that were added, removed or changed on disk. Yields how many are still to be read."""
        there = {entry.name: entry for entry in _walk(self._outputs)}
        if self.is_folder_gone and self._read("SELECT 1 FROM pictures LIMIT 1"):
            return  # renamed, or on a drive that is not connected: its entries are right again when it returns
        self._take_favourites()
        known = {row["name"]: row for row in self._read("SELECT name, mtime_ns, bytes FROM pictures")}
        self._drop([row for name, row in known.items() if name not in there])
        new = [each for each in there.values() if each.name not in known or each.stamp != _stamp(known[each.name])]
        new.sort(key=lambda each: each.mtime_ns, reverse=True)
        for start in range(0, len(new), _BATCH):
            self._index(new[start : start + _BATCH])
            yield max(0, len(new) - start - _BATCH)

    def find(self, search: Search, offset: int = 0, limit: int = 60) -> list[Entry]:
        """The matching images, newest first: in the order in which their jobs were submitted, whatever the clock said."""
        where, values = _condition(search)
        marked = "file IN (SELECT file FROM favourites) AS favourite"
        order = "ORDER BY place DESC, number DESC, name DESC LIMIT ? OFFSET ?"
        query = f"SELECT *, {marked} FROM pictures WHERE {where} {order}"
        return [_entry(row) for row in self._read(query, *values, limit, offset)]

    def get(self, name: str) -> Entry | None:
        """One image; None if it is not in the index."""
        query = "SELECT *, file IN (SELECT file FROM favourites) AS favourite FROM pictures WHERE name = ? AND width > 0"
        rows = self._read(query, make_encodable(name))
        return _entry(rows[0]) if rows else None

    def count(self, search: Search) -> int:
        """The number of matching images."""
        where, values = _condition(search)
        return self._read(f"SELECT COUNT(*) FROM pictures WHERE {where}", *values)[0][0]

    def checkpoints(self) -> list[str]:
        """The names of all checkpoints in the index, sorted."""
        rows = self._read("SELECT DISTINCT checkpoint FROM pictures WHERE checkpoint != '' ORDER BY checkpoint")
        return [row[0] for row in rows]

    def days(self, search: Search | None = None) -> list[tuple[str, int]]:
        """The days with matching images, newest first, and the number of images of each."""
        where, values = _condition(search or Search())
        grouped = "GROUP BY day ORDER BY MAX(place) DESC, day DESC"
        rows = self._read(f"SELECT day, COUNT(*) FROM pictures WHERE {where} {grouped}", *values)
        return [(row[0], row[1]) for row in rows]

    def set_favourite(self, name: str, favourite: bool) -> None:
        """Mark an image as a favourite, or remove the mark. Raises OutputError if the favourites file cannot be written."""
        favourites.set_favourite(self._outputs, Path(text_to_name(name)).name, favourite)
        self._take_favourites()

    def forget(self, name: str) -> None:
        """Remove a deleted image from the index."""
        self._drop(self._read("SELECT name, mtime_ns, bytes FROM pictures WHERE name = ?", make_encodable(name)))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _take_favourites(self) -> None:
        marked = sorted({name_to_text(name) for name in favourites.read(self._outputs)})
        with self._change():
            self._db.execute("DELETE FROM favourites")
            self._db.executemany("INSERT INTO favourites VALUES (?)", [(name,) for name in marked])

    def _drop(self, rows: list[sqlite3.Row]) -> None:
        with self._change():
            self._db.executemany("DELETE FROM pictures WHERE name = ?", [(row["name"],) for row in rows])
        for row in rows:
            self.thumbnails.forget(self._outputs / text_to_name(row["name"]), row["mtime_ns"], row["bytes"])

    def _index(self, found: list[_Found]) -> None:
        rows = [_row(each, summarise(self._outputs / text_to_name(each.name), each.mtime_ns / 1e9)) for each in found]
        with self._change():
            self._db.executemany(f"INSERT OR REPLACE INTO pictures VALUES ({', '.join('?' * len(COLUMNS))})", rows)

    def _read(self, query: str, *values: _Value) -> list[sqlite3.Row]:
        """The rows. An index that turns out to be damaged is replaced by an empty one, which has none until it is refreshed."""
        with self._lock:
            try:
                with self._translate_errors():
                    return self._db.execute(query, values).fetchall()
            except history_file.IndexDamaged:
                self.rebuild()
                return self._db.execute(query, values).fetchall()

    @contextmanager
    def _change(self) -> Generator[None]:
        """A transaction. An index that turns out to be damaged is replaced by an empty one, without the block's changes."""
        with self._lock:
            try:
                with self._translate_errors(), transaction(self._db):
                    yield
            except history_file.IndexDamaged:
                self.rebuild()

    @contextmanager
    def _translate_errors(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if history_file.is_damage(error):
                raise history_file.IndexDamaged from error
            raise describe_database_error(error, "its list of pictures", self._path) from error


@dataclass(frozen=True)
class _Found:
    name: str
    mtime_ns: int
    size: int

    @property
    def stamp(self) -> tuple[int, int]:
        return self.mtime_ns, self.size


def _stamp(row: sqlite3.Row) -> tuple[int, int]:
    return row["mtime_ns"], row["bytes"]


def _walk(outputs: Path) -> Iterator[_Found]:
    """Every image file under the folder, except hidden ones. Files that are removed meanwhile are skipped."""
    waiting = [outputs]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as listed:
                entries = [each for each in listed if not each.name.startswith(".")]
        except OSError:
            continue
        for each in entries:
            try:
                if each.is_dir(follow_symlinks=False):
                    waiting.append(Path(each.path))
                elif each.name.lower().endswith(ENDINGS) and stat.S_ISREG((facts := each.stat()).st_mode):
                    name = name_to_text(Path(each.path).relative_to(outputs).as_posix())
                    yield _Found(name, max(-_LARGEST, min(facts.st_mtime_ns, _LARGEST)), facts.st_size)
            except OSError:
                continue


def _row(found: _Found, made: Summary) -> Sequence[_Value]:
    file = found.name.rpartition("/")[2]
    submitted = read_submission_time(read_job(file) or "")
    prompt, negative_prompt, checkpoint = map(make_encodable, (made.prompt, made.negative_prompt, made.checkpoint))
    values: dict[str, _Value] = {
        "name": found.name,
        "file": file,
        "mtime_ns": found.mtime_ns,
        "bytes": found.size,
        "created": made.created,
        "place": made.created if submitted is None else submitted,
        "number": 0 if submitted is None else read_index(file),
        "day": to_day(made.created),
        "width": made.width,
        "height": made.height,
        "prompt": prompt,
        "checkpoint": checkpoint,
        "words": f"{prompt}\n{negative_prompt}".casefold().replace("\0", " "),
    }
    return [values[column] for column in COLUMNS]


def _condition(search: Search) -> tuple[str, list[_Value]]:
    """The SQL condition and its values. Files that could not be opened have no width."""
    where = ["width > 0"]
    values: list[_Value] = []
    if words := list(dict.fromkeys(make_encodable(search.words).casefold().replace("\0", " ").split())):
        where.append("NOT EXISTS (SELECT 1 FROM json_each(?) AS word WHERE NOT INSTR(pictures.words, word.value))")
        values.append(json.dumps(words, ensure_ascii=False))
    if search.checkpoint:
        where.append("checkpoint = ?")
        values.append(make_encodable(search.checkpoint))
    if search.day:
        where.append("SUBSTR(day, 1, LENGTH(?)) = ?")
        values += [make_encodable(search.day)] * 2
    if not search.studies:
        where.append(f"name NOT LIKE '{STUDIES}/%'")
    if search.favourites:
        where.append("file IN (SELECT file FROM favourites)")
    return " AND ".join(where), values


def _entry(row: sqlite3.Row) -> Entry:
    plain = {name: row[name] for name in ("name", "created", "width", "height", "prompt", "checkpoint")}
    return Entry(**plain, favourite=bool(row["favourite"]))
