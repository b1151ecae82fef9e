"""The Queue panel in the page's header: running and waiting jobs of all tabs and pages, and their buttons."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.events import Dependency
from markupsafe import Markup

from engine.checkpoints.library.upscalers import BUILT_IN
from engine.errors import EaselError
from engine.jobs import Jobs
from engine.jobs.journal import FAILED, RUNNING, SET_ASIDE, JobState
from engine.requests import CompareNegative, DescribeImage, ImageToImage, Request, StudyNegative, Upscale, is_draft
from ui import formatting, messages, sentences
from ui.common import controls
from ui.compat.listeners import QUIET, Update, on
from ui.server import image_routes, scripts
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
    """A job as the panel shows it: ``kind`` is the tab that it belongs to, ``thumbnail`` the address of a small image or "",
    ``state`` as in the journal, ``status`` in words. ``can_rise``: other waiting jobs run before it, ``can_sink``: after it."""

    job: str
    kind: str
    thumbnail: str
    state: str
    words: str
    status: str
    can_rise: bool = False
    can_sink: bool = False


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


class QueuePanel:
    """What the panel shows of the queue, and what its buttons do. ``outputs`` is the folder of finished images."""

    def __init__(self, jobs: Jobs, outputs: Path) -> None:
        self._jobs, self._outputs = jobs, outputs
        self._dismissed: set[str] = set()

    def order(self, name: str, job: str) -> None:
        """Do what the button called ``name`` says, to ``job``. Raises EaselError."""
        if name == "dismiss":
            self._dismissed.add(job)
        elif name == "again":
            self._jobs.retry(job)
            self._dismissed.add(job)
        else:
            ORDERS[name](self._jobs, job)

    def render(self) -> Markup:
        """The button and the panel that it opens, as HTML."""
        jobs = self._jobs
        try:
            line = [job for job in jobs.line() if not is_draft(job.request)]
            recent = [job for job in jobs.jobs((FAILED, SET_ASIDE), 3) if time.time() - (job.ended or 0) < _TROUBLE_SECONDS]
            failed = [job for job in recent if job.id not in self._dismissed]
            ends, paused = jobs.estimate_ends(line), jobs.is_paused
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
            items=self._show_line(line, [None] * len(ends) if paused else ends),
            foot=_show_foot(len(line), ends[-1]) if line else None,
            failed=[self._show(job, job.error) for job in failed],
        )

    def _show_line(self, line: list[JobState], ends: list[float | None]) -> list[ShownJob]:
        waiting = [job.id for job in line if job.state != RUNNING]
        rising, sinking = set(waiting[1:]), set(waiting[:-1])
        return [
            self._show(job, _describe_state(job, end), can_rise=job.id in rising, can_sink=job.id in sinking)
            for job, end in zip(line, ends, strict=True)
        ]

    def _show(self, job: JobState, status: str, can_rise: bool = False, can_sink: bool = False) -> ShownJob:
        kind, words = find_tab(job.request), _shorten_prompt(job)
        return ShownJob(job.id, kind, self._find_thumbnail(job), job.state, words, status, can_rise, can_sink)

    def _find_thumbnail(self, job: JobState) -> str:
        """The newest of its images, or else the image that it is made from."""
        made = [result.path for result in job.results if result.path.is_relative_to(self._outputs)]
        if made:
            return image_routes.locate_path(self._outputs, made[-1], image_routes.SMALL)
        match job.request:
            case ImageToImage(init_image=source):
                return f"sketches/{source}"
            case Upscale(images=(source, *_)) | DescribeImage(image=source):
                return f"sketches/{source}"
            case _:
                return ""


def find_tab(request: Request) -> str:
    """The label of the tab that makes requests of this kind."""
    return next(tab for kind, tab in _TABS.items() if isinstance(request, kind))


_TABS: dict[type[Request], str] = {
    ImageToImage: messages.SKETCH_TAB,
    Upscale: messages.UPSCALE_TAB,
    DescribeImage: messages.INFO_TAB,
    CompareNegative: messages.NEGATIVE_TAB,
    StudyNegative: messages.NEGATIVE_TAB,
    Request: messages.TEXT_TAB,
}
"""Kind of request -> the label of its tab; the first that fits."""


class SharedPanel:
    """The panel, rendered once for all pages that look at about the same time. It belongs to one event loop."""

    def __init__(self, panel: QueuePanel) -> None:
        self._source = panel
        self._turn = asyncio.Lock()
        self._panel, self._rendered = Markup(""), float("-inf")

    async def look(self) -> Markup:
        """The panel as it was at most :data:`LOOK_SECONDS` ago."""
        async with self._turn:
            if time.monotonic() - self._rendered >= LOOK_SECONDS:
                self._panel = await asyncio.to_thread(self._source.render)
                self._rendered = time.monotonic()
            return self._panel


def create_queue_panel(jobs: Jobs, outputs: Path, arrived: Dependency) -> None:
    """Make the panel, and keep it up to date on every page that is open."""
    queue = QueuePanel(jobs, outputs)
    panel = gr.HTML(queue.render(), js_on_load=ON_LOAD, elem_id="queue", **controls.BARE)

    shared = SharedPanel(queue)

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
            queue.order(event.order, event.job)
        except EaselError as error:
            gr.Warning(str(error))
        return queue.render()

    arrived.then(follow, None, panel, **QUIET)
    on(panel, "order")(order, None, panel, **QUIET)


ORDERS: dict[str, Callable[[Jobs, str], None]] = {
    "front": lambda jobs, job: jobs.move_up(job),
    "up": lambda jobs, job: jobs.move(job, -1),
    "down": lambda jobs, job: jobs.move(job, 1),
    "stop": lambda jobs, job: jobs.stop(job),
    "stop_all": lambda jobs, job: jobs.stop_all(),
    "pause": lambda jobs, job: jobs.pause(),
    "resume": lambda jobs, job: jobs.resume(),
}
"""What buttons of the panel do to the queue."""


def _show_foot(count: int, left: float | None) -> Foot:
    return Foot("" if left is None else sentences.queue_time(left), sentences.cancel_question(count))


def _describe_state(job: JobState, end: float | None) -> str:
    if job.state != RUNNING:
        return " · ".join([sentences.image_count(job.request.count), *([] if end is None else [sentences.expected_end(end)])])
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
    if isinstance(request, DescribeImage):
        return messages.DESCRIBE
    return messages.NO_PROMPT
