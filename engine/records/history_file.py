"""The SQLite file of the index of images: opened, upgraded, or replaced if it is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from engine.storage.atomic_files import create_private_file, set_aside
from engine.storage.database import list_database_files
from engine.storage.regular_files import is_regular_or_absent

VERSION = 2

COLUMNS: Mapping[str, str] = {
    "name": "text", "file": "text", "mtime_ns": "integer", "bytes": "integer", "created": "real", "place": "real",
    "number": "integer", "day": "text", "width": "integer", "height": "integer", "prompt": "text", "checkpoint": "text",
    "words": "text",
}  # fmt: skip
"""Column -> SQLite's storage class of its values. ``place``, then ``number``, order the images."""

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS pictures (
    {", ".join(f"{name} {kind} NOT NULL" for name, kind in COLUMNS.items())}, PRIMARY KEY (name)
);
CREATE INDEX IF NOT EXISTS by_place ON pictures (place DESC, number DESC, name DESC);
CREATE TABLE IF NOT EXISTS favourites (file TEXT PRIMARY KEY);
"""

_FROM_VERSION_1 = f"""
INSERT INTO pictures ({", ".join(COLUMNS)})
    SELECT name, file, mtime_ns, bytes, created, created, 0, day, width, height, prompt, checkpoint, words FROM old;
DROP TABLE old;
"""
"""Version 1 ordered images by the time in their records."""

_WRONG = " OR ".join(f"typeof({name}) != '{kind}'" for name, kind in COLUMNS.items())
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_MISMATCH)
"""Primary result codes that mean damaged content, not a failing disk."""


class IndexDamaged(Exception):
    """The file is not a valid index."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether ``error`` means damaged content, so that a new file helps."""
    if isinstance(error, (sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)):
        return False
    code = getattr(error, "sqlite_errorcode", None)  # an error of Python's own module, such as text that is not UTF-8, has none
    return code is None or code & 0xFF in _DAMAGE


def open_index(path: Path) -> tuple[sqlite3.Connection, str]:
    """The index in ``path``, replaced if it is damaged; or one in memory, and a sentence why, if the folder is not writable."""
    try:
        try:
            return _open(path), ""
        except (IndexDamaged, sqlite3.DatabaseError):
            remove_index(path)
            return _open(path), ""
    except (sqlite3.Error, OSError) as error:
        return _prepare(sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)), (
            f"Easel cannot keep its list of pictures in “{path}” ({error}), so it reads all pictures again after each start. "
            "Free some space on that disk, allow writing there, or start Easel with another --data."
        )


def remove_index(path: Path) -> None:
    """Delete the file and SQLite's files beside it; anything but a file is moved aside. Raises OSError."""
    for file in list_database_files(path):
        if is_regular_or_absent(file):
            file.unlink(missing_ok=True)
        else:
            set_aside(file, "damaged")


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not all(map(is_regular_or_absent, list_database_files(path))):
        raise IndexDamaged
    create_private_file(path)
    opened = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
    try:
        opened.execute("PRAGMA journal_mode=WAL")
        opened.execute("PRAGMA synchronous=OFF")  # what a power failure loses is read from the images again
        return _prepare(opened)
    except BaseException:
        opened.close()
        raise


def _prepare(opened: sqlite3.Connection) -> sqlite3.Connection:
    """Create or upgrade the tables and check the types of all values. Raises IndexDamaged."""
    opened.row_factory = sqlite3.Row
    opened.text_factory = lambda raw: raw.decode("utf-8", "replace")
    version = opened.execute("PRAGMA user_version").fetchone()[0]
    if version == 1:
        opened.executescript(f"BEGIN; ALTER TABLE pictures RENAME TO old; {_SCHEMA} {_FROM_VERSION_1} COMMIT;")
    elif version != VERSION:
        opened.executescript("DROP TABLE IF EXISTS pictures; DROP TABLE IF EXISTS favourites")
    opened.executescript(f"{_SCHEMA} PRAGMA user_version = {VERSION}")
    if opened.execute(f"SELECT 1 FROM pictures WHERE {_WRONG} LIMIT 1").fetchone():
        raise IndexDamaged
    return opened
