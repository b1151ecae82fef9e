"""SQLite files with a version: created, upgraded with a copy kept, and moved aside if they cannot be used.

What was committed survives a power cut: WAL mode with full synchronisation.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import DiskFull, OutputError
from engine.storage.atomic_files import (
    create_private_file,
    describe_disk_error,
    find_free_name,
    make_folder,
    set_aside,
    sync_folder,
)
from engine.storage.regular_files import is_regular_or_absent

_UNUSABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""Primary result codes that speak of the file's content, not of the disk; SQLITE_ERROR of tables that are not Easel's."""


_ELSEWHERE = "start Easel with another folder (--data)"
_NOT_WRITABLE = f"it may not be written. Allow writing there, or {_ELSEWHERE}"
_IN_USE = "another program holds it. Close what has the file open, and try again"
_REASONS = {
    sqlite3.SQLITE_FULL: f"the disk is full. Free some space there, or {_ELSEWHERE}",
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
    sqlite3.SQLITE_PERM: _NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: _NOT_WRITABLE,
    sqlite3.SQLITE_BUSY: _IN_USE,
    sqlite3.SQLITE_LOCKED: _IN_USE,
    sqlite3.SQLITE_CORRUPT: "it was damaged while Easel ran. Start Easel again: it moves the file aside and reads what is left",
    sqlite3.SQLITE_NOTADB: "it was damaged while Easel ran. Start Easel again: it moves the file aside and reads what is left",
    sqlite3.SQLITE_IOERR: f"its drive reports errors or is gone. Check the drive, or {_ELSEWHERE}",
}
"""Primary result code -> what it says to the user."""


def describe_database_error(error: sqlite3.Error | OSError, what: str, path: Path) -> OutputError:
    """``error`` as a sentence for the user. ``what``: what the file ``path`` is to Easel, such as "its journal"."""
    if isinstance(error, OSError):
        described = describe_disk_error(error, path.parent)
        return type(described)(f"Easel cannot write {what} “{path.name}”. {described}")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # errors of Python's own module have none
    reason = _REASONS.get(code, f"{error}. Start Easel again; if it happens again, {_ELSEWHERE}")
    kind = DiskFull if code == sqlite3.SQLITE_FULL else OutputError
    return kind(f"Easel cannot write {what} “{path}”: {reason}.")


@dataclass(frozen=True)
class Replacement:
    """A file could not be used and lies at ``aside`` now. ``newer``: a later version of Easel wrote it; else it is damaged."""

    aside: Path
    newer: bool


def open_database(path: Path, upgrades: Sequence[str]) -> tuple[sqlite3.Connection, Replacement | None]:
    """A connection to ``path``, created or upgraded to the newest version, and what became of a file that could not be used.

    ``upgrades[n]`` is the SQL that turns version ``n`` into ``n + 1``, 0 being a new file or one from before versions were
    counted. Each is applied whole or not at all, and before the first one a copy of an existing file is made beside it.
    Raises sqlite3.Error or OSError where the disk or the folder is the reason.
    """
    make_folder(path.parent)
    aside = {file: set_aside(file, "damaged") for file in list_database_files(path) if not is_regular_or_absent(file)}
    if path in aside:
        return _open(path, upgrades), Replacement(aside[path], newer=False)
    try:
        return _open(path, upgrades), None
    except _TooNew:
        newer = True
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in _UNUSABLE:
            raise
        newer = False
    aside = _move_aside(path, "newer" if newer else "damaged")
    return _open(path, upgrades), Replacement(aside, newer)


def list_database_files(path: Path) -> tuple[Path, Path, Path]:
    """``path`` and the files that SQLite keeps beside it."""
    return path, Path(f"{path}-wal"), Path(f"{path}-shm")


@contextmanager
def transaction(database: sqlite3.Connection) -> Generator[None]:
    """Commit everything that the block writes, or roll it back if the block raises."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


class _TooNew(Exception):
    """The file's version is above the last one known here."""


def _open(path: Path, upgrades: Sequence[str]) -> sqlite3.Connection:
    create_private_file(path)  # SQLite gives the files that it makes beside this one its permissions
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
    try:
        database.row_factory = sqlite3.Row
        database.text_factory = _decode
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA fullfsync=ON")  # macOS: past the drive's own cache
        _check(database)
        _upgrade(database, path, upgrades)
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection) -> None:
    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        error = sqlite3.DatabaseError(found)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _upgrade(database: sqlite3.Connection, path: Path, upgrades: Sequence[str]) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > len(upgrades):
        raise _TooNew
    if version < len(upgrades) and database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
        _copy(database, find_free_name(path, f"version-{version}"))
    for number, script in enumerate(upgrades[version:], version + 1):
        try:
            database.executescript(f"BEGIN IMMEDIATE;\n{script}\n;PRAGMA user_version = {number};\nCOMMIT;")
        except sqlite3.Error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise


def _copy(database: sqlite3.Connection, target: Path) -> None:
    create_private_file(target)
    copy = sqlite3.connect(target)
    try:
        copy.execute("PRAGMA synchronous=FULL")
        database.backup(copy)
    except BaseException:
        target.unlink()
        raise
    finally:
        copy.close()
    sync_folder(target.parent)


def _move_aside(path: Path, reason: str) -> Path:
    """Renames the file, and what SQLite keeps beside it, which belongs to it by its name."""
    aside = set_aside(path, reason)
    for beside, moved in zip(list_database_files(path)[1:], list_database_files(aside)[1:], strict=True):
        if beside.exists():
            beside.replace(moved)
    return aside


def _decode(raw: bytes) -> str:
    """A text of the file; earlier versions wrote lone surrogates as if UTF-8 held them."""
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")
