"""The Upscale tab: pictures made larger, their cost said beforehand, and before and after laid over each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.processing_utils import save_file_to_cache

from engine.requests import Request, Upscale
from ui import messages
from ui.common import controls, fields, prompt_box, result_view, send_to
from ui.common import generate_button as running
from ui.common.actions import Actions
from ui.common.fields import Fields, Keeper
from ui.common.generate_button import QUIET, Running, Values
from ui.common.page_session import PageSession
from ui.common.presets import Presets
from ui.common.send_to import Form
from ui.tabs.upscale import form

NAME = "upscale"
LABEL = messages.UPSCALE_TAB

_SHOWN_FOR = {"factor": ("built in", "diffusion", "plain"), "cleaning": ("built in",), "words": ("diffusion",)}
"""Part of the form -> the kinds of upscaler that it means something for."""


@dataclass(frozen=True)
class Tab:
    """The tab's components. ``fields`` has one for every name in :data:`ui.tabs.upscale.form.BLANK`; ``words`` holds those of the
    diffusion upscaler; ``slider`` lays before and after over each other."""

    fields: Fields
    files: gr.File
    folder: gr.UploadButton
    cost: gr.HTML
    words: gr.Column
    summary: gr.HTML
    boxes: prompt_box.Boxes
    running: Running
    slider: gr.ImageSlider


def create_upscale_tab(actions: Actions, page_session: PageSession) -> Tab:
    """Make the tab inside the open ``gr.Tab``, with everything it does."""
    tab = _layout(actions)

    def ask(values: Values) -> Request:
        return actions.upscale_service.request(fields.written(tab.fields, values), values[tab.files] or [])

    tab.running.generate.click(lambda: gr.update(visible=False), None, tab.slider, **QUIET)
    ended = running.wire(tab.running, actions, page_session, {*tab.fields.values(), tab.files}, ask)
    for each, job in zip(ended, (tab.running.job, tab.running.found), strict=True):
        each.then(actions.compared, job, tab.slider, **QUIET)
    keeper = _keep(tab, actions, page_session)
    read = {name: tab.fields[name] for name in ("prompt", "negative_prompt")} | {"checkpoint": tab.fields["upscaler"]}
    prompt_box.wire(tab.boxes, tab.summary, read, actions, keeper, page_session, actions.upscale_service.checkpoint)
    _wire_form(tab, actions)
    _wire_result(tab, actions, page_session, keeper)
    return tab


def _layout(actions: Actions) -> Tab:
    made: Fields = {}
    with gr.Row(equal_height=False, elem_classes="studio"):
        with gr.Column(elem_classes="compose"):
            files = gr.File(label=messages.PICTURES, file_count="multiple", height=170, elem_id=f"{NAME}-files")
            folder = gr.UploadButton(messages.WHOLE_FOLDER, file_count="directory", size="sm", elem_id=f"{NAME}-folder")
            made["upscaler"] = gr.Dropdown(
                actions.upscale_service.choices(), value=form.BLANK["upscaler"], label=messages.UPSCALER,
                elem_id=f"{NAME}-upscaler",
            )  # fmt: skip
            made["factor"] = _slider("factor", 1, 16, 0.5, messages.FACTOR)
            made["cleaning"] = _slider("cleaning", 0, 1, 0.05, messages.CLEANING, messages.CLEANING_HELP)
            words, summary, boxes = _words(made, actions.presets)
            cost = gr.HTML(elem_id=f"{NAME}-cost", **controls.BARE)
            generate, stop = controls.press()
            generate.value = messages.ENLARGE
            says = controls.says(NAME)
        with gr.Column(elem_classes="result-side"):
            slider = gr.ImageSlider(
                label=messages.BEFORE_AFTER, visible=False, max_height=640, slider_position=50, elem_id=f"{NAME}-slider"
            )
            shown = result_view.create(NAME, result_view.blank(messages.UPSCALE_HINT))
    run = Running(NAME, generate, stop, says, shown, gr.State(""))
    return Tab(made, files, folder, cost, words, summary, boxes, run, slider)


def _words(made: Fields, presets: Presets) -> tuple[gr.Column, gr.HTML, prompt_box.Boxes]:
    """What only the diffusion upscaler reads."""
    with gr.Column(visible=False) as words:
        made["prompt"] = controls.prompt(NAME)
        made["negative_prompt"] = controls.negative_prompt(NAME)
        summary = prompt_box.summary(NAME)
        made["noise_level"] = _slider("noise_level", 0, 350, 1, messages.NOISE_LEVEL, messages.NOISE_LEVEL_HELP)
        with gr.Row():
            made["steps"] = controls.number(NAME, "steps", messages.BEST)
            made["seed"] = controls.number(NAME, "seed", messages.RANDOM_SEED)
        boxes = prompt_box.boxes(NAME, presets)
    return words, summary, boxes


def _slider(name: str, least: float, most: float, step: float, label: str, help: str | None = None) -> gr.Slider:
    return gr.Slider(least, most, form.BLANK[name], step=step, label=label, info=help, elem_id=f"{NAME}-{name}")


def _keep(tab: Tab, actions: Actions, page_session: PageSession) -> Keeper:
    """The form stays in the browser; what it kept is put back when the page opens."""
    store, every = page_session.forms[NAME], list(tab.fields.values())

    def restore(stored: object) -> list[Any]:
        found = stored if isinstance(stored, dict) else {}
        values = {name: first if found.get(name) is None else found[name] for name, first in form.BLANK.items()}
        choices = actions.upscale_service.choices()
        known = values["upscaler"] in dict((name, label) for label, name in choices)
        offered = gr.update(choices=choices, value=values["upscaler"] if known else form.BLANK["upscaler"])
        return [offered if name == "upscaler" else values[name] for name in tab.fields]

    keeper = Keeper(NAME, tab.fields, store)
    keeper.begin(page_session.arrived.then(restore, store, every, **QUIET))
    return keeper


def _wire_form(tab: Tab, actions: Actions) -> None:
    def show(upscaler: str) -> tuple[Any, ...]:
        kind = actions.upscale_service.kind(upscaler)
        return tuple(gr.update(visible=kind in kinds) for kinds in _SHOWN_FOR.values())

    def cost(values: Values) -> str:
        return result_view.says(actions.upscale_service.cost(fields.written(tab.fields, values), values[tab.files] or []))

    upscaler = tab.fields["upscaler"]
    upscaler.change(show, upscaler, [tab.fields["factor"], tab.fields["cleaning"], tab.words], **QUIET)  # type: ignore[attr-defined]

    def take_folder(chosen: list[str] | None) -> tuple[list[str], str]:
        found, said = actions.upscale_service.pictures_in(chosen or [])
        return found, result_view.says(said)

    tab.folder.upload(take_folder, tab.folder, [tab.files, tab.running.says], **QUIET)
    changed = [tab.files.change, *(tab.fields[name].change for name in ("upscaler", "factor", "steps"))]  # type: ignore[attr-defined]
    gr.on(changed, cost, {tab.files, *tab.fields.values()}, tab.cost, trigger_mode="always_last", **QUIET)


def _wire_result(tab: Tab, actions: Actions, page_session: PageSession, keeper: Keeper) -> None:
    every: list[Component] = [*tab.fields.values(), tab.files]

    def fill(made_with: Request) -> Sequence[Any]:
        assert isinstance(made_with, Upscale)
        written, source = form.settings_of(made_with), actions.upscale_service.source(made_with)
        return [*(written[name] for name in tab.fields), None if source is None else [_lent(source)]]

    def reuse(event: gr.EventData) -> tuple[Any, ...]:
        made_with, said = actions.made_with(event.picture)
        if not isinstance(made_with, Upscale):
            return *(gr.skip() for _ in every), said
        return *fill(made_with), said

    def keep_seed(event: gr.EventData) -> tuple[Any, ...]:
        made_with, said = actions.made_with(event.picture)
        if made_with is None:
            return gr.skip(), said
        return str(made_with.seed), result_view.says(messages.SEED_KEPT.format(seed=made_with.seed))

    def _lent(picture: Path) -> str:
        return save_file_to_cache(picture, cache_dir=tab.files.GRADIO_CACHE)

    shown, says = tab.running.stage, tab.running.says
    keeper.after(shown.reuse(reuse, None, [*every, says], **QUIET))
    keeper.after(shown.keep_seed(keep_seed, None, [tab.fields["seed"], says], **QUIET))
    page_session.sending.forms["upscale"] = Form(LABEL, fill, every, keeper.after)
    send_to.receive(NAME, page_session.sending, lambda picture: [[_lent(picture)]], [tab.files])
