"""The queue as the page sees it."""

from __future__ import annotations

import dataclasses
import secrets
import threading
from collections.abc import Collection, Iterator
from types import TracebackType

from engine.errors import RequestError
from engine.events import Cancelled, Event, Queued
from engine.jobs import journal
from engine.jobs.desk import Desk, Patience
from engine.jobs.feed import Feed, follow, replay
from engine.jobs.journal import JobState, Journal
from engine.records import outputs
from engine.requests import Request, check
from engine.settings import Settings

_RANDOM_SEEDS = 2**32


class Jobs:
    """All jobs of one data folder. Any thread may use it; use it as a context manager, or call :meth:`close`.

    Making one takes up what an earlier Easel left: jobs that were running start again from their seed. ``runner`` names
    what makes the pictures in the worker process, as ``module:class``.
    """

    def __init__(self, settings: Settings, runner: str = "engine.local:Local", patience: Patience | None = None) -> None:
        self._settings = settings
        self._journal = Journal(settings.data / "journal.db")
        self._feed = Feed()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        for left in self._journal.list((journal.RUNNING,), limit=1_000_000):
            self._journal.requeue(left.id, forget_attempt=True)
        if settings.outputs.is_dir():
            outputs.remove_leftovers(settings.outputs)
        self._desk = Desk(settings, runner, self._journal, self._feed, self._changed, patience or Patience())
        self._desk.open()

    def submit(self, request: Request, page: str = "") -> str:
        """The id of a new job, which is on disk when this returns. A seed that was left open is drawn now, so that a job
        that has to start again draws the same picture.

        Raises RequestError for values that no checkpoint could honour, OutputError if the journal cannot be written.
        """
        check(request)
        if request.seed is None:
            request = dataclasses.replace(request, seed=secrets.randbelow(_RANDOM_SEEDS))
        job = secrets.token_hex(6)
        self._journal.add(job, page, request)
        with self._changed:
            self._changed.notify_all()
        self._feed.publish(Queued(job=job, ahead=self._ahead(job)))
        return job

    def stop(self, job: str) -> None:
        """End a job: at once while it waits, within a moment while it runs. Stopping twice is stopping once."""
        with self._changed:
            state = self.state(job)
            if state.state == journal.QUEUED:
                self._journal.end(job, journal.CANCELLED)
                self._feed.publish(Cancelled(job=job, results=state.results))
            elif not state.over:
                self._desk.stop(job)

    def stop_all(self) -> None:
        """End every job that waits or runs."""
        for state in self.jobs((journal.QUEUED, journal.RUNNING), limit=1_000_000):
            self.stop(state.id)

    def retry(self, job: str) -> str:
        """A new job with the same request, seed included."""
        state = self.state(job)
        return self.submit(state.request, state.page)

    def move_up(self, job: str) -> None:
        """Before all other jobs that wait."""
        waiting = self.jobs((journal.QUEUED,), limit=1)
        if waiting:
            self._journal.move(job, waiting[0].place - 1)

    def watch(self, job: str) -> Iterator[Event]:
        """What is known of the job, then what happens, until its last event. Any number may watch. Raises RequestError for
        an id that was never given."""
        watcher, latest = self._feed.subscribe(job)
        try:
            state = self.state(job)
            yield from replay(state, self._ahead(job))
            if not state.over:
                yield from latest
                yield from self._rest(job, follow(watcher, self._closing))
        finally:
            self._feed.unsubscribe(job, watcher)

    def state(self, job: str) -> JobState:
        """The job as it stands. Raises RequestError for an id that was never given."""
        try:
            state = self._journal.get(job)
        except KeyError:
            raise RequestError("Easel does not know this job. Press Generate to start a new one.") from None
        return dataclasses.replace(state, progress=self._feed.progress(job))

    def jobs(self, states: Collection[str] = (), limit: int = 100) -> list[JobState]:
        """Jobs in these states (all if empty): those that wait in queue order, else the newest first."""
        return [dataclasses.replace(s, progress=self._feed.progress(s.id)) for s in self._journal.list(states, limit=limit)]

    def latest(self, page: str) -> JobState | None:
        """The newest job of a page, or None: what a reloaded page shows."""
        found = self._journal.list(page=page, limit=1)
        return self.state(found[0].id) if found else None

    def warm(self, checkpoint: str) -> None:
        """Load a checkpoint when there is nothing else to do."""
        self._desk.warm(checkpoint)

    def describe(self) -> dict[str, str] | None:
        """What the worker says of itself, None while it starts."""
        return self._desk.facts

    @property
    def paused(self) -> str:
        """Why the queue waits, or an empty string."""
        return self._desk.paused

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id."""
        return self._desk.worker_pid

    def close(self) -> None:
        """End the worker and let go of the journal. Jobs that wait or run are taken up by the next :class:`Jobs`."""
        self._closing.set()
        self._desk.close()
        self._journal.close()

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _ahead(self, job: str) -> int:
        """How many jobs run before this one, in queue order."""
        before = [s.id for s in self._journal.list((journal.RUNNING, journal.QUEUED), limit=1_000_000)]
        return before.index(job) if job in before else 0

    def _rest(self, job: str, events: Iterator[Event]) -> Iterator[Event]:
        """Events after the replay. A last event that came between looking and listening is in the journal already."""
        yield from (e for e in events if not isinstance(e, Queued) or self._journal.get(job).state == journal.QUEUED)
