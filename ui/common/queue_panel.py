"""The Queue panel in the page's header: running and waiting jobs of all tabs and pages, and their buttons."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

import gradio as gr
from gradio.events import Dependency
from markupsafe import Markup

from engine.checkpoints.library.upscalers import BUILT_IN
from engine.errors import EaselError
from engine.jobs import Jobs
from engine.jobs.journal import FAILED, RUNNING, SET_ASIDE, JobState
from engine.requests import Request, Upscale, is_draft
from ui import formatting, messages, sentences
from ui.common import controls
from ui.compat.listeners import QUIET, Update, on
from ui.server import scripts
from ui.templates import Macros

LOOK_SECONDS = 0.7
"""Seconds between checks for changes. Nothing is sent to a page unless something changed."""

_BEATS = 30
"""Number of checks after which something is sent anyway, because only then does Gradio notice that a page is gone."""

_TROUBLE_SECONDS = 3600
"""Seconds for which a failed job stays on the panel."""

ON_LOAD = scripts.on_load("common/queue_panel.js", ["order"])
"""The panel opens and closes in the browser and stays as it is when its content changes."""


_HTML = Macros("common/queue_panel.html")


@dataclass(frozen=True)
class ShownJob:
    """A job as the panel shows it: ``state`` as in the journal, ``status`` in words. ``can_move``: other waiting jobs run
    before it."""

    job: str
    state: str
    words: str
    status: str
    can_move: bool = False


@dataclass(frozen=True)
class Foot:
    """How long all jobs take, and the question before all are cancelled."""

    left: str
    question: str


@dataclass(frozen=True)
class PauseButton:
    """The button that pauses the queue, or lets it go on: its ``order``, ``words`` and ``help``."""

    order: str
    words: str
    help: str = ""


PAUSE, RESUME = PauseButton("pause", messages.PAUSE_QUEUE, messages.PAUSE_HELP), PauseButton("resume", messages.RESUME_QUEUE)


class SharedPanel:
    """The panel, rendered once for all pages that look at about the same time. It belongs to one event loop."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._turn = asyncio.Lock()
        self._panel, self._rendered = Markup(""), float("-inf")

    async def look(self) -> Markup:
        """The panel as it was at most :data:`LOOK_SECONDS` ago."""
        async with self._turn:
            if time.monotonic() - self._rendered >= LOOK_SECONDS:
                self._panel = await asyncio.to_thread(render_panel, self._jobs)
                self._rendered = time.monotonic()
            return self._panel


def create_queue_panel(jobs: Jobs, arrived: Dependency) -> None:
    """Make the panel, and keep it up to date on every page that is open."""
    panel = gr.HTML(render_panel(jobs), js_on_load=ON_LOAD, elem_id="queue", **controls.BARE)

    shared = SharedPanel(jobs)

    async def follow() -> AsyncGenerator[Update, None]:
        shown, beat = "", 0
        while True:
            now = await shared.look()
            beat += 1
            if now != shown or beat % _BEATS == 0:
                yield now if now != shown else gr.skip()
                shown = now
            await asyncio.sleep(LOOK_SECONDS)

    def order(event: gr.EventData) -> str:
        try:
            ORDERS[event.order](jobs, event.job)
        except EaselError as error:
            gr.Warning(str(error))
        return render_panel(jobs)

    arrived.then(follow, None, panel, **QUIET)
    on(panel, "order")(order, None, panel, **QUIET)


ORDERS: dict[str, Callable[[Jobs, str], object]] = {
    "front": lambda jobs, job: jobs.move_up(job),
    "stop": lambda jobs, job: jobs.stop(job),
    "again": lambda jobs, job: jobs.retry(job),
    "stop_all": lambda jobs, job: jobs.stop_all(),
    "pause": lambda jobs, job: jobs.pause(),
    "resume": lambda jobs, job: jobs.resume(),
}
"""The actions of the panel's buttons."""


def render_panel(jobs: Jobs) -> Markup:
    """The button and the panel that it opens, as HTML."""
    try:
        line = [job for job in jobs.line() if not is_draft(job.request)]
        failed = [job for job in jobs.jobs((FAILED, SET_ASIDE), 3) if time.time() - (job.ended or 0) < _TROUBLE_SECONDS]
        left, paused = jobs.seconds_left() if line else None, jobs.is_paused
    except EaselError as error:
        return _HTML.render(
            "panel", words=messages.QUEUE, marked=True, sentences=[str(error)], empty=False, items=[], foot=None, failed=[],
            pause=None,
        )  # fmt: skip
    running = sum(job.state == RUNNING for job in line)
    return _HTML.render(
        "panel",
        words=sentences.queue_label(running, len(line) - running),
        marked=bool(paused or jobs.paused or jobs.troubles),
        sentences=[messages.QUEUE_PAUSED if paused else "", jobs.paused, *jobs.troubles],
        pause=RESUME if paused else PAUSE,
        empty=not line,
        items=_show_line(line),
        foot=_show_foot(len(line), left) if line else None,
        failed=[ShownJob(job.id, job.state, _shorten_prompt(job), job.error) for job in failed],
    )


def _show_line(line: list[JobState]) -> list[ShownJob]:
    waiting = [job for job in line if job.state != RUNNING]
    behind = {job.id for job in waiting[1:]}
    return [ShownJob(job.id, job.state, _shorten_prompt(job), _describe_state(job), job.id in behind) for job in line]


def _show_foot(count: int, left: float | None) -> Foot:
    return Foot("" if left is None else sentences.queue_time(left), sentences.cancel_question(count))


def _describe_state(job: JobState) -> str:
    if job.state != RUNNING:
        return sentences.image_count(job.request.count)
    step = job.progress
    if step is None:
        return messages.LOADING
    left = "" if step.seconds_left is None else f" · {formatting.format_time_left(step.seconds_left)}"
    return sentences.step_progress(step.unit, step.step, step.steps, step.index, step.count) + left


def _shorten_prompt(job: JobState) -> str:
    return sentences.short_text(job.request.prompt, 90) or _title_without_prompt(job.request)


def _title_without_prompt(request: Request) -> str:
    if isinstance(request, Upscale):
        return sentences.upscale_title(request.upscaler or BUILT_IN, request.factor == 1)
    return messages.NO_PROMPT
