"""The folded panels of words beside the prompt, which every tab with a prompt has."""

from __future__ import annotations

import json

import gradio as gr

from ui import messages
from ui.common import controls
from ui.common.fields import Fields
from ui.common.page_session import PageSession
from ui.compat.listeners import QUIET, Update, on
from ui.words import model_cards, view


def create_chips(tab: str, session: PageSession) -> gr.Accordion:
    """The starter's words as chips, in the open column; shown while the starter is chosen."""
    known = session.checkpoint_options.find(None).repertoire
    with gr.Accordion(messages.REPERTOIRE, open=False, visible=known is not None) as folded:
        gr.HTML(view.render_frame(tab, view.CHIPS), js_on_load=view.ON_LOAD, elem_id=f"{tab}-chips", **controls.BARE)
    return folded


def create_cards(tab: str) -> None:
    """LoRAs and embeddings as cards, in the open column."""
    with gr.Accordion(messages.CARDS, open=False, elem_id=f"{tab}-card-box"):
        gr.HTML(view.render_frame(tab, model_cards.CARDS), js_on_load=view.ON_LOAD, elem_id=f"{tab}-cards", **controls.BARE)


def wire_words(tab: str, chips: gr.Accordion, fields: Fields, session: PageSession) -> None:
    """Let completion and the panels of ``tab`` follow its ``checkpoint``."""
    checkpoint = fields["checkpoint"]

    def show(name: str) -> Update:
        return gr.update(visible=session.checkpoint_options.find(name).repertoire is not None)

    note = f"(name) => {{ document.documentElement.dataset[{json.dumps(f'{tab}Checkpoint')}] = name ?? ''; }}"
    on(checkpoint, "change")(None, checkpoint, None, js=note, **QUIET)
    session.restored.add(note, [checkpoint])
    on(checkpoint, "change")(show, checkpoint, chips, **QUIET)
