"""The fields of a tab's form: they follow the chosen checkpoint, and the browser keeps their values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.generate.samplers import SCHEDULERS, SCHEDULES
from ui.common import controls, form
from ui.common.checkpoint_options import Checkpoint, CheckpointOptions
from ui.common.moments import ScriptMoment
from ui.common.page_session import PageSession
from ui.compat.listeners import QUIET, Update, Values, on
from ui.templates import Macros

Fields = dict[str, Component]
"""A component for every name in the tab's blank form (:data:`ui.common.form.BLANK` and what the tab adds)."""


_HTML = Macros("common/changed_settings.html")

UseCheckpoint = Callable[[Checkpoint], Checkpoint]
"""The checkpoint with what is best for a tab."""


def read_fields(fields: Fields, values: Values) -> dict[str, Any]:
    """The values of the form, by name."""
    return {name: values[field] for name, field in fields.items()}


def follow_checkpoint(fields: Fields, known: CheckpointOptions, use: UseCheckpoint | None = None) -> None:
    """Update sizes, samplers and placeholders to those of the chosen checkpoint, as the tab ``use``s it."""
    names = [name for name in dict.fromkeys((*_OFFERS, *controls.BEST, *form.NOT_OF_PIPELINES)) if name in fields]

    def choose(checkpoint: str) -> list[Update]:
        chosen = known.find(checkpoint) if use is None else use(known.find(checkpoint))
        return [update_field(name, chosen) for name in names]

    on(fields["checkpoint"], "change")(choose, fields["checkpoint"], [fields[name] for name in names], **QUIET)


_OFFERS: Mapping[str, Callable[[Checkpoint], controls.Choices]] = {
    "size": controls.list_sizes, "scheduler": controls.list_schedulers,
}  # fmt: skip
"""Field -> its choices for a checkpoint."""


def update_field(name: str, chosen: Checkpoint) -> Update:
    """What a field offers, means and whether it shows, for a checkpoint."""
    changes: dict[str, Any] = {}
    if name in _OFFERS:
        changes["choices"] = _OFFERS[name](chosen)["choices"]
    if name in controls.BEST:
        changes["placeholder"] = controls.describe_best(name, chosen)
    if name in form.NOT_OF_PIPELINES:
        changes["visible"] = not chosen.runs_itself
    return gr.update(**changes)


_IN_SIGHT = (
    "prompt", "negative_prompt", "checkpoint", "size", "width", "height", "count", "seed", "strength", "lora", "max_terms",
    "keep_lines",
    "keep_colours", "lines_model", "lines_weight", "lines_start", "lines_end",
)  # fmt: skip
"""Fields that are not folded away, and the one that empties itself."""


def create_changed_line(tab: str, blank: Mapping[str, form.Value]) -> gr.HTML:
    """A line that says what is set among the folded fields of a tab."""
    folded = {name: value for name, value in blank.items() if name not in _IN_SIGHT}
    known = {"labels": {name: form.LABELS[name] for name in folded}, "blank": folded}
    return gr.HTML(_HTML.render("line", tab=tab, form=json.dumps(known)), **controls.BARE)


def keep_form(tab: str, fields: Fields, blank: Mapping[str, form.Value], session: PageSession) -> Keeper:
    """Keep the form in the browser while it is filled in, and put it back when the page opens."""
    store, known = session.forms[tab], session.checkpoint_options

    def restore(values: Values) -> dict[Component, Update]:
        found = form.read_stored(values[store], known.checkpoints, SCHEDULERS, blank, SCHEDULES)
        # What was typed while the page was still opening stays, and so do blank fields: they may be typed in right now.
        # A field of a tab that was not opened yet may have no value.
        current = read_fields(fields, values)
        put_back: dict[Component, Update] = {
            fields[name]: found[name] for name in fields if current[name] in (None, blank[name]) and found[name] != blank[name]
        }
        choices = controls.list_checkpoints(known.checkpoints)["choices"]
        put_back |= {fields[name]: update for name, update in _update_additions(found, known).items() if name in fields}
        return put_back | {fields["checkpoint"]: gr.update(choices=choices, value=found["checkpoint"])}

    def offer(chosen: str | None) -> dict[Component, Update]:
        """What is in the folders now; choices that were made stay."""
        updates: dict[Component, Update] = {
            fields[name]: gr.update(choices=controls.list_additions(name, names)["choices"])
            for name, names in known.additions.items()
            if name in fields
        }
        offered = controls.list_checkpoints(known.checkpoints)
        kept = chosen in known.checkpoints
        updates[fields["checkpoint"]] = gr.update(choices=offered["choices"]) if kept else gr.update(**offered)
        return updates

    every = list(fields.values())
    session.arrived.add(restore, {store, *every}, every)
    keeper = Keeper(tab, fields, store)
    keeper.begin(session.restored)
    session.scanned.add(offer, fields["checkpoint"], every)
    if "lora" in fields and "prompt" in fields:
        _wire_loras(fields, keeper)
    return keeper


def _update_additions(found: Mapping[str, form.Value], known: CheckpointOptions) -> dict[str, Update]:
    """The additions that fit a checkpoint, and the stored choices that are still there."""
    updates: dict[str, Update] = {}
    for name, names in known.additions.items():
        value = found.get(name, "") if found.get(name) in names else ""
        updates[name] = gr.update(choices=controls.list_additions(name, names)["choices"], value=value)
    return updates


def _wire_loras(fields: Fields, keeper: Keeper) -> None:
    """A LoRA that is chosen from the list goes into the prompt, where its strength can be changed."""

    def add(prompt: str, lora: str) -> tuple[Update, str]:
        return (f"{prompt.rstrip()} <lora:{lora}:1>".lstrip() if lora else gr.skip()), ""

    chosen = [fields["prompt"], fields["lora"]]
    keeper.after(on(fields["lora"], "input")(add, chosen, chosen, **QUIET))


class Keeper:
    """Stores a form in the browser whenever it changes, whoever changed it."""

    def __init__(self, tab: str, fields: Fields, store: gr.BrowserState) -> None:
        self._fields, self._store = list(fields.values()), store
        self._ready = f"document.documentElement.dataset.{tab}Form"
        # The browser builds the form as one object, so nothing is sent while somebody types.
        form = f"Object.fromEntries({json.dumps(list(fields))}.map((name, i) => [name, values[i]]))"
        self._form = f"((form) => {{ window.easelShowForm?.({json.dumps(tab)}, form); return form; }})({form})"

    def begin(self, restored: ScriptMoment) -> None:
        """Store every change once the stored form is ``restored``; before that, fields change because they appear."""
        restored.add(f"(...values) => {{ {self._ready} = 'ready'; return {self._form}; }}", self._fields, self._store)
        # Gradio leaves an output unchanged if a script returns nothing for it.
        js = f"(...values) => {self._ready} ? {self._form} : undefined"
        changes = [on(field, "change") for field in self._fields]
        gr.on(changes, None, self._fields, self._store, js=js, **QUIET)

    def after(self, filled: Dependency) -> None:
        """Store the form after ``filled`` has changed it, even in fields that are folded away."""
        filled.then(None, self._fields, self._store, js=f"(...values) => {self._form}", **QUIET)
