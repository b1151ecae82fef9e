"""The Sketch to image tab: the drawing pad, and images made from it, once or live."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.requests import FITS, ImageToImage, Request
from engine.seeds import draw_seed, is_random
from ui import messages
from ui.common import controls, fields, form, result_view
from ui.common.checkpoint_options import Checkpoint
from ui.common.controls import Choices
from ui.common.estimate import wire_estimate
from ui.common.fields import Fields, Keeper
from ui.common.generate_button import BrowserScript, GenerateControls, create_press_row, wire_button, wire_generate
from ui.common.page_session import PageSession
from ui.common.prompt_box import PromptBox, create_prompt_box, create_warning, wire_prompt_box
from ui.common.send_to import Form, find_request, read_request, receive_images, wire_reuse
from ui.compat.listeners import QUIET, Update, Values, on
from ui.compat.uploads import lend_file
from ui.describe.box import DescribeButton, create_describe_button, wire_describe_button
from ui.grid import grid_fields
from ui.saved_forms.panel import FormBox, create_form_box, wire_form_box
from ui.server import image_routes
from ui.tabs.sketch_to_image import drawing_pad, view
from ui.tabs.sketch_to_image import form as sketch_form
from ui.tabs.sketch_to_image.lines import BLANK as LINES
from ui.tabs.sketch_to_image.lines import create_lines, offer_models
from ui.tabs.sketch_to_image.service import SketchService
from ui.templates import render_notice

NAME = "sketch"
LABEL = messages.SKETCH_TAB

Ask = Callable[[Values], ImageToImage]


@dataclass(frozen=True)
class LiveControls:
    """Live's components: its switch, and its checkpoint."""

    on: gr.Checkbox
    checkpoint: gr.Dropdown


@dataclass(frozen=True)
class FoldedBoxes:
    """What the engine will see, and a depth map, each in a box that is folded at first."""

    seen_box: gr.Accordion
    seen: gr.HTML
    depth_box: gr.Accordion
    depth: gr.File


@dataclass(frozen=True)
class SketchToImageTab:
    """The tab's components. ``fields`` has one for every name in :data:`ui.tabs.sketch_to_image.form.BLANK`, ``uploaded`` the
    pad's upload, ``brought`` the address of an image to open on it."""

    fields: Fields
    controls: GenerateControls
    pad: gr.HTML
    uploaded: gr.Textbox
    brought: gr.Textbox
    strength_words: gr.HTML
    live: LiveControls
    estimate: gr.HTML
    box: PromptBox
    forms: FormBox
    folded: FoldedBoxes
    describe: DescribeButton


def create_sketch_to_image_tab(session: PageSession) -> None:
    """Make the tab inside the open ``gr.Tab``, with all its listeners."""
    tab, known = _create_components(session), session.checkpoint_options
    service = SketchService(session.settings, session.jobs, known)

    def ask(values: Values) -> ImageToImage:
        written = fields.read_fields(tab.fields, values)
        checkpoint = known.find(written["checkpoint"])
        drawing = sketch_form.read_drawing(values[tab.uploaded])
        depth = service.store_first(values[tab.folded.depth]) if checkpoint.reads_depth else ""
        return sketch_form.create_request(written, checkpoint, drawing, depth)

    def expect(values: Values) -> ImageToImage:
        """The request for the estimate, which does not need the drawing."""
        written = fields.read_fields(tab.fields, values)
        return sketch_form.create_request(written, known.find(written["checkpoint"]), sketch_form.Drawing(""))

    def explore(values: Values) -> ImageToImage:
        return sketch_form.explore(ask(values))

    inputs: set[Component] = {*tab.fields.values(), tab.uploaded, tab.folded.depth}
    upload = BrowserScript(drawing_pad.HAND_IN, tab.uploaded)
    ended = wire_generate(tab.controls, session, inputs, ask, upload)
    if tab.controls.press.also is not None:
        wire_button(tab.controls.press.also, tab.controls, session, inputs, explore, upload)
    # An empty width or height has the drawing's shape, whatever the checkpoint.
    followed = {name: field for name, field in tab.fields.items() if name not in ("width", "height")}
    fields.follow_checkpoint(followed, known, lambda chosen: chosen.for_sketches)
    keeper = fields.keep_form(NAME, tab.fields, sketch_form.BLANK, session)
    wire_prompt_box(tab.box, tab.fields, session, keeper)
    wire_form_box(tab.forms, tab.fields, sketch_form.BLANK, session, keeper)
    wire_estimate(tab.estimate, tab.fields, session, expect, ended)
    _wire_strength(tab, session)
    _wire_folded(tab, session, service, inputs, ask)
    _wire_live(tab, session, service)
    _wire_result(tab, session, service, keeper)
    _wire_pad(tab, session, keeper)
    keeper.after(wire_describe_button(tab.describe, session, upload, _find_sketch, tab.fields["prompt"], tab.controls.notice))


def _create_components(session: PageSession) -> SketchToImageTab:
    known, chosen = session.checkpoint_options.checkpoints, session.checkpoint_options.find(None)
    with gr.Row(equal_height=False, elem_classes="studio sketching"):
        with gr.Column(elem_classes="pad-side"):
            pad = gr.HTML(drawing_pad.render_pad(), js_on_load=drawing_pad.ON_LOAD, elem_id="pad", **controls.BARE)
        with gr.Column(elem_classes="compose"):
            prompt = controls.create_prompt(NAME, lines=2)
            press = create_press_row(NAME, also=messages.EXPLORE, again=True)
            kept, live, strength_words = _create_strength(chosen)
            notice = controls.create_notice(NAME)
        with gr.Column(elem_classes="result-side"):
            result = result_view.create_result_side(NAME, messages.SKETCH_HINT)
        with gr.Column(elem_classes="more"):
            made: Fields = {"prompt": prompt, **kept}
            made |= controls.create_settings_line(NAME, known, chosen.for_sketches, ("checkpoint", "count", "seed"))
            warning = create_warning(NAME)
            estimate = controls.create_estimate(NAME)
            describe = create_describe_button(NAME, messages.DESCRIBE_DRAWING, session)
            made["negative_prompt"] = controls.create_negative_prompt(NAME)
            settings, live_checkpoint = _create_settings(known, chosen.for_sketches)
            made |= settings
            folded = _create_folded(chosen)
            box = create_prompt_box(NAME, session, warning)
            forms = create_form_box(NAME)
    return SketchToImageTab(
        fields={name: made[name] for name in sketch_form.BLANK},
        controls=GenerateControls(NAME, press, notice, result, view.render_results),
        pad=pad,
        uploaded=gr.Textbox(visible=False),
        brought=gr.Textbox(visible=False),
        strength_words=strength_words,
        live=LiveControls(live, live_checkpoint),
        estimate=estimate,
        box=box,
        forms=forms,
        folded=folded,
        describe=describe,
    )


def _create_strength(chosen: Checkpoint) -> tuple[Fields, gr.Checkbox, gr.HTML]:
    """The strength with what is kept of the drawing, Live beside it, and what the strength means in words."""
    with gr.Row(elem_classes="strength-row"):
        strength = gr.Slider(
            0, 1, sketch_form.BLANK["strength"], step=0.05, label=form.LABELS["strength"], elem_id=f"{NAME}-strength", scale=3,
        )  # fmt: skip
        live = gr.Checkbox(label=messages.LIVE, elem_id=f"{NAME}-live", scale=2)
    meaning = view.render_strength_words(sketch_form.BLANK["strength"])
    words = gr.HTML(meaning, elem_id=f"{NAME}-strength-words", **controls.BARE)
    return {"strength": strength, **create_lines(NAME, chosen)}, live, words


def _create_settings(known: Mapping[str, Checkpoint], chosen: Checkpoint) -> tuple[Fields, gr.Dropdown]:
    """The folded fields of the form, and Live's checkpoint."""
    made: Fields = {}
    fields.create_changed_line(NAME, sketch_form.BLANK)
    with gr.Accordion(messages.SETTINGS, open=False):
        with gr.Row():
            fits: Choices = {"choices": [(messages.FIT[each], each) for each in FITS], "value": sketch_form.BLANK["fit"]}
            made["fit"] = controls.create_choice(NAME, "fit", fits)
        with gr.Row():
            for name in ("width", "height"):
                made[name] = controls.create_number(NAME, name, messages.AS_DRAWN)
        with gr.Row():
            for name in ("steps", "guidance_scale"):
                made[name] = controls.create_number(NAME, name, controls.describe_best(name, chosen))
        with gr.Row():
            made["scheduler"] = controls.create_choice(NAME, "scheduler", controls.list_schedulers(chosen))
            made["schedule"] = controls.create_choice(NAME, "schedule", controls.list_schedules())
        made |= controls.create_execution(NAME)
        with gr.Row():
            live_checkpoint = controls.create_choice(NAME, "live_checkpoint", _list_live_checkpoints(known))
            steps = sketch_form.count_live_steps(_find_quickest(known))
            made["live_steps"] = controls.create_number(NAME, "live_steps", str(steps))
        made |= controls.create_additions(NAME) | controls.create_afterwards(NAME)
    made |= grid_fields.create_grid_box(NAME, ImageToImage)
    with gr.Accordion(messages.PART, open=False):
        with gr.Row():
            for name, words in (("mask_area", messages.MASK_AREAS), ("fill", messages.FILLS)):
                offered: Choices = {
                    "choices": [(text, value) for value, text in words.items() if value], "value": sketch_form.BLANK[name],
                }  # fmt: skip
                made[name] = controls.create_choice(NAME, name, offered)
        made["soft_mask"] = gr.Checkbox(label=messages.SOFT_MASK, elem_id=f"{NAME}-soft_mask")
        with gr.Row():
            for name, pixels in sketch_form.DEFAULTS.items():
                made[name] = controls.create_number(NAME, name, f"{pixels} pixels")
    return made, live_checkpoint


def _create_folded(chosen: Checkpoint) -> FoldedBoxes:
    with gr.Accordion(messages.DEPTH, open=False, visible=chosen.reads_depth) as depth_box:
        # A file, not an image: the engine's own reader opens it and reports errors.
        depth = gr.File(label=messages.DEPTH_MAP, file_count="multiple", elem_id=f"{NAME}-depth")
    with gr.Accordion(messages.SEEN, open=False) as seen_box:
        seen = gr.HTML(elem_id=f"{NAME}-seen", **controls.BARE)
    return FoldedBoxes(seen_box, seen, depth_box, depth)


def _list_live_checkpoints(known: Mapping[str, Checkpoint]) -> Choices:
    quickest = messages.LIVE_BEST.format(label=_find_quickest(known).label)
    return {"choices": [(quickest, ""), *((each.label, each.name) for each in known.values())], "value": ""}


def _find_quickest(known: Mapping[str, Checkpoint]) -> Checkpoint:
    """The starter, if it is there: it is the fastest for Live."""
    return next((each for each in known.values() if each.repertoire), next(iter(known.values())))


def _wire_strength(tab: SketchToImageTab, session: PageSession) -> None:
    """Say what the strength means, and offer what reads lines beside the chosen checkpoint."""

    def offer(checkpoint: str) -> Update:
        return offer_models(session.checkpoint_options.find(checkpoint))

    checkpoint, model = tab.fields["checkpoint"], tab.fields["lines_model"]
    on(checkpoint, "change")(offer, checkpoint, model, **QUIET)
    session.scanned.add(offer, checkpoint, model)
    rows = json.dumps(list(messages.STRENGTHS.items()))
    say = f'(strength) => [`<p class="strength-words">${{{rows}.findLast(([least]) => strength >= least)[1]}}</p>`]'
    strength = tab.fields["strength"]
    on(strength, "change")(None, strength, tab.strength_words, js=say, **QUIET)


def _wire_folded(tab: SketchToImageTab, session: PageSession, service: SketchService, inputs: set[Component], ask: Ask) -> None:
    """Show what the engine will see when the box is opened or a choice changes it, and depth for checkpoints that use it."""

    def look(values: Values) -> str:
        return service.preview_input(lambda: ask(values))

    def offer_depth(checkpoint: str) -> Update:
        return gr.update(visible=session.checkpoint_options.find(checkpoint).reads_depth)

    changing = ("fit", "width", "height", "mask_area", "feather", "padding", "checkpoint")

    controls.take_first(tab.folded.depth)
    events = [on(tab.folded.seen_box, "expand"), *(on(tab.fields[name], "input") for name in changing)]
    uploaded = gr.on(events, None, None, tab.uploaded, js=drawing_pad.HAND_IN, **QUIET)
    uploaded.then(look, inputs, tab.folded.seen, **QUIET)
    checkpoint = tab.fields["checkpoint"]
    on(checkpoint, "change")(offer_depth, checkpoint, tab.folded.depth_box, **QUIET)


def _wire_live(tab: SketchToImageTab, session: PageSession, service: SketchService) -> None:
    async def repaint(values: Values, event: gr.EventData) -> AsyncGenerator[str, None]:
        written = fields.read_fields(tab.fields, values)
        known = session.checkpoint_options.checkpoints
        chosen = known.get(values[tab.live.checkpoint]) or _find_quickest(known)

        def ask() -> ImageToImage:
            depth = service.store_first(values[tab.folded.depth]) if chosen.reads_depth else ""
            return sketch_form.create_live_request(written, chosen, sketch_form.read_drawing(event.pad), depth)

        async for shown in service.repaint(ask, values[session.browser]):
            yield shown

    def switch(switched_on: bool, seed: str) -> tuple[Update, Update]:
        # The seed stays while the user draws, and Finish uses it too.
        drawn = str(draw_seed()) if switched_on and is_random(seed) else gr.skip()
        return gr.update(value=messages.FINISH if switched_on else messages.GENERATE), drawn

    inputs: set[Component] = {*tab.fields.values(), tab.live.checkpoint, tab.folded.depth, session.browser}
    seed, generate = tab.fields["seed"], tab.controls.press.generate
    # Every stroke triggers a repaint, even while the previous one runs: the queue cancels that one.
    on(tab.pad, "drawn")(repaint, inputs, tab.controls.result.stage, trigger_mode="multiple", **QUIET)
    switched = on(tab.live.on, "change")(switch, [tab.live.on, seed], [generate, seed], **QUIET)
    switched.then(None, tab.live.on, None, js="(on) => { window.easelPad.setLive(on); }", **QUIET)
    changes = [on(tab.fields[name], "change") for name in ("strength", "prompt", "negative_prompt", "seed", "live_steps", *LINES)]
    changes.append(on(tab.live.checkpoint, "change"))
    gr.on(changes, None, None, None, js="() => { window.easelPad.repaintSoon(); }", **QUIET)


def _wire_result(tab: SketchToImageTab, session: PageSession, service: SketchService, keeper: Keeper) -> None:
    def fill(request: Request) -> Sequence[Update]:
        """The form that asks for an image again, and the images that it was made from."""
        assert isinstance(request, ImageToImage)
        written = sketch_form.fill_form(request, session.checkpoint_options.find(request.checkpoint))
        depth = service.find_image(request.depth_image)
        lent = [lend_file(depth, tab.folded.depth)] if depth else None
        return [*(written[name] for name in tab.fields), lent, sketch_form.describe_drawing(request)]

    def restore(filled: Dependency) -> None:
        keeper.after(filled)
        filled.then(None, tab.brought, tab.brought, js=drawing_pad.RESTORE, **QUIET)

    def pick(event: gr.EventData) -> tuple[Update, Update, str]:
        request, said = find_request(session.settings.outputs, event.image)
        if not isinstance(request, ImageToImage):
            return gr.skip(), gr.skip(), said
        return request.strength, str(request.seed), render_notice(messages.PICKED.format(strength=request.strength))

    stage, notice, seed = tab.controls.result.stage, tab.controls.notice, tab.fields["seed"]
    own = Form(LABEL, fill, [*tab.fields.values(), tab.folded.depth, tab.brought], restore, ImageToImage)
    wire_reuse(stage, notice, seed, own, session.settings.outputs)
    keeper.after(on(stage, "pick")(pick, None, [tab.fields["strength"], seed, notice], **QUIET))
    session.sending.forms["image_to_image"] = own


def _find_sketch(uploaded: str) -> str:
    """The hash of the drawing that the pad uploaded. Raises ImageError if it could not."""
    return sketch_form.read_drawing(uploaded).sketch


def _wire_pad(tab: SketchToImageTab, session: PageSession, keeper: Keeper) -> None:
    """Samples bring their words; finished images come from any tab."""

    def name_sample(event: gr.EventData, prompt: str) -> str:
        known = drawing_pad.SAMPLES
        return known[event.name] if not prompt.strip() or prompt in known.values() else prompt

    def take(image: Path) -> Sequence[Update]:
        request, known = read_request(image), session.checkpoint_options
        written: dict[str, Any] = {}
        if request is not None:
            written = sketch_form.fill_from_other(request, known.find(form.find_checkpoint_name(request)))
        address = image_routes.locate(session.sending.folders.name(image))
        return [*(written.get(name, gr.skip()) for name in tab.fields), address]

    prompt = tab.fields["prompt"]
    keeper.after(on(tab.pad, "sample")(name_sample, prompt, prompt, **QUIET))
    taken = receive_images(NAME, session.sending, take, [*tab.fields.values(), tab.brought])
    keeper.after(taken)
    taken.then(None, tab.brought, tab.brought, js=drawing_pad.TAKE, **QUIET)
