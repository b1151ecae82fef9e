"""The worker: a child process that holds torch and generates the images, and the parent's end of it.

The child computes in its main thread and listens in another, so Stop takes effect in the middle of a step. When the parent's
pipe closes, the child ends at once, even if busy, so that no orphan holds the device.
"""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Protocol, TypeAlias

from engine.descriptions import EngineDescription, FreedMemory
from engine.errors import CancelledError, EaselError
from engine.events import Cancelled, Event, Failed, ImageSaved, Result
from engine.jobs.worker_environment import keep_freed_memory, set_device_memory, set_thread_waiting
from engine.jobs.worker_locks import lock_device
from engine.offline import disable_downloads
from engine.requests import Request, Resolved
from engine.settings import Settings
from engine.stopping import Stop
from engine.storage.atomic_files import create_private_file, make_folder

_TERMINAL_SIGNALS = tuple(number for number in signal.Signals if number.name in ("SIGINT", "SIGHUP"))

LOG_BYTES = 2_000_000
"""A worker's log is started again above this size."""


class Engine(Protocol):
    """The engine in the child; :class:`engine.local.Local` is the real one. Created from Settings."""

    def describe(self) -> EngineDescription: ...
    def devices(self) -> tuple[str, ...]: ...
    def run(
        self, job: str, request: Request, stop: Stop, attempt: int = 1, *, device_was_lost: bool = False
    ) -> Iterator[Event]: ...
    def warm(self, checkpoint: str, stop: Stop) -> None: ...
    def describe_run(self, request: Request) -> Resolved[Request]: ...
    def rest(self, seconds: float, stop: Stop) -> float | None: ...
    def free_memory(self) -> FreedMemory: ...


@dataclass(frozen=True)
class RunJob:
    """To the child: generate these images. From the second ``attempt`` on with less memory, because the first one ended a
    worker, unless it was a device that went away."""

    job: str
    request: Request
    attempt: int = 1
    device_was_lost: bool = False


@dataclass(frozen=True)
class LoadCheckpoint:
    """To the child: load this checkpoint in advance. Answered by CheckpointLoaded."""

    checkpoint: str
    job: str = "load"


@dataclass(frozen=True)
class DescribeRun:
    """To the child: how would the first image of ``request`` be made here now? Answered by RunDescribed."""

    request: Request
    job: str = "describe"


@dataclass(frozen=True)
class FreeMemory:
    """To the child: unload checkpoints and give memory back. Answered by MemoryFreed."""

    job: str = "free"


@dataclass(frozen=True)
class StopJob:
    """To the child: end this job."""

    job: str


@dataclass(frozen=True)
class Ready:
    """From the child: the engine is ready. ``description`` is its own, ``devices`` are all of the kind that it runs on."""

    description: EngineDescription
    devices: tuple[str, ...]


@dataclass(frozen=True)
class StartFailed:
    """From the child: the engine could not be created."""

    message: str


@dataclass(frozen=True)
class CheckpointLoaded:
    """From the child: LoadCheckpoint is done, successfully or not."""

    checkpoint: str


@dataclass(frozen=True)
class RunDescribed:
    """From the child: the answer to DescribeRun, None if there is none."""

    resolved: Resolved[Request] | None


@dataclass(frozen=True)
class MemoryFreed:
    """From the child: the answer to FreeMemory."""

    freed: FreedMemory


Question: TypeAlias = DescribeRun | FreeMemory
Answer: TypeAlias = RunDescribed | MemoryFreed

Task: TypeAlias = RunJob | LoadCheckpoint | Question
"""Messages that the child handles one after the other."""

Reply: TypeAlias = Event | Ready | StartFailed | CheckpointLoaded | Answer


class Worker:
    """The parent's end of one child. One thread, its owner, receives and closes; any thread may send and kill.

    If another thread closed the pipe, the owner could wait on a descriptor that the system has reused.
    """

    def __init__(self, settings: Settings, engine: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._sending = threading.Lock()
        self._process = context.Process(target=_child, args=(theirs, settings, engine), name="easel-worker", daemon=True)
        _start(self._process)
        theirs.close()

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._process.pid

    def send(self, message: Task | StopJob) -> None:
        """Raises OSError if the child is gone."""
        with self._sending:
            self._pipe.send(message)

    def receive(self, seconds: float) -> Reply | None:
        """The child's next message, or None if none comes in time. Raises EOFError if the child is gone."""
        try:
            return self._pipe.recv() if self._pipe.poll(seconds) else None
        except OSError as error:
            raise EOFError from error

    def kill(self) -> None:
        """End the child now; its owner gets an EOFError."""
        self._process.kill()

    def wait_for_exit(self) -> int | None:
        """The child's exit code once it has ended by itself, minus the number of the signal that ended it; None if it runs on."""
        self._process.join(5)
        return self._process.exitcode

    def close(self) -> None:
        """End the child and free its resources. For the owner only."""
        self.kill()
        self._process.join(10)
        with self._sending:
            self._pipe.close()


def _start(process: SpawnProcess) -> None:
    """Start ``process`` with :data:`_TERMINAL_SIGNALS` held back until it ignores them; before that, Python prints a trace."""
    if sys.platform == "win32":
        process.start()
        return
    resource_tracker.ensure_running()  # starting it would let the signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TERMINAL_SIGNALS)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore_terminal() -> None:
    """Ctrl+C and a closed terminal reach every process of the studio at once; a worker ends when the studio does."""
    for number in _TERMINAL_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _TERMINAL_SIGNALS)


def _child(pipe: Connection, settings: Settings, engine: str) -> None:
    _ignore_terminal()
    set_thread_waiting()
    set_device_memory()
    disable_downloads()  # only the page's process downloads; a file that a worker does not find is an error
    _log_to(settings.data / "logs" / "worker.log")
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    stops: dict[str, Stop] = {}
    rest = _Rest()
    threading.Thread(target=_listen, args=(pipe, tasks, stops, rest), daemon=True).start()
    try:
        # One after the other on a device, also where a killed worker takes its time to go.
        lock = lock_device(settings.data, settings.device)
        created = _create_engine(engine, settings)
        if set(created.devices()) == {"cpu"}:  # elsewhere RAM that is free is looked for before each job
            keep_freed_memory()
        pipe.send(Ready(created.describe(), created.devices()))
    except Exception as error:
        pipe.send(StartFailed(_describe_error(error)))
        return
    while lock.is_locked:
        task = rest.wait(created, tasks)
        stop = stops.setdefault(task.job, Stop())
        _perform(created, task, stop, pipe)
        stops.pop(task.job, None)


class _Rest:
    """The time between two tasks, in which the engine may do what is due; it gives way to a task at once."""

    def __init__(self) -> None:
        self._stop = Stop()

    def end(self) -> None:
        """A task is there."""
        self._stop.set()

    def wait(self, engine: Engine, tasks: queue.SimpleQueue[Task]) -> Task:
        """The next task."""
        began = time.monotonic()
        while True:
            # In this order: whoever puts a task ends the rest after it.
            self._stop = Stop()
            due = None if not tasks.empty() else self._use(engine, time.monotonic() - began)
            try:
                return tasks.get(timeout=None if due is None else max(0.0, began + due - time.monotonic()))
            except queue.Empty:
                continue

    def _use(self, engine: Engine, seconds: float) -> float | None:
        try:
            return engine.rest(seconds, self._stop)
        except CancelledError:
            return None


def _listen(pipe: Connection, tasks: queue.SimpleQueue[Task], stops: dict[str, Stop], rest: _Rest) -> None:
    """Receive from the parent while the main thread computes, and end with it."""
    while True:
        try:
            message: Task | StopJob = pipe.recv()
        except (EOFError, OSError):
            os._exit(0)
        if isinstance(message, StopJob):
            stops.setdefault(message.job, Stop()).set()
        else:
            stops[message.job] = Stop()
            tasks.put(message)
            rest.end()


def _perform(engine: Engine, task: Task, stop: Stop, pipe: Connection) -> None:
    match task:
        case RunJob():
            _run(engine, task, stop, pipe)
        case LoadCheckpoint():
            _load_checkpoint(engine, task, stop, pipe)
        case DescribeRun():
            _describe_run(engine, task, pipe)
        case FreeMemory():
            pipe.send(MemoryFreed(engine.free_memory()))


def _run(engine: Engine, task: RunJob, stop: Stop, pipe: Connection) -> None:
    """Send every event to the parent; any error becomes the last one."""
    results: list[Result] = []
    try:
        for event in engine.run(task.job, task.request, stop, task.attempt, device_was_lost=task.device_was_lost):
            if isinstance(event, ImageSaved):
                results.append(event.result)
            pipe.send(event)
    except CancelledError:
        pipe.send(Cancelled(job=task.job, results=tuple(results)))
    except EaselError as error:
        pipe.send(Failed(job=task.job, kind=error.kind, message=str(error), results=tuple(results)))
    except Exception as error:
        import traceback

        traceback.print_exc()
        pipe.send(Failed(job=task.job, kind="EaselError", message=_describe_error(error), results=tuple(results)))


def _load_checkpoint(engine: Engine, task: LoadCheckpoint, stop: Stop, pipe: Connection) -> None:
    """Load a checkpoint in advance. Errors are ignored here and reported by the next job."""
    try:
        engine.warm(task.checkpoint, stop)
    except Exception as error:
        print(f"loading {task.checkpoint} ahead of time: {error}", flush=True)
    pipe.send(CheckpointLoaded(task.checkpoint))


def _describe_run(engine: Engine, task: DescribeRun, pipe: Connection) -> None:
    """Answer None for a missing checkpoint or an impossible size."""
    try:
        pipe.send(RunDescribed(engine.describe_run(task.request)))
    except EaselError:
        pipe.send(RunDescribed(None))


def _create_engine(name: str, settings: Settings) -> Engine:
    """The engine named ``module:class``."""
    return pkgutil.resolve_name(name)(settings)


def _describe_error(error: Exception) -> str:
    if isinstance(error, EaselError):
        return str(error)
    return (
        f"An unexpected error ended this job ({type(error).__name__}: {error}). "
        "Other jobs are not affected. The details are in logs/worker.log in Easel's data folder."
    )


def _log_to(path: Path) -> None:
    """Send what libraries print to a file of bounded size. If the folder cannot be written, leave it where it goes."""
    try:
        make_folder(path.parent)
        create_private_file(path)
        fresh = not path.exists() or path.stat().st_size > LOG_BYTES
        log = path.open("w" if fresh else "a", buffering=1, encoding="utf-8", errors="replace")
    except OSError:
        return
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    sys.stdout = sys.stderr = log
