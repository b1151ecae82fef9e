from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from engine.storage.database import Replacement, open_database

FIRST = "CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, words TEXT NOT NULL);"
SECOND = "ALTER TABLE jobs ADD COLUMN stars INTEGER NOT NULL DEFAULT 3; CREATE INDEX by_stars ON jobs (stars);"
THIRD = "UPDATE jobs SET stars = stars + 1;"


def fill(path: Path, upgrades: Sequence[str], rows: int = 50) -> None:
    database, _ = open_database(path, upgrades)
    with closing(database):
        database.executemany("INSERT INTO jobs (id, words) VALUES (?, ?)", [(str(row), "x" * 500) for row in range(rows)])


def read(path: Path, query: str) -> list[tuple[str | int, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def reopen(path: Path, upgrades: Sequence[str]) -> Replacement | None:
    database, replacement = open_database(path, upgrades)
    with closing(database):
        assert database.execute("PRAGMA user_version").fetchone()[0] == len(upgrades)
        assert database.execute("PRAGMA synchronous").fetchone()[0] == 2
        database.execute("SELECT COUNT(*) FROM jobs").fetchone()
    return replacement


def test_every_upgrade_on_the_way_is_made_once_and_a_copy_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "data" / "jobs.db"
    fill(path, [FIRST])
    assert os.listdir(path.parent) == ["jobs.db"], "a new file needs no copy"
    for _ in range(2):
        assert reopen(path, [FIRST, SECOND, THIRD]) is None
        assert read(path, "SELECT COUNT(*), MIN(stars), MAX(stars) FROM jobs") == [(50, 4, 4)]
    (copy,) = path.parent.glob("jobs.version-1-*.db")
    assert read(copy, "SELECT COUNT(*) FROM jobs") == [(50,)] and read(copy, "PRAGMA user_version") == [(1,)]
    assert reopen(copy, [FIRST, SECOND]) is None, "the copy can be used like the file"


def test_a_file_from_before_versions_were_counted_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(f"{FIRST} INSERT INTO jobs VALUES ('a', 'b');")
    assert reopen(path, [FIRST, SECOND]) is None
    assert read(path, "SELECT id, stars FROM jobs") == [("a", 3)]
    assert len(list(tmp_path.glob("jobs.version-0-*.db"))) == 1


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    fill(path, [FIRST])
    full = "UPDATE jobs SET words = 'changed'; PRAGMA max_page_count = 1; INSERT INTO jobs VALUES ('big', zeroblob(1000000));"
    with pytest.raises(sqlite3.OperationalError, match="full"):
        open_database(path, [FIRST, full])
    assert read(path, "SELECT DISTINCT words FROM jobs") == [("x" * 500,)] and read(path, "PRAGMA user_version") == [(1,)]


def test_a_file_of_a_newer_version_is_moved_aside_whole(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    fill(path, [FIRST, SECOND, THIRD])
    replacement = reopen(path, [FIRST, SECOND])
    assert replacement is not None and replacement.newer
    assert read(path, "SELECT COUNT(*) FROM jobs") == [(0,)]
    assert read(replacement.aside, "SELECT COUNT(*) FROM jobs") == [(50,)]


def overwrite(path: Path, start: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


DAMAGES = {
    "no database": lambda path: path.write_bytes(b"a letter to Aunt Jane\n" * 100),
    "noise": lambda path: path.write_bytes(os.urandom(20_000)),
    "cut off": lambda path: os.truncate(path, path.stat().st_size // 2 + 100),
    "a page of zeros": lambda path: overwrite(path, 4096, bytes(8192)),
    "foreign tables": lambda path: (path.unlink(), fill_foreign(path)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "the kernel's log": lambda path: (path.unlink(), path.symlink_to("/proc/kmsg")),
}


def fill_foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE jobs (wages INTEGER)")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "jobs.db"
    fill(path, [FIRST])
    DAMAGES[damage](path)
    replacement = reopen(path, [FIRST + "CREATE INDEX IF NOT EXISTS by_words ON jobs (words);"])
    assert replacement is not None and not replacement.newer and replacement.aside.exists()
    assert read(path, "SELECT COUNT(*) FROM jobs") == [(0,)]


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
@pytest.mark.parametrize("odd", [os.mkfifo, os.mkdir, lambda path: os.symlink("/proc/kmsg", path)])
def test_nothing_odd_beside_it_is_waited_for(tmp_path: Path, ending: str, odd: Callable[[str], None]) -> None:
    path = tmp_path / "jobs.db"
    fill(path, [FIRST])
    odd(f"{path}{ending}")
    assert reopen(path, [FIRST]) is None
    assert read(path, "SELECT COUNT(*) FROM jobs") == [(50,)]


def test_a_folder_that_cannot_be_written_moves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError):
        open_database(tmp_path / "file" / "jobs.db", [FIRST])
    assert os.listdir(tmp_path) == ["file"]
