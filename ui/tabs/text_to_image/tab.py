"""The Text to image tab: its components, and which of them does what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.requests import Request, TextToImage
from ui import messages
from ui.common import (
    controls,
    estimate_updates,
    fields,
    form,
    prompt_box,
    prompt_reading,
    result_view,
)
from ui.common import (
    generate_button as running,
)
from ui.common.actions import Actions
from ui.common.checkpoint_options import Checkpoint
from ui.common.fields import Fields, Keeper
from ui.common.generate_button import QUIET, Running, Values
from ui.common.page_session import PageSession
from ui.common.send_to import Form

NAME = "text"
LABEL = messages.TEXT_TAB


@dataclass(frozen=True)
class Tab:
    """The tab's components. ``fields`` has one for every name in :data:`ui.common.form.BLANK`."""

    fields: Fields
    running: Running
    chips: gr.HTML
    summary: gr.HTML
    outlook: gr.HTML
    repertoire: gr.HTML
    repertoire_box: gr.Accordion
    boxes: prompt_box.Boxes


def create_text_to_image_tab(actions: Actions, page_session: PageSession) -> Tab:
    """Make the tab inside the open ``gr.Tab``, with everything it does."""
    tab = _layout(actions)

    def ask(values: Values) -> TextToImage:
        written = fields.written(tab.fields, values)
        return form.request(written, actions.checkpoint_options.find(written["checkpoint"]))

    running.wire(tab.running, actions, page_session, set(tab.fields.values()), ask)
    estimate_updates.wire(tab.outlook, tab.fields, actions, page_session, ask)
    fields.follow_checkpoint(tab.fields, actions)
    keeper = fields.keep(NAME, tab.fields, form.BLANK, actions, page_session)
    _wire_repertoire(tab, actions, keeper)
    prompt_box.wire(tab.boxes, tab.summary, tab.fields, actions, keeper, page_session)
    _wire_result(tab, actions, keeper)

    def fill(made_with: Request) -> list[str]:
        written = form.settings_of(made_with, actions.checkpoint_options.find(form.checkpoint_of(made_with)))
        return [written[name] for name in tab.fields]

    page_session.sending.forms["text_to_image"] = Form(LABEL, fill, list(tab.fields.values()), keeper.after)
    return tab


def _layout(actions: Actions) -> Tab:
    known = actions.checkpoint_options.checkpoints
    chosen = actions.checkpoint_options.find(None)
    # Three parts: on a wide page the picture stands beside the two others, on a narrow one between them.
    with gr.Row(equal_height=False, elem_classes="studio"):
        with gr.Column(elem_classes="compose"):
            prompt = controls.prompt(NAME, autofocus=True)
            chips = gr.HTML(
                prompt_reading.chips(chosen.repertoire), js_on_load=prompt_reading.PICK, elem_id="chips", **controls.BARE
            )
            negative_prompt = controls.negative_prompt(NAME)
            generate, stop = controls.press()
            says = controls.says(NAME)
            summary = prompt_box.summary(NAME)
            outlook = controls.outlook(NAME)
        with gr.Column(elem_classes="result-side"):
            shown = result_view.create(NAME, actions.blank_stage())
        with gr.Column(elem_classes="more"):
            parts = _more(known, chosen, actions)
    made = {"prompt": prompt, "negative_prompt": negative_prompt, **parts.pop("settings")}
    return Tab(
        fields={name: made[name] for name in form.BLANK},
        running=Running(NAME, generate, stop, says, shown, gr.State("")),
        chips=chips,
        summary=summary,
        outlook=outlook,
        **parts,
    )


def _more(known: dict[str, Checkpoint], chosen: Checkpoint, actions: Actions) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Accordion(messages.SETTINGS, open=False):
        parts["settings"] = controls.settings(NAME, known, chosen) | controls.afterwards(NAME)
    parts["boxes"] = prompt_box.boxes(NAME, actions.presets)
    with gr.Accordion(messages.REPERTOIRE, open=False, visible=chosen.repertoire is not None) as parts["repertoire_box"]:
        parts["repertoire"] = gr.HTML(prompt_reading.can_draw(chosen.repertoire), **controls.BARE)
    return parts


def _wire_repertoire(tab: Tab, actions: Actions, keeper: Keeper) -> None:
    """What the starter can draw, while it is chosen."""

    def show_repertoire(checkpoint: str) -> tuple[Any, ...]:
        known = actions.checkpoint_options.find(checkpoint).repertoire
        return prompt_reading.chips(known), prompt_reading.can_draw(known), gr.update(visible=known is not None)

    def pick(event: gr.EventData) -> str:
        return event.prompt

    prompt, checkpoint = tab.fields["prompt"], tab.fields["checkpoint"]
    checkpoint.change(show_repertoire, checkpoint, [tab.chips, tab.repertoire, tab.repertoire_box], **QUIET)  # type: ignore[attr-defined]
    keeper.after(tab.chips.pick(pick, None, prompt, **QUIET))


def _wire_result(tab: Tab, actions: Actions, keeper: Keeper) -> None:
    def reuse(event: gr.EventData) -> tuple[Any, ...]:
        written, said = actions.reuse(event.picture)
        return *(gr.skip() if written is None else written[name] for name in tab.fields), said

    def keep_seed(event: gr.EventData) -> tuple[Any, ...]:
        written, said = actions.reuse(event.picture)
        if written is None:
            return gr.skip(), said
        return written["seed"], result_view.says(messages.SEED_KEPT.format(seed=written["seed"]))

    shown, says = tab.running.stage, tab.running.says
    keeper.after(shown.reuse(reuse, None, [*tab.fields.values(), says], **QUIET))
    keeper.after(shown.keep_seed(keep_seed, None, [tab.fields["seed"], says], **QUIET))
