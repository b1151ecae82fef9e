"""The fields of a tab's form: they follow the chosen checkpoint, and a browser keeps what was written in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.generate.samplers import SCHEDULERS
from ui.common import controls, form
from ui.common.actions import Actions
from ui.common.checkpoint_options import Checkpoint
from ui.common.generate_button import QUIET, Values
from ui.common.page_session import PageSession

Fields = dict[str, Component]
"""A component for every name in the tab's blank form (:data:`ui.common.form.BLANK` and what the tab adds)."""


def written(fields: Fields, values: Values) -> dict[str, Any]:
    """What stands in the form, by name."""
    return {name: values[field] for name, field in fields.items()}


def follow_checkpoint(fields: Fields, actions: Actions, used: Callable[[Checkpoint], Checkpoint] = lambda chosen: chosen) -> None:
    """Sizes, samplers and the meaning of empty fields are the chosen checkpoint's, as it is ``used`` on the tab."""
    offers = {"size": controls.size_choices, "scheduler": controls.scheduler_choices}

    def choose(checkpoint: str) -> list[Any]:
        chosen = used(actions.checkpoint_options.find(checkpoint))
        offered = [gr.update(choices=offer(chosen)["choices"]) for name, offer in offers.items() if name in fields]
        return offered + [gr.update(placeholder=controls.best(name, chosen)) for name in controls.BEST if name in fields]

    depends = [fields[name] for name in (*offers, *controls.BEST) if name in fields]
    fields["checkpoint"].change(choose, fields["checkpoint"], depends, **QUIET)  # type: ignore[attr-defined]


def keep(tab: str, fields: Fields, blank: Mapping[str, str], actions: Actions, page_session: PageSession) -> Keeper:
    """Keep the form in the browser while it is filled in, and put it back when the page opens."""
    store = page_session.forms[tab]

    def restore(values: Values) -> dict[Component, Any]:
        actions.checkpoint_options.look()
        found = form.kept(values[store], actions.checkpoint_options.checkpoints, SCHEDULERS, blank)
        # What somebody typed while the page was still opening stays, and so does what is blank anyway: it may be typed just now.
        # A field of a tab that was not opened yet may have no value.
        standing = written(fields, values)
        put_back: dict[Component, Any] = {
            fields[name]: found[name] for name in fields if standing[name] in (None, blank[name]) and found[name] != blank[name]
        }
        choices = controls.checkpoint_choices(actions.checkpoint_options.checkpoints)["choices"]
        put_back |= {fields[name]: update for name, update in _additions(found, actions).items() if name in fields}
        return put_back | {fields["checkpoint"]: gr.update(choices=choices, value=found["checkpoint"])}

    every = list(fields.values())
    keeper = Keeper(tab, fields, store)
    keeper.begin(page_session.arrived.then(restore, {store, *every}, every, **QUIET))
    if "lora" in fields and "prompt" in fields:
        add_loras(fields, keeper)
    return keeper


def _additions(found: Mapping[str, Any], actions: Actions) -> dict[str, Any]:
    """What can be added to a checkpoint, and what the browser kept of it, if it is still there."""
    updates: dict[str, Any] = {}
    for name, known in actions.checkpoint_options.additions.items():
        value = found.get(name, "") if found.get(name) in known else ""
        updates[name] = gr.update(choices=controls.addition_choices(name, known)["choices"], value=value)
    return updates


def add_loras(fields: Fields, keeper: Keeper) -> None:
    """A LoRA that is chosen from the list goes into the prompt, where its strength can be changed."""

    def add(prompt: str, lora: str) -> tuple[Any, str]:
        return (f"{prompt.rstrip()} <lora:{lora}:1>".lstrip() if lora else gr.skip()), ""

    chosen = [fields["prompt"], fields["lora"]]
    keeper.after(fields["lora"].input(add, chosen, chosen, **QUIET))  # type: ignore[attr-defined]


class Keeper:
    """Writes a form into the browser whenever it changes: typed, pasted, chosen, or filled by the page itself."""

    def __init__(self, tab: str, fields: Fields, store: gr.BrowserState) -> None:
        self._fields, self._store = list(fields.values()), store
        self._ready = f"document.documentElement.dataset.{tab}Form"
        # The form as one object is made in the browser: nothing is sent while somebody types.
        self._form = f"Object.fromEntries({json.dumps(list(fields))}.map((name, i) => [name, values[i]]))"

    def begin(self, restored: Dependency) -> None:
        """Keep every change once ``restored`` has put back what was kept; before, fields change because they appear."""
        told = restored.then(None, js=f"() => {{ {self._ready} = 'ready'; }}", **QUIET)
        self.after(told)
        # Gradio leaves an output alone where a script gives nothing for it.
        js = f"(...values) => {self._ready} ? {self._form} : undefined"
        changes = [field.change for field in self._fields]  # type: ignore[attr-defined]
        gr.on(changes, None, self._fields, self._store, js=js, **QUIET)

    def after(self, filled: Dependency) -> None:
        """Keep the form after ``filled`` has put something into it, be it into fields that are folded away."""
        filled.then(None, self._fields, self._store, js=f"(...values) => {self._form}", **QUIET)
