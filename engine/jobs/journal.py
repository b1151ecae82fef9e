"""The journal: every job is a row on disk, written before its submission is confirmed.

It lies in the data folder, on a local disk. The image files are authoritative: each is on disk before the journal says so. A
row that this
version cannot read stays in the file, and the others are unaffected.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import defaultdict, deque
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from engine.events import Described, Result, Step
from engine.jobs.journal_rescue import describe_replacement, describe_unreadable, find_finished, insert_row, read_rows
from engine.json_values import parse_json, parse_object
from engine.records.job_ids import create_job_id
from engine.requests import (
    KINDS,
    Request,
    ResolvedDescribeImage,
    from_json,
    is_draft,
    resolved_from_json,
    resolved_to_json,
    to_json,
)
from engine.safe_text import name_to_text, text_to_name
from engine.storage.blobs import find_hashes
from engine.storage.database import describe_database_error, open_database, transaction

QUEUED, RUNNING, FINISHED, CANCELLED, FAILED, SET_ASIDE = "queued", "running", "finished", "cancelled", "failed", "set_aside"
OVER = (FINISHED, CANCELLED, FAILED, SET_ASIDE)
"""The states of ended jobs. ``set_aside``: it ended its worker twice."""


@dataclass(frozen=True, kw_only=True)
class JobState:
    """A job's current state. Times are seconds since 1970, None until they come. ``place`` orders the jobs that wait, the
    smallest first. ``depth`` is the hash of the depth map that guides its images, "" for none. ``described`` is the answer of a
    job that describes an image. ``progress`` is the newest step, while it runs."""

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
    described: Described | None = None
    progress: Step | None = field(default=None, compare=False)

    @property
    def over(self) -> bool:
        """Whether the job has ended."""
        return self.state in OVER


UPGRADES = (
    # Version 1; files from before versions were counted hold the same tables, but the oldest have no guides.
    """
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
    """,
    # Version 2: one row while the user has paused the queue.
    "CREATE TABLE pauses (began REAL NOT NULL);",
    # Version 3: the keys by which clients recognise the job that they submitted.
    "CREATE TABLE keys (key TEXT PRIMARY KEY, job TEXT NOT NULL);",
    # Version 4: what jobs that make no image answered, with their resolved request as JSON.
    "CREATE TABLE descriptions (job TEXT PRIMARY KEY, words TEXT NOT NULL, resolved TEXT NOT NULL);",
)
"""The SQL that turns each version of the file into the next (see :func:`engine.storage.database.open_database`)."""

_Value: TypeAlias = str | bytes | int | float | None


class Journal:
    """All jobs of one data folder. Any thread may use it. Raises OutputError where the folder cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._unreadable: set[str] = set()
        self._latest = ""
        with self._translate_errors():
            self._db, self._replacement = open_database(path, UPGRADES)
            self._restored = self._restore_rows()
            self._find_unreadable()

    @property
    def troubles(self) -> tuple[str, ...]:
        """Parts of the file that could not be used, a sentence each."""
        replaced = [describe_replacement(self._path, self._replacement, self._restored)] if self._replacement else []
        unreadable = [describe_unreadable(len(self._unreadable), self._path)] if self._unreadable else []
        return (*replaced, *unreadable)

    def restore_finished(self, outputs: Path) -> None:
        """After a file could not be used: the newest finished jobs whose images lie in ``outputs`` are in the journal again."""
        if self._replacement is None:
            return
        jobs = list(find_finished(outputs, self.read_ids()))
        with self._lock, self._translate_errors(), transaction(self._db):
            for job, results in jobs:
                insert_row(self._db, "jobs", job)
                for result in results:
                    insert_row(self._db, "results", result)
        self._restored += len(jobs)

    def create_id(self) -> str:
        """An id for a new job, which sorts after all earlier ones."""
        with self._lock, self._translate_errors():
            latest = self._db.execute("SELECT MAX(id) FROM jobs WHERE id GLOB 'j*'").fetchone()[0]
            self._latest = create_job_id(max(self._latest, str(latest or "")), time.time())
            return self._latest

    def add(self, job: str, page: str, request: Request, key: str = "") -> JobState:
        """A new job at the end of the queue, on disk when this returns; the earlier job if there is one with the same ``key``."""
        now = time.time()
        last = "(SELECT MAX(?, COALESCE(MAX(place), 0) + 0.001) FROM jobs)"  # the clock may have been set back
        with self._lock, self._translate_errors(), transaction(self._db):
            if key and (earlier := self._find_by_key(key)) is not None:
                return earlier
            self._db.execute(
                f"INSERT INTO jobs (id, page, request, state, place, submitted) VALUES (?, ?, ?, ?, {last}, ?)",
                (job, name_to_text(page), json.dumps(to_json(request)), QUEUED, now, now),
            )
            if key:
                self._db.execute("INSERT OR REPLACE INTO keys VALUES (?, ?)", (name_to_text(key), job))
        return self.get(job)

    def _find_by_key(self, key: str) -> JobState | None:
        found = self._read_states("WHERE id IN (SELECT job FROM keys WHERE key = ?)", (name_to_text(key),))
        return found[0] if found else None

    def get(self, job: str) -> JobState:
        """The job's current state. Raises KeyError for an unknown id, or one whose row cannot be read."""
        rows = self._read_states("WHERE id = ?", (name_to_text(job),))
        if not rows:
            raise KeyError(job)
        return rows[0]

    def find_next(self) -> JobState | None:
        """The job to run next, None if no job waits. While the queue is paused that is a draft, for which somebody waits."""
        waiting, paused = (self.get(job) for job in self.order()), self.is_paused
        return next((state for state in waiting if not paused or is_draft(state.request)), None)

    @property
    def is_paused(self) -> bool:
        """Whether the user has paused the queue, in this Easel or an earlier one."""
        with self._lock, self._translate_errors():
            return self._db.execute("SELECT 1 FROM pauses").fetchone() is not None

    def pause(self) -> None:
        """Let no further job start, until :meth:`resume`."""
        self._execute("INSERT INTO pauses VALUES (?)", (time.time(),))

    def resume(self) -> None:
        """Let jobs start again."""
        self._execute("DELETE FROM pauses", ())

    def order(self) -> list[str]:
        """The ids of the jobs that wait, in the order in which they will run.

        First those that were begun or moved to the front. Then pages take turns, the one that was served longest ago first: a
        page with a hundred jobs does not starve another.
        """
        with self._lock, self._translate_errors():
            waiting = "SELECT id, page, place, attempt FROM jobs WHERE state = ? ORDER BY place, rowid"
            rows = self._db.execute(waiting, (QUEUED,)).fetchall()
            served = dict(self._db.execute("SELECT page, COALESCE(MAX(started), 0) FROM jobs GROUP BY page").fetchall())
        first: list[str] = []
        lines: dict[str, deque[str]] = defaultdict(deque)
        for row in rows:
            if row["id"] not in self._unreadable:
                line = first if row["attempt"] or row["place"] < 0 else lines[row["page"]]
                line.append(row["id"])
        return first + list(_take_turns(sorted(lines, key=lambda page: served[page]), lines))

    def start(self, job: str) -> JobState:
        """Record that a worker takes the job, as another attempt."""
        later = "(SELECT MAX(?, COALESCE(MAX(started), 0) + 0.001) FROM jobs)"  # pages take turns, also if the clock is set back
        self._execute(
            f"UPDATE jobs SET state = ?, attempt = attempt + 1, started = {later} WHERE id = ?", (RUNNING, time.time(), job)
        )
        return self.get(job)

    def requeue(self, job: str, *, forget_attempt: bool = False) -> None:
        """Back into the queue, in its old place. ``forget_attempt``: the attempt was not the job's fault."""
        self._execute("UPDATE jobs SET state = ?, attempt = attempt - ? WHERE id = ?", (QUEUED, int(forget_attempt), job))

    def end(self, job: str, state: str, *, error: str = "", kind: str = "") -> None:
        """Record the end of the job."""
        self._execute(
            "UPDATE jobs SET state = ?, ended = ?, error = ?, error_kind = ? WHERE id = ?",
            (state, time.time(), name_to_text(error), kind, job),
        )

    def add_result(self, job: str, index: int, result: Result) -> None:
        """Record that image ``index`` is on disk. Doing so twice has no further effect."""
        self._execute(
            "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)",
            (job, index, name_to_text(str(result.path)), result.seed, result.width, result.height, result.seconds),
        )

    def add_notice(self, job: str, text: str) -> None:
        """Store a sentence to be shown with the job later."""
        with self._lock:
            notices = dict.fromkeys((*self.get(job).notices, text))
            self._execute("UPDATE jobs SET notices = ? WHERE id = ?", (json.dumps(list(notices)), job))

    def set_depth(self, job: str, depth: str) -> None:
        """Store the hash of the depth map that guides the job's images."""
        self._execute("INSERT OR REPLACE INTO guides VALUES (?, ?)", (job, depth))

    def set_description(self, described: Described) -> None:
        """Store the answer of a job that describes an image. Doing so twice has no further effect."""
        values = described.job, name_to_text(described.words), json.dumps(resolved_to_json(described.resolved))
        self._execute("INSERT OR REPLACE INTO descriptions VALUES (?, ?, ?)", values)

    def move_to_front(self, job: str) -> None:
        """Let a job that waits run before all others that do."""
        least = "(SELECT MIN(0, MIN(place)) FROM jobs WHERE state = ?)"
        self._execute(f"UPDATE jobs SET place = {least} - 1 WHERE id = ? AND state = ?", (QUEUED, name_to_text(job), QUEUED))

    def put_first(self, jobs: Sequence[str]) -> None:
        """Let these jobs run before all others that wait, in this order."""
        with self._lock, self._translate_errors(), transaction(self._db):
            least = self._db.execute("SELECT MIN(0, COALESCE(MIN(place), 0)) FROM jobs WHERE state = ?", (QUEUED,)).fetchone()[0]
            places = [(least - len(jobs) + index, name_to_text(job), QUEUED) for index, job in enumerate(jobs)]
            self._db.executemany("UPDATE jobs SET place = ? WHERE id = ? AND state = ?", places)

    def list(self, states: Collection[str] = (), page: str | None = None, limit: int = 100) -> list[JobState]:
        """Jobs in these states (all if empty), of one page or all, the newest first."""
        where, values = ["1"], list[_Value]()
        if states:
            where.append(f"state IN ({', '.join('?' * len(states))})")
            values.extend(states)
        if page is not None:
            where.append("page = ?")
            values.append(name_to_text(page))
        return self._read_states(f"WHERE {' AND '.join(where)} ORDER BY rowid DESC LIMIT ?", (*values, limit))

    def find_blobs(self) -> set[str]:
        """The hashes of all blobs that a job names, those of rows that cannot be read included."""
        query = "SELECT request FROM jobs UNION ALL SELECT depth FROM guides"
        with self._lock, self._translate_errors():
            return {hash for (text,) in self._db.execute(query) for hash in find_hashes(str(text))}

    def read_ids(self) -> set[str]:
        """The ids of all jobs."""
        with self._lock, self._translate_errors():
            return {row["id"] for row in self._db.execute("SELECT id FROM jobs")}

    def forget(self, page: str, older: float = 60.0) -> None:
        """Removes the jobs of a page that ended more than ``older`` seconds ago: for pages whose jobs are drafts."""
        ended, values = "page = ? AND ended < ?", (name_to_text(page), time.time() - older)
        with self._lock, self._translate_errors(), transaction(self._db):
            for table in ("results", "guides", "descriptions"):
                self._db.execute(f"DELETE FROM {table} WHERE job IN (SELECT id FROM jobs WHERE {ended})", values)
            self._db.execute(f"DELETE FROM jobs WHERE {ended}", values)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _restore_rows(self) -> int:
        """Puts what can still be read of a damaged file into the new one; how many jobs that were."""
        if self._replacement is None or self._replacement.newer:
            return 0
        with transaction(self._db):
            for table in ("jobs", "results", "guides", "descriptions"):
                for row in read_rows(self._replacement.aside, table):
                    insert_row(self._db, table, row)
            # What makes no sense is damage and not a job of a newer version.
            readable = {row["id"] for row in self._db.execute("SELECT * FROM jobs").fetchall() if self._try_read_state(row)}
            self._db.executemany("DELETE FROM jobs WHERE id = ?", [(job,) for job in self._unreadable])
            self._unreadable.clear()
        return len(readable)

    def _find_unreadable(self) -> None:
        """Look at the jobs that wait or run one by one, and at the others as far as SQL can tell."""
        kinds = ", ".join(f"'{kind}'" for kind in KINDS)
        known = f"COALESCE(json_extract(request, '$.kind'), '') IN ({kinds})"
        readable = f"CASE WHEN json_valid(request) THEN {known} ELSE 0 END"
        self._read_states(f"WHERE state NOT IN ({', '.join('?' * len(OVER))}) OR NOT {readable}", OVER)

    def _read_states(self, condition: str, values: Sequence[_Value]) -> list[JobState]:
        """The jobs of the rows that can be read."""
        with self._lock, self._translate_errors():
            rows = self._db.execute(f"SELECT * FROM jobs {condition}", values).fetchall()
            return [state for row in rows if (state := self._try_read_state(row)) is not None]

    def _try_read_state(self, row: sqlite3.Row) -> JobState | None:
        try:
            state = self._read_state(row)
        except sqlite3.Error:
            raise
        except Exception:  # a damaged row, or one of a later version, must not hide the others
            self._unreadable.add(row["id"])
            return None
        self._unreadable.discard(row["id"])
        return state

    def _execute(self, query: str, values: Sequence[_Value]) -> None:
        with self._lock, self._translate_errors():
            self._db.execute(query, values)

    def _read_state(self, row: sqlite3.Row) -> JobState:
        _check_types(row, _TYPES)
        if row["state"] not in (QUEUED, RUNNING, *OVER):
            raise ValueError(f"state of job {row['id']}")
        images = self._db.execute("SELECT * FROM results WHERE job = ? ORDER BY picture", (row["id"],)).fetchall()
        description = self._db.execute("SELECT * FROM descriptions WHERE job = ?", (row["id"],)).fetchone()
        guide = self._db.execute("SELECT depth FROM guides WHERE job = ?", (row["id"],)).fetchone()
        return JobState(
            request=from_json(parse_object(row["request"])),
            notices=_read_notices(row["notices"]),
            results=tuple(map(_read_result, images)),
            depth=str(guide["depth"]) if guide else "",
            described=_read_description(description) if description else None,
            page=text_to_name(row["page"]),
            error=text_to_name(row["error"]),
            **{name: row[name] for name in _TYPES if name not in ("page", "error")},
        )

    @contextmanager
    def _translate_errors(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise describe_database_error(error, "its journal", self._path) from error


_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "page", "state", "error", "error_kind"), (str,)),
    **dict.fromkeys(("place", "submitted"), (float,)),
    **dict.fromkeys(("started", "ended"), (float, type(None))),
    "attempt": (int,),
}
"""Columns that are fields of JobState as they are, and what they hold."""


_RESULT_TYPES: Mapping[str, tuple[type, ...]] = {
    "path": (str,), "seed": (int,), "width": (int,), "height": (int,), "seconds": (float,),
}  # fmt: skip
"""The same for the fields of Result."""


def _check_types(row: sqlite3.Row, columns: Mapping[str, tuple[type, ...]]) -> None:
    """Raises ValueError for a row that no version of Easel known here has written."""
    wrong = [name for name, types in columns.items() if not isinstance(row[name], types)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} of a job or of its results")


def _read_result(row: sqlite3.Row) -> Result:
    _check_types(row, _RESULT_TYPES)
    path = Path(text_to_name(row["path"]))
    return Result(path=path, seed=row["seed"], width=row["width"], height=row["height"], seconds=row["seconds"])


def _read_description(row: sqlite3.Row) -> Described:
    resolved = resolved_from_json(parse_object(row["resolved"]))
    if not isinstance(resolved.request, ResolvedDescribeImage):
        raise ValueError("the answer of a job")
    return Described(job=row["job"], words=text_to_name(row["words"]), resolved=resolved.with_request(resolved.request))


def _read_notices(text: str) -> tuple[str, ...]:
    notices = parse_json(text)
    return tuple(str(notice) for notice in notices) if isinstance(notices, list) else ()


def _take_turns(pages: Iterable[str], lines: Mapping[str, deque[str]]) -> Iterator[str]:
    """The waiting jobs, one of each page in turn."""
    pages = list(pages)
    while any(lines.values()):
        yield from (lines[page].popleft() for page in pages if lines[page])
