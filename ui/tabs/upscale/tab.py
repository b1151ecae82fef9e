"""The Upscale tab: upscales images, shows an estimate beforehand, and compares before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.components import Component

from engine.prompt.draw_prompts import write_prompts
from engine.requests import Request, Upscale
from ui import messages
from ui.common import controls, fields, result_view
from ui.common.fields import Fields, Keeper
from ui.common.generate_button import Ask, GenerateControls, create_press_row, wire_generate
from ui.common.page_session import PageSession
from ui.common.prompt_box import PromptBox, create_prompt_box, create_warning, wire_prompt_box
from ui.common.send_to import Form, read_request, receive_images, wire_reuse
from ui.compat.listeners import QUIET, Update, Values, on
from ui.compat.uploads import lend_file
from ui.tabs.upscale import form
from ui.tabs.upscale.service import UpscaleService
from ui.templates import render_notice

NAME = "upscale"
LABEL = messages.UPSCALE_TAB

_SHOWN_FOR = {
    "factor": (form.BUILT_IN_KIND, form.DIFFUSION, form.PLAIN), "cleaning": (form.BUILT_IN_KIND,), "words": (form.DIFFUSION,),
}  # fmt: skip
"""Part of the form -> the kinds of upscaler that it applies to."""


@dataclass(frozen=True)
class UpscaleTab:
    """The tab's components. ``fields`` has one for every name in :data:`ui.tabs.upscale.form.BLANK`; ``words`` holds those of the
    diffusion upscaler; ``slider`` compares before and after."""

    fields: Fields
    files: gr.File
    folder: gr.UploadButton
    cost: gr.HTML
    words: gr.Column
    box: PromptBox
    controls: GenerateControls
    slider: gr.HTML


def create_upscale_tab(session: PageSession) -> None:
    """Make the tab inside the open ``gr.Tab``, with all its listeners."""
    service = UpscaleService(session.settings, session.checkpoint_options)
    tab = _create_components(session, service)

    def ask(values: Values) -> Request:
        return service.create_request(fields.read_fields(tab.fields, values), values[tab.files] or [])

    keeper = _keep_form(tab, session, service)
    _wire_jobs(tab, session, service, ask)
    read = {name: tab.fields[name] for name in ("prompt", "negative_prompt")} | {"checkpoint": tab.fields["upscaler"]}
    wire_prompt_box(tab.box, read, session, keeper, service.find_checkpoint)
    _wire_form(tab, service)
    _wire_result(tab, session, service, keeper)


def _create_components(session: PageSession, service: UpscaleService) -> UpscaleTab:
    made: Fields = {}
    with gr.Row(equal_height=False, elem_classes="studio"):
        with gr.Column(elem_classes="compose"):
            files = gr.File(label=messages.IMAGES, file_count="multiple", height=170, elem_id=f"{NAME}-files")
            folder = gr.UploadButton(messages.WHOLE_FOLDER, file_count="directory", size="sm", elem_id=f"{NAME}-folder")
            made["upscaler"] = gr.Dropdown(
                service.list_upscalers(), value=form.BLANK["upscaler"], label=messages.UPSCALER, elem_id=f"{NAME}-upscaler"
            )
            made["factor"] = _create_slider("factor", (1, 16, 0.5), messages.FACTOR)
            made["cleaning"] = _create_slider("cleaning", (0, 1, 0.05), messages.CLEANING, messages.CLEANING_HELP)
            words, box = _create_words(made, session)
            cost = gr.HTML(elem_id=f"{NAME}-cost", **controls.BARE)
            press = create_press_row(NAME, messages.UPSCALE)
            notice = controls.create_notice(NAME)
        with gr.Column(elem_classes="result-side"):
            slider = gr.HTML(elem_id=f"{NAME}-slider", **controls.BARE)
            result = result_view.create_result_side(NAME, messages.UPSCALE_HINT)
    return UpscaleTab(made, files, folder, cost, words, box, GenerateControls(NAME, press, notice, result), slider)


def _create_words(made: Fields, session: PageSession) -> tuple[gr.Column, PromptBox]:
    """The prompts, which only the diffusion upscaler reads."""
    with gr.Column(visible=False) as words:
        made["prompt"] = controls.create_prompt(NAME)
        made["negative_prompt"] = controls.create_negative_prompt(NAME)
        warning = create_warning(NAME)
        made["noise_level"] = _create_slider("noise_level", (0, 350, 1), messages.NOISE_LEVEL, messages.NOISE_LEVEL_HELP)
        with gr.Row():
            made["steps"] = controls.create_number(NAME, "steps", messages.BEST)
            made["seed"] = controls.create_number(NAME, "seed", messages.RANDOM_SEED)
        box = create_prompt_box(NAME, session, warning)
    return words, box


def _create_slider(name: str, bounds: tuple[float, float, float], label: str, help: str | None = None) -> gr.Slider:
    """``bounds``: the least value, the most, and the step between two."""
    least, most, step = bounds
    return gr.Slider(least, most, form.BLANK[name], step=step, label=label, info=help, elem_id=f"{NAME}-{name}")


def _wire_jobs(tab: UpscaleTab, session: PageSession, service: UpscaleService, ask: Ask) -> None:
    """Hide the slider when a job begins, and show it with the new pair when the job has ended."""

    def compare(job: str) -> str:
        pair = service.compare_latest(session.jobs, job)
        return result_view.render_slider(*pair) if pair is not None else ""

    on(tab.controls.press.generate, "click")(None, None, tab.slider, js="() => ['']", **QUIET)
    ended = wire_generate(tab.controls, session, {*tab.fields.values(), tab.files}, ask)
    ended.then(compare, tab.controls.job, tab.slider, **QUIET)


def _keep_form(tab: UpscaleTab, session: PageSession, service: UpscaleService) -> Keeper:
    """Store the form in the browser, and restore it when the page opens."""
    store, every = session.forms[NAME], list(tab.fields.values())

    def restore(stored: Mapping[str, Update] | str | None) -> list[Update]:
        found = stored if isinstance(stored, dict) else {}
        values = {name: first if found.get(name) is None else found[name] for name, first in form.BLANK.items()}
        choices = service.list_upscalers()
        known = values["upscaler"] in [name for _, name in choices]
        values["upscaler"] = values["upscaler"] if known else form.BLANK["upscaler"]
        # A value that is put back is a change, and the tab reads and computes after each; the blank ones are there.
        changed = {name: value for name, value in values.items() if value != form.BLANK[name]}
        if "upscaler" in changed:
            offered = gr.update(choices=choices, value=changed["upscaler"])
        else:
            offered = gr.update(choices=choices)
        return [offered if name == "upscaler" else changed.get(name, gr.skip()) for name in tab.fields]

    session.arrived.add(restore, store, every)
    keeper = Keeper(NAME, tab.fields, store)
    keeper.begin(session.restored)
    upscaler = tab.fields["upscaler"]
    session.scanned.add(lambda: gr.update(choices=service.list_upscalers()), None, upscaler)
    return keeper


def _wire_form(tab: UpscaleTab, service: UpscaleService) -> None:
    def show(upscaler: str) -> list[Update]:
        kind = service.find_kind(upscaler)
        return [gr.update(visible=kind in kinds) for kinds in _SHOWN_FOR.values()]

    def estimate(values: Values) -> str:
        return render_notice(service.estimate(fields.read_fields(tab.fields, values), values[tab.files] or []))

    def take_folder(chosen: list[str] | None) -> tuple[list[str], str]:
        found, said = service.select_images(chosen or [])
        return found, render_notice(said)

    upscaler = tab.fields["upscaler"]
    on(upscaler, "change")(show, upscaler, [tab.fields["factor"], tab.fields["cleaning"], tab.words], **QUIET)
    on(tab.folder, "upload")(take_folder, tab.folder, [tab.files, tab.controls.notice], **QUIET)
    changes = [on(tab.files, "change"), *(on(tab.fields[name], "change") for name in ("upscaler", "factor", "steps"))]
    gr.on(changes, estimate, {tab.files, *tab.fields.values()}, tab.cost, trigger_mode="always_last", **QUIET)


def _wire_result(tab: UpscaleTab, session: PageSession, service: UpscaleService, keeper: Keeper) -> None:
    every: list[Component] = [*tab.fields.values(), tab.files]

    def fill(request: Request) -> Sequence[Update]:
        assert isinstance(request, Upscale)
        written, source = form.fill_form(request), service.find_source(request)
        return [*(written[name] for name in tab.fields), None if source is None else [lend_file(source, tab.files)]]

    def take(image: Path) -> Sequence[Update]:
        request = read_request(image)
        prompts = [gr.skip(), gr.skip()] if request is None else list(write_prompts(request))
        return [*prompts, [lend_file(image, tab.files)], ""]

    own = Form(LABEL, fill, every, keeper.after, Upscale)
    wire_reuse(tab.controls.result.stage, tab.controls.notice, tab.fields["seed"], own, session.settings.outputs)
    session.sending.forms["upscale"] = own
    prompts = [tab.fields["prompt"], tab.fields["negative_prompt"]]
    keeper.after(receive_images(NAME, session.sending, take, [*prompts, tab.files, tab.controls.notice]))
