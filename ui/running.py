"""What every tab has that makes pictures: Generate and Stop, a line for what went wrong, the stage, and the job that it shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.requests import Request
from ui.actions import Actions
from ui.visit import Visit

Values = dict[Component, Any]
"""What Gradio hands to a listener whose inputs are a set."""

QUIET: dict[str, Any] = {"show_progress": "hidden"}
"""For listeners that need no spinner of Gradio's: the stage shows what happens."""


@dataclass(frozen=True)
class Running:
    """The components, and the ``tab`` by whose name a page that comes back finds the tab's newest job."""

    tab: str
    generate: gr.Button
    stop: gr.Button
    says: gr.HTML
    stage: gr.HTML
    job: gr.State


def wire(running: Running, actions: Actions, visit: Visit, inputs: set[Component], ask: Callable[[Values], Request]) -> None:
    """Generate submits ``ask(values of inputs)``, which may raise EaselError; the stage follows the job, also after a reload."""

    def submit(values: Values) -> tuple[Any, ...]:
        job, said = actions.submit(lambda: ask(values), running.tab, values[visit.page])
        return job, said, *(_buttons(running=True) if job else (gr.skip(), gr.skip()))

    def find_again(page: str) -> str:
        return actions.latest(running.tab, page)

    follow_job = follower(actions)
    pressed = running.generate.click(
        submit, {*inputs, visit.page}, [running.job, running.says, running.generate, running.stop], **QUIET
    )
    pressed.then(follow_job, running.job, watched(running), **QUIET)
    running.stop.click(actions.stop, running.job, running.says, **QUIET)
    visit.arrived.then(find_again, visit.page, running.job, **QUIET).then(follow_job, running.job, watched(running), **QUIET)


def watched(running: Running) -> list[Component]:
    """What :func:`follower` writes to."""
    return [running.stage, running.generate, running.stop]


def follower(actions: Actions) -> Callable[[str], AsyncIterator[tuple[Any, ...]]]:
    """A listener that shows a job, by its id, until it ends. Nothing is shown for an empty id."""

    async def follow(job: str) -> AsyncIterator[tuple[Any, ...]]:
        if not job:
            yield gr.skip(), gr.skip(), gr.skip()
            return
        async for view, shown in actions.follow(job):
            yield shown, *_buttons(view.running)

    return follow


def _buttons(running: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Generate waits while a job of this tab runs; Stop is there meanwhile."""
    return gr.update(interactive=not running), gr.update(visible=running)
