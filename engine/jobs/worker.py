"""The worker: a child process that holds torch and makes the pictures, and the parent's end of it.

The child computes in its main thread and listens in another, so Stop is heard in the middle of a step. When the parent's pipe
closes the child ends at once, busy or not: no orphan holds the device.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from engine.descriptions import EngineDescription
from engine.errors import Cancelled, EaselError
from engine.events import Cancelled as CancelledEvent
from engine.events import Event, Failed, PictureSaved, Result
from engine.jobs.worker_locks import hold
from engine.offline import disable_downloads
from engine.requests import Request, Resolved
from engine.settings import Settings
from engine.stopping import Stop

LOG_BYTES = 2_000_000
"""A worker's log is begun anew above this size."""


class Runner(Protocol):
    """What makes the pictures in the child; :class:`engine.local.Local` is the real one. Made from Settings."""

    def describe(self) -> EngineDescription: ...
    def devices(self) -> tuple[str, ...]: ...
    def run(self, job: str, request: Request, stop: Stop, attempt: int = 1) -> Iterator[Event]: ...
    def warm(self, checkpoint: str, stop: Stop) -> None: ...
    def describe_run(self, request: Request) -> Resolved[Request]: ...


@dataclass(frozen=True)
class Run:
    """Parent to child: make these pictures. From the second ``attempt`` on, carefully: the first one ended a worker."""

    job: str
    request: Request
    attempt: int = 1


@dataclass(frozen=True)
class Warm:
    """Parent to child: load this checkpoint before it is asked for. Answered by Warmed."""

    checkpoint: str
    job: str = "warm"


@dataclass(frozen=True)
class Ask:
    """Parent to child: what would ``request`` be made with here now? Answered by Told."""

    request: Request
    job: str = "ask"


@dataclass(frozen=True)
class StopRun:
    """Parent to child: end this job."""

    job: str


@dataclass(frozen=True)
class Ready:
    """Child to parent: the runner is ready. ``description`` is its own, ``devices`` are all of the kind that it runs on."""

    description: EngineDescription
    devices: tuple[str, ...]


@dataclass(frozen=True)
class Broken:
    """Child to parent: the runner could not be made."""

    message: str


@dataclass(frozen=True)
class Warmed:
    """Child to parent: done with Warm, whether it worked or not."""

    checkpoint: str


@dataclass(frozen=True)
class Told:
    """Child to parent: the answer to Ask, None if there is none."""

    resolved: Resolved[Request] | None


class Worker:
    """The parent's end of one child. One thread, its owner, receives and closes; any thread may send and kill.

    Were the pipe closed from another thread, the owner could be waiting on a number that the system has given to the next file.
    """

    def __init__(self, settings: Settings, runner: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._sending = threading.Lock()
        self._process = context.Process(target=_child, args=(theirs, settings, runner), name="easel-worker", daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._process.pid

    def send(self, message: Run | Warm | Ask | StopRun) -> None:
        """Raises OSError if the child is gone."""
        with self._sending:
            self._pipe.send(message)

    def receive(self, seconds: float) -> Any:
        """The child's next message, or None if none comes in time. Raises EOFError if the child is gone."""
        try:
            return self._pipe.recv() if self._pipe.poll(seconds) else None
        except OSError as error:
            raise EOFError from error

    def kill(self) -> None:
        """End the child now; its owner hears of it as EOFError."""
        self._process.kill()

    def close(self) -> None:
        """End the child and let go of it. For the owner alone."""
        self.kill()
        self._process.join(10)
        with self._sending:
            self._pipe.close()


def _child(pipe: Connection, settings: Settings, runner: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Torch's threads spin while they wait for each other. On a machine that does other things too, one of two threads is often
    # not running, and the other burns a core for it: a picture was seen to take ten times as long. Asleep they cost nothing.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    disable_downloads()  # the page's process downloads; what a worker does not find is an error
    _log_to(settings.data / "logs" / "worker.log")
    tasks: queue.SimpleQueue[Run | Warm | Ask] = queue.SimpleQueue()
    stops: dict[str, Stop] = {}
    threading.Thread(target=_listen, args=(pipe, tasks, stops), daemon=True).start()
    try:
        # One after the other on a device, also where a killed worker takes its time to go.
        lock = hold(settings.data, settings.device)
        made = _make(runner, settings)
        pipe.send(Ready(made.describe(), made.devices()))
    except Exception as error:
        pipe.send(Broken(_sentence(error)))
        return
    while lock.is_locked:
        task = tasks.get()
        stop = stops.setdefault(task.job, Stop())
        _WORK[type(task)](made, task, stop, pipe)
        stops.pop(task.job, None)


def _listen(pipe: Connection, tasks: queue.SimpleQueue[Run | Warm | Ask], stops: dict[str, Stop]) -> None:
    """Hear the parent while the main thread computes, and end with it."""
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            os._exit(0)
        if isinstance(message, StopRun):
            stops.setdefault(message.job, Stop()).set()
        else:
            stops[message.job] = Stop()
            tasks.put(message)


def _run(runner: Runner, task: Run, stop: Stop, pipe: Connection) -> None:
    """Every event to the parent; whatever goes wrong becomes the last one."""
    results: list[Result] = []
    try:
        for event in runner.run(task.job, task.request, stop, task.attempt):
            if isinstance(event, PictureSaved):
                results.append(event.result)
            pipe.send(event)
    except Cancelled:
        pipe.send(CancelledEvent(job=task.job, results=tuple(results)))
    except EaselError as error:
        pipe.send(Failed(job=task.job, kind=error.kind, message=str(error), results=tuple(results)))
    except Exception as error:
        import traceback

        traceback.print_exc()
        pipe.send(Failed(job=task.job, kind="EaselError", message=_sentence(error), results=tuple(results)))


def _warm(runner: Runner, task: Warm, stop: Stop, pipe: Connection) -> None:
    """Nobody asked for a picture yet, so what goes wrong here is said when somebody does."""
    try:
        runner.warm(task.checkpoint, stop)
    except Exception as error:
        print(f"loading {task.checkpoint} ahead of time: {error}", flush=True)
    pipe.send(Warmed(task.checkpoint))


def _tell(runner: Runner, task: Ask, stop: Stop, pipe: Connection) -> None:
    """A question about a checkpoint that is not here, or a size that cannot be, has no answer."""
    try:
        pipe.send(Told(runner.describe_run(task.request)))
    except EaselError:
        pipe.send(Told(None))


_WORK: dict[type, Callable[[Runner, Any, Stop, Connection], None]] = {Run: _run, Warm: _warm, Ask: _tell}
"""What the child does with each kind of task."""


def _make(runner: str, settings: Settings) -> Runner:
    """The runner named ``module:class``."""
    module, _, name = runner.partition(":")
    return getattr(importlib.import_module(module), name)(settings)


def _sentence(error: Exception) -> str:
    if isinstance(error, EaselError):
        return str(error)
    return (
        f"Something went wrong that Easel has no words for ({type(error).__name__}: {error}). "
        "The next request works; the details are in worker.log in Easel's data folder."
    )


def _log_to(path: Path) -> None:
    """What libraries print goes into a file that cannot grow for ever; a folder that cannot be written is no reason to stop."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not path.exists() or path.stat().st_size > LOG_BYTES
        log = path.open("w" if fresh else "a", buffering=1, encoding="utf-8", errors="replace")
    except OSError:
        return
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    sys.stdout = sys.stderr = log
