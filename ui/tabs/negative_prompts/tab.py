"""The Negative prompts tab: the same picture with and without a negative prompt, and what each of its words does."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.prompt.terms import terms, without
from engine.requests import CompareNegative, Request, StudyNegative, TextToImage
from ui import messages
from ui.common import controls, estimate_updates, fields, form, prompt_box, result_view
from ui.common import generate_button as running
from ui.common.actions import Actions
from ui.common.fields import Fields, Keeper
from ui.common.generate_button import QUIET, Running, Values
from ui.common.page_session import PageSession
from ui.common.send_to import Form

NAME = "negative"
LABEL = "Negative prompts"

BLANK: dict[str, str] = {
    **{name: text for name, text in form.BLANK.items() if name not in ("count", "upscaler")}, "max_terms": "",
}  # fmt: skip
"""Every field of this tab's form, as it stands at first."""


@dataclass(frozen=True)
class Tab:
    """The tab's components. ``fields`` has one for every name in :data:`BLANK`."""

    fields: Fields
    running: Running
    study: gr.Button
    summary: gr.HTML
    outlook: gr.HTML
    boxes: prompt_box.Boxes


def create_negative_prompts_tab(actions: Actions, page_session: PageSession) -> Tab:
    """Make the tab inside the open ``gr.Tab``, with everything it does."""
    tab = _layout(actions)

    def compare(values: Values) -> CompareNegative:
        return CompareNegative(**_asked(tab, values, actions))

    def study(values: Values) -> StudyNegative:
        asked, most = _asked(tab, values, actions), form.whole(fields.written(tab.fields, values), "max_terms")
        return StudyNegative(**(asked if most is None else {**asked, "max_terms": most}))

    inputs = set(tab.fields.values())
    running.wire(tab.running, actions, page_session, inputs, compare)
    running.press(tab.study, tab.running, actions, page_session, inputs, study)
    fields.follow_checkpoint(tab.fields, actions, lambda chosen: chosen.against_a_negative)
    keeper = fields.keep(NAME, tab.fields, BLANK, actions, page_session)
    estimate_updates.wire(
        tab.outlook, tab.fields, actions, page_session, lambda v: TextToImage(**{**_asked(tab, v, actions), "count": 2})
    )
    prompt_box.wire(tab.boxes, tab.summary, tab.fields, actions, keeper, page_session)
    _wire_result(tab, actions, keeper)

    def fill(made_with: Request) -> list[str]:
        written = form.settings_of(made_with, actions.checkpoint_options.find(form.checkpoint_of(made_with)))
        return [{**BLANK, **written}[name] for name in tab.fields]

    for kind in ("compare_negative", "study_negative"):
        page_session.sending.forms[kind] = Form(LABEL, fill, list(tab.fields.values()), keeper.after)
    return tab


def _asked(tab: Tab, values: Values, actions: Actions) -> dict[str, Any]:
    """The fields of the request that the form asks for."""
    written = {**form.BLANK, **fields.written(tab.fields, values)}
    return dataclasses.asdict(form.request(written, actions.checkpoint_options.find(written["checkpoint"]).against_a_negative))


def _layout(actions: Actions) -> Tab:
    known, chosen = actions.checkpoint_options.checkpoints, actions.checkpoint_options.find(None)
    with gr.Row(equal_height=False, elem_classes="studio"):
        with gr.Column(elem_classes="compose"):
            made: Fields = {"prompt": controls.prompt(NAME), "negative_prompt": controls.negative_prompt(NAME, lines=3)}
            with gr.Row(elem_classes="press"):
                compare = gr.Button(messages.COMPARE, variant="primary", size="lg", elem_classes="generate", scale=2)
                study = gr.Button(messages.EACH_WORD, size="lg", elem_classes="study", scale=2)
                stop = gr.Button("Stop", variant="stop", size="lg", elem_classes="stop-job", scale=1, visible=False)
            says = controls.says(NAME)
            summary = prompt_box.summary(NAME)
            outlook = controls.outlook(NAME)
        with gr.Column(elem_classes="result-side"):
            shown = result_view.create(NAME, result_view.blank(messages.COMPARE_FIRST))
        with gr.Column(elem_classes="more"):
            with gr.Accordion(messages.SETTINGS, open=False):
                made |= controls.settings(NAME, known, chosen.against_a_negative, ("steps", "guidance_scale", "max_terms"))
            boxes = prompt_box.boxes(NAME, actions.presets)
    return Tab(
        fields={name: made[name] for name in BLANK},
        running=Running(NAME, compare, stop, says, shown, gr.State(""), also=(study,)),
        study=study,
        summary=summary,
        outlook=outlook,
        boxes=boxes,
    )


def _wire_result(tab: Tab, actions: Actions, keeper: Keeper) -> None:
    negative, says = tab.fields["negative_prompt"], tab.running.says

    def reuse(event: gr.EventData) -> tuple[Any, ...]:
        written, said = actions.reuse(event.picture)
        return *(gr.skip() if written is None else {**BLANK, **written}[name] for name in tab.fields), said

    def keep_seed(event: gr.EventData) -> tuple[Any, ...]:
        written, said = actions.reuse(event.picture)
        if written is None:
            return gr.skip(), said
        return written["seed"], result_view.says(messages.SEED_KEPT.format(seed=written["seed"]))

    def trim(now: str, event: gr.EventData) -> tuple[Any, ...]:
        if now == event.studied:
            return event.left, result_view.says(messages.TRIMMED)
        dead = set(event.dead.split("\n"))
        places = [term.place for term in terms(now) if term.text in dead]
        if not places:
            return gr.skip(), result_view.says(messages.NOT_THERE_ANY_MORE)
        return without(now, places), result_view.says(messages.TRIMMED)

    keeper.after(tab.running.stage.reuse(reuse, None, [*tab.fields.values(), says], **QUIET))
    keeper.after(tab.running.stage.keep_seed(keep_seed, None, [tab.fields["seed"], says], **QUIET))
    keeper.after(tab.running.stage.trim(trim, negative, [negative, says], **QUIET))
