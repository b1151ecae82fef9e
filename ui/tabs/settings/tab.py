"""The Settings tab: standing choices for all tabs, kept in a file that people can read."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components import Component

from engine.preferences import MOST_WATERMARK
from engine.requests import DTYPES
from ui import messages
from ui.common import controls
from ui.common.actions import Actions
from ui.common.fields import Fields, written
from ui.common.generate_button import QUIET, Values
from ui.common.page_session import PageSession

NAME = "settings"
LABEL = "Settings"


def create_settings_tab(actions: Actions, page_session: PageSession) -> Fields:
    """Make the tab inside the open ``gr.Tab``, with everything it does. A component for each standing choice, by name."""
    standing = actions.standing
    with gr.Column(elem_classes="standing"):
        with gr.Accordion(messages.MACHINE, open=False) as box:
            computer = gr.HTML(elem_id=f"{NAME}-machine", **controls.BARE)
        fields = _layout()
        # Nothing can be saved before what stands in the file has come: blank fields would be written over it.
        save = gr.Button(messages.SAVE, variant="primary", interactive=False, elem_id=f"{NAME}-save")
        says = controls.says(NAME)

    def read() -> dict[Component, Any]:
        known, said = standing.read()
        return {**{fields[name]: value for name, value in known.items()}, says: said, save: gr.update(interactive=True)}

    def keep(values: Values) -> str:
        return standing.save(written(fields, values))

    page_session.arrived.then(read, None, [*fields.values(), says, save], **QUIET)
    box.expand(actions.machine, None, computer, **QUIET)
    save.click(keep, set(fields.values()), says)
    return fields


def _layout() -> Fields:
    return {
        "extra_models": gr.Textbox(
            label=messages.EXTRA_MODELS, info=messages.EXTRA_MODELS_HELP, lines=3, elem_id=f"{NAME}-extra_models",
            html_attributes=controls.NO_CORRECTION,
        ),
        "precision": gr.Dropdown(
            ["auto", *DTYPES], value="auto", label=messages.PRECISION, info=messages.PRECISION_HELP, elem_id=f"{NAME}-precision",
        ),
        "compile": gr.Checkbox(label=messages.COMPILE, info=messages.COMPILE_HELP, elem_id=f"{NAME}-compile"),
        "leave_metadata_out": gr.Checkbox(
            label=messages.LEAVE_METADATA_OUT, info=messages.LEAVE_METADATA_OUT_HELP, elem_id=f"{NAME}-leave_metadata_out",
        ),
        "safety_checker": gr.Checkbox(
            label=messages.SAFETY_CHECKER, info=messages.SAFETY_CHECKER_HELP, elem_id=f"{NAME}-safety_checker",
        ),
        "watermark": gr.Textbox(
            label=messages.WATERMARK, info=messages.WATERMARK_HELP, max_lines=1, max_length=MOST_WATERMARK,
            elem_id=f"{NAME}-watermark", html_attributes=controls.NO_CORRECTION,
        ),
    }  # fmt: skip
