"""One device's desk: takes jobs from the journal, hands them to its worker, and watches over it.

A worker that dies or hangs is started again and the job runs again from its seed, once. A job that ends two workers is set
aside, and the queue goes on.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from engine.descriptions import EngineDescription
from engine.errors import DiskFull, OutputError, WorkerLost
from engine.events import Cancelled, Event, Failed, Finished, Guided, Notice, PictureSaved, Started
from engine.jobs import journal
from engine.jobs.feed import Feed
from engine.jobs.journal import JobState, Journal
from engine.jobs.watchdog import Pace, Watchdog
from engine.jobs.worker import Ask, Broken, Ready, Run, StopRun, Told, Warm, Warmed, Worker
from engine.records import outputs
from engine.requests import Request, Resolved
from engine.settings import Settings

ATTEMPTS = 2

_GLANCE = 0.5
"""Seconds between two looks at the clock while a worker is silent."""


class _CannotStart(Exception):
    """The worker ended, or said why it cannot work, before it was ready."""


class DeviceRunner:
    """Runs in a thread of its own from :meth:`open` to :meth:`close`. ``met`` hears which devices the first worker found."""

    def __init__(
        self,
        settings: Settings,
        runner: str,
        jobs: Journal,
        feed: Feed,
        changed: threading.Condition,
        patience: Watchdog,
        met: Callable[[tuple[str, ...]], None],
    ) -> None:
        self._settings, self._runner, self._journal, self._feed = settings, runner, jobs, feed
        self._changed, self._patience, self._met = changed, patience, met
        self._worker: Worker | None = None
        self._warm: Warm | None = None
        self._asked: deque[tuple[Ask, Future[Resolved[Request] | None]]] = deque()
        self._running: str | None = None
        self._left: str | None = None
        self._stopped: dict[str, float] = {}
        self._closing = False
        self._pace = Pace(patience)
        self._thread = threading.Thread(target=self._serve, name=f"easel-desk {settings.device}", daemon=True)
        self.description: EngineDescription | None = None
        self.paused: str = ""

    def open(self) -> None:
        """Start working."""
        self._thread.start()

    def close(self) -> None:
        """End the worker. A job that runs stays as it is in the journal and is taken up at the next start."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if (worker := self._worker) is not None:
            worker.kill()
        self._thread.join(15)

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id, for whoever wants to look at it."""
        worker = self._worker
        return worker.pid if worker else None

    def warm(self, checkpoint: str) -> None:
        """Load a checkpoint when there is nothing else to do."""
        with self._changed:
            self._warm = Warm(checkpoint)
            self._changed.notify_all()

    def ask(self, request: Request) -> Future[Resolved[Request] | None]:
        """What ``request`` would be made with here now, once the worker is free. None if it cannot be made here."""
        answer: Future[Resolved[Request] | None] = Future()
        with self._changed:
            self._asked.append((Ask(request), answer))
            self._changed.notify_all()
        return answer

    def stop(self, job: str) -> None:
        """Tell the worker to end ``job``, if that is what it runs."""
        self._stopped.setdefault(job, time.monotonic())
        worker = self._worker
        if worker is not None and self._running == job:
            try:
                worker.send(StopRun(job))
            except OSError:
                return  # The worker just died; whoever runs the job sees that, and that it was stopped.

    def runs(self, job: str) -> bool:
        """Whether this is the desk that has ``job``."""
        return self._running == job

    def _serve(self) -> None:
        self._run_warm(None)
        while (task := self._next()) is not None:
            if isinstance(task, JobState):
                self._run(task)
            elif isinstance(task, Warm):
                self._run_warm(task)
            else:
                self._answer(*task)
        self._end_worker()

    def _next(self) -> JobState | Warm | tuple[Ask, Future[Resolved[Request] | None]] | None:
        """Wait for something to do; None when closing. A full disk pauses jobs until there is room."""
        with self._changed:
            while not self._closing:
                if self._asked:
                    return self._asked.popleft()
                if (job := self._take()) is not None:
                    return job
                if self._warm is not None:
                    task, self._warm = self._warm, None
                    return task
                self._changed.wait(2.0 if self.paused else None)
        return None

    def _take(self) -> JobState | None:
        """The next job, now running in the journal; None if there is none, or no room."""
        if self.paused and not (outputs.has_room(self._settings.outputs) and outputs.has_room(self._settings.data)):
            return None
        try:
            if self._left is not None:
                self._journal.requeue(self._left, forget_attempt=True)
                self._left = None
            self.paused = ""
            job = self._journal.next()
            if job is None:
                return None
            self._running = job.id
            return self._journal.start(job.id)
        except OutputError as trouble:
            self.paused, self._running = str(trouble), None
            return None

    def _run(self, job: JobState) -> None:
        """One attempt at one job, to its end in the journal."""
        self._feed.publish(Started(job=job.id, attempt=job.attempt))
        try:
            self._attempt(job)
        except OutputError as trouble:
            # The journal cannot be written. What the worker has saved is on disk and is found there when the job runs again.
            self._end_worker()
            self.paused, self._left = str(trouble), job.id
            self._feed.publish(Notice(job=job.id, text=str(trouble)))
        finally:
            self._running = None
            self._stopped.pop(job.id, None)

    def _attempt(self, job: JobState) -> None:
        try:
            self._ensure_worker().send(Run(job.id, job.request, job.attempt))
            if job.id in self._stopped:
                self.stop(job.id)
            self._listen(job)
        except _CannotStart as trouble:
            self._end_worker()
            self._heard(job, Failed(job=job.id, kind=WorkerLost.__name__, message=str(trouble)))
        except TimeoutError:
            self._lost(job, "The process that makes the pictures stopped answering.")
        except (EOFError, OSError):
            self._lost(job, "The process that makes the pictures ended in the middle of this job, perhaps for want of memory.")

    def _listen(self, job: JobState) -> None:
        """Hear the worker until the job is over. Raises TimeoutError if it is silent for too long or does not heed Stop."""
        assert self._worker is not None
        allowed, last = self._patience.load, time.monotonic()
        while True:
            message = self._worker.receive(min(_GLANCE, allowed))
            now = time.monotonic()
            if message is None and (now - last > allowed or now - self._stopped.get(job.id, now) > self._patience.stop):
                raise TimeoutError
            if isinstance(message, Event):
                allowed, last = self._pace.allowed(message, now - last), now
                if self._heard(job, message):
                    return

    def _heard(self, job: JobState, event: Event) -> bool:
        """Journal first, then the watchers. True when the job is over."""
        if isinstance(event, Failed) and event.kind == DiskFull.__name__:
            self._pause(job, event)
            return True
        record: dict[type[Event], Callable[[], None]] = {
            PictureSaved: lambda: self._journal.saved(job.id, event.picture, event.result),  # type: ignore[attr-defined]
            Notice: lambda: self._journal.notice(job.id, event.text),  # type: ignore[attr-defined]
            Guided: lambda: self._journal.guided(job.id, event.depth),  # type: ignore[attr-defined]
            Finished: lambda: self._journal.end(job.id, journal.FINISHED),
            Cancelled: lambda: self._journal.end(job.id, journal.CANCELLED),
            Failed: lambda: self._journal.end(job.id, journal.FAILED, error=event.message, kind=event.kind),  # type: ignore[attr-defined]
        }
        record.get(type(event), lambda: None)()
        self._feed.publish(event)
        return isinstance(event, (Finished, Cancelled, Failed))

    def _pause(self, job: JobState, failed: Failed) -> None:
        """No room: the job waits, and with it the queue, until there is some."""
        self.paused = failed.message
        self._journal.requeue(job.id, forget_attempt=True)
        self._heard(job, Notice(job=job.id, text=f"{failed.message} The queue waits until there is room."))

    def _lost(self, job: JobState, reason: str) -> None:
        """The worker is gone or hangs."""
        self._end_worker()
        if self._closing:
            return
        results = self._journal.get(job.id).results
        if job.id in self._stopped:
            self._heard(job, Cancelled(job=job.id, results=results))
        elif job.attempt < ATTEMPTS:
            self._journal.requeue(job.id)
            self._heard(job, Notice(job=job.id, text=f"{reason} It starts again from the same seed."))
        else:
            message = f"{reason} It happened twice, so this job is set aside. Try a smaller size or another checkpoint."
            self._journal.end(job.id, journal.SET_ASIDE, error=message, kind=WorkerLost.__name__)
            self._feed.publish(Failed(job=job.id, kind=WorkerLost.__name__, message=message, results=results))

    def _answer(self, question: Ask, answer: Future[Resolved[Request] | None]) -> None:
        """What the worker says, with what it said of itself when it started."""
        told: Resolved[Request] | None = None
        try:
            worker = self._ensure_worker()
            worker.send(question)
            while not isinstance(message := worker.receive(self._patience.load), Told):
                if message is None:
                    raise EOFError
            told = message.resolved
        except (_CannotStart, EOFError, OSError):
            self._end_worker()
        finally:
            answer.set_result(told)

    def _run_warm(self, task: Warm | None) -> None:
        """Start the worker, and load a checkpoint if one is named. What goes wrong is said when somebody asks for a picture."""
        try:
            worker = self._ensure_worker()
            if task is not None:
                worker.send(task)
                while not isinstance(worker.receive(self._patience.load) or Warmed(task.checkpoint), Warmed):
                    pass
        except (_CannotStart, EOFError, OSError):
            self._end_worker()

    def _ensure_worker(self) -> Worker:
        """The worker, started and ready."""
        if self._worker is None:
            self._worker = Worker(self._settings, self._runner)
            if self._closing:
                self._worker.kill()  # close() may have looked for it before it was there
            self._greet(self._worker)
        return self._worker

    def _greet(self, worker: Worker) -> None:
        message = worker.receive(self._patience.start)
        if not isinstance(message, Ready):
            said = message.message if isinstance(message, Broken) else "It did not answer in time."
            raise _CannotStart(f"The process that makes the pictures cannot start. {said}")
        self.description = message.description
        self._met(message.devices)

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()
        self._worker = None
