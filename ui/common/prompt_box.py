"""What every tab with a prompt has beside its fields: presets, and how both prompts are read while they are typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui import messages
from ui.common import controls
from ui.common.actions import Actions
from ui.common.checkpoint_options import Checkpoint
from ui.common.fields import Fields, Keeper
from ui.common.generate_button import QUIET
from ui.common.page_session import PageSession
from ui.common.presets import Presets


@dataclass(frozen=True)
class PresetBox:
    """The components."""

    chosen: gr.Dropdown
    use: gr.Button
    remove: gr.Button
    named: gr.Textbox
    save: gr.Button
    says: gr.HTML


@dataclass(frozen=True)
class Boxes:
    """The folded boxes of a tab that have to do with its prompts."""

    presets: PresetBox
    tokens: gr.HTML


def summary(tab: str) -> gr.HTML:
    """Where it is said what should be known before a button is pressed."""
    return gr.HTML(elem_id=f"{tab}-summary", **controls.BARE)


def boxes(tab: str, known: Presets) -> Boxes:
    """Presets, and how both prompts are read, in the open column."""
    presets = _preset_box(tab, known)
    with gr.Accordion(messages.READING, open=False):
        return Boxes(presets, gr.HTML(elem_id=f"{tab}-tokens", **controls.BARE))


def wire(
    made: Boxes,
    says: gr.HTML,
    fields: Fields,
    actions: Actions,
    keeper: Keeper,
    page_session: PageSession,
    find: Callable[[str], Checkpoint] | None = None,
) -> None:
    """Let the boxes follow the ``prompt``, ``negative_prompt``, ``checkpoint`` and, where there is one, ``guidance_scale`` of
    ``fields``.

    ``says`` is the tab's :func:`summary`. ``find`` tells which checkpoint a value of the ``checkpoint`` field means, if not one
    that makes pictures from words.
    """
    _wire_reading(fields, says, made.tokens, actions, find or actions.checkpoint_options.find)
    _wire_presets(made.presets, actions.presets, fields, keeper, page_session)


def _wire_reading(fields: Fields, says: gr.HTML, tokens: gr.HTML, actions: Actions, find: Callable[[str], Checkpoint]) -> None:
    def read(prompt: str | None, negative_prompt: str | None, checkpoint: str, guidance_scale: str = "") -> tuple[str, str]:
        # Fields that were never shown have no value yet.
        return actions.read(prompt or "", negative_prompt or "", find(checkpoint), guidance_scale)

    asked = [fields[name] for name in ("prompt", "negative_prompt", "checkpoint", "guidance_scale") if name in fields]
    gr.on(
        [field.change for field in asked],  # type: ignore[attr-defined]
        read,
        asked,
        [says, tokens],
        trigger_mode="always_last",
        **QUIET,
    )


def _preset_box(tab: str, known: Presets) -> PresetBox:
    with gr.Accordion(messages.PRESETS, open=False, elem_id=f"{tab}-presets"):
        with gr.Row(elem_classes="aligned"):
            chosen = gr.Dropdown(list(known.all()[0]), value=None, label=messages.PRESET, elem_id=f"{tab}-preset", scale=3)
            use = gr.Button(messages.USE_PRESET, elem_id=f"{tab}-use-preset", scale=1, min_width=90)
            remove = gr.Button(messages.REMOVE_PRESET, elem_id=f"{tab}-remove-preset", scale=1, min_width=90)
        with gr.Row(elem_classes="aligned"):
            named = gr.Textbox(
                label=messages.PRESET_NAME,
                info=messages.PRESET_HELP,
                max_lines=1,
                elem_id=f"{tab}-preset-name",
                scale=3,
                html_attributes=controls.NO_CORRECTION,
            )
            save = gr.Button(messages.SAVE_PRESET, elem_id=f"{tab}-save-preset", scale=2, min_width=160)
        says = gr.HTML(elem_id=f"{tab}-presets-say", **controls.BARE)
    return PresetBox(chosen, use, remove, named, save, says)


def _wire_presets(box: PresetBox, known: Presets, fields: Fields, keeper: Keeper, page_session: PageSession) -> None:
    """Presets change the ``prompt`` and ``negative_prompt`` of ``fields``, and are made from them."""

    def offered(value: str | None) -> dict[str, Any]:
        names = list(known.all()[0])
        return gr.update(choices=names, value=value if value in names else None)

    def saved(name: str, prompt: str, negative_prompt: str) -> tuple[dict[str, Any], str]:
        said = known.save(name, prompt, negative_prompt)
        return offered(name.strip()), said

    def removed(name: str | None) -> tuple[dict[str, Any], str]:
        said = known.remove(name)
        return offered(name), said

    def look(value: str | None) -> tuple[dict[str, Any], str]:
        return offered(value), known.all()[1]

    prompts = [fields["prompt"], fields["negative_prompt"]]
    keeper.after(box.use.click(known.use, [box.chosen, *prompts], [*prompts, box.says], **QUIET))
    box.save.click(saved, [box.named, *prompts], [box.chosen, box.says], **QUIET)
    box.remove.click(removed, box.chosen, [box.chosen, box.says], **QUIET)
    page_session.arrived.then(look, box.chosen, [box.chosen, box.says], **QUIET)
    # Another tab, or a person with an editor, may have changed the file. What is being chosen just now stays chosen.
    box.chosen.focus(lambda: gr.update(choices=list(known.all()[0])), None, box.chosen, **QUIET)
