"""Shared by every tab that makes images: Generate and Stop, a line for errors, the result view and its jobs."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.errors import EaselError, RequestError
from engine.events import Result
from engine.jobs import Jobs
from engine.jobs.journal import RUNNING, JobState
from engine.requests import GenerationRequest, ImageToImage, Request, TextToImage, Upscale, as_asked
from ui import messages, sentences
from ui.common import controls, result_view
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.job_view import View, follow_job
from ui.common.page_session import PageSession
from ui.common.result_view import ResultSide
from ui.common.send_to import find_request
from ui.compat.listeners import QUIET, Listen, Update, Values, on
from ui.server import scripts
from ui.templates import Macros, render_notice

EARLIER = 24
"""The most images of earlier jobs that a tab keeps in sight."""

VARIATIONS, VARIATION_STRENGTH = 4, 0.2
"""How many variations of an image are asked for at once, and how far they go."""

_PLAIN = TextToImage | ImageToImage | Upscale
"""Requests whose results are images to look at, one by one."""

_HTML = Macros("common/generate_button.html")

_ON_LOAD = scripts.on_load("common/generate_button.js", ["cancel"])
"""A press on “Cancel them” becomes an event."""

_EDITED: Mapping[type[Component], str] = {gr.File: "upload"}
"""The event of a component that somebody has changed, where it is not "input"."""

Ask = Callable[[Values], Request]
"""Makes a request from the values of a tab's components; may raise EaselError."""

Render = Callable[[Request, View, Path], str]
"""(request, view of its job, outputs folder) -> the result view as HTML."""


def render_images(asked: Request, view: View, outputs: Path) -> str:
    """The result view of a job whose results are images."""
    return result_view.render_stage(view, outputs)


@dataclass(frozen=True)
class Shown:
    """What a tab shows of its jobs: the id of the one that is shown, ``stage`` and ``progress`` as HTML, and how many more of the
    tab's jobs wait."""

    job: str
    stage: Update
    progress: Update
    waiting: int
    running: bool


class TabJobs:
    """The jobs of one tab, in plain values. ``tab`` names them in the journal, ``render`` shows their results."""

    def __init__(self, jobs: Jobs, outputs: Path, tab: str, render: Render = render_images) -> None:
        self._jobs, self._outputs, self._tab, self._render = jobs, outputs, tab, render

    def submit(self, ask: Callable[[], Request], browser: str) -> str:
        """Submit a job and return what to show: why there is none, or a warning.

        ``ask`` makes the request and may raise EaselError.
        """
        try:
            asked = ask()
            self._jobs.submit(asked, self._name(browser))
        except EaselError as error:
            return render_notice(str(error), "trouble")
        return "" if asked.prompt.strip() or isinstance(asked, Upscale) else render_notice(messages.EMPTY_PROMPT)

    async def follow(self, browser: str) -> AsyncGenerator[Shown, None]:
        """The tab's unfinished jobs one after the other, each until it ends; the newest job if all have ended.

        What did not change is not sent again: the finished images stay untouched while another one is made.
        """
        latest = await asyncio.to_thread(self._jobs.latest, self._name(browser))
        job = await asyncio.to_thread(self._find_first, browser) or latest
        while job is not None:
            async for shown in self._follow_one(job, browser):
                yield shown
            job = await asyncio.to_thread(self._find_first, browser)

    def exist(self, browser: str) -> bool:
        """Whether the browser ever had a job of the tab."""
        return self._jobs.latest(self._name(browser)) is not None

    def count_waiting(self, browser: str) -> int:
        """How many of the tab's jobs wait."""
        return sum(job.state != RUNNING for job in self._list_unfinished(browser))

    def stop(self, job: str) -> str:
        """Stop a job, if there is one, and return what to show."""
        try:
            if job:
                self._jobs.stop(job)
        except EaselError as error:
            return render_notice(str(error), "trouble")
        return ""

    def stop_waiting(self, browser: str) -> None:
        """End those of the tab's jobs that have not begun."""
        for job in self._list_unfinished(browser):
            if job.state != RUNNING:
                self._jobs.stop(job.id)

    async def _follow_one(self, job: JobState, browser: str) -> AsyncGenerator[Shown, None]:
        earlier, last = await asyncio.to_thread(self._list_earlier, job, browser), None
        try:
            async for plain in follow_job(self._jobs, job.id):
                view = dataclasses.replace(plain, job=job.id, earlier=earlier)
                stage = gr.skip() if view.outcome == last else self._render(job.request, view, self._outputs)
                waiting = await asyncio.to_thread(self.count_waiting, browser)
                yield Shown(job.id, stage, result_view.render_progress(view), waiting, view.running)
                last = view.outcome
        except EaselError as error:
            yield Shown(job.id, result_view.render_stage(View(trouble=str(error)), self._outputs), "", 0, False)

    def _find_first(self, browser: str) -> JobState | None:
        """The one of the tab's jobs that runs, or else the next to run."""
        return next(iter(self._list_unfinished(browser)), None)

    def _list_unfinished(self, browser: str) -> list[JobState]:
        return self._jobs.line(page=self._name(browser))

    def _list_earlier(self, job: JobState, browser: str) -> tuple[Result, ...]:
        """What the tab's jobs before ``job`` made, the newest first."""
        found = [state for state in self._jobs.jobs(limit=EARLIER, page=self._name(browser)) if state.id != job.id]
        made = (result for state in found if isinstance(state.request, _PLAIN) for result in reversed(state.results))
        return tuple(islice(made, EARLIER))

    def _name(self, browser: str) -> str:
        """The name in the journal of this tab's jobs from one browser."""
        return f"{browser} {self._tab}"


def warm_checkpoint(jobs: Jobs, known: CheckpointOptions, checkpoint: str = "") -> None:
    """Load a checkpoint while the user is still typing; "" is the one used last, or else the first one."""
    made = jobs.jobs(limit=1)
    last = made[0].request.checkpoint if made and isinstance(made[0].request, GenerationRequest) else None
    jobs.warm(known.find(checkpoint or last).name)


@dataclass(frozen=True)
class PressRow:
    """Generate with what stands beside it. Stop has its place from the start, so that it never comes under a pointer."""

    generate: gr.Button
    stop: gr.Button
    waiting: gr.HTML
    also: gr.Button | None = None


def create_press_row(tab: str, words: str = messages.GENERATE, also: str = "", again: bool = False) -> PressRow:
    """Generate, whose label is ``words``, a second button with the label ``also``, and Stop. ``again``: a box under them keeps
    generating until it is told to stop."""
    with gr.Row(elem_classes="press"):
        generate = gr.Button(words, variant="primary", size="lg", elem_classes="generate", scale=4, min_width=120)
        other = gr.Button(also, size="lg", elem_id=f"{tab}-also", elem_classes="also", scale=3, min_width=110) if also else None
        stop = gr.Button(
            messages.STOP, variant="stop", size="lg", elem_classes="stop-job", scale=1, min_width=80, interactive=False
        )
    with gr.Row(elem_classes="press-more"):
        if again:
            gr.Checkbox(label=messages.KEEP_GENERATING, elem_classes="forever", container=False)
        waiting = gr.HTML(js_on_load=_ON_LOAD, elem_id=f"{tab}-waiting", elem_classes="waiting", **controls.BARE)
    return PressRow(generate, stop, waiting, other)


@dataclass(frozen=True)
class GenerateControls:
    """The components, and the ``tab`` by whose name a reloaded page finds the tab's jobs.

    ``job`` is the id of the job that is shown, ``changes`` counts what makes the page look for the tab's jobs again.
    ``render`` shows the results of the tab's jobs.
    """

    tab: str
    press: PressRow
    notice: gr.HTML
    result: ResultSide
    render: Render = render_images
    job: gr.State = field(default_factory=lambda: gr.State(""))
    changes: gr.State = field(default_factory=lambda: gr.State(0))

    def jobs(self, session: PageSession) -> TabJobs:
        """The tab's jobs."""
        return TabJobs(session.jobs, session.settings.outputs, self.tab, self.render)


@dataclass(frozen=True)
class BrowserScript:
    """A script that the browser runs before a job is submitted: what ``js`` returns goes ``into`` a component."""

    js: str
    into: Component


def wire_generate(
    controls: GenerateControls,
    session: PageSession,
    inputs: set[Component],
    ask: Ask,
    script: BrowserScript | None = None,
) -> Dependency:
    """Generate submits ``ask(values of inputs)``, also while earlier jobs run; the result view follows the tab's jobs one after
    the other, also after a reload.

    Returns the listener that follows them: attach what should happen when all have ended to its ``then``.
    """
    jobs, changes, press = controls.jobs(session), controls.changes, controls.press

    def stop_waiting(browser: str) -> str:
        jobs.stop_waiting(browser)
        return render_waiting(jobs.count_waiting(browser))

    def look_for_jobs(browser: str, count: int) -> Update:
        return count + 1 if jobs.exist(browser) else gr.skip()

    wire_button(press.generate, controls, session, inputs, ask, script)
    # What was said about the form is over when the form is changed.
    typed = [on(each, _EDITED.get(type(each), "input")) for each in inputs if not isinstance(each, gr.State)]
    gr.on(typed, None, None, controls.notice, js="() => ['']", trigger_mode="multiple", **QUIET)
    on(press.stop, "click")(jobs.stop, controls.job, controls.notice, trigger_mode="multiple", **QUIET)
    _wire_variations(controls, session)
    on(press.waiting, "cancel")(stop_waiting, session.browser, press.waiting, **QUIET)
    session.arrived.add(look_for_jobs, [session.browser, changes], changes)
    shown = [controls.result.stage, controls.result.progress, controls.job, press.stop, press.waiting]
    # A press while this one still runs lets it run once more, which finds what the first may have missed at its very end.
    return on(changes, "change")(_follow(jobs), session.browser, shown, trigger_mode="always_last", **QUIET)


def wire_button(
    button: gr.Button,
    controls: GenerateControls,
    session: PageSession,
    inputs: set[Component],
    ask: Ask,
    script: BrowserScript | None = None,
) -> None:
    """``button`` submits ``ask(values of inputs)`` as a job of the tab, and the result view follows it."""
    jobs = controls.jobs(session)

    def submit(values: Values) -> list[Update]:
        browser = values[session.browser]
        said = jobs.submit(lambda: ask(values), browser)
        return [said, values[controls.changes] + 1, render_waiting(jobs.count_waiting(browser))]

    click = on(button, "click")
    listen: Listen = click
    if script is not None:
        listen = click(None, None, script.into, js=script.js, trigger_mode="multiple", **QUIET).then
    shown = [controls.notice, controls.changes, controls.press.waiting]
    listen(submit, {*inputs, session.browser, controls.changes}, shown, trigger_mode="multiple", **QUIET)


def _wire_variations(controls: GenerateControls, session: PageSession) -> None:
    """The button under an image that asks for four variations of it."""
    jobs, outputs = controls.jobs(session), session.settings.outputs

    def vary(values: Values, event: gr.EventData) -> list[Update]:
        browser = values[session.browser]
        said = jobs.submit(lambda: ask_for_variations(outputs, event.image), browser)
        return [said, values[controls.changes] + 1, render_waiting(jobs.count_waiting(browser))]

    shown = [controls.notice, controls.changes, controls.press.waiting]
    on(controls.result.stage, "vary")(vary, {session.browser, controls.changes}, shown, trigger_mode="multiple", **QUIET)


def ask_for_variations(outputs: Path, image: str) -> GenerationRequest:
    """The request for variations of a finished image, which is named by its path inside the outputs. Raises RequestError."""
    request, _ = find_request(outputs, image)
    if not isinstance(request, GenerationRequest):
        raise RequestError(messages.NO_RECORD)
    asked = as_asked(request)
    kind = ImageToImage if isinstance(asked, ImageToImage) else TextToImage
    fields = {field.name: value for field in dataclasses.fields(kind) if (value := vars(asked)[field.name]) is not None}
    plain = kind(**fields)
    strength = request.variation_strength or VARIATION_STRENGTH
    return dataclasses.replace(plain, axes=(), count=VARIATIONS, variation_seed=None, variation_strength=strength)


def render_waiting(count: int) -> str:
    """How many of the tab's jobs wait, with a button that cancels them; "" if none does."""
    return _HTML.render("waiting", words=sentences.waiting_jobs(count)) if count else ""


def _follow(jobs: TabJobs) -> Callable[[str], AsyncGenerator[list[Update], None]]:
    """A listener that shows a browser's jobs of a tab."""

    async def follow(browser: str) -> AsyncGenerator[list[Update], None]:
        yield [gr.skip() for _ in range(5)]  # without any yield Gradio would empty the outputs
        async for shown in jobs.follow(browser):
            waiting = render_waiting(shown.waiting)
            yield [shown.stage, shown.progress, shown.job, gr.update(interactive=shown.running), waiting]

    return follow
