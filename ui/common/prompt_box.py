"""Shared by every tab with a prompt: presets, and how both prompts are read, shown while they are typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr

from engine.checkpoints.library.search_paths import find_wildcard_folders
from engine.errors import EaselError
from engine.prompt.presets import FILE, Preset, load_presets, read_presets, remove_preset, save_preset
from engine.prompt.variants import draw, has_variants
from engine.prompt.wildcards import Wildcards
from engine.settings import Settings
from ui import messages, sentences
from ui.common import controls, form
from ui.common.checkpoint_options import Checkpoint
from ui.common.fields import Fields, Keeper
from ui.common.page_session import PageSession
from ui.compat.listeners import QUIET, Update, on
from ui.templates import render_notice, render_notices
from ui.words import prompt_reading
from ui.words.panels import create_cards, create_chips, wire_words

FindCheckpoint = Callable[[str], Checkpoint]
"""The checkpoint that a value of the ``checkpoint`` field means."""


class Presets:
    """All current presets. The files are read each time, because the user may edit them."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._own = settings, settings.data / FILE

    def load(self) -> tuple[dict[str, Preset], str]:
        """The presets by name, the user's before others of the same name, and problems found in the files."""
        presets, troubles = load_presets(self._settings)
        return presets, render_notices(troubles, "trouble")

    def names(self) -> list[str]:
        """The names of all presets."""
        return list(self.load()[0])

    def use(self, name: str | None, prompt: str, negative_prompt: str) -> tuple[str, str, str]:
        """Both prompts with a preset applied, and what to show."""
        preset = self.load()[0].get(name or "")
        if preset is None:
            return prompt, negative_prompt, render_notice(messages.CHOOSE_PRESET, "trouble")
        return *preset.apply(prompt, negative_prompt), render_notice(sentences.applied_preset(preset.name))

    def save(self, name: str, prompt: str, negative_prompt: str) -> str:
        """Save both prompts as a preset and return what to show."""
        if not (prompt.strip() or negative_prompt.strip()):
            return render_notice(messages.EMPTY_PRESET, "trouble")
        try:
            save_preset(self._own, Preset(name.strip(), prompt, negative_prompt))
        except EaselError as error:
            return render_notice(str(error), "trouble")
        return render_notice(sentences.saved_preset(name.strip(), self._own))

    def remove(self, name: str | None) -> str:
        """Remove one of the user's own presets and return what to show."""
        try:
            if (name or "") not in {preset.name for preset in read_presets(self._own).presets}:
                return render_notice(sentences.foreign_preset(name, self._own), "trouble")
            remove_preset(self._own, name or "")
        except EaselError as error:
            return render_notice(str(error), "trouble")
        return render_notice(sentences.removed_preset(name or ""))


@dataclass(frozen=True)
class PresetBox(controls.SavedBox):
    """The components."""

    notice: gr.HTML


_WORDS = controls.SavedWords(
    chosen=messages.PRESET, use=messages.USE_PRESET, remove=messages.REMOVE_PRESET, name=messages.PRESET_NAME,
    help=messages.PRESET_HELP, save=messages.SAVE_PRESET,
)  # fmt: skip


@dataclass(frozen=True)
class PromptBox:
    """``warning`` warns before a button is pressed; the others are the folded boxes about the prompts."""

    tab: str
    warning: gr.HTML
    presets: PresetBox
    chips: gr.Accordion
    tokens: gr.HTML


def create_warning(tab: str) -> gr.HTML:
    """A line for warnings before a button is pressed."""
    return gr.HTML(elem_id=f"{tab}-summary", **controls.BARE)


def create_prompt_box(tab: str, session: PageSession, warning: gr.HTML) -> PromptBox:
    """Presets, and how both prompts are read, in the open column. ``warning`` is the tab's :func:`create_warning`."""
    presets = _create_preset_box(tab, Presets(session.settings))
    create_cards(tab)
    chips = create_chips(tab, session)
    with gr.Accordion(messages.READING, open=False):
        return PromptBox(tab, warning, presets, chips, gr.HTML(elem_id=f"{tab}-tokens", **controls.BARE))


def wire_prompt_box(
    box: PromptBox, fields: Fields, session: PageSession, keeper: Keeper, find: FindCheckpoint | None = None
) -> None:
    """Let the boxes follow the ``prompt``, ``negative_prompt``, ``checkpoint`` and, where there is one, ``guidance_scale`` of
    ``fields``. ``find`` is needed if the ``checkpoint`` field offers something other than text-to-image checkpoints.
    """
    _wire_reading(box, fields, session, find or session.checkpoint_options.find)
    wire_words(box.tab, box.chips, fields, session)
    _wire_presets(box.presets, Presets(session.settings), fields, session, keeper)


def _wire_reading(box: PromptBox, fields: Fields, session: PageSession, find: FindCheckpoint) -> None:
    def read(prompt: str | None, negative_prompt: str | None, checkpoint: str, guidance_scale: str = "") -> tuple[str, str]:
        # Fields that were never shown have no value yet.
        return read_prompts(prompt or "", negative_prompt or "", find(checkpoint), guidance_scale, session.settings)

    asked = [fields[name] for name in ("prompt", "negative_prompt", "checkpoint", "guidance_scale") if name in fields]
    changes = [on(field, "change") for field in asked]
    gr.on(changes, read, asked, [box.warning, box.tokens], trigger_mode="always_last", **QUIET)


def read_prompts(
    prompt: str, negative_prompt: str, chosen: Checkpoint, guidance_scale: str, settings: Settings
) -> tuple[str, str]:
    """How a checkpoint's text encoders read both prompts: a warning, and the tokens, as HTML."""
    varied = False
    try:
        varied = any(map(has_variants, (prompt, negative_prompt)))
        wildcards = Wildcards(find_wildcard_folders(settings))
        prompt, negative_prompt = (draw(text, 0, wildcards) for text in (prompt, negative_prompt))
        texts = prompt_reading.label_parts(form.LABELS["prompt"], prompt)
        if negative_prompt:
            texts[form.LABELS["negative_prompt"]] = negative_prompt
        read = {label: prompt_reading.read_with_checkpoint(text, chosen) for label, text in texts.items()}
    except EaselError as error:
        return render_notice(str(error), "trouble"), ""
    said = prompt_reading.render_warning(read.values(), chosen, settings.models)
    if negative_prompt.strip():
        said += render_notice(form.find_doubt(guidance_scale, chosen, prompt))
    return said, (render_notice(messages.ONE_OF_VARIANTS) if varied else "") + prompt_reading.render_readings(read)


def _create_preset_box(tab: str, presets: Presets) -> PresetBox:
    with gr.Accordion(messages.PRESETS, open=False, elem_id=f"{tab}-presets"):
        saved = controls.create_saved_box(tab, "preset", _WORDS, presets.names())
        notice = gr.HTML(elem_id=f"{tab}-presets-say", **controls.BARE)
    return PresetBox(**vars(saved), notice=notice)


def _wire_presets(box: PresetBox, presets: Presets, fields: Fields, session: PageSession, keeper: Keeper) -> None:
    """Let presets fill in the ``prompt`` and ``negative_prompt`` of ``fields``, and be saved from them."""

    def offer(value: str | None) -> Update:
        names = presets.names()
        return gr.update(choices=names, value=value if value in names else None)

    def save(name: str, prompt: str, negative_prompt: str) -> tuple[Update, str]:
        said = presets.save(name, prompt, negative_prompt)
        return offer(name.strip()), said

    def remove(name: str | None) -> tuple[Update, str]:
        said = presets.remove(name)
        return offer(name), said

    def look(value: str | None) -> tuple[Update, str]:
        return offer(value), presets.load()[1]

    prompts = [fields["prompt"], fields["negative_prompt"]]
    keeper.after(on(box.use, "click")(presets.use, [box.chosen, *prompts], [*prompts, box.notice], **QUIET))
    on(box.save, "click")(save, [box.name, *prompts], [box.chosen, box.notice], **QUIET)
    on(box.remove, "click")(remove, box.chosen, [box.chosen, box.notice], **QUIET)
    session.arrived.add(look, box.chosen, [box.chosen, box.notice])
    # Another tab or a text editor may have changed the file. The current choice stays.
    on(box.chosen, "focus")(lambda: gr.update(choices=presets.names()), None, box.chosen, **QUIET)
