"""A job's views as they come, without holding one of the page server's threads for each page that listens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

from engine.errors import EaselError
from engine.events import Event
from engine.jobs import Jobs
from ui.common.job_view import IDLE, View, seen


async def views(jobs: Jobs, job: str) -> AsyncIterator[View]:
    """The view of ``job`` after each event, from what happened so far to its end. Views that nobody had time for are left out.

    Raises RequestError for a job that was never there.
    """
    inbox: asyncio.Queue[Event | None] = asyncio.Queue()
    listener = _Listener(jobs, job, inbox)
    view = IDLE
    try:
        while (event := await inbox.get()) is not None:
            arrived = [event]
            while not inbox.empty() and (more := inbox.get_nowait()) is not None:
                arrived.append(more)
            view = seen(arrived, view)
            yield view
            if not view.running:
                return
        if listener.trouble:
            raise listener.trouble
    finally:
        listener.closed = True


class _Listener(threading.Thread):
    """Carries events from the blocking iterator of :meth:`Jobs.watch` into ``inbox``; None is the end."""

    def __init__(self, jobs: Jobs, job: str, inbox: asyncio.Queue[Event | None]) -> None:
        super().__init__(name=f"follow {job}", daemon=True)
        self.jobs, self.job, self.inbox = jobs, job, inbox
        self.loop = asyncio.get_running_loop()
        self.closed = False
        self.trouble: EaselError | None = None
        self.start()

    def run(self) -> None:
        """Until the job ends or nobody listens any more."""
        try:
            for event in self.jobs.watch(self.job):
                if self.closed:
                    return
                self._put(event)
        except EaselError as error:
            self.trouble = error
        self._put(None)

    def _put(self, event: Event | None) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.inbox.put_nowait, event)
