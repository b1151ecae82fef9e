"""The queue of jobs, as programs and the page use it."""

from __future__ import annotations

import dataclasses
import functools
import json
import queue
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import wait
from types import TracebackType

from engine.descriptions import EngineDescription, FreedMemory
from engine.errors import RequestError
from engine.events import Cancelled, Event, Last, Notice, Queued
from engine.jobs.blob_sweep import BlobSweeper
from engine.jobs.device_runner import DeviceRunner
from engine.jobs.feed import Feed, follow, replay
from engine.jobs.journal import CANCELLED, FINISHED, QUEUED, RUNNING, JobState, Journal
from engine.jobs.queue_estimate import estimate_ends
from engine.jobs.watchdog import TimeLimits
from engine.jobs.worker import DescribeRun, FreeMemory, MemoryFreed, RunDescribed, Worker
from engine.jobs.worker_locks import wait_for_workers
from engine.records import outputs
from engine.requests import GenerationRequest, Request, Resolved, check, is_draft, to_json
from engine.seeds import draw_seed
from engine.settings import Settings
from engine.storage.blobs import BlobFolder, find_hashes
from engine.storage.data_files import set_aside_unreadable_files

PAUSED = "The queue is paused. This job starts after Resume in the Queue is pressed."


class Jobs:
    """All jobs of one data folder. Any thread may use it; use it as a context manager, or call :meth:`close`.

    Creating it resumes unfinished jobs: those that were running start again from their seed. ``engine`` names what
    generates the images in the worker process, as ``module:class``. ``settings.device`` may name several devices, separated by
    commas; ``"auto"`` takes all of the best kind. Each has a worker of its own, and all serve one queue.
    """

    def __init__(self, settings: Settings, engine: str = "engine.local:Local", limits: TimeLimits | None = None) -> None:
        self._settings, self._limits = settings, limits or TimeLimits()
        self._start_worker = functools.partial(Worker, engine=engine)
        self._set_aside = set_aside_unreadable_files(settings.data)
        self._journal = Journal(settings.data / "journal.db")
        self._journal.restore_finished(settings.outputs)
        self._feed = Feed()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        wait_for_workers(settings.data)
        for state in self._journal.list((RUNNING, QUEUED), limit=1_000_000):
            self._resume(state)
        if settings.outputs.is_dir():
            outputs.remove_leftovers(settings.outputs)
        self._blobs = BlobFolder(settings.data / "blobs")
        self._sweeper = BlobSweeper(settings, self._journal)
        self._sweeper.start()
        self._runners: dict[str, DeviceRunner] = {}
        for device in settings.device.split(","):
            self._open_runner(device.strip())

    def submit(self, request: Request, page: str = "", key: str = "") -> str:
        """The id of a new job, which is on disk when this returns. An open seed is drawn now, so that a restarted job makes
        the same image. A draft ends the earlier drafts of its page. With a ``key``, the same request is submitted once: the
        second time the id is that of the first.

        Raises RequestError for values that no checkpoint can use or for a key of another request, OutputError if the journal
        cannot be written.
        """
        check(request)
        asked = request
        request = _draw_seeds(request)
        self._mark_blobs_used(request)
        if is_draft(request):
            self._end_drafts(page)
        job = self._journal.create_id()
        if (added := self._journal.add(job, page, request, key)).id != job:
            return _check_same(added, asked)
        with self._changed:
            self._changed.notify_all()
        self._feed.publish(Queued(job=job, ahead=self._ahead(job)))
        if self.is_paused and not is_draft(request):
            self._journal.add_notice(job, PAUSED)
            self._feed.publish(Notice(job=job, text=PAUSED))
        return job

    def stop(self, job: str) -> None:
        """End a job: at once while it waits, within a moment while it runs. Stopping twice has no further effect."""
        with self._changed:
            state = self.state(job)
            if state.state == QUEUED:
                self._journal.end(job, CANCELLED)
                self._feed.publish(Cancelled(job=job, results=state.results))
            elif not state.over:
                for runner in self._runners.values():
                    runner.stop(job)

    def stop_all(self) -> None:
        """End every job that waits or runs, those that wait first."""
        for job in (*self._journal.order(), *self._running()):
            self.stop(job)

    def retry(self, job: str) -> str:
        """A new job with the same request, seed included."""
        state = self.state(job)
        return self.submit(state.request, state.page)

    def move_up(self, job: str) -> None:
        """Let a job run before all others that wait, of other pages too. Nothing happens to one that no longer waits."""
        with self._changed:
            self._journal.move_to_front(job)

    def move(self, job: str, by: int) -> None:
        """Let a job that waits run ``by`` places later than it would, earlier if negative, whichever pages the others belong to.
        Nothing happens to one that no longer waits."""
        with self._changed:
            order = self._journal.order()
            if job not in order:
                return
            old = order.index(job)
            new = min(len(order) - 1, max(0, old + by))
            order.insert(new, order.pop(old))
            self._journal.put_first(order[: max(old, new) + 1])

    def pause(self) -> None:
        """Let no further job start until :meth:`resume`, also after a restart. What runs goes on; drafts still run."""
        with self._changed:
            self._journal.pause()

    def resume(self) -> None:
        """Let jobs start again."""
        with self._changed:
            self._journal.resume()
            self._changed.notify_all()

    def finish_running(self) -> None:
        """Start no further job, and return when those that run have ended. The others wait for the next start of Easel."""
        runners = list(self._runners.values())
        for runner in runners:
            runner.retire()
        for runner in runners:
            runner.join()

    @property
    def is_paused(self) -> bool:
        """Whether the user has paused the queue."""
        return self._journal.is_paused

    def watch(self, job: str) -> Iterator[Event]:
        """The job's past events, then new ones as they come, until its last. Any number of callers may watch. Raises
        RequestError for an unknown id."""
        inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        known, unsubscribe = self.listen(job, inbox.put)
        try:
            yield from known
            if not isinstance(known[-1], Last):
                yield from follow(inbox, self._closing)
        finally:
            unsubscribe()

    def listen(self, job: str, listener: Callable[[Event], None]) -> tuple[list[Event], Callable[[], None]]:
        """The job's past events, and a function that stops listening; until then ``listener`` is called with each event
        as it happens, on a thread that it must not block. Unlike :meth:`watch`, this needs no waiting thread.

        Raises RequestError for an unknown id.
        """

        def listen_if_current(event: Event) -> None:
            # The place in the queue is published after the job may have started already.
            if not isinstance(event, Queued) or self._journal.get(job).state == QUEUED:
                listener(event)

        latest = self._feed.subscribe(job, listen_if_current)
        try:
            state = self.state(job)
            known = list(replay(state, self._ahead(job)))
        except BaseException:
            self._feed.unsubscribe(job, listen_if_current)
            raise
        # A last event that came between listening and looking is in the journal already.
        return known if state.over else [*known, *latest], lambda: self._feed.unsubscribe(job, listen_if_current)

    def state(self, job: str) -> JobState:
        """The job's current state. Raises RequestError for an unknown id."""
        try:
            state = self._journal.get(job)
        except KeyError:
            raise RequestError("Easel does not know this job. Press Generate to start a new one.") from None
        return self._with_progress(state)

    def jobs(self, states: Collection[str] = (), limit: int = 100, page: str | None = None) -> list[JobState]:
        """Jobs in these states (all if empty) but for drafts, of one page or of all, the newest first."""
        found = self._journal.list(states, page, limit)
        return [self._with_progress(state) for state in found if not is_draft(state.request)]

    def line(self, limit: int = 100, page: str | None = None) -> list[JobState]:
        """The running jobs, then the waiting ones in the order in which they will run; of one page, or of all."""
        unfinished = {state.id: state for state in self._journal.list((RUNNING, QUEUED), page, limit=1_000_000)}
        ordered = [job for job in (*self._running(), *self._journal.order()) if job in unfinished]
        return [self._with_progress(unfinished[job]) for job in ordered[:limit]]

    def estimate_ends(self, line: Sequence[JobState]) -> list[float | None]:
        """Seconds until each job of ``line``, which is :meth:`line`, will have ended, by what the newest images took; None where
        that is not known yet."""
        return estimate_ends(line, self._journal.list((FINISHED,), limit=20), len(self._runners))

    def latest(self, page: str) -> JobState | None:
        """The newest job of a page, or None: what a reloaded page shows."""
        found = self._journal.list(page=page, limit=1)
        return self.state(found[0].id) if found else None

    def warm(self, checkpoint: str) -> None:
        """Load a checkpoint when there is nothing else to do."""
        self._first.warm(checkpoint)

    def describe_run(self, request: Request, seconds: float) -> Resolved[Request] | None:
        """How the first image of ``request`` would be made here now.

        None if no such image can be made here, or if a worker that is busy has not answered after ``seconds``.
        """
        try:
            answer = self._first.ask(DescribeRun(request)).result(seconds)
        except TimeoutError:
            return None
        return answer.resolved if isinstance(answer, RunDescribed) else None

    def free_memory(self, seconds: float) -> FreedMemory | None:
        """Unload every checkpoint, and give back all memory that is not used, on each device.

        None if a worker is still busy after ``seconds``: then it does so as soon as its job is over.
        """
        answers = [runner.ask(FreeMemory()) for runner in self._runners.values()]
        done, waiting = wait(answers, seconds)
        if waiting:
            return None
        found = (answer.result() for answer in done)
        return sum((each.freed for each in found if isinstance(each, MemoryFreed)), FreedMemory())

    def describe(self) -> EngineDescription | None:
        """The first worker's description of itself, None while it starts."""
        return self._first.description

    @property
    def paused(self) -> str:
        """Why the queue is paused, or an empty string."""
        return next((runner.paused for runner in self._runners.values() if runner.paused), "")

    @property
    def troubles(self) -> tuple[str, ...]:
        """Parts of the journal and files of the data folder that could not be read, a sentence each."""
        return *self._set_aside, *self._journal.troubles

    @property
    def worker_pid(self) -> int | None:
        """The first worker's process id."""
        return self._first.worker_pid

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that have a worker, by the names with which they were opened."""
        return tuple(self._runners)

    def close(self) -> None:
        """End the workers and close the journal. Jobs that wait or run are resumed by the next :class:`Jobs`."""
        with self._changed:
            self._closing.set()
        for runner in self._runners.values():
            runner.close()
        self._sweeper.close()
        self._journal.close()

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def _first(self) -> DeviceRunner:
        return next(iter(self._runners.values()))

    def _open_runner(self, device: str) -> None:
        on_devices = self._open_other_devices if device == "auto" else lambda devices: None
        self._add_runner(device, on_devices)

    def _add_runner(self, device: str, on_devices: Callable[[tuple[str, ...]], None]) -> None:
        settings = dataclasses.replace(self._settings, device=device)
        runner = DeviceRunner(settings, self._start_worker, self._journal, self._feed, self._changed, self._limits, on_devices)
        self._runners = {**self._runners, device: runner}
        runner.open()

    def _open_other_devices(self, devices: tuple[str, ...]) -> None:
        """The first worker, which chose its device itself, has found others of the kind: each gets a worker."""
        with self._changed:
            for device in devices[1:]:
                if device not in self._runners and not self._closing.is_set():
                    self._add_runner(device, functools.partial(self._retire_elsewhere, device))

    def _retire_elsewhere(self, device: str, found: tuple[str, ...]) -> None:
        """A worker that was started for a further card and had to take another device is not needed."""
        if found[0] != device:
            with self._changed:
                runners = dict(self._runners)
                runner = runners.pop(device)
                self._runners = runners
                runner.retire()

    def _running(self) -> list[str]:
        return [state.id for state in reversed(self._journal.list((RUNNING,), limit=100))]

    def _resume(self, state: JobState) -> None:
        """Resume unfinished jobs of an earlier Easel, except drafts, for which no page waits."""
        if is_draft(state.request):
            self._journal.end(state.id, CANCELLED)
        elif state.state == RUNNING:
            self._journal.requeue(state.id, forget_attempt=True)

    def _mark_blobs_used(self, request: Request) -> None:
        """Mark the job's input blobs as used, so that they are not swept before the job is in the journal."""
        if hashes := find_hashes(json.dumps(to_json(request))):
            self._blobs.touch(hashes)

    def _end_drafts(self, page: str) -> None:
        """End and remove the drafts that a newer one replaces."""
        for state in self._journal.list((QUEUED, RUNNING), page):
            if is_draft(state.request):
                self.stop(state.id)
        self._journal.forget(page)
        self._sweeper.start()

    def _ahead(self, job: str) -> int:
        """The number of jobs that run before this one."""
        waiting = self._journal.order()
        return len(self._running()) + waiting.index(job) if job in waiting else 0

    def _with_progress(self, state: JobState) -> JobState:
        return dataclasses.replace(state, progress=self._feed.find_progress(state.id))


def _draw_seeds(request: Request) -> Request:
    """``request`` with the seeds that it leaves open."""
    if isinstance(request, GenerationRequest) and request.variation_strength and request.variation_seed is None:
        request = dataclasses.replace(request, variation_seed=draw_seed())
    return request if request.seed is not None else dataclasses.replace(request, seed=draw_seed())


def _check_same(earlier: JobState, asked: Request) -> str:
    """The id of an earlier job with the same key. Raises RequestError if it was for another request."""
    if dataclasses.replace(earlier.request, seed=asked.seed) != asked or asked.seed not in (None, earlier.request.seed):
        raise RequestError("This key was used for another request. Take a new key for each request.")
    return earlier.id
