"""Settings that were found in a picture go back into the form of the tab that makes such pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypedDict

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.generate.samplers import SCHEDULERS
from engine.records.recall import Recalled
from engine.requests import Request, kind_of
from ui import messages
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.generate_button import QUIET
from ui.common.send_to import Form, Sending

ANY = "text_to_image"
"""The kind of request whose form takes the words of every picture."""


class Known(TypedDict):
    """The names that there are here, as :func:`engine.records.recall.recall` takes them."""

    samplers: Collection[str]
    checkpoints: Collection[str]
    hashes: Mapping[str, str]


def known(checkpoint_options: CheckpointOptions) -> Known:
    """What the settings of an image are compared with."""
    entries = checkpoint_options.catalogue.checkpoints()
    hashes = {entry.sha256: entry.name for entry in entries if entry.sha256}
    return {"samplers": tuple(SCHEDULERS), "checkpoints": checkpoint_options.names(), "hashes": hashes}


def wire(
    listen: Callable[..., Dependency], find: Callable[..., Recalled | None], inputs: Sequence[Component] | None, sending: Sending
) -> None:
    """Let an event put settings back: ``find`` finds them in the event or in the values of ``inputs``, and says why if it
    cannot; then the form is filled, its tab opens, and what could not be honoured is said."""
    forms = sending.forms
    fields = [field for form in forms.values() for field in form.fields]

    def put_back(recalled: Recalled | None) -> list[Any]:
        if recalled is None:
            return [gr.skip() for _ in range(len(fields) + 1)]
        chosen = form_for(recalled.request, forms)
        for note in recalled.notes:
            gr.Warning(note, duration=20)
        gr.Info(messages.REUSED)
        values = [chosen.fill(recalled.request) if form is chosen else [gr.skip()] * len(form.fields) for form in forms.values()]
        return [value for filled in values for value in filled] + [gr.update(selected=chosen.tab)]

    def from_values(*values: Any) -> list[Any]:
        return put_back(find(*values))

    def from_event(event: gr.EventData) -> list[Any]:
        return put_back(find(event))

    filled = listen(from_values if inputs else from_event, inputs, [*fields, sending.tabs], **QUIET)
    for form in forms.values():
        form.kept(filled)


def form_for(request: Request, forms: dict[str, Form]) -> Form:
    """The form of the tab that makes such pictures; for a kind that has none, that of the words."""
    return forms.get(kind_of(request), forms[ANY])
