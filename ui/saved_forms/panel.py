"""The folded panel of a tab's saved forms: saved, filled in again, removed, exported and imported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from engine.errors import EaselError
from engine.generate.samplers import SCHEDULERS, SCHEDULES
from ui import messages, sentences
from ui.common import controls, form
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.fields import Fields, Keeper, read_fields
from ui.common.page_session import PageSession
from ui.compat.listeners import QUIET, Update, Values, on
from ui.saved_forms.store import FORMAT, SavedForm, SavedForms, read_form
from ui.templates import render_notice


@dataclass(frozen=True)
class FormBox:
    """The components."""

    tab: str
    chosen: gr.Dropdown
    use: gr.Button
    remove: gr.Button
    name: gr.Textbox
    save: gr.Button
    export: gr.Button
    bring: gr.UploadButton
    notice: gr.HTML


def create_form_box(tab: str) -> FormBox:
    """The panel, in the open column."""
    with gr.Accordion(messages.SAVED_FORMS, open=False, elem_id=f"{tab}-forms"):
        with gr.Row(elem_classes="aligned"):
            chosen = gr.Dropdown([], value=None, label=messages.SAVED_FORM, elem_id=f"{tab}-form", scale=3)
            use = gr.Button(messages.USE_FORM, elem_id=f"{tab}-use-form", scale=1, min_width=90)
            remove = gr.Button(messages.REMOVE_FORM, elem_id=f"{tab}-remove-form", scale=1, min_width=90)
        with gr.Row(elem_classes="aligned"):
            name = gr.Textbox(
                label=messages.FORM_NAME,
                info=messages.FORM_HELP,
                max_lines=1,
                elem_id=f"{tab}-form-name",
                scale=3,
                html_attributes=controls.NO_CORRECTION,
            )
            save = gr.Button(messages.SAVE_FORM, elem_id=f"{tab}-save-form", scale=2, min_width=120)
        with gr.Row(elem_classes="aligned"):
            export = gr.Button(messages.EXPORT_FORM, elem_id=f"{tab}-export-form")
            bring = gr.UploadButton(messages.IMPORT_FORM, file_types=[".json"], type="binary", elem_id=f"{tab}-import-form")
        notice = gr.HTML(elem_id=f"{tab}-forms-say", **controls.BARE)
    return FormBox(tab, chosen, use, remove, name, save, export, bring, notice)


def wire_form_box(box: FormBox, fields: Fields, blank: Mapping[str, form.Value], session: PageSession, keeper: Keeper) -> None:
    """Let the panel save and fill ``fields``, whose initial values are ``blank``."""
    saved, known, every = SavedForms(session.settings, box.tab), session.checkpoint_options, list(fields.values())

    def offer(value: str | None = None) -> tuple[Update, str]:
        try:
            names, said = list(saved.read()), ""
        except EaselError as error:
            names, said = [], render_notice(str(error), "trouble")
        return gr.update(choices=names, value=value if value in names else None), said

    def save(values: Values) -> dict[Component, Update]:
        name = str(values[box.name] or "").strip()
        try:
            saved.save(name, read_fields(fields, values))
        except EaselError as error:
            return {box.notice: render_notice(str(error), "trouble")}
        return {box.chosen: offer(name)[0], box.notice: render_notice(sentences.saved_form(name))}

    def remove(name: str | None) -> dict[Component, Update]:
        try:
            saved.remove(name or "")
        except EaselError as error:
            return {box.notice: render_notice(str(error), "trouble")}
        return {box.chosen: offer()[0], box.notice: render_notice(sentences.removed_form(name) if name else messages.CHOOSE_FORM)}

    def fill(found: SavedForm) -> dict[Component, Update]:
        values, lost = complete_form(found.fields, blank, known)
        said = render_notice(sentences.filled_form(found.name, lost))
        return {**{fields[name]: values[name] for name in fields}, box.notice: said}

    def use(name: str | None) -> dict[Component, Update]:
        try:
            found = saved.read().get(name or "")
        except EaselError as error:
            return {box.notice: render_notice(str(error), "trouble")}
        return fill(found) if found else {box.notice: render_notice(messages.CHOOSE_FORM, "trouble")}

    def bring(content: bytes) -> dict[Component, Update]:
        try:
            found = read_form(content, box.tab)
            saved.save(found.name, found.fields)
        except EaselError as error:
            return {box.notice: render_notice(str(error), "trouble")}
        return {**fill(found), box.chosen: offer(found.name)[0]}

    said = [box.chosen, box.notice]
    on(box.save, "click")(save, {box.name, *every}, said, **QUIET)
    on(box.remove, "click")(remove, box.chosen, said, **QUIET)
    keeper.after(on(box.use, "click")(use, box.chosen, [*every, box.notice], **QUIET))
    keeper.after(on(box.bring, "upload")(bring, box.bring, [*every, *said], **QUIET))
    on(box.export, "click")(None, [box.name, *every], None, js=_write_export(box.tab, list(fields)), **QUIET)
    session.arrived.then(offer, box.chosen, said, **QUIET)
    on(box.chosen, "focus")(lambda: offer()[0], None, box.chosen, **QUIET)


def complete_form(
    stored: Mapping[str, form.Value], blank: Mapping[str, form.Value], known: CheckpointOptions
) -> tuple[dict[str, form.Value], list[str]]:
    """A stored form as it can be filled in here, and the labels of what is not here or not a value of its field."""
    found = form.read_stored(stored, known.checkpoints, SCHEDULERS, blank, SCHEDULES)
    gone = {name: "" for name, names in known.additions.items() if found.get(name) and found[name] not in names}
    found |= gone
    lost = [name for name, value in stored.items() if value not in (None, "") and found.get(name) != value]
    return found, [form.LABELS.get(name, name) for name in lost]


def _write_export(tab: str, names: list[str]) -> str:
    """The script that saves the form as a file: nothing leaves the browser."""
    return (
        "(name, ...values) => {"
        f" const written = {{ {FORMAT}: 1, tab: {json.dumps(tab)}, name: name.trim() || {json.dumps(messages.UNNAMED_FORM)},"
        f" fields: Object.fromEntries({json.dumps(names)}.map((key, i) => [key, values[i]])) }};"
        " const link = document.createElement('a');"
        " link.href = URL.createObjectURL(new Blob([JSON.stringify(written, null, 1)], { type: 'application/json' }));"
        " link.download = `${written.name.replace(/[^\\p{L}\\p{N} _-]/gu, '_')}.json`;"
        " link.click(); URL.revokeObjectURL(link.href); }"
    )
