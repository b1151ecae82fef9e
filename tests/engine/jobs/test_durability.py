"""What is on disk when: the order of calls, and a disk without room."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from engine import events
from engine.events import Event, ImageSaved
from engine.jobs import Jobs
from engine.jobs.device_runner import DeviceRunner
from engine.jobs.feed import Feed
from engine.jobs.journal import FINISHED, Journal
from engine.jobs.watchdog import TimeLimits
from engine.jobs.worker import Worker
from engine.requests import TextToImage
from engine.settings import Settings
from engine.stopping import Stop
from engine.testing import ScriptedEngine
from tests.engine.jobs.conftest import until


class Traced(Feed):
    """A feed that notes when a page would hear of an image."""

    def __init__(self, calls: list[str]) -> None:
        super().__init__()
        self._calls = calls

    def publish(self, event: Event) -> None:
        self._calls.append(f"tell {type(event).__name__}")
        super().publish(event)


def start_no_worker(settings: Settings) -> Worker:
    raise AssertionError("no job runs here")


def trace(monkeypatch: pytest.MonkeyPatch, calls: list[str]) -> None:
    """Notes every sync and rename, and what kind of thing was synced."""
    fsync, replace = os.fsync, os.replace

    def traced_fsync(descriptor: int) -> None:
        fsync(descriptor)
        kind = "folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file"
        calls.append(f"sync {kind}, {'written' if os.fstat(descriptor).st_size else 'empty'}")

    def traced_replace(source: Path, target: Path) -> None:
        replace(source, target)
        calls.append("rename")

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "replace", traced_replace)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks descriptors up in /proc")
def test_a_picture_is_safe_before_the_journal_says_so_and_that_before_the_page(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    feed, journal = Traced(calls), Journal(settings.data / "journal.db")
    runner = DeviceRunner(settings, start_no_worker, journal, feed, threading.Condition(), TimeLimits(), lambda devices: None)
    job = journal.start(journal.add("job", "", TextToImage(prompt="a cat", seed=1)).id)
    events_of_run = ScriptedEngine(settings).run(job.id, job.request, Stop())
    saved = next(event for event in events_of_run if isinstance(event, ImageSaved))  # the folders are made by now
    trace(monkeypatch, calls)
    saved.result.path.unlink()
    again = ScriptedEngine(settings).run(job.id, job.request, Stop())
    saved = next(event for event in again if isinstance(event, ImageSaved))
    journal._db.set_trace_callback(lambda query: calls.append(query.split(" ")[0]))
    runner._handle(job, saved)
    own = calls[calls.index("sync file, written", calls.index("sync file, written") + 1) :]  # after the try whether it can write
    assert own == ["sync file, written", "rename", "sync folder, written", "INSERT", "tell ImageSaved"]


def test_every_commit_of_the_journal_is_synchronised(settings: Settings) -> None:
    book = Journal(settings.data / "journal.db")
    assert book._db.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert book._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    book.close()


def test_a_submitted_job_is_on_disk_before_its_id_is_known(jobs: Jobs, settings: Settings) -> None:
    job = jobs.submit(TextToImage(prompt="script: slow", seed=5))
    with sqlite3.connect(settings.data / "journal.db") as other:
        assert other.execute("SELECT COUNT(*) FROM jobs WHERE id = ?", (job,)).fetchone() == (1,)
    other.close()


def test_a_journal_without_room_loses_nothing_and_goes_on(jobs: Jobs) -> None:
    running = jobs.submit(TextToImage(prompt="script: slow", steps=8, count=2))
    until(lambda: jobs.state(running).progress)
    book = jobs._journal._db
    with jobs._journal._lock:
        fill(book)
    until(lambda: jobs.paused)
    assert "Free some space" in jobs.paused
    book.execute("PRAGMA max_page_count = 1000000")
    assert isinstance(list(jobs.watch(running))[-1], events.Finished)
    state = jobs.state(running)
    assert state.state == FINISHED and len({result.path for result in state.results}) == 2 and not jobs.paused
    assert len(list(state.results[0].path.parent.iterdir())) == 2


def fill(book: sqlite3.Connection) -> None:
    """Lets the journal grow no more and uses up the room that its pages have left."""
    pages = book.execute("PRAGMA page_count").fetchone()[0]
    book.execute(f"PRAGMA max_page_count = {pages}")
    for length, number in ((200, 0), (1, 1000)):
        with pytest.raises(sqlite3.OperationalError, match="full"):
            for more in range(1000):
                book.execute("INSERT INTO results VALUES ('ballast', ?, ?, 0, 0, 0, 0)", (number + more, "x" * length))
