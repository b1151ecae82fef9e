"""The events of a job, awaited without a thread, and what a client that hangs up means for its job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress

import anyio
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.context import ApiContext
from api.errors import as_error
from engine.events import Cancelled, Event, Failed, Finished, Last, Loading, Result, Step

_SSE = "text/event-stream"


class JobEvents:
    """The events of a job that were not read yet. Of steps and of loading only the newest is kept, so a client that does not read
    holds no memory. ``last`` is the job's last event once it was read."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._unread: list[Event] = []
        self._early: list[Event] | None = []
        self._arrived = asyncio.Event()
        self.last: Finished | Cancelled | Failed | None = None

    def put_from_any_thread(self, event: Event) -> None:
        """Take an event."""
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            self._loop.call_soon_threadsafe(self._put_live, event)

    def begin(self, known: list[Event]) -> None:
        """Take the past events, which come before those that happened meanwhile."""
        early, self._early = self._early or [], None
        for event in (*known, *early):
            self.put(event)

    def _put_live(self, event: Event) -> None:
        if self._early is None:
            self.put(event)
        else:
            self._early.append(event)

    def put(self, event: Event) -> None:
        """Take an event, on the loop's thread."""
        if isinstance(event, (Step, Loading)):
            self._unread = [each for each in self._unread if type(each) is not type(event)]
        self._unread.append(event)
        self._arrived.set()

    async def take(self, seconds: float | None = None) -> list[Event]:
        """The events since the last call; none if none came in so many seconds."""
        try:
            await asyncio.wait_for(self._arrived.wait(), seconds)
        except TimeoutError:
            return []
        self._arrived.clear()
        taken, self._unread = self._unread, []
        self.last = next((event for event in taken if isinstance(event, Last)), None)
        return taken


@asynccontextmanager
async def watch(context: ApiContext, job: str) -> AsyncGenerator[JobEvents]:
    """The past events of a job, then new ones until its last. Raises RequestError for an unknown id."""
    events = JobEvents()
    known, stop_listening = await context.run(context.jobs.listen, job, events.put_from_any_thread)
    try:
        events.begin(known)
        yield events
    finally:
        stop_listening()


async def wait_for_results(context: ApiContext, request: Request, job: str) -> tuple[Result, ...]:
    """The images of a job, as soon as it has ended. If the client of ``request`` hangs up before, the job is stopped.

    A job that was stopped gives what was ready. Raises the job's error if it failed.
    """
    async with watch(context, job) as events, anyio.create_task_group() as group:
        group.start_soon(_stop_if_gone, context, request, job)
        while events.last is None:
            await events.take()
        group.cancel_scope.cancel()
    if isinstance(events.last, Failed):
        raise as_error(events.last)
    return events.last.results if events.last else ()


@asynccontextmanager
async def stop_when_left(context: ApiContext, job: str) -> AsyncGenerator[None]:
    """Stops a job when the block ends, however it ends. A job that is over stays as it is."""
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await context.run(context.jobs.stop, job)


class EventStream(StreamingResponse):
    """Server-sent events. ``events`` is closed as soon as the client is gone."""

    def __init__(self, events: AsyncGenerator[str]) -> None:
        super().__init__(events, media_type=_SSE, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)


async def _stop_if_gone(context: ApiContext, request: Request, job: str) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    await context.run(context.jobs.stop, job)
