"""The Queue panel in the page's head: what runs and waits, for every tab and every page, and what can be done about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from html import escape
from typing import Any

import gradio as gr

from engine.checkpoints.library.upscalers import BUILT_IN
from engine.errors import EaselError
from engine.jobs import Jobs
from engine.jobs.journal import FAILED, RUNNING, SET_ASIDE, JobState
from engine.requests import Request, Upscale, is_draft
from ui import messages
from ui.common import controls, result_view
from ui.common.generate_button import QUIET
from ui.server import scripts

LOOK_SECONDS = 0.7
"""How often it is looked whether something changed. Nothing is sent to a page where nothing did."""

_BEATS = 30
"""Looks after which a page hears something all the same: that is when Gradio notices one that has gone."""

_TROUBLE_SECONDS = 3600
"""How long a job that could not be done stays on the panel."""

ON_LOAD = scripts.on_load("common/queue_panel.js", ["order"])
"""The panel opens and closes in the browser and stays as it is when its content changes."""


def create_queue_panel(jobs: Jobs, arrived: Any) -> None:
    """Make the panel, and keep it up to date on every page that is open."""
    panel = gr.HTML(show(jobs), js_on_load=ON_LOAD, elem_id="queue", **controls.BARE)

    async def follow() -> AsyncIterator[Any]:
        shown, beat = "", 0
        while True:
            now = await asyncio.to_thread(show, jobs)
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
        return show(jobs)

    arrived.then(follow, None, panel, **QUIET)
    panel.order(order, None, panel, **QUIET)


ORDERS: dict[str, Callable[[Jobs, str], object]] = {
    "front": lambda jobs, job: jobs.move_up(job),
    "stop": lambda jobs, job: jobs.stop(job),
    "again": lambda jobs, job: jobs.retry(job),
    "stop_all": lambda jobs, job: jobs.stop_all(),
}
"""What the panel's buttons do."""


def show(jobs: Jobs) -> str:
    """The button and the sheet that it opens."""
    try:
        line = [job for job in jobs.line() if not is_draft(job.request)]
        troubles = [job for job in jobs.jobs((FAILED, SET_ASIDE), 3) if time.time() - (job.ended or 0) < _TROUBLE_SECONDS]
        left = jobs.seconds_left() if line else None
    except EaselError as error:
        return _sheet(messages.QUEUE, result_view.says(str(error), "trouble"), marked=True)
    running = sum(job.state == RUNNING for job in line)
    shown = [result_view.says(jobs.paused, "trouble") if jobs.paused else ""]
    shown.append(_list(line) if line else f'<p class="empty">{messages.QUEUE_EMPTY}</p>')
    shown.append(_foot(len(line), left) if line else "")
    shown += [_trouble(job) for job in troubles]
    return _sheet(messages.queue(running, len(line) - running), "".join(shown), marked=bool(jobs.paused))


def _sheet(words: str, shown: str, marked: bool) -> str:
    kind = "queue-button marked" if marked else "queue-button"
    return (
        f'<button type="button" class="{kind}" aria-controls="queue-sheet" aria-expanded="false">{escape(words)}</button>'
        f'<div id="queue-sheet" class="sheet" role="region" aria-label="{messages.QUEUE}">{shown}</div>'
    )


def _list(line: list[JobState]) -> str:
    waiting = [job for job in line if job.state != RUNNING]
    return f'<ol class="line">{"".join(_item(job, bool(waiting) and job is not waiting[0]) for job in line)}</ol>'


def _item(job: JobState, behind: bool) -> str:
    """One job; ``behind``: others that wait run before it."""
    to_front = _button("front", job, messages.TO_FRONT) if behind and job.state != RUNNING else ""
    return (
        f'<li class="{job.state}"><span class="words">{_words(job)}</span><span class="state">{escape(_state(job))}</span>'
        f'<span class="actions">{to_front}{_button("stop", job, messages.CANCEL)}</span></li>'
    )


def _state(job: JobState) -> str:
    if job.state != RUNNING:
        return messages.pictures_wanted(job.request.count)
    step = job.progress
    if step is None:
        return messages.LOADING
    left = "" if step.seconds_left is None else f" · {messages.time_left(step.seconds_left)}"
    return messages.step(step.unit, step.step, step.steps, step.picture, step.pictures) + left


def _trouble(job: JobState) -> str:
    return (
        f'<div class="ended"><span class="words">{_words(job)}</span>{result_view.says(job.error, "trouble")}'
        f'<span class="actions">{_button("again", job, messages.AGAIN)}</span></div>'
    )


def _foot(count: int, left: float | None) -> str:
    words = "" if left is None else messages.all_done(left)
    ask = escape(messages.really_cancel(count))
    button = f'<button type="button" data-order="stop_all" data-job="" data-ask="{ask}">{messages.CANCEL_ALL}</button>'
    return f'<p class="foot"><span>{words}</span><span class="actions">{button}</span></p>'


def _words(job: JobState) -> str:
    return escape(messages.shortened(job.request.prompt, 90) or _title_without_prompt(job.request))


def _title_without_prompt(request: Request) -> str:
    if isinstance(request, Upscale):
        return messages.upscale_title(request.upscaler or BUILT_IN, request.factor == 1)
    return messages.NO_PROMPT


def _button(order: str, job: JobState, words: str) -> str:
    return f'<button type="button" data-order="{order}" data-job="{job.id}">{words}</button>'
