"""The state of a job as a page shows it, built from the engine's events."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import singledispatch

import engine.events as events
from engine.events import Event, Last, Result
from engine.jobs import Jobs
from ui import formatting, messages, sentences

LEAST_SECONDS = 0.25
"""Between two views of a job that goes on; the end of a job is shown at once. A view costs the browser up to 50 ms."""

BEAT_SECONDS = 20.0
"""After this long without an event the same view is sent again, because Gradio notices only when sending that a page is gone."""


@dataclass(frozen=True, kw_only=True)
class View:
    """A job as the page shows it. ``status`` and ``left`` are sentences; ``share`` is 0..1, None when unknown.

    ``preview`` is a JPEG of the image that is being made. ``trouble`` is the sentence of a failure,
    ``depth`` the hash of the depth map that guided the images, ``job`` the id of the job,
    ``earlier`` what the tab's jobs before it made, the newest first, ``words`` the answer of a job that describes an image.
    """

    status: str = ""
    left: str = ""
    share: float | None = None
    preview: bytes | None = None
    results: tuple[Result, ...] = ()
    notices: tuple[str, ...] = ()
    trouble: str = ""
    depth: str = ""
    running: bool = False
    job: str = ""
    earlier: tuple[Result, ...] = ()
    words: str | None = None

    @property
    def outcome(self) -> View:
        """What stays of it between two steps."""
        return dataclasses.replace(self, status="" if self.running else self.status, left="", share=None, preview=None)


IDLE = View()
"""The view before any job."""


async def follow_job(jobs: Jobs, job: str) -> AsyncGenerator[View, None]:
    """The view of ``job`` after each event, from its past events to its end, or the same view after :data:`BEAT_SECONDS`
    without an event. There are at most four views a second: of the events between two of them only the outcome is shown. No
    thread waits for the events.

    Raises RequestError for an unknown job.
    """
    loop, inbox = asyncio.get_running_loop(), asyncio.Queue[Event]()

    def hear(event: Event) -> None:
        with suppress(RuntimeError):  # the loop is closed because Easel is shutting down
            loop.call_soon_threadsafe(inbox.put_nowait, event)

    listening = asyncio.create_task(asyncio.to_thread(jobs.listen, job, hear))
    try:
        # Shielded, so that a page that closes right now does not leave its listener behind.
        known, _ = await asyncio.shield(listening)
        view = apply_events(known)
        yield view
        while view.running:
            view = apply_events(await _take(inbox, loop.time() + LEAST_SECONDS), view)
            yield view
    finally:
        await asyncio.wait([listening])
        if listening.exception() is None:
            _, unsubscribe = listening.result()
            unsubscribe()


async def _take(inbox: asyncio.Queue[Event], until: float) -> list[Event]:
    """The events that arrive by ``until``, a time of the event loop, or the first one after it. Nothing more is awaited after a
    job's last event, or once :data:`BEAT_SECONDS` pass without any."""
    try:
        arrived = [await asyncio.wait_for(inbox.get(), BEAT_SECONDS)]
    except TimeoutError:
        return []
    with suppress(TimeoutError, asyncio.QueueEmpty):
        while not isinstance(arrived[-1], Last):
            left = until - asyncio.get_running_loop().time()
            arrived.append(await asyncio.wait_for(inbox.get(), left) if left > 0 else inbox.get_nowait())
    return arrived


def apply_events(past: Iterable[Event], view: View = IDLE) -> View:
    """The view after all of ``past``."""
    for event in past:
        view = advance(event, view)
    return view


@singledispatch
def advance(event: Event, view: View) -> View:
    """``view`` after ``event``."""
    raise TypeError(f"the page does not know {type(event).__name__}")


@advance.register
def _apply_queued(event: events.Queued, view: View) -> View:
    return dataclasses.replace(view, running=True, status=sentences.queue_position(event.ahead), left="", share=None)


@advance.register
def _apply_started(event: events.Started, view: View) -> View:
    return dataclasses.replace(view, running=True, status=sentences.queue_position(0), left="", share=None, preview=None)


@advance.register
def _apply_loading(event: events.Loading, view: View) -> View:
    return dataclasses.replace(view, running=True, status=event.text, left="", share=event.share)


@advance.register
def _apply_notice(event: events.Notice, view: View) -> View:
    known = event.text in view.notices
    return view if known else dataclasses.replace(view, notices=(*view.notices, event.text))


@advance.register
def _apply_guided(event: events.Guided, view: View) -> View:
    return dataclasses.replace(view, depth=event.depth)


@advance.register
def _apply_described(event: events.Described, view: View) -> View:
    return dataclasses.replace(view, words=event.words)


@advance.register
def _apply_step(event: events.Step, view: View) -> View:
    done = event.index * event.steps + event.step
    return dataclasses.replace(
        view,
        running=True,
        status=sentences.step_progress(event.unit, event.step, event.steps, event.index, event.count),
        left="" if event.seconds_left is None else formatting.format_time_left(event.seconds_left),
        share=done / max(1, event.count * event.steps),
        preview=event.preview or view.preview,
    )


@advance.register
def _apply_saved(event: events.ImageSaved, view: View) -> View:
    # A job that runs again after a crash reports its finished images again.
    known = {result.path: result for result in (*view.results, event.result)}
    return dataclasses.replace(view, results=tuple(known.values()), preview=None)


@advance.register
def _apply_finished(event: events.Finished, view: View) -> View:
    return _apply_end(view, event.results)


@advance.register
def _apply_cancelled(event: events.Cancelled, view: View) -> View:
    return dataclasses.replace(_apply_end(view, event.results), status=_add_saved(messages.STOPPED, event.results))


@advance.register
def _apply_failed(event: events.Failed, view: View) -> View:
    return dataclasses.replace(_apply_end(view, event.results), trouble=_add_saved(event.message, event.results))


def _apply_end(view: View, results: tuple[Result, ...]) -> View:
    return View(results=results, notices=view.notices, depth=view.depth, words=view.words)


def _add_saved(sentence: str, results: tuple[Result, ...]) -> str:
    return f"{sentence} {sentences.saved_images(len(results))}" if results else sentence
