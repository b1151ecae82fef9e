"""The Text to image tab: its components, and which of them does what."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.jobs import Jobs
from engine.settings import Settings
from ui import controls, form, messages, reading, stage
from ui.desk import Desk
from ui.shelf import Checkpoint
from ui.updates import IDLE, View

Values = dict[Component, Any]


@dataclass(frozen=True)
class Tab:
    """The tab's components. ``fields`` has one for every name in :data:`ui.form.BLANK`."""

    fields: dict[str, Component]
    generate: gr.Button
    stop: gr.Button
    says: gr.HTML
    stage: gr.HTML
    chips: gr.HTML
    summary: gr.HTML
    tokens: gr.HTML
    repertoire: gr.HTML
    repertoire_box: gr.Accordion
    job: gr.State
    kept: gr.BrowserState


def create_text_to_image_tab(settings: Settings, jobs: Jobs, page_id: gr.BrowserState) -> Tab:
    """Make the tab inside the open ``gr.Tab``, with everything it does."""
    desk = Desk(settings, jobs)
    tab = _layout(desk)
    _wire_jobs(tab, desk, page_id)
    _wire_form(tab, desk)
    _wire_result(tab, desk)
    return tab


def _layout(desk: Desk) -> Tab:
    known = desk.checkpoints()
    chosen = next(iter(known.values()))
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=330, elem_classes="panel"):
            parts = _panel(known, chosen)
        with gr.Column(scale=6, min_width=330, elem_classes="stage"):
            picture = gr.HTML(desk.blank_stage(), js_on_load=stage.ON_LOAD, padding=False, elem_id="stage")
    return Tab(**parts, stage=picture, job=gr.State(""), kept=gr.BrowserState(None, storage_key="easel-form", secret="easel"))


def _panel(known: dict[str, Checkpoint], chosen: Checkpoint) -> dict[str, Any]:
    fields = controls.prompts()
    chips = gr.HTML(reading.chips(chosen.repertoire), js_on_load=reading.PICK, padding=False)
    summary = gr.HTML(padding=False, elem_id="summary")
    generate, stop = controls.press()
    says = gr.HTML(padding=False, elem_id="says")
    with gr.Accordion(messages.SETTINGS, open=False):
        fields |= controls.settings(known, chosen)
    with gr.Accordion("How the prompt was read", open=False):
        tokens = gr.HTML(padding=False, elem_id="tokens")
    with gr.Accordion("What the starter can draw", open=False, visible=chosen.repertoire is not None) as repertoire_box:
        repertoire = gr.HTML(reading.can_draw(chosen.repertoire), padding=False)
    return {
        "fields": fields,
        "chips": chips,
        "summary": summary,
        "generate": generate,
        "stop": stop,
        "says": says,
        "tokens": tokens,
        "repertoire": repertoire,
        "repertoire_box": repertoire_box,
    }


def _wire_jobs(tab: Tab, desk: Desk, page_id: gr.BrowserState) -> None:
    fields = list(tab.fields.values())

    def submit(values: Values) -> tuple[Any, ...]:
        job, said = desk.submit({name: values[field] for name, field in tab.fields.items()}, values[page_id])
        return job, said, gr.update(visible=True) if job else gr.skip()

    async def follow(job: str) -> AsyncIterator[tuple[Any, ...]]:
        if not job:
            yield gr.skip(), gr.skip(), gr.skip()
            return
        async for view, shown in desk.follow(job):
            yield shown, *_buttons(view)

    def arrive(kept: Any, page: str) -> tuple[Any, ...]:
        restored, page, job = desk.arrive(kept, page)
        return *(restored[name] for name in tab.fields), page, job

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    watched = [tab.stage, tab.generate, tab.stop]
    pressed = tab.generate.click(submit, {*fields, page_id}, [tab.job, tab.says, tab.stop], **quiet)
    pressed.then(follow, tab.job, watched, **quiet)
    tab.stop.click(lambda: gr.update(value=messages.STOPPING, interactive=False), None, tab.stop, **quiet).then(
        desk.stop, tab.job, tab.says, **quiet
    )
    page = gr.context.Context.root_block
    assert page is not None, "a tab is made inside a page"
    page.load(arrive, [tab.kept, page_id], [*fields, page_id, tab.job], **quiet).then(follow, tab.job, watched, **quiet)


def _buttons(view: View) -> tuple[dict, dict]:
    """Generate waits while a job of this page runs; Stop is there meanwhile."""
    return gr.update(interactive=not view.running), gr.update(visible=view.running)


def _wire_form(tab: Tab, desk: Desk) -> None:
    fields = list(tab.fields.values())

    def choose(checkpoint: str) -> tuple[Any, ...]:
        chosen = desk.checkpoints()[checkpoint]
        offered = (controls.size_choices(chosen), controls.scheduler_choices(chosen))
        placeholders = (gr.update(placeholder=controls.best(name, chosen)) for name in controls.BEST)
        return (
            *(gr.update(choices=offer["choices"]) for offer in offered),
            *placeholders,
            reading.chips(chosen.repertoire),
            reading.can_draw(chosen.repertoire),
            gr.update(visible=chosen.repertoire is not None),
        )

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    depends = [tab.fields[name] for name in ("size", "scheduler", *controls.BEST)]
    tab.fields["checkpoint"].change(choose, tab.fields["checkpoint"], [*depends, tab.chips, tab.repertoire, tab.repertoire_box], **quiet)
    gr.on(
        [tab.fields["prompt"].change, tab.fields["checkpoint"].change],
        desk.read,
        [tab.fields["prompt"], tab.fields["checkpoint"]],
        [tab.summary, tab.tokens],
        trigger_mode="always_last",
        **quiet,
    )
    gr.on([field.input for field in fields], None, fields, tab.kept, js=_KEEP, **quiet)


_KEEP = f"(...values) => Object.fromEntries({json.dumps(list(form.BLANK))}.map((name, i) => [name, values[i]]))"
"""The form as one object, made in the browser: nothing is sent while somebody types."""


def _wire_result(tab: Tab, desk: Desk) -> None:
    fields = list(tab.fields.values())

    def reuse(event: gr.EventData) -> tuple[Any, ...]:
        written, said = desk.reuse(event.picture)
        return *(gr.skip() if written is None else written[name] for name in tab.fields), said

    def keep_seed(event: gr.EventData) -> tuple[Any, ...]:
        written, said = desk.reuse(event.picture)
        return (gr.skip(), said) if written is None else (written["seed"], stage.says(messages.SEED_KEPT.format(seed=written["seed"])))

    def pick(event: gr.EventData) -> str:
        return event.prompt

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    keep: dict[str, Any] = {"fn": None, "inputs": fields, "outputs": tab.kept, "js": _KEEP, **quiet}
    tab.stage.reuse(reuse, None, [*fields, tab.says], **quiet).then(**keep)
    tab.stage.keep_seed(keep_seed, None, [tab.fields["seed"], tab.says], **quiet).then(**keep)
    tab.chips.pick(pick, None, tab.fields["prompt"], **quiet).then(**keep)
