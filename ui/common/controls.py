"""Rows and boxes that tabs share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.checkpoints.library.upscalers import BUILT_IN
from engine.generate.samplers import SCHEDULERS
from engine.requests import DTYPES, SPEEDS, StudyNegative
from ui import messages
from ui.common import form
from ui.common.checkpoint_options import Checkpoint

BARE: dict[str, Any] = {"padding": False, "apply_default_css": False}
"""For HTML that style.css alone dresses."""

NO_CORRECTION = gr.InputHTMLAttributes(autocorrect="off", spellcheck=False)


def prompt(tab: str, autofocus: bool = False) -> gr.Textbox:
    """The prompt. ``autofocus``: where the cursor is when the page opens. ``tab`` begins the ids of a tab's fields."""
    return gr.Textbox(
        label=form.LABELS["prompt"],
        info=messages.PROMPT_HELP,
        placeholder=messages.PROMPT_EXAMPLE,
        lines=3,
        max_lines=12,
        autofocus=autofocus,
        elem_id=f"{tab}-prompt",
        elem_classes="prompt",
        html_attributes=NO_CORRECTION,
    )


def negative_prompt(tab: str, lines: int = 1) -> gr.Textbox:
    """The negative prompt."""
    return gr.Textbox(
        label=form.LABELS["negative_prompt"],
        info=messages.WEIGHTS_HELP,
        placeholder=messages.NEGATIVE_HELP,
        lines=lines,
        max_lines=8,
        elem_id=f"{tab}-negative_prompt",
        elem_classes="negative",
        html_attributes=NO_CORRECTION,
    )


def press() -> tuple[gr.Button, gr.Button]:
    """Generate, and Stop, which shows while a job runs."""
    with gr.Row(elem_classes="press"):
        generate = gr.Button("Generate", variant="primary", size="lg", elem_classes="generate", scale=4)
        stop = gr.Button("Stop", variant="stop", size="lg", elem_classes="stop-job", scale=1, visible=False)
    return generate, stop


def says(tab: str) -> gr.HTML:
    """Where it is said why a press did nothing."""
    return gr.HTML(elem_id=f"{tab}-says", **BARE)


def settings(
    tab: str, known: Mapping[str, Checkpoint], chosen: Checkpoint, numbers: Sequence[str] = ("steps", "guidance_scale", "count")
) -> dict[str, Component]:
    """Everything beside the prompts that a request says. ``numbers``: fields that stand in one row."""
    made: dict[str, Component] = {}
    with gr.Row():
        made["checkpoint"] = choice(tab, "checkpoint", checkpoint_choices(known))
        made["size"] = size = choice(tab, "size", size_choices(chosen))
    with gr.Row(visible=False) as own_size:
        made["width"], made["height"] = (number(tab, name, best(name, chosen)) for name in ("width", "height"))
    with gr.Row():
        for name in numbers:
            made[name] = number(tab, name, best(name, chosen))
    with gr.Row():
        made["scheduler"] = choice(tab, "scheduler", scheduler_choices(chosen))
        made["seed"] = number(tab, "seed", messages.RANDOM_SEED)
    made |= running(tab)
    made |= additions(tab)
    size.change(lambda chosen: gr.update(visible=chosen == form.OWN_SIZE), size, own_size, show_progress="hidden")
    return made


def additions(tab: str) -> dict[str, Component]:
    """What is added to a checkpoint for a picture, and where its text encoder ends."""
    made: dict[str, Component] = {}
    with gr.Accordion(messages.ADDITIONS, open=False):
        with gr.Row():
            made["lora"] = choice(tab, "lora", addition_choices("lora", ()))
            made["vae"] = choice(tab, "vae", addition_choices("vae", ()))
        with gr.Row():
            made["refiner"] = choice(tab, "refiner", addition_choices("refiner", ()))
            made["refiner_start"] = number(tab, "refiner_start", "0.8")
            made["clip_skip"] = number(tab, "clip_skip", messages.LAST_LAYER)
    return made


def running(tab: str) -> dict[str, Component]:
    """How a picture is computed: exactly or quicker, and in which precision."""
    speeds = [(messages.SPEEDS[name], name) for name in SPEEDS]
    precisions = [(messages.AS_SET, "auto"), *((dtype, dtype) for dtype in DTYPES)]
    return {
        "speed": choice(tab, "speed", {"choices": speeds, "value": "exact", "info": messages.SPEED_HELP}),
        "precision": choice(tab, "precision", {"choices": precisions, "value": "auto"}),
    }


def outlook(tab: str) -> gr.HTML:
    """Where it is said, before Generate is pressed, whether it fits and about how long it takes."""
    return gr.HTML(elem_id=f"{tab}-outlook", **BARE)


def afterwards(tab: str) -> dict[str, Component]:
    """What is done with each picture once it is made."""
    return {"upscaler": choice(tab, "upscaler", addition_choices("upscaler", ()))}


NOTHING_ADDED: dict[str, str] = {
    "vae": messages.OWN_VAE, "lora": messages.ADD_LORA, "refiner": messages.NO_REFINER, "upscaler": messages.NOT_ENLARGED,
}  # fmt: skip
"""Field of something that is added to a checkpoint -> what it says while nothing is."""


def addition_choices(name: str, known: Sequence[str]) -> dict:
    """What there is to add, after nothing."""
    labels = {BUILT_IN: messages.BUILT_IN_UPSCALER}
    return {"choices": [(NOTHING_ADDED[name], ""), *((labels.get(each, each), each) for each in known)], "value": ""}


def checkpoint_choices(known: Mapping[str, Checkpoint]) -> dict:
    """What the checkpoint's dropdown offers, and its value at first."""
    return {"choices": [(each.label, each.name) for each in known.values()], "value": next(iter(known), None)}


def size_choices(chosen: Checkpoint) -> dict:
    """The presets in the pixels that they mean for a checkpoint."""
    presets = [(f"{name.capitalize()}, {' × '.join(map(str, form.preset(name, chosen)))}", name) for name in form.SIZES]
    return {"choices": [*presets, (messages.OWN_SIZE, form.OWN_SIZE)], "value": form.BLANK["size"]}


def scheduler_choices(chosen: Checkpoint) -> dict:
    """The samplers, after the one that the checkpoint is best run with."""
    return {"choices": [(f"Best here ({chosen.scheduler})", ""), *((name, name) for name in SCHEDULERS)], "value": ""}


BEST: dict[str, Callable[[Checkpoint], float]] = {
    "width": lambda chosen: chosen.native_size,
    "height": lambda chosen: chosen.native_size,
    "steps": lambda chosen: chosen.steps,
    "guidance_scale": lambda chosen: chosen.guidance_scale,
    "max_terms": lambda _chosen: StudyNegative.max_terms,
}
"""What an empty field means for a checkpoint."""


def best(name: str, chosen: Checkpoint) -> str:
    """What an empty field means for a checkpoint, as its placeholder."""
    return f"{BEST[name](chosen):g}" if name in BEST else ""


def choice(tab: str, name: str, offered: dict[str, Any]) -> gr.Dropdown:
    """A field with choices; ``offered`` has them, and the value at first."""
    return gr.Dropdown(**offered, label=form.LABELS[name], min_width=200, elem_id=f"{tab}-{name}")


def number(tab: str, name: str, placeholder: str) -> gr.Textbox:
    """A field for a number. ``placeholder`` says what it means when it is empty."""
    # A text box, not a number box: whatever is typed reaches the form, which answers in a sentence.
    return gr.Textbox(
        form.BLANK.get(name, ""),
        label=form.LABELS[name],
        placeholder=placeholder,
        min_width=90,
        max_lines=1,
        elem_id=f"{tab}-{name}",
        html_attributes=NO_CORRECTION,
    )
