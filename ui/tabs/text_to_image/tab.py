"""The Text to image tab: its components, and which of them does what."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from engine.checkpoints.library.upscalers import BUILT_IN
from engine.records.blobs import Blobs
from engine.requests import Request, TextToImage, check
from ui import messages
from ui.common import controls, fields, form, result_view
from ui.common.checkpoint_options import Checkpoint
from ui.common.controls import Choices
from ui.common.estimate import wire_estimate
from ui.common.fields import Fields, Keeper
from ui.common.generate_button import GenerateControls, create_press_row, wire_generate
from ui.common.page_session import PageSession
from ui.common.prompt_box import PromptBox, create_prompt_box, create_warning, wire_prompt_box
from ui.common.send_to import Form, wire_reuse
from ui.compat.listeners import QUIET, Update, Values, on
from ui.control.control_fields import ControlPanel, ControlService, create_control_panel, wire_control_panel
from ui.grid import grid_fields
from ui.saved_forms.panel import FormBox, create_form_box, wire_form_box
from ui.tabs.text_to_image import form as text_form
from ui.tabs.text_to_image import view

NAME = "text"
LABEL = messages.TEXT_TAB


@dataclass(frozen=True)
class TextToImageTab:
    """The tab's components. ``fields`` has one for every name in :data:`ui.common.form.BLANK`."""

    fields: Fields
    controls: GenerateControls
    estimate: gr.HTML
    examples: gr.HTML
    box: PromptBox
    forms: FormBox
    guides: ControlPanel


def create_text_to_image_tab(session: PageSession) -> None:
    """Make the tab inside the open ``gr.Tab``, with all its listeners."""
    tab, known = _create_components(session), session.checkpoint_options
    guides = ControlService(tab.guides, Blobs(session.settings.data / "blobs"), known)

    def expect(values: Values) -> TextToImage:
        """The request for the estimate, which does not need the pictures."""
        written = fields.read_fields(tab.fields, values)
        asked = text_form.create_request(written, known.find(written["checkpoint"]))
        return dataclasses.replace(asked, controls=guides.expect(values))

    def ask(values: Values) -> TextToImage:
        asked = dataclasses.replace(expect(values), controls=guides.read(values))
        check(asked)
        return asked

    def fill(request: Request) -> Sequence[Update]:
        written = text_form.fill_form(request, known.find(form.find_checkpoint_name(request)))
        own = guides.fill(request if isinstance(request, TextToImage) else TextToImage())
        return [*(written[name] for name in tab.fields), *own]

    def find_size(values: Values) -> tuple[int, int]:
        asked, native = expect(values), known.find(values[tab.fields["checkpoint"]]).native_size
        return asked.width or native, asked.height or native

    every = [*tab.fields.values(), *tab.guides.fields]
    ended = wire_generate(tab.controls, session, set(every), ask)
    wire_estimate(tab.estimate, tab.fields, session, expect, ended, tab.guides.fields)
    wire_control_panel(guides, tab.fields["checkpoint"], session, set(every), find_size)
    fields.follow_checkpoint(tab.fields, known)
    keeper = fields.keep_form(NAME, tab.fields, text_form.BLANK, session)
    _wire_examples(tab, session, keeper)
    wire_prompt_box(tab.box, tab.fields, session, keeper)
    wire_form_box(tab.forms, tab.fields, text_form.BLANK, session, keeper)
    own = Form(LABEL, fill, every, keeper.after)
    wire_reuse(tab.controls.result.stage, tab.controls.notice, tab.fields["seed"], own, session.settings.outputs)
    session.sending.forms["text_to_image"] = own
    session.sending.prompts["text_to_image"] = tab.fields["prompt"]


def _create_components(session: PageSession) -> TextToImageTab:
    known, chosen = session.checkpoint_options.checkpoints, session.checkpoint_options.find(None)
    # Three parts: on a wide page the image is beside the two others, on a narrow one between them.
    with gr.Row(equal_height=False, elem_classes="studio"):
        with gr.Column(elem_classes="compose"):
            made: Fields = {"prompt": controls.create_prompt(NAME, autofocus=True)}
            examples = gr.HTML(view.render_examples(chosen.repertoire), js_on_load=view.ON_LOAD, elem_id="chips", **controls.BARE)
            made["negative_prompt"] = controls.create_negative_prompt(NAME)
            made |= controls.create_settings_line(NAME, known, chosen)
            press = create_press_row(NAME, again=True)
            notice = controls.create_notice(NAME)
            warning = create_warning(NAME)
            estimate = controls.create_estimate(NAME)
        with gr.Column(elem_classes="result-side"):
            result = result_view.create_result_side(NAME, messages.FIRST_HINT)
        with gr.Column(elem_classes="more"):
            fields.create_changed_line(NAME, text_form.BLANK)
            with gr.Accordion(messages.SETTINGS, open=False):
                made |= controls.create_settings(NAME, chosen) | controls.create_afterwards(NAME)
                made |= _create_hires(chosen, session.checkpoint_options.additions["upscaler"])
            made |= grid_fields.create_grid_box(NAME, TextToImage)
            guides = create_control_panel(NAME, session.checkpoint_options)
            box = create_prompt_box(NAME, session, warning)
            forms = create_form_box(NAME)
    return TextToImageTab(
        fields={name: made[name] for name in text_form.BLANK},
        controls=GenerateControls(NAME, press, notice, result, view.render_results),
        estimate=estimate,
        examples=examples,
        box=box,
        forms=forms,
        guides=guides,
    )


def _create_hires(chosen: Checkpoint, upscalers: Sequence[str]) -> Fields:
    """The folded fields of hires fix."""
    made: Fields = {}
    switch: Choices = {
        "choices": [(text, value) for value, text in messages.HIRES_SWITCH.items()], "value": "", "info": messages.HIRES_HELP,
    }  # fmt: skip
    by_words = [(text, value) for value, text in messages.HIRES_UPSCALERS.items()]
    others = [(name, name) for name in upscalers if name != BUILT_IN]
    with gr.Accordion(messages.HIRES_BOX, open=False):
        with gr.Row():
            made["hires"] = controls.create_choice(NAME, "hires", switch)
            by: Choices = {"choices": [*by_words, *others], "value": ""}
            made["hires_upscaler"] = controls.create_choice(NAME, "hires_upscaler", by)
        with gr.Row():
            for name in ("hires_factor", "hires_width", "hires_height"):
                made[name] = controls.create_number(NAME, name, messages.HIRES_FACTOR_HELP)
        with gr.Row():
            made["hires_steps"] = controls.create_number(NAME, "hires_steps", messages.HIRES_SAME)
            made["hires_strength"] = controls.create_number(NAME, "hires_strength", messages.HIRES_FITTING)
            made["hires_guidance_scale"] = controls.create_number(NAME, "hires_guidance_scale", messages.HIRES_SAME)
        with gr.Row():
            offered = {"hires_scheduler": controls.list_schedulers(chosen), "hires_schedule": controls.list_schedules()}
            for name, known in offered.items():
                choices = [(messages.HIRES_SAME, ""), *known["choices"][1:]]
                made[name] = controls.create_choice(NAME, name, {"choices": choices, "value": ""})
    return made


def _wire_examples(tab: TextToImageTab, session: PageSession, keeper: Keeper) -> None:
    """Show examples of what the starter can draw while it is chosen."""

    def show(checkpoint: str) -> str:
        return view.render_examples(session.checkpoint_options.find(checkpoint).repertoire)

    def pick(event: gr.EventData) -> str:
        return event.prompt

    checkpoint = tab.fields["checkpoint"]
    on(checkpoint, "change")(show, checkpoint, tab.examples, **QUIET)
    keeper.after(on(tab.examples, "pick")(pick, None, tab.fields["prompt"], **QUIET))
