"""A journal that is damaged, holds odd rows, or was kept by a clock that was set back."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import DiskFull, OutputError
from engine.events import Result
from engine.jobs.journal import FINISHED, Journal
from engine.records import outputs
from engine.requests import ExecutionPlan, Resolved, TextToImage
from engine.storage.database import describe_database_error, transaction


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


def add(journal: Journal, *jobs: str, prompt: str = "a cat") -> None:
    for job in jobs:
        journal.add(job, "", TextToImage(prompt=prompt, seed=1))


def fill(path: Path) -> list[str]:
    """A journal of 400 jobs in all states, with long texts so that it has many pages; the ids of those that wait."""
    with closing(Journal(path)) as journal:
        for number in range(400):
            add(journal, f"job-{number:03}", prompt=f"{number} {'x' * 500}")
            if number < 300:
                journal.add_result(f"job-{number:03}", 0, Result(path=Path("a.png"), seed=1, width=8, height=8, seconds=1.0))
                journal.end(f"job-{number:03}", FINISHED)
        return journal.order()


@pytest.mark.parametrize("where", [0.3, 0.6, 0.9])
def test_what_is_left_of_a_damaged_journal_is_in_the_new_one(path: Path, where: float) -> None:
    waiting = fill(path)
    raw = bytearray(path.read_bytes())
    page = int.from_bytes(raw[16:18], "big")
    start = int(len(raw) * where) // page * page
    raw[start : start + page] = os.urandom(page)
    path.write_bytes(raw)
    with closing(Journal(path)) as journal:
        if not journal.troubles:
            pytest.skip("the damage lay in a free page")
        (trouble,) = journal.troubles
        kept = journal.list(limit=1000)
        assert len(kept) > 100 and f"{len(kept)} jobs could be restored" in trouble
        assert [job for job in waiting if job in journal.read_ids()] == journal.order()
        assert all(len(state.results) in (0, 1) for state in kept)
        add(journal, "new")
    with closing(Journal(path)) as journal:
        assert not journal.troubles and len(journal.list(limit=1000)) == len(kept) + 1


def test_finished_jobs_are_found_again_by_their_images(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    request = TextToImage(prompt="a cat", seed=7, width=8, height=8, checkpoint="starter")
    for job, index in (("one", 0), ("one", 1), ("two", 0)):
        resolved = Resolved(request=request, plan=ExecutionPlan(), threads=1)
        outputs.save(Image.new("RGB", (8, 8)), resolved, outputs=folder, job=job, index=index)
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 300)
    with closing(Journal(path)) as journal:
        journal.restore_finished(folder)
        assert "2 jobs could be restored" in journal.troubles[0]
        assert {state.state for state in journal.list()} == {FINISHED} and journal.order() == []
        assert [result.path.exists() for result in journal.get("one").results] == [True, True]
        assert journal.get("two").request == dataclasses.replace(request, prompt_template="", negative_template="")
    with closing(Journal(path)) as journal:
        journal.restore_finished(folder)
        assert len(journal.list()) == 2 and not journal.troubles


@pytest.mark.parametrize(
    "column", ["id", "page", "request", "state", "attempt", "place", "submitted", "started", "error", "notices"]
)
@pytest.mark.parametrize("value", ["'\xff\xfe'", "x'ff00'", "-1", "9.9e99", "'{'", "'[1'", "''"])
def test_a_row_with_anything_in_it_stops_no_other(path: Path, column: str, value: str) -> None:
    with closing(Journal(path)) as journal:
        add(journal, "odd")
        add(journal, "good")
        journal._db.execute(f"UPDATE jobs SET {column} = {value} WHERE id = 'odd'")
    with closing(Journal(path)) as journal:
        assert "good" in journal.order() and journal.get("good").request.prompt is not None
        assert [state.id for state in journal.list() if state.id == "good"] == ["good"]
        assert len(journal.troubles) <= 1 and all("Nothing was removed" in trouble for trouble in journal.troubles)


@pytest.mark.parametrize("column", ["path", "seed", "width", "height", "seconds"])
def test_a_result_of_a_wrong_type_stops_no_other_job(path: Path, column: str) -> None:
    with closing(Journal(path)) as journal:
        for job in ("odd", "good"):
            add(journal, job)
            journal.add_result(job, 0, Result(path=Path("a.png"), seed=1, width=8, height=8, seconds=1.0))
        journal._db.execute(f"UPDATE results SET {column} = x'ff' WHERE job = 'odd'")
        assert [state.id for state in journal.list()] == ["good"]
        assert len(journal.troubles) == 1


def test_a_clock_that_is_set_back_reorders_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [2_000_000_000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    with closing(Journal(path)) as journal:
        ids: list[str] = []
        for number in range(8):
            ids.append(journal.create_id())
            journal.add(ids[-1], "ab"[number % 2], TextToImage(prompt="x", seed=1))
            clock[0] -= 100_000
        assert ids == sorted(ids) and len(set(ids)) == 8
        assert journal.order() == ids
        served: list[str] = []
        while (state := journal.find_next()) is not None:
            served.append(journal.start(state.id).page)
            journal.end(state.id, FINISHED)
            clock[0] -= 100_000
        assert served == ["a", "b"] * 4, "pages take turns"
        assert [state.id for state in journal.list()] == ids[::-1]
    with closing(Journal(path)) as journal:
        assert journal.create_id() > ids[-1]


@pytest.mark.parametrize(
    ("error", "kind", "advice"),
    [
        (sqlite3.SQLITE_FULL, DiskFull, "Free some space"),
        (sqlite3.SQLITE_READONLY, OutputError, "Allow writing"),
        (sqlite3.SQLITE_CORRUPT, OutputError, "Start Easel again"),
        (sqlite3.SQLITE_IOERR_FSYNC, OutputError, "Check the drive"),
        (sqlite3.SQLITE_BUSY, OutputError, "another program holds it"),
    ],
)
def test_what_the_disk_says_is_said_with_the_right_advice(error: int, kind: type[OutputError], advice: str) -> None:
    raised = sqlite3.OperationalError("as SQLite says it")
    raised.sqlite_errorcode = error
    said = describe_database_error(raised, "its journal", Path("data/journal.db"))
    assert type(said) is kind and advice in str(said) and "journal" in str(said)
    assert ("Free some space" in str(said)) == (kind is DiskFull)


def test_whatever_fails_in_a_transaction_is_taken_back_and_the_next_one_works(path: Path) -> None:
    with closing(Journal(path)) as journal:
        add(journal, "a")
        for failure in (sqlite3.OperationalError("full"), ValueError("odd"), KeyboardInterrupt()):
            with pytest.raises(type(failure)), transaction(journal._db):
                journal._db.execute("DELETE FROM jobs")
                raise failure
            assert not journal._db.in_transaction and journal.order() == ["a"]
