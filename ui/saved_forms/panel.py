"""The folded panel of a tab's saved forms: saved, filled in again, removed, exported and imported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.components import Component

from engine.errors import EaselError
from engine.generate.samplers import SCHEDULERS, SCHEDULES
from engine.safe_text import name_to_text
from ui import messages, sentences
from ui.common import controls, form
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.fields import Fields, Keeper, read_fields
from ui.common.page_session import PageSession
from ui.compat.listeners import QUIET, Update, Values, on
from ui.saved_forms.store import FORMAT, SavedForm, SavedForms, read_form_file
from ui.templates import join, render_notice, render_notices


@dataclass(frozen=True)
class FormBox(controls.SavedBox):
    """The components."""

    tab: str
    export: gr.Button
    bring: gr.UploadButton
    notice: gr.HTML


_WORDS = controls.SavedWords(
    chosen=messages.SAVED_FORM, use=messages.USE_FORM, remove=messages.REMOVE_FORM, name=messages.FORM_NAME,
    help=messages.FORM_HELP, save=messages.SAVE_FORM,
)  # fmt: skip


def create_form_box(tab: str) -> FormBox:
    """The panel, in the open column."""
    with gr.Accordion(messages.SAVED_FORMS, open=False, elem_id=f"{tab}-forms"):
        saved = controls.create_saved_box(tab, "form", _WORDS)
        with gr.Row(elem_classes="aligned"):
            export = gr.Button(messages.EXPORT_FORM, elem_id=f"{tab}-export-form")
            bring = gr.UploadButton(
                messages.IMPORT_FORM, file_count="multiple", file_types=[".json"], elem_id=f"{tab}-import-form"
            )
        notice = gr.HTML(elem_id=f"{tab}-forms-say", **controls.BARE)
    return FormBox(**vars(saved), tab=tab, export=export, bring=bring, notice=notice)


def wire_form_box(box: FormBox, fields: Fields, blank: Mapping[str, form.Value], session: PageSession, keeper: Keeper) -> None:
    """Let the panel save and fill ``fields``, whose initial values are ``blank``."""
    panel = FormPanel(box, fields, blank, SavedForms(session.settings, box.tab), session.checkpoint_options)
    every, said = list(fields.values()), [box.chosen, box.notice]
    on(box.save, "click")(panel.save, {box.name, *every}, said, **QUIET)
    on(box.remove, "click")(panel.remove, box.chosen, said, **QUIET)
    keeper.after(on(box.use, "click")(panel.use, box.chosen, [*every, box.notice], **QUIET))
    keeper.after(on(box.bring, "upload")(panel.bring, box.bring, [*every, *said], **QUIET))
    on(box.export, "click")(None, [box.name, *every], None, js=_write_export(box.tab, list(fields)), **QUIET)
    session.arrived.add(panel.offer, box.chosen, said)
    on(box.chosen, "focus")(panel.list_names, None, box.chosen, **QUIET)


@dataclass(frozen=True)
class FormPanel:
    """What the panel's buttons do. ``blank``: the initial values of ``fields``."""

    box: FormBox
    fields: Fields
    blank: Mapping[str, form.Value]
    saved: SavedForms
    known: CheckpointOptions

    def list_names(self, chosen: str | None = None) -> Update:
        return self.offer(chosen)[0]

    def offer(self, chosen: str | None = None) -> tuple[Update, str]:
        try:
            names, said = list(self.saved.read()), ""
        except EaselError as error:
            names, said = [], render_notice(str(error), "trouble")
        return gr.update(choices=names, value=chosen if chosen in names else None), said

    def save(self, values: Values) -> dict[Component, Update]:
        name = str(values[self.box.name] or "").strip()
        try:
            self.saved.save(name, read_fields(self.fields, values))
        except EaselError as error:
            return self._say(str(error), "trouble")
        return {self.box.chosen: self.list_names(name), **self._say(sentences.saved_form(name))}

    def remove(self, name: str | None) -> dict[Component, Update]:
        try:
            self.saved.remove(name or "")
        except EaselError as error:
            return self._say(str(error), "trouble")
        said = sentences.removed_form(name) if name else messages.CHOOSE_FORM
        return {self.box.chosen: self.list_names(), **self._say(said)}

    def use(self, name: str | None) -> dict[Component, Update]:
        try:
            found = self.saved.read().get(name or "")
        except EaselError as error:
            return self._say(str(error), "trouble")
        if found is None:
            return self._say(messages.CHOOSE_FORM, "trouble")
        filled, said = self._fill(found)
        return {**filled, **self._say(said)}

    def bring(self, paths: list[str] | None) -> dict[Component, Update]:
        """Save each form that is imported, fill the last one in, and say of each other file why it is none."""
        came: list[SavedForm] = []
        troubles: list[str] = []
        for path in map(Path, paths or ()):
            try:
                came.append(self.saved.add(read_form_file(path, self.box.tab)))
            except EaselError as error:
                troubles.append(sentences.form_trouble(name_to_text(path.name), str(error)))
        filled, said = self._fill(came[-1]) if came else ({}, "")
        several = sentences.imported_forms([each.name for each in came]) if len(came) > 1 else ""
        notices = join([render_notice(said), render_notice(several), render_notices(troubles, "trouble")])
        return {**filled, self.box.chosen: self.list_names(came[-1].name if came else None), self.box.notice: notices}

    def _fill(self, found: SavedForm) -> tuple[dict[Component, Update], str]:
        values, lost = complete_form(found.fields, self.blank, self.known)
        return {self.fields[name]: values[name] for name in self.fields}, sentences.filled_form(found.name, lost)

    def _say(self, text: str, kind: str = "note") -> dict[Component, Update]:
        return {self.box.notice: render_notice(text, kind)}


def complete_form(
    stored: Mapping[str, form.Value], blank: Mapping[str, form.Value], known: CheckpointOptions
) -> tuple[dict[str, form.Value], list[str]]:
    """A stored form as it can be filled in here, and the labels of what is not here or not a value of its field."""
    if "only_masked" in stored:  # a form of earlier versions
        stored = {"mask_area": "region" if stored["only_masked"] else "picture", **stored}
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
