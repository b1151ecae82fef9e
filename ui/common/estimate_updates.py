"""The line under Generate: it follows the form, and a checkpoint that is chosen is loaded while the person still types."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from engine.requests import GenerationRequest
from ui.common.actions import Actions
from ui.common.fields import Fields
from ui.common.generate_button import QUIET, Values
from ui.common.page_session import PageSession

WATCHED = (
    "prompt", "checkpoint", "size", "width", "height", "steps", "guidance_scale", "count", "speed", "precision", "strength",
    "max_terms",
)  # fmt: skip
"""Fields that time and memory depend on; and the prompt, because the worker may be up only while it is typed."""


def wire(
    shown: gr.HTML, fields: Fields, actions: Actions, page_session: PageSession, ask: Callable[[Values], GenerationRequest]
) -> None:
    """``shown`` says what will come of ``ask(values of fields)``, which may raise EaselError."""

    def look(values: Values) -> str:
        return actions.outlook(lambda: ask(values))

    every = set(fields.values())
    changes = [fields[name].change for name in WATCHED if name in fields]  # type: ignore[attr-defined]
    gr.on(changes, look, every, shown, trigger_mode="always_last", **QUIET)
    page_session.arrived.then(look, every, shown, **QUIET)
    fields["checkpoint"].input(actions.warm, fields["checkpoint"], None, **QUIET)  # type: ignore[attr-defined]
