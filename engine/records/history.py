"""A searchable index of all pictures in the outputs folder. It can be deleted: it is rebuilt from the files."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.records import favourites
from engine.records.images.thumbnails import Thumbnails
from engine.records.summary import Summary, summarise

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")

_BATCH = 200
"""Pictures that are read between two looks at what the page wants."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pictures (
    name TEXT PRIMARY KEY, file TEXT NOT NULL, mtime_ns INTEGER NOT NULL, bytes INTEGER NOT NULL, created REAL NOT NULL,
    day TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, prompt TEXT NOT NULL, checkpoint TEXT NOT NULL,
    words TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_time ON pictures (created DESC, name DESC);
CREATE TABLE IF NOT EXISTS favourites (file TEXT PRIMARY KEY);
"""
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One picture. ``name`` is its path inside the outputs, with forward slashes; ``created`` seconds since 1970."""

    name: str
    created: float
    width: int
    height: int
    prompt: str
    checkpoint: str
    favourite: bool


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for; empty fields ask for nothing. All ``words`` must be in the prompts. ``day`` is the beginning of a date:
    ``"2026"``, ``"2026-11"`` or ``"2026-11-25"``."""

    words: str = ""
    checkpoint: str = ""
    day: str = ""
    favourites: bool = False


class History:
    """The index of one outputs folder. Any thread may use it. A damaged index is rebuilt."""

    def __init__(self, outputs: Path, data: Path) -> None:
        self._outputs, self._path = outputs, data / "history.db"
        self._lock = threading.RLock()
        self.thumbnails = Thumbnails(data / "thumbnails")
        try:
            self._db = self._open()
        except sqlite3.DatabaseError:
            self._remove()
            self._db = self._open()

    def rebuild(self) -> None:
        """Throw the index away; the next :meth:`refresh` reads every picture again."""
        with self._lock:
            self.close()
            self._remove()
            self._db = self._open()

    def refresh(self) -> Iterator[int]:
        """Look at the folder: pictures that came, went or changed, in whatever way. Yields how many are still to be read."""
        there = {entry.name: entry for entry in _walk(self._outputs)}
        with self._lock:
            self._take_favourites()
            known = {row["name"]: row for row in self._db.execute("SELECT name, mtime_ns, bytes FROM pictures")}
        self._drop([row for name, row in known.items() if name not in there])
        new = [each for each in there.values() if each.name not in known or each.stamp != _stamp(known[each.name])]
        new.sort(key=lambda each: each.mtime_ns, reverse=True)
        for start in range(0, len(new), _BATCH):
            self._read(new[start : start + _BATCH])
            yield max(0, len(new) - start - _BATCH)

    def find(self, search: Search, offset: int = 0, limit: int = 60) -> list[Entry]:
        """The pictures that fit, the newest first."""
        where, values = _condition(search)
        marked = "file IN (SELECT file FROM favourites) AS favourite"
        query = f"SELECT *, {marked} FROM pictures WHERE {where} ORDER BY created DESC, name DESC LIMIT ? OFFSET ?"
        with self._lock:
            rows = self._db.execute(query, (*values, limit, offset)).fetchall()
        return [_entry(row) for row in rows]

    def get(self, name: str) -> Entry | None:
        """One picture; None if the index does not hold it."""
        query = "SELECT *, file IN (SELECT file FROM favourites) AS favourite FROM pictures WHERE name = ? AND width > 0"
        with self._lock:
            row = self._db.execute(query, (name,)).fetchone()
        return _entry(row) if row else None

    def count(self, search: Search) -> int:
        """How many fit."""
        where, values = _condition(search)
        with self._lock:
            return self._db.execute(f"SELECT COUNT(*) FROM pictures WHERE {where}", values).fetchone()[0]

    def checkpoints(self) -> list[str]:
        """The checkpoints that made them."""
        with self._lock:
            rows = self._db.execute("SELECT DISTINCT checkpoint FROM pictures WHERE checkpoint != '' ORDER BY checkpoint")
            return [row[0] for row in rows]

    def days(self) -> list[tuple[str, int]]:
        """The days on which some were made and how many, the newest first."""
        with self._lock:
            rows = self._db.execute("SELECT day, COUNT(*) FROM pictures WHERE width > 0 GROUP BY day ORDER BY day DESC")
            return [(row[0], row[1]) for row in rows]

    def set_favourite(self, name: str, favourite: bool) -> None:
        """Mark a picture as a favourite, or no longer. Raises OutputError if that cannot be written beside the pictures."""
        favourites.set_favourite(self._outputs, Path(name).name, favourite)
        with self._lock:
            self._take_favourites()

    def forget(self, name: str) -> None:
        """The picture was deleted."""
        with self._lock:
            self._drop(self._db.execute("SELECT name, mtime_ns, bytes FROM pictures WHERE name = ?", (name,)).fetchall())

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _remove(self) -> None:
        for ending in ("", "-wal", "-shm"):
            Path(f"{self._path}{ending}").unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        opened = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None, timeout=30)
        try:
            opened.row_factory = sqlite3.Row
            opened.execute("PRAGMA journal_mode=WAL")
            opened.execute("PRAGMA synchronous=OFF")  # what a power cut takes is read from the files again
            if opened.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                opened.execute("DROP TABLE IF EXISTS pictures")
                opened.execute(f"PRAGMA user_version = {_VERSION}")
            opened.executescript(_SCHEMA)
        except sqlite3.DatabaseError:
            opened.close()
            raise
        return opened

    def _take_favourites(self) -> None:
        self._db.execute("BEGIN")
        self._db.execute("DELETE FROM favourites")
        self._db.executemany("INSERT INTO favourites VALUES (?)", [(name,) for name in favourites.read(self._outputs)])
        self._db.execute("COMMIT")

    def _drop(self, rows: list[sqlite3.Row]) -> None:
        with self._lock:
            self._db.executemany("DELETE FROM pictures WHERE name = ?", [(row["name"],) for row in rows])
        for row in rows:
            self.thumbnails.forget(self._outputs / row["name"], row["mtime_ns"], row["bytes"])

    def _read(self, found: list[_Found]) -> None:
        rows = [_row(each, summarise(self._outputs / each.name, each.mtime_ns / 1e9)) for each in found]
        with self._lock:
            self._db.execute("BEGIN")
            self._db.executemany(f"INSERT OR REPLACE INTO pictures VALUES ({', '.join('?' * 11)})", rows)
            self._db.execute("COMMIT")


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
    """Every picture file under the folder, hidden ones left out. What vanishes meanwhile is not there."""
    waiting = [outputs]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as listed:
                for each in listed:
                    if each.name.startswith("."):
                        continue
                    if each.is_dir(follow_symlinks=False):
                        waiting.append(Path(each.path))
                    elif each.name.lower().endswith(ENDINGS):
                        stat = each.stat()
                        yield _Found(Path(each.path).relative_to(outputs).as_posix(), stat.st_mtime_ns, stat.st_size)
        except OSError:
            continue


def _row(found: _Found, made: Summary) -> tuple[str | float, ...]:
    words = f"{made.prompt}\n{made.negative_prompt}".casefold()
    day = datetime.fromtimestamp(made.created).strftime("%Y-%m-%d")
    file = found.name.rpartition("/")[2]
    size = (made.width, made.height)
    return found.name, file, found.mtime_ns, found.size, made.created, day, *size, made.prompt, made.checkpoint, words


def _condition(search: Search) -> tuple[str, list[str]]:
    """SQL and its values. Files that could not be opened have no width."""
    where = ["width > 0"]
    values: list[str] = []
    for word in search.words.casefold().split():
        where.append("INSTR(words, ?)")
        values.append(word)
    if search.checkpoint:
        where.append("checkpoint = ?")
        values.append(search.checkpoint)
    if search.day:
        where.append("SUBSTR(day, 1, LENGTH(?)) = ?")
        values += [search.day, search.day]
    if search.favourites:
        where.append("file IN (SELECT file FROM favourites)")
    return " AND ".join(where), values


def _entry(row: sqlite3.Row) -> Entry:
    plain = {name: row[name] for name in ("name", "created", "width", "height", "prompt", "checkpoint")}
    return Entry(**plain, favourite=bool(row["favourite"]))
