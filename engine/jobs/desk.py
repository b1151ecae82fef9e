"""One device's desk: takes jobs from the journal, hands them to its worker, and watches over it.

A worker that dies or hangs is started again and the job runs again from its seed, once. A job that ends two workers is set
aside, and the queue goes on.
"""

from __future__ import annotations

import shutil
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import DiskFull, WorkerLost
from engine.events import Cancelled, Event, Failed, Finished, Notice, PictureSaved, Started, Step
from engine.jobs import journal
from engine.jobs.feed import Feed
from engine.jobs.journal import JobState, Journal
from engine.jobs.worker import Broken, Ready, Run, StopRun, Warm, Warmed, Worker
from engine.records import outputs
from engine.settings import Settings

ATTEMPTS = 2


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Seconds without a sign of life after which a worker counts as hung.

    ``start``: import torch and look at the machine; ``load``: a checkpoint from a slow disk, the first step, a decode.
    Between steps it is ``factor`` times this machine's own median step, and at least ``least``.
    """

    start: float = 600.0
    load: float = 900.0
    factor: float = 20.0
    least: float = 120.0


class _CannotStart(Exception):
    """The worker ended, or said why it cannot work, before it was ready."""


class Desk:
    """Runs in a thread of its own from :meth:`open` to :meth:`close`."""

    def __init__(
        self,
        settings: Settings,
        runner: str,
        jobs: Journal,
        feed: Feed,
        changed: threading.Condition,
        patience: Patience,
    ) -> None:
        self._settings, self._runner, self._journal, self._feed = settings, runner, jobs, feed
        self._changed, self._patience = changed, patience
        self._worker: Worker | None = None
        self._warm: Warm | None = None
        self._running: str | None = None
        self._stopped: set[str] = set()
        self._closing = False
        self._steps: deque[float] = deque(maxlen=50)
        self._thread = threading.Thread(target=self._serve, name="easel-desk", daemon=True)
        self.facts: dict[str, str] | None = None
        self.paused: str = ""

    def open(self) -> None:
        """Start working."""
        self._thread.start()

    def close(self) -> None:
        """End the worker. A job that runs stays as it is in the journal and is taken up at the next start."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            worker = self._worker
        if worker is not None:
            worker.kill()
        self._thread.join(15)

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id, for whoever wants to look at it."""
        return self._worker.pid if self._worker else None

    def warm(self, checkpoint: str) -> None:
        """Load a checkpoint when there is nothing else to do."""
        with self._changed:
            self._warm = Warm(checkpoint)
            self._changed.notify_all()

    def stop(self, job: str) -> None:
        """Tell the worker to end ``job``, if that is what it runs."""
        self._stopped.add(job)
        worker = self._worker
        if worker is not None and self._running == job:
            try:
                worker.send(StopRun(job))
            except OSError:
                return  # The worker just died; whoever runs the job sees that, and that it was stopped.

    def _serve(self) -> None:
        self._run_warm(None)
        while (task := self._next()) is not None:
            if isinstance(task, Warm):
                self._run_warm(task)
            else:
                self._run(task)
        self._end_worker()

    def _next(self) -> JobState | Warm | None:
        """Wait for something to do; None when closing. A full disk pauses jobs until there is room."""
        with self._changed:
            while not self._closing:
                self.paused = self.paused if self.paused and not _room(self._settings.outputs) else ""
                if not self.paused and (job := self._journal.next()) is not None:
                    self._running = job.id
                    return self._journal.start(job.id)
                if self._warm is not None:
                    task, self._warm = self._warm, None
                    return task
                self._changed.wait(2.0 if self.paused else None)
        return None

    def _run(self, job: JobState) -> None:
        """One attempt at one job, to its end in the journal."""
        self._feed.publish(Started(job=job.id, attempt=job.attempt))
        try:
            self._ensure_worker().send(Run(job.id, job.request))
            if job.id in self._stopped:
                self.stop(job.id)
            self._listen(job)
        except _CannotStart as trouble:
            self._end_worker()
            self._heard(job, Failed(job=job.id, kind=WorkerLost.__name__, message=str(trouble)))
        except (EOFError, OSError):
            self._lost(job, "The process that makes the pictures ended in the middle of this job, perhaps for want of memory.")
        except TimeoutError:
            self._lost(job, "The process that makes the pictures stopped answering.")
        finally:
            self._running = None
            self._stopped.discard(job.id)

    def _listen(self, job: JobState) -> None:
        assert self._worker is not None
        allowed, last = self._patience.load, time.monotonic()
        while True:
            message = self._worker.receive(allowed)
            if message is None:
                raise TimeoutError
            if not isinstance(message, Event):
                continue
            now = time.monotonic()
            if isinstance(message, Step):
                self._steps.append(now - last)
            last, allowed = now, self._allowed(message)
            if self._heard(job, message):
                return

    def _allowed(self, event: Event) -> float:
        """How long the next sign of life may take: a step is known, a load or a decode is not."""
        if not isinstance(event, Step) or event.step == event.steps or len(self._steps) < 3:
            return self._patience.load
        return max(self._patience.least, self._patience.factor * statistics.median(self._steps))

    def _heard(self, job: JobState, event: Event) -> bool:
        """Journal first, then the watchers. True when the job is over."""
        if isinstance(event, Failed) and event.kind == DiskFull.__name__:
            self._pause(job, event)
            return True
        record: dict[type[Event], Callable[[], None]] = {
            PictureSaved: lambda: self._journal.saved(job.id, event.picture, event.result),  # type: ignore[attr-defined]
            Notice: lambda: self._journal.notice(job.id, event.text),  # type: ignore[attr-defined]
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
        self._feed.publish(Notice(job=job.id, text=f"{failed.message} The queue waits until there is room."))

    def _lost(self, job: JobState, reason: str) -> None:
        """The worker is gone or hangs."""
        self._end_worker()
        if self._closing:
            return
        if job.id in self._stopped:
            self._end(job, journal.CANCELLED, Cancelled(job=job.id, results=self._journal.get(job.id).results))
        elif job.attempt < ATTEMPTS:
            self._journal.requeue(job.id)
            self._feed.publish(Notice(job=job.id, text=f"{reason} It starts again from the same seed."))
        else:
            message = f"{reason} It happened twice, so this job is set aside. Try a smaller size or another checkpoint."
            results = self._journal.get(job.id).results
            failed = Failed(job=job.id, kind=WorkerLost.__name__, message=message, results=results)
            self._end(job, journal.SET_ASIDE, failed, message, WorkerLost.__name__)

    def _end(self, job: JobState, state: str, event: Event, error: str = "", kind: str = "") -> None:
        self._journal.end(job.id, state, error=error, kind=kind)
        self._feed.publish(event)

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
        if self._worker is not None:
            return self._worker
        with self._changed:
            if self._closing:
                raise EOFError
            self._worker = Worker(self._settings, self._runner)
        self._greet(self._worker)
        return self._worker

    def _greet(self, worker: Worker) -> None:
        message = worker.receive(self._patience.start)
        if not isinstance(message, Ready):
            said = message.message if isinstance(message, Broken) else "It did not answer in time."
            raise _CannotStart(f"The process that makes the pictures cannot start. {said}")
        self.facts = message.facts

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()
        self._worker = None


def _room(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free > outputs.SPARE
    except OSError:
        return False
