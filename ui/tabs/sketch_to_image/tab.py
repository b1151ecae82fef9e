"""The Sketch to image tab: the drawing pad, and what is painted from it, once or while somebody draws."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency
from gradio.processing_utils import save_file_to_cache

from engine.requests import FITS, ImageToImage, Request
from engine.seeds import draw_seed
from ui import messages
from ui.common import controls, estimate_updates, fields, form, prompt_box, result_view
from ui.common import generate_button as running
from ui.common.actions import Actions
from ui.common.checkpoint_options import Checkpoint
from ui.common.fields import Fields, Keeper
from ui.common.generate_button import QUIET, Bring, Running, Values
from ui.common.page_session import PageSession
from ui.common.send_to import Form, receive
from ui.server import image_routes
from ui.tabs.sketch_to_image import drawing_pad
from ui.tabs.sketch_to_image import form as sketch_form

NAME = "sketch"
LABEL = messages.SKETCH_TAB


@dataclass(frozen=True)
class Tab:
    """The tab's components. ``fields`` has one for every name in :data:`ui.tabs.sketch_to_image.form.BLANK`, ``handed`` what
    the pad
    said, ``brought`` the address of a picture that it is to take."""

    fields: Fields
    running: Running
    pad: gr.HTML
    handed: gr.Textbox
    brought: gr.Textbox
    words: gr.HTML
    explore: gr.Button
    live: gr.Checkbox
    live_checkpoint: gr.Dropdown
    summary: gr.HTML
    outlook: gr.HTML
    boxes: prompt_box.Boxes
    seen: gr.HTML
    seen_box: gr.Accordion
    depth: gr.File
    depth_box: gr.Accordion


def create_sketch_to_image_tab(actions: Actions, page_session: PageSession) -> Tab:
    """Make the tab inside the open ``gr.Tab``, with everything it does."""
    tab = _layout(actions)

    def ask(values: Values) -> ImageToImage:
        written = fields.written(tab.fields, values)
        handed = sketch_form.handed_in(values[tab.handed])
        checkpoint = actions.checkpoint_options.find(written["checkpoint"])
        depth = actions.keep_picture(values[tab.depth]) if checkpoint.reads_depth else ""
        return sketch_form.request(written, checkpoint, handed, depth)

    def expected(values: Values) -> ImageToImage:
        """What its cost goes by: the drawing itself need not be handed in for that."""
        written = fields.written(tab.fields, values)
        return sketch_form.request(written, actions.checkpoint_options.find(written["checkpoint"]), sketch_form.Handed(""))

    def explore(values: Values) -> ImageToImage:
        return sketch_form.explored(ask(values))

    inputs, bring = {*tab.fields.values(), tab.handed, tab.depth}, Bring(drawing_pad.HAND_IN, tab.handed)
    running.wire(tab.running, actions, page_session, inputs, ask, bring)
    running.press(tab.explore, tab.running, actions, page_session, inputs, explore, bring)
    # An empty width or height has the drawing's shape, whatever the checkpoint.
    followed = {name: field for name, field in tab.fields.items() if name not in ("width", "height")}
    fields.follow_checkpoint(followed, actions, lambda chosen: chosen.over_a_picture)
    keeper = fields.keep(NAME, tab.fields, sketch_form.BLANK, actions, page_session)
    prompt_box.wire(tab.boxes, tab.summary, tab.fields, actions, keeper, page_session)
    estimate_updates.wire(tab.outlook, tab.fields, actions, page_session, expected)
    _wire_strength(tab)
    _wire_seen(tab, actions, inputs, ask)
    _wire_live(tab, actions, page_session)
    _wire_result(tab, actions, page_session, keeper)
    _wire_pad(tab, page_session, keeper)
    return tab


def _layout(actions: Actions) -> Tab:
    known, chosen = actions.checkpoint_options.checkpoints, actions.checkpoint_options.find(None)
    with gr.Row(equal_height=False, elem_classes="studio sketching"):
        with gr.Column(elem_classes="compose"):
            pad = gr.HTML(drawing_pad.html(), js_on_load=drawing_pad.ON_LOAD, elem_id="pad", **controls.BARE)
            made, words, live = _under_the_pad()
            generate, stop, explore = _press()
            says = controls.says(NAME)
            summary = prompt_box.summary(NAME)
            outlook = controls.outlook(NAME)
        with gr.Column(elem_classes="result-side"):
            shown = result_view.create(NAME, result_view.blank(messages.SKETCH_HINT))
        with gr.Column(elem_classes="more"):
            made |= _settings(known, chosen.over_a_picture)
            boxes = prompt_box.boxes(NAME, actions.presets)
            own = {name: made.pop(name) for name in ("live_checkpoint", "seen", "seen_box", "depth", "depth_box")}
    return Tab(
        fields={name: made[name] for name in sketch_form.BLANK},
        running=Running(NAME, generate, stop, says, shown, gr.State("")),
        pad=pad,
        handed=gr.Textbox(visible=False),
        brought=gr.Textbox(visible=False),
        words=words,
        explore=explore,
        live=live,
        summary=summary,
        outlook=outlook,
        boxes=boxes,
        **own,
    )


def _under_the_pad() -> tuple[dict[str, Any], gr.HTML, gr.Checkbox]:
    with gr.Row(elem_classes="strength-row"):
        strength = gr.Slider(
            0, 1, sketch_form.BLANK["strength"], step=0.05, label=form.LABELS["strength"], elem_id=f"{NAME}-strength", scale=3
        )
        live = gr.Checkbox(label=messages.LIVE, elem_id=f"{NAME}-live", scale=2)
    words = gr.HTML(_meaning(sketch_form.BLANK["strength"]), elem_id=f"{NAME}-strength-words", **controls.BARE)
    made = {"strength": strength, "prompt": controls.prompt(NAME), "negative_prompt": controls.negative_prompt(NAME)}
    return made, words, live


def _press() -> tuple[gr.Button, gr.Button, gr.Button]:
    generate, stop = controls.press()
    explore = gr.Button(messages.EXPLORE, elem_id=f"{NAME}-explore", elem_classes="explore")
    return generate, stop, explore


def _settings(known: dict[str, Checkpoint], chosen: Checkpoint) -> dict[str, Any]:
    made: dict[str, Any] = {}
    with gr.Accordion(messages.SETTINGS, open=False):
        with gr.Row():
            made["checkpoint"] = controls.choice(NAME, "checkpoint", controls.checkpoint_choices(known))
            fits = {"choices": [(messages.FIT[each], each) for each in FITS], "value": sketch_form.BLANK["fit"]}
            made["fit"] = controls.choice(NAME, "fit", fits)
        with gr.Row():
            for name in ("width", "height"):
                made[name] = controls.number(NAME, name, messages.AS_DRAWN)
        with gr.Row():
            for name in ("steps", "guidance_scale", "count"):
                made[name] = controls.number(NAME, name, controls.best(name, chosen))
        with gr.Row():
            made["scheduler"] = controls.choice(NAME, "scheduler", controls.scheduler_choices(chosen))
            made["seed"] = controls.number(NAME, "seed", messages.RANDOM_SEED)
        made |= controls.running(NAME)
        with gr.Row():
            made["live_checkpoint"] = controls.choice(NAME, "live_checkpoint", _live_choices(known))
            made["live_steps"] = controls.number(NAME, "live_steps", str(sketch_form.live_steps(_quickest(known))))
        made |= controls.additions(NAME) | controls.afterwards(NAME)
    with gr.Accordion(messages.PART, open=False):
        made["only_masked"] = gr.Checkbox(label=messages.ONLY_MASKED, elem_id=f"{NAME}-only_masked")
        with gr.Row():
            for name, pixels in sketch_form.DEFAULTS.items():
                made[name] = controls.number(NAME, name, f"{pixels} pixels")
    with gr.Accordion(messages.DEPTH, open=False, visible=chosen.reads_depth) as made["depth_box"]:
        # A file, not a picture: the engine's own reader looks at it, and says what is wrong with it.
        made["depth"] = gr.File(label=messages.DEPTH_MAP, elem_id=f"{NAME}-depth")
    with gr.Accordion(messages.SEEN, open=False) as made["seen_box"]:
        made["seen"] = gr.HTML(elem_id=f"{NAME}-seen", **controls.BARE)
    return made


def _live_choices(known: dict[str, Checkpoint]) -> dict[str, Any]:
    quickest = messages.LIVE_BEST.format(label=_quickest(known).label)
    return {"choices": [(quickest, ""), *((each.label, each.name) for each in known.values())], "value": ""}


def _quickest(known: dict[str, Checkpoint]) -> Checkpoint:
    """The starter, where it is there: Live is made for it."""
    return next((each for each in known.values() if each.repertoire), next(iter(known.values())))


def _meaning(strength: float) -> str:
    words = next(words for least, words in reversed(messages.STRENGTHS.items()) if strength >= least)
    return f'<p class="strength-words">{words}</p>'


def _wire_strength(tab: Tab) -> None:
    rows = json.dumps(list(messages.STRENGTHS.items()))
    say = f'(strength) => [`<p class="strength-words">${{{rows}.findLast(([least]) => strength >= least)[1]}}</p>`]'
    tab.fields["strength"].change(None, tab.fields["strength"], tab.words, js=say, **QUIET)  # type: ignore[attr-defined]


def _wire_seen(tab: Tab, actions: Actions, inputs: set[Component], ask: Callable[[Values], ImageToImage]) -> None:
    """What the engine will see, when somebody looks and after each choice that changes it; and depth where it is read."""

    def look(values: Values) -> str:
        return actions.seen(lambda: ask(values))

    def offer_depth(checkpoint: str) -> dict[str, Any]:
        return gr.update(visible=actions.checkpoint_options.find(checkpoint).reads_depth)

    chosen = [tab.fields[name] for name in ("fit", "width", "height", "only_masked", "feather", "padding", "checkpoint")]
    handed = gr.on(
        [tab.seen_box.expand, *(field.input for field in chosen)],  # type: ignore[attr-defined]
        None,
        None,
        tab.handed,
        js=drawing_pad.HAND_IN,
        **QUIET,
    )
    handed.then(look, inputs, tab.seen, **QUIET)
    tab.fields["checkpoint"].change(offer_depth, tab.fields["checkpoint"], tab.depth_box, **QUIET)  # type: ignore[attr-defined]


def _wire_live(tab: Tab, actions: Actions, page_session: PageSession) -> None:
    async def repaint(values: Values, event: gr.EventData) -> AsyncIterator[str]:
        written = fields.written(tab.fields, values)
        known = actions.checkpoint_options.checkpoints
        chosen = known.get(values[tab.live_checkpoint]) or _quickest(known)

        def ask() -> ImageToImage:
            depth = actions.keep_picture(values[tab.depth]) if chosen.reads_depth else ""
            return sketch_form.live(written, chosen, sketch_form.handed_in(event.pad), depth)

        async for shown in actions.repaint(ask, values[page_session.page]):
            yield shown

    def switch(on: bool, seed: str) -> tuple[Any, ...]:
        # The seed stays while somebody draws, and Finish goes on from it.
        kept = str(draw_seed()) if on and not str(seed or "").strip() else gr.skip()
        return gr.update(value=messages.FINISH if on else messages.GENERATE), kept

    inputs = {*tab.fields.values(), tab.live_checkpoint, tab.depth, page_session.page}
    # Every stroke is heard, also while the one before is still painted: the queue ends that one.
    tab.pad.drawn(repaint, inputs, tab.running.stage, trigger_mode="multiple", **QUIET)
    switched = tab.live.change(switch, [tab.live, tab.fields["seed"]], [tab.running.generate, tab.fields["seed"]], **QUIET)
    switched.then(None, tab.live, None, js="(on) => { window.easelPad.setLive(on); }", **QUIET)
    changed = [tab.fields[name].change for name in ("strength", "prompt", "negative_prompt", "seed", "live_steps")]  # type: ignore[attr-defined]
    gr.on([*changed, tab.live_checkpoint.change], None, None, None, js="() => { window.easelPad.repaintSoon(); }", **QUIET)


def _wire_result(tab: Tab, actions: Actions, page_session: PageSession, keeper: Keeper) -> None:
    every = [*tab.fields.values(), tab.depth, tab.brought]

    def fill(made_with: Request) -> list[Any]:
        """The form that asks for a picture again, and the pictures that it was made from."""
        assert isinstance(made_with, ImageToImage)
        written = sketch_form.settings_of(made_with, actions.checkpoint_options.find(made_with.checkpoint))
        depth = actions.kept_picture(made_with.depth_image)
        lent = save_file_to_cache(depth, cache_dir=tab.depth.GRADIO_CACHE) if depth else None
        return [*(written[name] for name in tab.fields), lent, sketch_form.drawn(made_with)]

    def put_back(filled: Dependency) -> None:
        keeper.after(filled)
        filled.then(None, tab.brought, tab.brought, js=drawing_pad.RESTORE, **QUIET)

    def reuse(event: gr.EventData) -> tuple[Any, ...]:
        made_with, said = actions.made_with(event.picture)
        if not isinstance(made_with, ImageToImage):
            return *(gr.skip() for _ in every), said
        return *fill(made_with), said

    def pick(event: gr.EventData) -> tuple[Any, ...]:
        made_with, said = actions.made_with(event.picture)
        if not isinstance(made_with, ImageToImage):
            return gr.skip(), gr.skip(), said
        return made_with.strength, str(made_with.seed), result_view.says(messages.PICKED.format(strength=made_with.strength))

    def keep_seed(event: gr.EventData) -> tuple[Any, ...]:
        made_with, said = actions.made_with(event.picture)
        if made_with is None:
            return gr.skip(), said
        return str(made_with.seed), result_view.says(messages.SEED_KEPT.format(seed=made_with.seed))

    shown, says, seed = tab.running.stage, tab.running.says, tab.fields["seed"]
    put_back(shown.reuse(reuse, None, [*every, says], **QUIET))
    keeper.after(shown.pick(pick, None, [tab.fields["strength"], seed, says], **QUIET))
    keeper.after(shown.keep_seed(keep_seed, None, [seed, says], **QUIET))
    page_session.sending.forms["image_to_image"] = Form(LABEL, fill, every, put_back)


def _wire_pad(tab: Tab, page_session: PageSession, keeper: Keeper) -> None:
    """Samples bring their words; finished pictures come from any tab."""

    def name_sample(event: gr.EventData, prompt: str) -> str:
        known = drawing_pad.SAMPLES
        return known[event.name] if not prompt.strip() or prompt in known.values() else prompt

    def take(picture: Path) -> tuple[str]:
        return (image_routes.address(page_session.sending.outputs.resolve(), picture),)

    prompt = tab.fields["prompt"]
    keeper.after(tab.pad.sample(name_sample, prompt, prompt, **QUIET))
    taken = receive(NAME, page_session.sending, take, [tab.brought])
    taken.then(None, tab.brought, tab.brought, js=drawing_pad.TAKE, **QUIET)
