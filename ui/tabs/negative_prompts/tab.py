"""The Negative prompts tab: the same image with and without a negative prompt, and what each of its words does."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from engine.prompt.terms import find_terms, remove_terms
from engine.requests import CompareNegative, Request, StudyNegative, TextToImage
from ui import messages
from ui.common import controls, fields, form, result_view
from ui.common.estimate import wire_estimate
from ui.common.fields import Fields, Keeper
from ui.common.generate_button import GenerateControls, create_press_row, wire_button, wire_generate
from ui.common.page_session import PageSession
from ui.common.prompt_box import PromptBox, create_prompt_box, create_warning, wire_prompt_box
from ui.common.send_to import Form, wire_reuse
from ui.compat.listeners import QUIET, Update, Values, on
from ui.saved_forms.panel import FormBox, create_form_box, wire_form_box
from ui.tabs.negative_prompts import view
from ui.templates import render_notice

NAME = "negative"
LABEL = messages.NEGATIVE_TAB

BLANK: dict[str, str] = {
    **{name: text for name, text in form.BLANK.items() if name not in ("count", "upscaler")}, "max_terms": "",
}  # fmt: skip
"""Every field of this tab's form, with its initial value."""


@dataclass(frozen=True)
class NegativePromptsTab:
    """The tab's components. ``fields`` has one for every name in :data:`BLANK`."""

    fields: Fields
    controls: GenerateControls
    estimate: gr.HTML
    box: PromptBox
    forms: FormBox


def create_negative_prompts_tab(session: PageSession) -> None:
    """Make the tab inside the open ``gr.Tab``, with all its listeners."""
    tab, known = _create_components(session), session.checkpoint_options

    def read(values: Values) -> TextToImage:
        written = {**form.BLANK, **fields.read_fields(tab.fields, values)}
        return form.create_request(written, known.find(written["checkpoint"]).for_comparisons)

    def compare(values: Values) -> CompareNegative:
        return CompareNegative(**vars(read(values)))

    def study(values: Values) -> StudyNegative:
        most = form.read_whole(fields.read_fields(tab.fields, values), "max_terms")
        asked = StudyNegative(**vars(read(values)))
        return asked if most is None else dataclasses.replace(asked, max_terms=most)

    def expect(values: Values) -> TextToImage:
        return dataclasses.replace(read(values), count=2)

    def fill(request: Request) -> Sequence[Update]:
        written = {**BLANK, **form.fill_form(request, known.find(form.find_checkpoint_name(request)))}
        return [written[name] for name in tab.fields]

    every = list(tab.fields.values())
    ended = wire_generate(tab.controls, session, set(every), compare)
    if tab.controls.press.also is not None:
        wire_button(tab.controls.press.also, tab.controls, session, set(every), study)
    fields.follow_checkpoint(tab.fields, known, lambda chosen: chosen.for_comparisons)
    keeper = fields.keep_form(NAME, tab.fields, BLANK, session)
    wire_estimate(tab.estimate, tab.fields, session, expect, ended)
    wire_prompt_box(tab.box, tab.fields, session, keeper)
    wire_form_box(tab.forms, tab.fields, BLANK, session, keeper)
    _wire_trim(tab, keeper)
    own = Form(LABEL, fill, every, keeper.after)
    wire_reuse(tab.controls.result.stage, tab.controls.notice, tab.fields["seed"], own, session.settings.outputs)
    session.sending.forms.update(dict.fromkeys(("compare_negative", "study_negative"), own))


def _create_components(session: PageSession) -> NegativePromptsTab:
    known, chosen = session.checkpoint_options.checkpoints, session.checkpoint_options.find(None)
    with gr.Row(equal_height=False, elem_classes="studio"):
        with gr.Column(elem_classes="compose"):
            made: Fields = {"prompt": controls.create_prompt(NAME)}
            made["negative_prompt"] = controls.create_negative_prompt(NAME, lines=3)
            best = chosen.for_comparisons
            made |= controls.create_settings_line(NAME, known, best, ("checkpoint", "size", "seed"))
            press = create_press_row(NAME, messages.COMPARE, messages.EACH_WORD)
            notice = controls.create_notice(NAME)
            warning = create_warning(NAME)
            estimate = controls.create_estimate(NAME)
        with gr.Column(elem_classes="result-side"):
            result = result_view.create_result_side(NAME, messages.COMPARE_FIRST)
        with gr.Column(elem_classes="more"):
            fields.create_changed_line(NAME, BLANK)
            with gr.Accordion(messages.SETTINGS, open=False):
                numbers = ("steps", "guidance_scale", "max_terms")
                made |= controls.create_settings(NAME, best, numbers)
            box = create_prompt_box(NAME, session, warning)
            forms = create_form_box(NAME)
    return NegativePromptsTab(
        fields={name: made[name] for name in BLANK},
        controls=GenerateControls(NAME, press, notice, result, view.render_results),
        estimate=estimate,
        box=box,
        forms=forms,
    )


def _wire_trim(tab: NegativePromptsTab, keeper: Keeper) -> None:
    """Remove the words without effect from the negative prompt."""

    def trim(now: str, event: gr.EventData) -> tuple[Update, str]:
        if now == event.studied:
            return event.left, render_notice(messages.TRIMMED)
        dead = set(event.dead.split("\n"))
        places = [term.place for term in find_terms(now) if term.text in dead]
        if not places:
            return gr.skip(), render_notice(messages.NOT_THERE_ANY_MORE)
        return remove_terms(now, places), render_notice(messages.TRIMMED)

    negative = tab.fields["negative_prompt"]
    keeper.after(on(tab.controls.result.stage, "trim")(trim, negative, [negative, tab.controls.notice], **QUIET))
