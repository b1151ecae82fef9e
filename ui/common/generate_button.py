"""What every tab has that makes pictures: Generate and Stop, a line for what went wrong, the stage, and the job that it shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.requests import Request
from ui.common.actions import Actions
from ui.common.page_session import PageSession

Values = dict[Component, Any]
"""What Gradio hands to a listener whose inputs are a set."""

QUIET: dict[str, Any] = {"show_progress": "hidden"}
"""For listeners that need no spinner of Gradio's: the stage shows what happens."""


@dataclass(frozen=True)
class Running:
    """The components, and the ``tab`` by whose name a page that comes back finds the tab's newest job.

    ``job`` is the one that was asked for on this page, ``found`` the one that was there when it opened: two fields, because
    somebody may press Generate while the page is still looking. ``also``: further buttons that start a job, see :func:`press`.
    """

    tab: str
    generate: gr.Button
    stop: gr.Button
    says: gr.HTML
    stage: gr.HTML
    job: gr.State
    also: tuple[gr.Button, ...] = ()
    found: gr.State = field(default_factory=lambda: gr.State(""))


@dataclass(frozen=True)
class Bring:
    """Something that the browser gives before a job is asked for: what the script ``js`` returns goes ``into`` a component."""

    js: str
    into: Component


def wire(
    running: Running,
    actions: Actions,
    page_session: PageSession,
    inputs: set[Component],
    ask: Callable[[Values], Request],
    bring: Bring | None = None,
) -> tuple[Dependency, Dependency]:
    """Generate submits ``ask(values of inputs)``, which may raise EaselError; the stage follows the job, also after a reload.

    Returns the two listeners that follow a job, the one asked for and the one found: whatever comes when it has ended goes into
    their ``then``.
    """

    def find_again(page: str) -> str:
        return actions.latest(running.tab, page)

    pressed = press(running.generate, running, actions, page_session, inputs, ask, bring)
    jobs = [running.job, running.found]
    running.stop.click(lambda job, found: actions.stop(job or found), jobs, running.says, **QUIET)
    found = page_session.arrived.then(find_again, page_session.page, running.found, **QUIET)
    return pressed, found.then(follower(actions, len(running.also)), running.found, watched(running), **QUIET)


def press(
    button: gr.Button,
    running: Running,
    actions: Actions,
    page_session: PageSession,
    inputs: set[Component],
    ask: Callable[[Values], Request],
    bring: Bring | None = None,
) -> Dependency:
    """``button`` submits ``ask(values of inputs)`` as a job of the tab, and the stage follows it."""
    also = len(running.also)

    def submit(values: Values) -> tuple[Any, ...]:
        job, said = actions.submit(lambda: ask(values), running.tab, values[page_session.page])
        return job, said, *(_buttons(True, also) if job else (gr.skip(),) * (2 + also))

    pressed = button.click if bring is None else button.click(None, None, bring.into, js=bring.js, **QUIET).then
    submitted = pressed(submit, {*inputs, page_session.page}, [running.job, running.says, *watched(running)[1:]], **QUIET)
    return submitted.then(follower(actions, also), running.job, watched(running), **QUIET)


def watched(running: Running) -> list[Component]:
    """What :func:`follower` writes to."""
    return [running.stage, running.generate, *running.also, running.stop]


def follower(actions: Actions, also: int = 0) -> Callable[[str], AsyncIterator[tuple[Any, ...]]]:
    """A listener that shows a job, by its id, until it ends, and nothing for an empty id. ``also`` counts further buttons."""

    async def follow(job: str) -> AsyncIterator[tuple[Any, ...]]:
        if not job:
            yield (gr.skip(),) * (3 + also)
            return
        async for view, shown in actions.follow(job):
            yield shown, *_buttons(view.running, also)

    return follow


def _buttons(running: bool, also: int) -> tuple[dict[str, Any], ...]:
    """What starts a job waits while one of this tab runs; Stop is there meanwhile."""
    return *(gr.update(interactive=not running) for _ in range(1 + also)), gr.update(visible=running)
