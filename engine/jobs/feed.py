"""The events of each job: sent to all listeners, and replayed to those who join later."""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TypeAlias

from engine.events import Cancelled, Event, Failed, Finished, Guided, ImageSaved, Last, Loading, Notice, Queued, Started, Step
from engine.jobs.journal import CANCELLED, FAILED, FINISHED, QUEUED, SET_ASIDE, JobState

_POLL_SECONDS = 1.0
"""Seconds between checks of :func:`follow` for shutdown."""

Listener: TypeAlias = Callable[[Event], None]
"""Called with each event, on the publishing thread, so it must not block."""


class Feed:
    """The newest step and loading of each running job, and its listeners. It has no thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Listener]] = defaultdict(list)
        self._latest: dict[str, dict[type[Event], Event]] = defaultdict(dict)

    def publish(self, event: Event) -> None:
        """Send ``event`` to all listeners of its job."""
        with self._lock:
            if isinstance(event, (Step, Loading)):
                self._latest[event.job][type(event)] = event
            elif isinstance(event, (Queued, Started, Last)):
                self._latest.pop(event.job, None)
            for listen in self._listeners.get(event.job, ()):
                listen(event)

    def find_progress(self, job: str) -> Step | None:
        """The newest step of a job."""
        step = self._latest.get(job, {}).get(Step)
        return step if isinstance(step, Step) else None

    def subscribe(self, job: str, listener: Listener) -> list[Event]:
        """Let ``listener`` get all events from now on; returns the newest ones so far."""
        with self._lock:
            self._listeners[job].append(listener)
            return list(self._latest.get(job, {}).values())

    def unsubscribe(self, job: str, listener: Listener) -> None:
        """Let ``listener`` get no more events."""
        with self._lock:
            self._listeners[job].remove(listener)
            if not self._listeners[job]:
                del self._listeners[job]


def replay(state: JobState, ahead: int) -> Iterator[Event]:
    """The past events of a job, for a listener that joins later."""
    job = state.id
    yield Queued(job=job, ahead=ahead)
    if state.state == QUEUED and not state.attempt:
        return
    yield Started(job=job, attempt=max(1, state.attempt))
    yield from (Notice(job=job, text=text) for text in state.notices)
    if state.depth:
        yield Guided(job=job, depth=state.depth)
    yield from (ImageSaved(job=job, index=i, result=result) for i, result in enumerate(state.results))
    if state.described is not None:
        yield state.described
    if (last := find_last_event(state)) is not None:
        yield last


def find_last_event(state: JobState) -> Last | None:
    """The last event of a job that is over, else None."""
    if state.state == FINISHED:
        return Finished(job=state.id, results=state.results)
    if state.state == CANCELLED:
        return Cancelled(job=state.id, results=state.results)
    if state.state in (FAILED, SET_ASIDE):
        return Failed(job=state.id, kind=state.error_kind, message=state.error, results=state.results)
    return None


def follow(inbox: queue.SimpleQueue[Event], closing: threading.Event) -> Iterator[Event]:
    """Events as they come, until the last one or until everything closes."""
    while not closing.is_set():
        try:
            event = inbox.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue
        yield event
        if isinstance(event, Last):
            return
