"""Components that several tabs share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import gradio as gr
from gradio.components import Component

from engine.checkpoints.library.upscalers import BUILT_IN
from engine.generate.samplers import SCHEDULERS, SCHEDULES
from engine.requests import DTYPES, GUIDANCES, SPEEDS, StudyNegative
from ui import messages, sentences
from ui.common import form
from ui.common.checkpoint_options import Checkpoint
from ui.compat.listeners import QUIET, Update, on

BARE: dict[str, Any] = {"padding": False, "apply_default_css": False}
"""For HTML styled by style.css alone."""


class Choices(TypedDict):
    """A field's choices as (label, value) pairs, its initial value, and a line of help."""

    choices: list[tuple[str, str]]
    value: str | None
    info: NotRequired[str]


NO_CORRECTION = gr.InputHTMLAttributes(autocorrect="off", spellcheck=False)


def create_prompt(tab: str, autofocus: bool = False, lines: int = 3) -> gr.Textbox:
    """The prompt. ``autofocus``: where the cursor is when the page opens. ``tab`` begins the ids of a tab's fields."""
    return gr.Textbox(
        label=form.LABELS["prompt"],
        info=messages.PROMPT_HELP,
        placeholder=messages.PROMPT_EXAMPLE,
        lines=lines,
        max_lines=12,
        autofocus=autofocus,
        elem_id=f"{tab}-prompt",
        elem_classes="prompt",
        html_attributes=NO_CORRECTION,
    )


def create_negative_prompt(tab: str, lines: int = 1) -> gr.Textbox:
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


def create_notice(tab: str) -> gr.HTML:
    """A line for the reason why a press did nothing."""
    return gr.HTML(elem_id=f"{tab}-says", **BARE)


def create_settings_line(
    tab: str, known: Mapping[str, Checkpoint], chosen: Checkpoint, names: Sequence[str] = ("checkpoint", "size", "count", "seed")
) -> dict[str, Component]:
    """What changes most often, always in sight; with the size come the fields of one's own."""
    offered = {"checkpoint": list_checkpoints(known), "size": list_sizes(chosen)}
    made: dict[str, Component] = {}
    with gr.Row(elem_classes="settings-line"):
        for name in names:
            if name in offered:
                made[name] = create_choice(tab, name, offered[name], scale=3, min_width=150)
            else:
                made[name] = create_number(tab, name, messages.RANDOM_SEED if name == "seed" else describe_best(name, chosen))
    if "size" in made:
        made |= _create_own_size(tab, chosen, made["size"])
    return made


def _create_own_size(tab: str, chosen: Checkpoint, size: Component) -> dict[str, Component]:
    with gr.Row(visible=False) as own_size:
        made: dict[str, Component] = {name: create_number(tab, name, describe_best(name, chosen)) for name in ("width", "height")}
    on(size, "change")(lambda chosen: gr.update(visible=chosen == form.OWN_SIZE), size, own_size, **QUIET)
    return made


@dataclass(frozen=True)
class SavedBox:
    """Things that are saved under names: one is chosen and used or removed, or another is saved."""

    chosen: gr.Dropdown
    use: gr.Button
    remove: gr.Button
    name: gr.Textbox
    save: gr.Button


@dataclass(frozen=True)
class SavedWords:
    """The labels of a :class:`SavedBox`, and the ``help`` for a name."""

    chosen: str
    use: str
    remove: str
    name: str
    help: str
    save: str


def create_saved_box(tab: str, kind: str, words: SavedWords, names: Sequence[str] = ()) -> SavedBox:
    """The two rows of the box for a ``kind`` of things, of which ``names`` are there."""
    with gr.Row(elem_classes="aligned"):
        chosen = gr.Dropdown(list(names), value=None, label=words.chosen, elem_id=f"{tab}-{kind}", scale=3)
        use = gr.Button(words.use, elem_id=f"{tab}-use-{kind}", scale=1, min_width=90)
        remove = gr.Button(words.remove, elem_id=f"{tab}-remove-{kind}", scale=1, min_width=90)
    with gr.Row(elem_classes="aligned"):
        name = gr.Textbox(
            label=words.name, info=words.help, max_lines=1, elem_id=f"{tab}-{kind}-name", scale=3, html_attributes=NO_CORRECTION,
        )  # fmt: skip
        save = gr.Button(words.save, elem_id=f"{tab}-save-{kind}", scale=2, min_width=140)
    return SavedBox(chosen, use, remove, name, save)


def create_settings(tab: str, chosen: Checkpoint, numbers: Sequence[str] = ("steps", "guidance_scale")) -> dict[str, Component]:
    """The fields of a request that are neither prompts nor in :func:`create_settings_line`. ``numbers`` stand in one row."""
    made: dict[str, Component] = {}
    with gr.Row():
        for name in numbers:
            made[name] = create_number(tab, name, describe_best(name, chosen))
    with gr.Row():
        made["scheduler"] = create_choice(tab, "scheduler", list_schedulers(chosen))
        made["schedule"] = create_choice(tab, "schedule", list_schedules())
    made |= create_execution(tab)
    made |= create_additions(tab)
    return made


def create_additions(tab: str) -> dict[str, Component]:
    """LoRA, VAE and refiner, the clip skip, the kind of guidance, and the variation of the seed."""
    made: dict[str, Component] = {}
    with gr.Accordion(messages.ADDITIONS, open=False):
        with gr.Row():
            made["lora"] = create_choice(tab, "lora", list_additions("lora", ()))
            made["vae"] = create_choice(tab, "vae", list_additions("vae", ()))
        with gr.Row():
            made["refiner"] = create_choice(tab, "refiner", list_additions("refiner", ()))
            made["refiner_start"] = create_number(tab, "refiner_start", "0.8")
            made["clip_skip"] = create_number(tab, "clip_skip", messages.LAST_LAYER)
        with gr.Row():
            guidances = [(messages.GUIDANCES[name], name) for name in GUIDANCES]
            offered: Choices = {"choices": guidances, "value": GUIDANCES[0], "info": messages.GUIDANCE_HELP}
            made["guidance"] = create_choice(tab, "guidance", offered)
            made["guidance_rescale"] = create_number(tab, "guidance_rescale", messages.OWN_RESCALE)
        with gr.Row():
            made["variation_strength"] = create_number(tab, "variation_strength", messages.NO_VARIATION)
            made["variation_seed"] = create_number(tab, "variation_seed", messages.RANDOM_SEED)
    return made


def create_execution(tab: str) -> dict[str, Component]:
    """How an image is computed: speed and precision."""
    speeds = [(messages.SPEEDS[name], name) for name in SPEEDS]
    precisions = [(messages.AS_SET, "auto"), *((dtype, dtype) for dtype in DTYPES)]
    return {
        "speed": create_choice(tab, "speed", {"choices": speeds, "value": "exact", "info": messages.SPEED_HELP}),
        "precision": create_choice(tab, "precision", {"choices": precisions, "value": "auto"}),
    }


def create_estimate(tab: str) -> gr.HTML:
    """The line that says, before Generate is pressed, whether the image fits into memory and how long it takes."""
    return gr.HTML(elem_id=f"{tab}-outlook", **BARE)


def create_afterwards(tab: str) -> dict[str, Component]:
    """What is done with each image once it is finished."""
    return {"upscaler": create_choice(tab, "upscaler", list_additions("upscaler", ()))}


NOTHING_ADDED: dict[str, str] = {
    "vae": messages.OWN_VAE, "lora": messages.ADD_LORA, "refiner": messages.NO_REFINER, "upscaler": messages.NOT_UPSCALED,
}  # fmt: skip
"""Field of an addition -> its text while nothing is chosen."""


def list_additions(name: str, known: Sequence[str]) -> Choices:
    """The choices of a field, "none" first."""
    labels = {BUILT_IN: messages.BUILT_IN_UPSCALER}
    return {"choices": [(NOTHING_ADDED[name], ""), *((labels.get(each, each), each) for each in known)], "value": ""}


def list_checkpoints(known: Mapping[str, Checkpoint]) -> Choices:
    """The choices of the checkpoint dropdown, and its initial value."""
    return {"choices": [(each.label, each.name) for each in known.values()], "value": next(iter(known), None)}


def list_sizes(chosen: Checkpoint) -> Choices:
    """The size presets, in pixels for a checkpoint."""
    if chosen.runs_itself:
        own = (messages.PIPELINES_OWN.capitalize(), form.BLANK["size"])
        return {"choices": [own, (messages.OWN_SIZE, form.OWN_SIZE)], "value": form.BLANK["size"]}
    presets = [(f"{name.capitalize()}, {' × '.join(map(str, form.size_preset(name, chosen)))}", name) for name in form.SIZES]
    return {"choices": [*presets, (messages.OWN_SIZE, form.OWN_SIZE)], "value": form.BLANK["size"]}


def list_schedulers(chosen: Checkpoint) -> Choices:
    """The samplers, the checkpoint's recommended one first."""
    return {"choices": [(f"Best here ({chosen.scheduler})", ""), *((name, name) for name in SCHEDULERS)], "value": ""}


def list_schedules() -> Choices:
    """The noise schedules, the one that is usual with the sampler first."""
    choices = [(messages.AUTOMATIC_SCHEDULE, ""), *((name, name) for name in SCHEDULES)]
    return {"choices": choices, "value": "", "info": messages.SCHEDULE_HELP}


BEST: dict[str, Callable[[Checkpoint], float]] = {
    "width": lambda chosen: chosen.native_size,
    "height": lambda chosen: chosen.native_size,
    "steps": lambda chosen: chosen.steps,
    "guidance_scale": lambda chosen: chosen.guidance_scale,
    "max_terms": lambda _chosen: StudyNegative.max_terms,
}
"""What an empty field means for a checkpoint."""


def describe_best(name: str, chosen: Checkpoint) -> str:
    """What an empty field means for a checkpoint, as its placeholder."""
    if name in BEST and chosen.runs_itself and name != "max_terms":
        return messages.PIPELINES_OWN
    return f"{BEST[name](chosen):g}" if name in BEST else ""


def create_choice(tab: str, name: str, offered: Choices, scale: int | None = None, min_width: int = 200) -> gr.Dropdown:
    """A dropdown; ``offered`` has its choices and its initial value."""
    return gr.Dropdown(**offered, label=form.LABELS[name], scale=scale, min_width=min_width, elem_id=f"{tab}-{name}")


def create_number(tab: str, name: str, placeholder: str) -> gr.Textbox:
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


def take_first(files: gr.File) -> None:
    """Of several files that are dropped keep the first, and say so: Gradio's field for one file drops the others in silence."""

    def keep(paths: list[str] | None) -> Update:
        if not paths or len(paths) == 1:
            return gr.skip()
        gr.Warning(sentences.only_first(len(paths), Path(paths[0]).name), duration=20)
        return paths[:1]

    on(files, "change")(keep, files, files, **QUIET)
