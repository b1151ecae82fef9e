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
from ui.actions import Actions
from ui.shelf import Checkpoint

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
    actions = Actions(settings, jobs)
    tab = _layout(actions)
    _wire_jobs(tab, actions, page_id)
    _wire_form(tab, actions)
    _wire_result(tab, actions)
    return tab


def _layout(actions: Actions) -> Tab:
    known = actions.shelf.checkpoints
    chosen = actions.shelf.find(None)
    # Three parts: on a wide page the picture stands beside the two others, on a narrow one between them.
    with gr.Row(equal_height=False, elem_classes="studio"):
        with gr.Column(elem_id="compose"):
            parts = _compose(chosen)
        with gr.Column(elem_id="picture"):
            parts["stage"] = gr.HTML(actions.blank_stage(), js_on_load=stage.ON_LOAD, elem_id="stage", **controls.BARE)
        with gr.Column(elem_id="more"):
            parts |= _more(known, chosen)
    fields = {name: parts.pop(name) for name in form.BLANK}
    return Tab(**parts, fields=fields, job=gr.State(""), kept=gr.BrowserState(None, storage_key="easel-form", secret="easel"))


def _compose(chosen: Checkpoint) -> dict[str, Any]:
    prompt = controls.prompt()
    chips = gr.HTML(reading.chips(chosen.repertoire), js_on_load=reading.PICK, elem_id="chips", **controls.BARE)
    negative_prompt = controls.negative_prompt()
    generate, stop = controls.press()
    return {
        "prompt": prompt,
        "chips": chips,
        "negative_prompt": negative_prompt,
        "generate": generate,
        "stop": stop,
        "says": gr.HTML(elem_id="says", **controls.BARE),
        "summary": gr.HTML(elem_id="summary", **controls.BARE),
    }


def _more(known: dict[str, Checkpoint], chosen: Checkpoint) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Accordion(messages.SETTINGS, open=False):
        parts |= controls.settings(known, chosen)
    with gr.Accordion(messages.READING, open=False):
        parts["tokens"] = gr.HTML(elem_id="tokens", **controls.BARE)
    with gr.Accordion(messages.REPERTOIRE, open=False, visible=chosen.repertoire is not None) as parts["repertoire_box"]:
        parts["repertoire"] = gr.HTML(reading.can_draw(chosen.repertoire), **controls.BARE)
    return parts


def _wire_jobs(tab: Tab, actions: Actions, page_id: gr.BrowserState) -> None:
    fields = list(tab.fields.values())

    def submit(values: Values) -> tuple[Any, ...]:
        job, said = actions.submit({name: values[field] for name, field in tab.fields.items()}, values[page_id])
        return job, said, *(_buttons(running=True) if job else (gr.skip(), gr.skip()))

    async def follow(job: str) -> AsyncIterator[tuple[Any, ...]]:
        if not job:
            yield gr.skip(), gr.skip(), gr.skip()
            return
        async for view, shown in actions.follow(job):
            yield shown, *_buttons(view.running)

    def arrive(kept: Any, page: str) -> tuple[Any, ...]:
        restored, page, job = actions.arrive(kept, page)
        offered = gr.update(
            choices=controls.checkpoint_choices(actions.shelf.checkpoints)["choices"], value=restored["checkpoint"]
        )
        return *({**restored, "checkpoint": offered}[name] for name in tab.fields), page, job

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    watched = [tab.stage, tab.generate, tab.stop]
    pressed = tab.generate.click(submit, {*fields, page_id}, [tab.job, tab.says, tab.generate, tab.stop], **quiet)
    pressed.then(follow, tab.job, watched, **quiet)
    tab.stop.click(actions.stop, tab.job, tab.says, **quiet)
    page = gr.context.Context.root_block
    assert page is not None, "a tab is made inside a page"
    page.load(arrive, [tab.kept, page_id], [*fields, page_id, tab.job], **quiet).then(follow, tab.job, watched, **quiet)


def _buttons(running: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Generate waits while a job of this page runs; Stop is there meanwhile."""
    return gr.update(interactive=not running), gr.update(visible=running)


def _wire_form(tab: Tab, actions: Actions) -> None:
    fields = list(tab.fields.values())

    def choose(checkpoint: str) -> tuple[Any, ...]:
        chosen = actions.shelf.find(checkpoint)
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
    shown = [tab.chips, tab.repertoire, tab.repertoire_box]
    tab.fields["checkpoint"].change(choose, tab.fields["checkpoint"], [*depends, *shown], **quiet)
    gr.on(
        [tab.fields["prompt"].change, tab.fields["checkpoint"].change],
        actions.read,
        [tab.fields["prompt"], tab.fields["checkpoint"]],
        [tab.summary, tab.tokens],
        trigger_mode="always_last",
        **quiet,
    )
    gr.on([field.input for field in fields], None, fields, tab.kept, js=_KEEP, **quiet)


_KEEP = f"(...values) => Object.fromEntries({json.dumps(list(form.BLANK))}.map((name, i) => [name, values[i]]))"
"""The form as one object, made in the browser: nothing is sent while somebody types."""


def _wire_result(tab: Tab, actions: Actions) -> None:
    fields = list(tab.fields.values())

    def reuse(event: gr.EventData) -> tuple[Any, ...]:
        written, said = actions.reuse(event.picture)
        return *(gr.skip() if written is None else written[name] for name in tab.fields), said

    def keep_seed(event: gr.EventData) -> tuple[Any, ...]:
        written, said = actions.reuse(event.picture)
        if written is None:
            return gr.skip(), said
        return written["seed"], stage.says(messages.SEED_KEPT.format(seed=written["seed"]))

    def pick(event: gr.EventData) -> str:
        return event.prompt

    quiet: dict[str, Any] = {"show_progress": "hidden"}
    keep: dict[str, Any] = {"fn": None, "inputs": fields, "outputs": tab.kept, "js": _KEEP, **quiet}
    tab.stage.reuse(reuse, None, [*fields, tab.says], **quiet).then(**keep)
    tab.stage.keep_seed(keep_seed, None, [tab.fields["seed"], tab.says], **quiet).then(**keep)
    tab.chips.pick(pick, None, tab.fields["prompt"], **quiet).then(**keep)
