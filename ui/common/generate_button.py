"""Shared by every tab that makes images: Generate and Stop, a line for errors, the result view and its job."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.errors import EaselError
from engine.jobs import Jobs
from engine.requests import GenerationRequest, Request, Upscale
from ui import messages
from ui.common import result_view
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.job_view import View, follow_job
from ui.common.page_session import PageSession
from ui.compat.listeners import QUIET, Listen, Update, Values, on
from ui.templates import render_notice

Ask = Callable[[Values], Request]
"""Makes a request from the values of a tab's components; may raise EaselError."""

Render = Callable[[Request, View, Path], str]
"""(request, view of its job, outputs folder) -> the result view as HTML."""


def render_images(asked: Request, view: View, outputs: Path) -> str:
    """The result view of a job whose results are images."""
    return result_view.render_stage(view, outputs)


class TabJobs:
    """The jobs of one tab, in plain values. ``tab`` names them in the journal, ``render`` shows their results."""

    def __init__(self, jobs: Jobs, outputs: Path, tab: str, render: Render = render_images) -> None:
        self._jobs, self._outputs, self._tab, self._render = jobs, outputs, tab, render

    def submit(self, ask: Callable[[], Request], browser: str) -> tuple[str, str]:
        """The id of the new job, or "", and what to show: why there is none, or a warning.

        ``ask`` makes the request and may raise EaselError.
        """
        try:
            asked = ask()
            job = self._jobs.submit(asked, self._name(browser))
        except EaselError as error:
            return "", render_notice(str(error), "trouble")
        return job, "" if asked.prompt.strip() or isinstance(asked, Upscale) else render_notice(messages.EMPTY_PROMPT)

    def find_latest(self, browser: str) -> str:
        """The newest job of a browser on this tab, or ""."""
        latest = self._jobs.latest(self._name(browser))
        return latest.id if latest else ""

    async def follow(self, job: str) -> AsyncGenerator[tuple[View, Update], None]:
        """The view of a job and its HTML until the job ends; unchanged HTML is not sent again."""
        shown: View | None = None
        try:
            asked = self._jobs.state(job).request
            async for view in follow_job(self._jobs, job):
                yield view, gr.skip() if view is shown else self._render(asked, view, self._outputs)
                shown = view
        except EaselError as error:
            view = View(trouble=str(error))
            yield view, result_view.render_stage(view, self._outputs)

    def stop(self, job: str) -> str:
        """Stop a job and return what to show."""
        try:
            self._jobs.stop(job)
        except EaselError as error:
            return render_notice(str(error), "trouble")
        return ""

    def _name(self, browser: str) -> str:
        """The name in the journal of this tab's jobs from one browser."""
        return f"{browser} {self._tab}"


def warm_checkpoint(jobs: Jobs, known: CheckpointOptions, checkpoint: str = "") -> None:
    """Load a checkpoint while the user is still typing; "" is the one used last, or else the first one."""
    made = jobs.jobs(limit=1)
    last = made[0].request.checkpoint if made and isinstance(made[0].request, GenerationRequest) else None
    jobs.warm(known.find(checkpoint or last).name)


@dataclass(frozen=True)
class GenerateControls:
    """The components, and the ``tab`` by whose name a reloaded page finds the tab's newest job.

    ``job`` is the job started on this page, ``found`` the one that existed when it opened. They are two fields because
    Generate may be pressed while the page is still looking. ``also``: further buttons that start a job, see
    :func:`wire_button`. ``render`` shows the results of the tab's jobs.
    """

    tab: str
    generate: gr.Button
    stop: gr.Button
    notice: gr.HTML
    stage: gr.HTML
    also: tuple[gr.Button, ...] = ()
    render: Render = render_images
    job: gr.State = field(default_factory=lambda: gr.State(""))
    found: gr.State = field(default_factory=lambda: gr.State(""))

    @property
    def buttons(self) -> tuple[gr.Button, ...]:
        """The buttons whose state follows that of the job."""
        return self.generate, *self.also, self.stop

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
) -> tuple[Dependency, Dependency]:
    """Generate submits ``ask(values of inputs)``; the result view follows the job, also after a reload.

    Returns the two listeners that follow a job, the one asked for and the one found: attach what should happen after it to
    their ``then``.
    """
    jobs = controls.jobs(session)
    submitted = wire_button(controls.generate, controls, session, inputs, ask, script)
    on(controls.stop, "click")(
        lambda job, found: jobs.stop(job or found), [controls.job, controls.found], controls.notice, **QUIET
    )
    found = session.arrived.then(jobs.find_latest, session.browser, controls.found, **QUIET)
    return submitted, found.then(_follow(jobs, controls), controls.found, [controls.stage, *controls.buttons], **QUIET)


def wire_button(
    button: gr.Button,
    controls: GenerateControls,
    session: PageSession,
    inputs: set[Component],
    ask: Ask,
    script: BrowserScript | None = None,
) -> Dependency:
    """``button`` submits ``ask(values of inputs)`` as a job of the tab, and the result view follows it."""
    jobs = controls.jobs(session)

    def submit(values: Values) -> list[Update]:
        job, said = jobs.submit(lambda: ask(values), values[session.browser])
        return [job, said, *(_update_buttons(controls, True) if job else [gr.skip() for _ in controls.buttons])]

    click = on(button, "click")
    listen: Listen = click if script is None else click(None, None, script.into, js=script.js, **QUIET).then
    submitted = listen(submit, {*inputs, session.browser}, [controls.job, controls.notice, *controls.buttons], **QUIET)
    return submitted.then(_follow(jobs, controls), controls.job, [controls.stage, *controls.buttons], **QUIET)


def _follow(jobs: TabJobs, controls: GenerateControls) -> Callable[[str], AsyncGenerator[list[Update], None]]:
    """A listener that shows a job, by its id, until it ends, and nothing for an empty id."""

    async def follow(job: str) -> AsyncGenerator[list[Update], None]:
        if not job:
            yield [gr.skip() for _ in (controls.stage, *controls.buttons)]
            return
        async for view, shown in jobs.follow(job):
            yield [shown, *_update_buttons(controls, view.running)]

    return follow


def _update_buttons(controls: GenerateControls, running: bool) -> list[Update]:
    """Disable the buttons that start a job while one of this tab runs, and show Stop meanwhile."""
    starting = (controls.generate, *controls.also)
    return [*(gr.update(interactive=not running) for _ in starting), gr.update(visible=running)]
