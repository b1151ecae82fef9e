"""Who hears what of which job: events fanned out to every watcher, and replayed to those who come later."""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator

from engine.events import Cancelled, Event, Failed, Finished, Guided, Loading, Notice, PictureSaved, Queued, Started, Step
from engine.jobs.journal import CANCELLED, FAILED, FINISHED, QUEUED, SET_ASIDE, JobState

LAST = (Finished, Cancelled, Failed)
_LINGER_SECONDS = 1.0
"""How often a watcher looks up from its queue, so that it can be abandoned."""


Hear = Callable[[Event], None]
"""What a watcher does with an event. It is called on the thread that publishes, so it must not block."""


class Feed:
    """The newest step and loading of each running job, and its watchers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: dict[str, list[Hear]] = defaultdict(list)
        self._latest: dict[str, dict[type[Event], Event]] = defaultdict(dict)

    def publish(self, event: Event) -> None:
        """Give ``event`` to everybody who watches its job."""
        with self._lock:
            if isinstance(event, LAST):
                self._latest.pop(event.job, None)
            elif isinstance(event, (Step, Loading)):
                self._latest[event.job][type(event)] = event
            elif isinstance(event, (Queued, Started)):
                self._latest.pop(event.job, None)
            for hear in self._watchers.get(event.job, ()):
                hear(event)

    def progress(self, job: str) -> Step | None:
        """The newest step of a job."""
        step = self._latest.get(job, {}).get(Step)
        return step if isinstance(step, Step) else None

    def subscribe(self, job: str, hear: Hear) -> list[Event]:
        """Let ``hear`` get all events from now on; returns what is newest until now."""
        with self._lock:
            self._watchers[job].append(hear)
            return list(self._latest.get(job, {}).values())

    def unsubscribe(self, job: str, hear: Hear) -> None:
        """The watcher went away."""
        with self._lock:
            self._watchers[job].remove(hear)
            if not self._watchers[job]:
                del self._watchers[job]


def replay(state: JobState, ahead: int) -> Iterator[Event]:
    """The events that tell a newcomer how the job stands."""
    job = state.id
    yield Queued(job=job, ahead=ahead)
    if state.state == QUEUED and not state.attempt:
        return
    yield Started(job=job, attempt=max(1, state.attempt))
    yield from (Notice(job=job, text=text) for text in state.notices)
    if state.depth:
        yield Guided(job=job, depth=state.depth)
    yield from (PictureSaved(job=job, picture=i, result=result) for i, result in enumerate(state.results))
    if (last := ending(state)) is not None:
        yield last


def ending(state: JobState) -> Event | None:
    """The last event of a job that is over, else None."""
    if state.state == FINISHED:
        return Finished(job=state.id, results=state.results)
    if state.state == CANCELLED:
        return Cancelled(job=state.id, results=state.results)
    if state.state in (FAILED, SET_ASIDE):
        return Failed(job=state.id, kind=state.error_kind, message=state.error, results=state.results)
    return None


def follow(watcher: queue.SimpleQueue[Event], closing: threading.Event) -> Iterator[Event]:
    """Events as they come, until the last one or until everything closes."""
    while not closing.is_set():
        try:
            event = watcher.get(timeout=_LINGER_SECONDS)
        except queue.Empty:
            continue
        yield event
        if isinstance(event, LAST):
            return
