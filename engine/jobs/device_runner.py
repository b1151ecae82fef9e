"""Runs the jobs of one device: takes them from the journal, hands them to its worker, and supervises it.

A worker that dies or hangs, or whose device goes away, is started again and the job runs again from its seed, once. A job that
ends two workers is set aside, and the queue goes on.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from types import NoneType
from typing import TypeAlias

from engine.descriptions import EngineDescription
from engine.errors import DeviceLost, DiskFull, OutputError, WorkerLost
from engine.events import Cancelled, Described, Event, Failed, Finished, Guided, ImageSaved, Last, Notice, Started
from engine.jobs.awake_clock import AwakeClock
from engine.jobs.feed import Feed
from engine.jobs.journal import CANCELLED, FAILED, FINISHED, SET_ASIDE, JobState, Journal
from engine.jobs.watchdog import TimeLimits, Watchdog
from engine.jobs.worker import (
    Answer,
    CheckpointLoaded,
    LoadCheckpoint,
    Question,
    Ready,
    Reply,
    RunJob,
    StartFailed,
    StopJob,
    Worker,
)
from engine.records import outputs
from engine.settings import Settings

ATTEMPTS = 2

_POLL_SECONDS = 0.5
"""Seconds between checks of a silent worker."""

_EXIT_REASONS = {
    -number: reason
    for name, reason in {
        "SIGBUS": "a file that it was reading is no longer there; perhaps a drive was unplugged or the models folder moved",
        "SIGSEGV": "it crashed inside a library",
        "SIGILL": "a library uses an instruction that this processor does not have",
    }.items()
    if (number := vars(signal).get(name)) is not None
}
"""Exit code of a worker that a signal ended -> what that says."""

StartWorker: TypeAlias = Callable[[Settings], Worker]
"""Starts a worker for the device that the settings name."""

Asked: TypeAlias = tuple[Question, Future[Answer | None]]
"""A question, and where the worker's answer to it comes."""


class _CannotStart(Exception):
    """The worker ended or reported an error before it was ready."""


class _DeviceWentAway(Exception):
    """The worker's device went away, with a sentence. A new worker may find it again."""


class DeviceRunner:
    """Runs in a thread of its own from :meth:`open` to :meth:`close`.

    ``on_devices`` is called with the devices that the worker found, its own first, each time that it has started. ``changed`` is
    notified when there is a new job.
    """

    def __init__(
        self,
        settings: Settings,
        start_worker: StartWorker,
        journal: Journal,
        feed: Feed,
        changed: threading.Condition,
        limits: TimeLimits,
        on_devices: Callable[[tuple[str, ...]], None],
    ) -> None:
        self._settings, self._start_worker, self._journal, self._feed = settings, start_worker, journal, feed
        self._changed, self._limits, self._on_devices = changed, limits, on_devices
        self._worker: Worker | None = None
        self._to_load: LoadCheckpoint | None = None
        self._questions: deque[Asked] = deque()
        self._running: str | None = None
        self._interrupted: str | None = None
        self._stopped: dict[str, float] = {}
        self._closing = False
        self._lost_device_in: str | None = None
        """The job whose first attempt lost the device."""
        self._watchdog = Watchdog(limits)
        self._clock = AwakeClock()
        self._thread = threading.Thread(target=self._serve, name=f"easel-runner {settings.device}", daemon=True)
        self.description: EngineDescription | None = None
        self.paused: str = ""

    def open(self) -> None:
        """Start working."""
        self._thread.start()

    def retire(self) -> None:
        """End once nothing is running: the device is not there, or another runner has it."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait for the end of a runner that was retired."""
        self._thread.join()

    def close(self) -> None:
        """End the worker. A running job stays in the journal and is resumed at the next start."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if (worker := self._worker) is not None:
            worker.kill()
        self._thread.join(15)

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id, None while it starts."""
        worker = self._worker
        return worker.pid if worker else None

    def warm(self, checkpoint: str) -> None:
        """Load a checkpoint when there is nothing else to do."""
        with self._changed:
            self._to_load = LoadCheckpoint(checkpoint)
            self._changed.notify_all()

    def ask(self, question: Question) -> Future[Answer | None]:
        """The worker's answer to ``question``, once it is free. None if it cannot answer."""
        answer: Future[Answer | None] = Future()
        with self._changed:
            self._questions.append((question, answer))
            self._changed.notify_all()
        return answer

    def stop(self, job: str) -> None:
        """Tell the worker to end ``job`` if it is running it."""
        self._stopped.setdefault(job, self._clock.now)
        worker = self._worker
        if worker is not None and self._running == job:
            try:
                worker.send(StopJob(job))
            except OSError:
                return  # The worker just died; the thread that runs the job notices this, and that it was stopped.

    def _serve(self) -> None:
        self._load(None)
        while (task := self._wait_for_task()) is not None:
            match task:
                case JobState():
                    self._run(task)
                case LoadCheckpoint():
                    self._load(task)
                case _:
                    self._answer(*task)
        self._end_worker()

    def _wait_for_task(self) -> JobState | LoadCheckpoint | Asked | None:
        """Wait for something to do; None when closing. A full disk pauses jobs until there is room."""
        with self._changed:
            while not self._closing:
                if self._questions:
                    return self._questions.popleft()
                if (job := self._take_job()) is not None:
                    return job
                if self._to_load is not None:
                    task, self._to_load = self._to_load, None
                    return task
                self._changed.wait(2.0 if self.paused else None)
        return None

    def _take_job(self) -> JobState | None:
        """The next job, now running in the journal; None if none waits, or there is no room."""
        if self.paused and not (outputs.has_room(self._settings.outputs) and outputs.has_room(self._settings.data)):
            return None
        try:
            if self._interrupted is not None:
                self._journal.requeue(self._interrupted, forget_attempt=True)
                self._interrupted = None
            job = self._journal.find_next()
            if job is not None:
                self._running = job.id
                job = self._journal.start(job.id)
            self.paused = ""  # only now: what is said about the disk stays until it can be written
            return job
        except OutputError as error:
            self.paused, self._running = str(error), None
            return None

    def _run(self, job: JobState) -> None:
        """One attempt at one job, to its end in the journal."""
        self._feed.publish(Started(job=job.id, attempt=job.attempt))
        try:
            self._attempt(job)
        except OutputError as error:
            # The journal cannot be written. What the worker has saved is on disk and is found there when the job runs again.
            self._end_worker()
            self.paused, self._interrupted = str(error), job.id
            self._feed.publish(Notice(job=job.id, text=str(error)))
        finally:
            self._running = None
            self._stopped.pop(job.id, None)
            if job.attempt > 1 and job.id == self._lost_device_in:
                # If the device went away again, this worker has gone on without it; the next one looks for it anew.
                self._lost_device_in = None
                self._end_worker()

    def _attempt(self, job: JobState) -> None:
        try:
            worker = self._ensure_worker()
            worker.send(RunJob(job.id, job.request, job.attempt, device_was_lost=job.id == self._lost_device_in))
            if job.id in self._stopped:
                self.stop(job.id)
            self._listen(worker, job)
        except _CannotStart as error:
            self._end_worker()
            self._handle(job, Failed(job=job.id, kind=WorkerLost.__name__, message=str(error)))
        except _DeviceWentAway as error:
            self._lost_device_in = job.id
            self._handle_lost_worker(job, str(error))
        except TimeoutError:
            self._handle_lost_worker(job, "The process that generates the pictures stopped responding.")
        except (EOFError, OSError):
            code = self._worker.wait_for_exit() if self._worker is not None else None
            reason = _EXIT_REASONS.get(code or 0, "it may have run out of memory")
            self._handle_lost_worker(job, f"The process that generates the pictures ended in the middle of this job; {reason}.")

    def _listen(self, worker: Worker, job: JobState) -> None:
        """Handle the worker's events until the job is over. Raises TimeoutError if it hangs, _DeviceWentAway."""
        self._watchdog.start_job(self._clock.advance())
        while True:
            message = worker.receive(min(_POLL_SECONDS, self._watchdog.limit))
            now = self._clock.advance()
            if message is None and self._watchdog.is_hung(now, self._stopped.get(job.id)):
                raise TimeoutError
            if isinstance(message, Failed) and message.kind == DeviceLost.kind:
                raise _DeviceWentAway(message.message)
            if isinstance(message, Event):
                self._watchdog.hear(message, now)
                if self._handle(job, message):
                    return

    def _handle(self, job: JobState, event: Event) -> bool:
        """Journal first, then the listeners. True when the job is over, or waits for room."""
        match event:
            case Failed(kind=DiskFull.__name__):
                self._pause(job, event)
                return True
            case ImageSaved():
                self._journal.add_result(job.id, event.index, event.result)
            case Notice():
                self._journal.add_notice(job.id, event.text)
            case Described():
                self._journal.set_description(event)
            case Guided():
                self._journal.set_depth(job.id, event.depth)
            case Finished():
                self._journal.end(job.id, FINISHED)
            case Cancelled():
                self._journal.end(job.id, CANCELLED)
            case Failed():
                self._journal.end(job.id, FAILED, error=event.message, kind=event.kind)
            case _:
                pass
        self._feed.publish(event)
        return isinstance(event, Last)

    def _pause(self, job: JobState, failed: Failed) -> None:
        """The disk is full: pause the job and the queue until there is room."""
        self.paused = failed.message
        self._journal.requeue(job.id, forget_attempt=True)
        self._handle(job, Notice(job=job.id, text=f"{failed.message} The queue waits until there is room."))

    def _handle_lost_worker(self, job: JobState, reason: str) -> None:
        """Handle a worker that died or hangs."""
        self._end_worker()
        if self._closing:
            return
        results = self._journal.get(job.id).results
        if job.id in self._stopped:
            self._handle(job, Cancelled(job=job.id, results=results))
        elif job.attempt < ATTEMPTS:
            self._journal.requeue(job.id)
            self._handle(job, Notice(job=job.id, text=f"{reason} It starts again from the same seed."))
        else:
            message = f"{reason} It happened twice, so this job is set aside. Try a smaller size or another checkpoint."
            self._journal.end(job.id, SET_ASIDE, error=message, kind=WorkerLost.__name__)
            self._feed.publish(Failed(job=job.id, kind=WorkerLost.__name__, message=message, results=results))

    def _answer(self, question: Question, answer: Future[Answer | None]) -> None:
        found: Answer | None = None
        try:
            worker = self._ensure_worker()
            worker.send(question)
            while not isinstance(message := self._receive(worker, self._limits.load), Answer):
                if message is None:
                    raise EOFError
            found = message
        except (_CannotStart, EOFError, OSError):
            self._end_worker()
        finally:
            answer.set_result(found)

    def _load(self, task: LoadCheckpoint | None) -> None:
        """Start the worker, and load a checkpoint if one is named. Errors are reported by the next job."""
        try:
            worker = self._ensure_worker()
            if task is not None:
                worker.send(task)
                while not isinstance(self._receive(worker, self._limits.load), (CheckpointLoaded, NoneType)):
                    pass
        except (_CannotStart, EOFError, OSError):
            self._end_worker()

    def _ensure_worker(self) -> Worker:
        """The worker, started and ready."""
        if self._worker is None:
            self._worker = self._start_worker(self._settings)
            if self._closing:
                self._worker.kill()  # close() may have looked for it before it was there
            self._wait_until_ready(self._worker)
        return self._worker

    def _wait_until_ready(self, worker: Worker) -> None:
        message = self._receive(worker, self._limits.start)
        if not isinstance(message, Ready):
            reason = message.message if isinstance(message, StartFailed) else "It did not respond in time."
            raise _CannotStart(f"The process that generates the pictures cannot start. {reason}")
        self.description = message.description
        self._on_devices(message.devices)

    def _receive(self, worker: Worker, seconds: float) -> Reply | None:
        """The worker's next message, or None if none comes in ``seconds`` in which this process was awake. Raises EOFError."""
        end = self._clock.advance() + seconds
        while (message := worker.receive(min(_POLL_SECONDS, seconds))) is None and self._clock.advance() < end:
            pass
        return message

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()
        self._worker = None
