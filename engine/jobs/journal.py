"""The journal: every job as a row on disk, written before anybody is told that it is queued.

SQLite in WAL mode with full synchronisation: what was committed survives a power cut. It lies in the data folder, on a local
disk; the pictures themselves are the truth, and are on disk before the journal says so.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import defaultdict, deque
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import OutputError
from engine.events import Result, Step
from engine.requests import Request, from_json, to_json

QUEUED, RUNNING, FINISHED, CANCELLED, FAILED, SET_ASIDE = "queued", "running", "finished", "cancelled", "failed", "set_aside"
OVER = (FINISHED, CANCELLED, FAILED, SET_ASIDE)
"""States after which nothing more happens to a job. ``set_aside``: it ended its worker twice."""


@dataclass(frozen=True, kw_only=True)
class JobState:
    """A job as it stands. Times are seconds since 1970, None until they come. ``depth`` is the hash of the map that guides its
    pictures, "" for none. ``progress`` is the newest step, while it runs."""

    id: str
    page: str
    request: Request
    state: str
    attempt: int = 0
    place: float = 0.0
    submitted: float = 0.0
    started: float | None = None
    ended: float | None = None
    error: str = ""
    error_kind: str = ""
    results: tuple[Result, ...] = ()
    notices: tuple[str, ...] = ()
    depth: str = ""
    progress: Step | None = field(default=None, compare=False)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in OVER


_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, page TEXT NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,
    place REAL NOT NULL, submitted REAL NOT NULL, started REAL, ended REAL, error TEXT NOT NULL DEFAULT '',
    error_kind TEXT NOT NULL DEFAULT '', notices TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, place);
CREATE INDEX IF NOT EXISTS jobs_by_page ON jobs (page, submitted);
CREATE TABLE IF NOT EXISTS results (
    job TEXT NOT NULL, picture INTEGER NOT NULL, path TEXT NOT NULL, seed INTEGER NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (job, picture)
);
CREATE TABLE IF NOT EXISTS guides (job TEXT PRIMARY KEY, depth TEXT NOT NULL);
"""


class Journal:
    """All jobs of one data folder. Any thread may use it. Raises OutputError where the folder cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA fullfsync=ON")  # macOS: past the drive's own cache
            self._db.executescript(_SCHEMA)

    def add(self, job: str, page: str, request: Request) -> JobState:
        """A new job at the end of the queue, on disk when this returns."""
        now = time.time()
        self._run(
            "INSERT INTO jobs (id, page, request, state, place, submitted) VALUES (?, ?, ?, ?, ?, ?)",
            (job, page, json.dumps(to_json(request)), QUEUED, now, now),
        )
        return self.get(job)

    def get(self, job: str) -> JobState:
        """The job as it stands. Raises KeyError for an id that was never given."""
        rows = self._rows("SELECT * FROM jobs WHERE id = ?", (job,))
        if not rows:
            raise KeyError(job)
        return rows[0]

    def next(self) -> JobState | None:
        """The job to run next, or None."""
        waiting = self.order()
        return self.get(waiting[0]) if waiting else None

    def order(self) -> list[str]:
        """The ids of the jobs that wait, in the order in which they will run.

        First those that were begun or moved to the front. Then pages take turns, the one that was served longest ago first: a
        page with a hundred jobs does not starve another.
        """
        with self._lock, self._translated():
            waiting = "SELECT id, page, place, attempt FROM jobs WHERE state = ? ORDER BY place"
            rows = self._db.execute(waiting, (QUEUED,)).fetchall()
            served = dict(self._db.execute("SELECT page, COALESCE(MAX(started), 0) FROM jobs GROUP BY page").fetchall())
        first: list[str] = []
        lines: dict[str, deque[str]] = defaultdict(deque)
        for row in rows:
            line = first if row["attempt"] or row["place"] < 0 else lines[row["page"]]
            line.append(row["id"])
        return first + list(_in_turns(sorted(lines, key=lambda page: served[page]), lines))

    def start(self, job: str) -> JobState:
        """A worker takes the job: one attempt more."""
        self._run("UPDATE jobs SET state = ?, attempt = attempt + 1, started = ? WHERE id = ?", (RUNNING, time.time(), job))
        return self.get(job)

    def requeue(self, job: str, *, forget_attempt: bool = False) -> None:
        """Back into the queue, in its old place. ``forget_attempt``: the attempt was not the job's fault."""
        self._run("UPDATE jobs SET state = ?, attempt = attempt - ? WHERE id = ?", (QUEUED, int(forget_attempt), job))

    def end(self, job: str, state: str, *, error: str = "", kind: str = "") -> None:
        """Nothing more happens to the job."""
        self._run(
            "UPDATE jobs SET state = ?, ended = ?, error = ?, error_kind = ? WHERE id = ?",
            (state, time.time(), error, kind, job),
        )

    def saved(self, job: str, picture: int, result: Result) -> None:
        """Picture ``picture`` is on disk. Saying so twice is saying so once."""
        self._run(
            "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)",
            (job, picture, str(result.path), result.seed, result.width, result.height, result.seconds),
        )

    def notice(self, job: str, text: str) -> None:
        """Keep a sentence for whoever looks at the job later."""
        with self._lock:
            notices = [*self.get(job).notices, text]
            self._run("UPDATE jobs SET notices = ? WHERE id = ?", (json.dumps(list(dict.fromkeys(notices))), job))

    def guided(self, job: str, depth: str) -> None:
        """Keep the hash of the depth map that guides the job's pictures."""
        self._run("INSERT OR REPLACE INTO guides VALUES (?, ?)", (job, depth))

    def to_front(self, job: str) -> None:
        """Let a job that waits run before all others that do."""
        least = "(SELECT MIN(0, MIN(place)) FROM jobs WHERE state = ?)"
        self._run(f"UPDATE jobs SET place = {least} - 1 WHERE id = ? AND state = ?", (QUEUED, job, QUEUED))

    def list(self, states: Collection[str] = (), page: str | None = None, limit: int = 100) -> list[JobState]:
        """Jobs in these states (all if empty), of one page or all, the newest first."""
        where, values = ["1"], []
        if states:
            where.append(f"state IN ({', '.join('?' * len(states))})")
            values.extend(states)
        if page is not None:
            where.append("page = ?")
            values.append(page)
        found = f"SELECT * FROM jobs WHERE {' AND '.join(where)} ORDER BY submitted DESC, rowid DESC LIMIT ?"
        return self._rows(found, (*values, limit))

    def forget(self, page: str, older: float = 60.0) -> None:
        """Removes the jobs of a page that ended more than ``older`` seconds ago: for pages whose jobs are drafts."""
        before = time.time() - older
        with self._lock:
            for table in ("results", "guides"):
                self._run(f"DELETE FROM {table} WHERE job IN (SELECT id FROM jobs WHERE page = ? AND ended < ?)", (page, before))
            self._run("DELETE FROM jobs WHERE page = ? AND ended < ?", (page, before))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[JobState]:
        with self._lock, self._translated():
            return [self._state(row) for row in self._db.execute(query, values).fetchall()]

    def _run(self, query: str, values: tuple[Any, ...]) -> None:
        with self._lock, self._translated():
            self._db.execute(query, values)

    def _state(self, row: sqlite3.Row) -> JobState:
        pictures = self._db.execute("SELECT * FROM results WHERE job = ? ORDER BY picture", (row["id"],)).fetchall()
        results = tuple(
            Result(path=Path(p["path"]), **{k: p[k] for k in ("seed", "width", "height", "seconds")}) for p in pictures
        )
        plain = {k: row[k] for k in tuple(row.keys()) if k not in ("request", "notices")}
        request, notices = from_json(json.loads(row["request"])), tuple(json.loads(row["notices"]))
        guide = self._db.execute("SELECT depth FROM guides WHERE job = ?", (row["id"],)).fetchone()
        return JobState(request=request, notices=notices, results=results, depth=guide["depth"] if guide else "", **plain)

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.DatabaseError, OSError) as error:
            raise OutputError(
                f"Easel cannot write its journal “{self._path}”: {error}. Make room on that disk, or choose another --data."
            ) from error


def _in_turns(pages: Sequence[str], lines: Mapping[str, deque[str]]) -> Iterator[str]:
    """One job of each page after the other, until none waits."""
    while any(lines.values()):
        yield from (lines[page].popleft() for page in pages if lines[page])
